using System.Buffers;

using Tidemark.Core.MessagePack;
using Tidemark.Storage.Catalog;
using Tidemark.Storage.Log;

namespace Tidemark.Storage.Archive;

/// <summary>A moment to which an archive is complete: all entries up to its time, of all shards, are there. Bytes: docs/format/archive.md.</summary>
/// <param name="Time">The moment.</param>
/// <param name="Catalog">What the store was. Of its topics nothing is archived.</param>
/// <param name="Ends">By shard, the entry behind the last that is there.</param>
internal sealed record ArchivePoint(HybridTimestamp Time, StoreCatalog Catalog, IReadOnlyDictionary<long, long> Ends)
{
    internal const int HeaderSize = 32;
    internal const int MostBytes = CatalogFile.HeaderSize + (2 * CatalogFile.MaxContentBytes);

    private const int ContentAt = 12;
    private const int Fields = 3;

    private static ReadOnlySpan<byte> Magic => "TIDEPNT\n"u8;

    /// <summary>Whether the store was then what a catalog says.</summary>
    internal bool IsOf(StoreCatalog catalog) => CatalogFile.Encode(Catalog).AsSpan().SequenceEqual(CatalogFile.Encode(catalog));

    internal byte[] ToBytes()
    {
        var content = new ArrayBufferWriter<byte>();
        var writer = new MessagePackWriter(content);
        writer.WriteArrayHeader(Fields);
        writer.Write(Time.Value);
        writer.WriteArrayHeader(2 * Ends.Count);
        foreach ((long shardId, long end) in Ends)
        {
            writer.Write(shardId);
            writer.Write(end);
        }

        writer.Write(CatalogFile.Encode(Catalog));
        writer.Flush();

        byte[] bytes = new byte[HeaderSize + content.WrittenCount];
        Span<byte> header = bytes.AsSpan(0, HeaderSize);
        FileStamp.Write(header, Magic);
        FileStamp.WriteContent(header, ContentAt, content.WrittenSpan);
        FileStamp.Seal(header);
        content.WrittenSpan.CopyTo(bytes.AsSpan(HeaderSize));
        return bytes;
    }

    /// <exception cref="CorruptDataException">It is damaged.</exception>
    /// <exception cref="FormatMismatchException">It is none, or one of another version.</exception>
    internal static ArchivePoint Read(string name, ReadOnlySpan<byte> bytes)
    {
        FileStamp.Check(name, bytes, HeaderSize, Magic, "the header of an archive's point");
        ReadOnlySpan<byte> content = FileStamp.CheckContent(name, bytes, HeaderSize, ContentAt);
        try
        {
            var reader = new MessagePackReader(content);
            if (reader.ReadArrayHeader() != Fields) throw new MalformedDataException(0, $"a point has {Fields} fields");
            var time = new HybridTimestamp(reader.ReadUInt64());
            var ends = new SortedDictionary<long, long>();
            for (int left = reader.ReadArrayHeader() / 2; left > 0; left--) ends.Add(reader.ReadInt64(), reader.ReadInt64());
            StoreCatalog catalog = CatalogFile.Decode(name, reader.ReadBytes());
            reader.ReadEnd();
            return new ArchivePoint(time, catalog, ends);
        }
        catch (Exception fault) when (fault is MalformedDataException or ArgumentException)
        {
            throw new CorruptDataException(name, HeaderSize, "a point that makes sense", fault.Message);
        }
    }
}

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
        WriteEnds(ref writer, Ends);
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

    internal static void WriteEnds(ref MessagePackWriter writer, IReadOnlyDictionary<long, long> ends)
    {
        writer.WriteArrayHeader(2 * ends.Count);
        foreach ((long shardId, long end) in ends)
        {
            writer.Write(shardId);
            writer.Write(end);
        }
    }

    /// <exception cref="MalformedDataException">They make no sense.</exception>
    internal static SortedDictionary<long, long> ReadEnds(ref MessagePackReader reader)
    {
        int count = reader.ReadArrayHeader();
        if (count % 2 != 0) throw new MalformedDataException(reader.Consumed, $"shards with their ends, not {count} fields");
        var ends = new SortedDictionary<long, long>();
        for (; count > 0; count -= 2)
        {
            (long shardId, long end) = (reader.ReadInt64(), reader.ReadInt64());
            if (shardId < 0 || end < 0 || !ends.TryAdd(shardId, end)) throw new MalformedDataException(reader.Consumed, $"each shard once, not {shardId} up to {end}");
        }

        return ends;
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
            SortedDictionary<long, long> ends = ReadEnds(ref reader);
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

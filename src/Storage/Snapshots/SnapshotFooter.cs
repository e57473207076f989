using System.Buffers.Binary;

using Tidemark.Core.Hashing;
using Tidemark.Storage.Log;

namespace Tidemark.Storage.Snapshots;

/// <summary>The last 60 bytes of a snapshot file. Bytes: docs/format/snapshot.md.</summary>
/// <param name="Pieces">How many pieces there are.</param>
/// <param name="Bytes">The bytes of all pieces together.</param>
/// <param name="Digest">The SHA-256 of everything in front of it.</param>
internal readonly record struct SnapshotFooter(long Pieces, long Bytes, ContentId Digest)
{
    internal const int Size = 60;

    /// <summary>Where in the footer the digest stands: it covers the counts in front of it.</summary>
    internal const int DigestAt = 16;

    private const int MarkAt = DigestAt + ContentId.SizeInBytes;

    private static ReadOnlySpan<byte> Mark => "TIDEEND\n"u8;

    internal void Write(Span<byte> target)
    {
        target = target[..Size];
        WriteCounts(target, Pieces, Bytes);
        Digest.WriteTo(target[DigestAt..]);
        Mark.CopyTo(target[MarkAt..]);
        FileStamp.Seal(target);
    }

    /// <summary>Writes the bytes in front of the digest.</summary>
    internal static void WriteCounts(Span<byte> target, long pieces, long bytes)
    {
        BinaryPrimitives.WriteInt64LittleEndian(target, pieces);
        BinaryPrimitives.WriteInt64LittleEndian(target[8..], bytes);
    }

    /// <summary>Reads and checks a footer.</summary>
    /// <param name="file">The file's path, for errors.</param>
    /// <param name="position">Where in the file it stands, for errors.</param>
    /// <param name="source">Its bytes.</param>
    /// <exception cref="CorruptDataException">It is damaged, or the file ends before its end.</exception>
    internal static SnapshotFooter Read(string file, long position, ReadOnlySpan<byte> source)
    {
        ReadOnlySpan<byte> mark = source.Slice(MarkAt, Mark.Length);
        if (!mark.SequenceEqual(Mark)) throw new CorruptDataException(file, position + MarkAt, "the mark at a snapshot's end", Convert.ToHexString(mark));
        uint expected = Crc32C.Compute(source[..^4]);
        uint found = BinaryPrimitives.ReadUInt32LittleEndian(source[^4..]);
        if (expected != found)
            throw new CorruptDataException(file, position + Size - 4, $"checksum {FileStamp.Hex(expected)} of a footer", FileStamp.Hex(found));
        return new SnapshotFooter(
            BinaryPrimitives.ReadInt64LittleEndian(source),
            BinaryPrimitives.ReadInt64LittleEndian(source[8..]),
            ContentId.ReadFrom(source[DigestAt..]));
    }
}

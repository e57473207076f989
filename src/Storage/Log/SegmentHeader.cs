using System.Buffers.Binary;

namespace Tidemark.Storage.Log;

/// <summary>Whose log it is: stands in every file header, so that a stranger's file is refused.</summary>
internal readonly record struct LogIdentity(Guid StoreId, long ShardId)
{
    internal const int Size = 24;

    public override string ToString() => $"store {StoreId} shard {ShardId}";

    internal void Write(Span<byte> target)
    {
        StoreId.TryWriteBytes(target, bigEndian: true, out _);
        BinaryPrimitives.WriteInt64LittleEndian(target[16..], ShardId);
    }

    internal static LogIdentity Read(ReadOnlySpan<byte> source) =>
        new(new Guid(source[..16], bigEndian: true), BinaryPrimitives.ReadInt64LittleEndian(source[16..]));
}

/// <summary>The first 80 bytes of a segment file. Bytes: docs/format/segment.md.</summary>
/// <param name="Identity">The log the segment belongs to.</param>
/// <param name="FirstOffset">The offset of its first record, the same as in the file's name.</param>
/// <param name="Salt">Random, new each time a file becomes a segment: bytes of an earlier life never read as frames.</param>
/// <param name="PreviousTerm">The term of the record before the first, 0 in a log's very first segment.</param>
/// <param name="PreviousTimestamp">The timestamp of the record before the first, 0 in a log's very first segment: all of this segment's are above it.</param>
/// <param name="PreviousChain">The checksum of the previous segment's last frame, 0 in a log's very first segment.</param>
internal readonly record struct SegmentHeader(
    LogIdentity Identity, long FirstOffset, ulong Salt, long PreviousTerm, ulong PreviousTimestamp, uint PreviousChain)
{
    internal const int Size = 80;

    private static ReadOnlySpan<byte> Magic => "TIDESEG\n"u8;

    /// <summary>Writes the header and returns its checksum, the chain value of the segment's first frame.</summary>
    internal uint Write(Span<byte> target)
    {
        target = target[..Size];
        target.Clear();
        FileStamp.Write(target, Magic);
        Identity.Write(target[16..]);
        BinaryPrimitives.WriteInt64LittleEndian(target[40..], FirstOffset);
        BinaryPrimitives.WriteUInt64LittleEndian(target[48..], Salt);
        BinaryPrimitives.WriteInt64LittleEndian(target[56..], PreviousTerm);
        BinaryPrimitives.WriteUInt64LittleEndian(target[64..], PreviousTimestamp);
        BinaryPrimitives.WriteUInt32LittleEndian(target[72..], PreviousChain);
        return FileStamp.Seal(target);
    }

    /// <summary>Reads and checks a header.</summary>
    /// <param name="file">The file's path, for errors.</param>
    /// <param name="source">The file's first bytes, fewer than 80 where it is shorter.</param>
    /// <param name="chain">The header's checksum, the chain value of the segment's first frame.</param>
    /// <exception cref="CorruptDataException">The header is damaged.</exception>
    /// <exception cref="FormatMismatchException">The header is whole and of another version.</exception>
    internal static SegmentHeader Read(string file, ReadOnlySpan<byte> source, out uint chain)
    {
        chain = FileStamp.Check(file, source, Size, Magic, "a segment header");
        return new SegmentHeader(
            LogIdentity.Read(source[16..]),
            BinaryPrimitives.ReadInt64LittleEndian(source[40..]),
            BinaryPrimitives.ReadUInt64LittleEndian(source[48..]),
            BinaryPrimitives.ReadInt64LittleEndian(source[56..]),
            BinaryPrimitives.ReadUInt64LittleEndian(source[64..]),
            BinaryPrimitives.ReadUInt32LittleEndian(source[72..]));
    }
}

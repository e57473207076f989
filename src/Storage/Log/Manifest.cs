using System.Buffers.Binary;

namespace Tidemark.Storage.Log;

/// <summary>How a log was left.</summary>
internal enum ManifestState : byte
{
    /// <summary>In use, or crashed in use. All before the point had been flushed.</summary>
    Open = 1,

    /// <summary>Closed cleanly: the log ends at the point.</summary>
    Closed = 2,

    /// <summary>A truncation to the point has been decided and must be finished.</summary>
    Cutting = 3,
}

/// <summary>A place between two records.</summary>
/// <param name="Segment">First offset of the segment it lies in.</param>
/// <param name="Position">The byte in that segment.</param>
/// <param name="Offset">The offset after the last record before it.</param>
internal readonly record struct LogPoint(long Segment, long Position, long Offset);

/// <summary>The file that says whose log it is, where it starts and how it was left. Bytes: docs/format/segment.md.</summary>
internal readonly record struct Manifest(LogIdentity Identity, long Start, ManifestState State, LogPoint Point)
{
    internal const int Size = 128;

    private static ReadOnlySpan<byte> Magic => "TIDEMAN\n"u8;

    internal void Write(Span<byte> target)
    {
        target = target[..Size];
        target.Clear();
        FileStamp.Write(target, Magic);
        target[11] = (byte)State;
        Identity.Write(target[16..]);
        BinaryPrimitives.WriteInt64LittleEndian(target[40..], Start);
        BinaryPrimitives.WriteInt64LittleEndian(target[48..], Point.Segment);
        BinaryPrimitives.WriteInt64LittleEndian(target[56..], Point.Position);
        BinaryPrimitives.WriteInt64LittleEndian(target[64..], Point.Offset);
        FileStamp.Seal(target);
    }

    internal static Manifest Read(string file, ReadOnlySpan<byte> source)
    {
        FileStamp.Check(file, source, Size, Magic, "a log manifest");
        var manifest = new Manifest(
            LogIdentity.Read(source[16..]),
            BinaryPrimitives.ReadInt64LittleEndian(source[40..]),
            (ManifestState)source[11],
            new LogPoint(
                BinaryPrimitives.ReadInt64LittleEndian(source[48..]),
                BinaryPrimitives.ReadInt64LittleEndian(source[56..]),
                BinaryPrimitives.ReadInt64LittleEndian(source[64..])));
        if (!Enum.IsDefined(manifest.State)) throw new FormatMismatchException(file, "state 1, 2 or 3", $"state {source[11]}");
        return manifest;
    }
}

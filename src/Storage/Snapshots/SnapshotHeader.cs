using System.Buffers.Binary;

using Tidemark.Storage.Log;

namespace Tidemark.Storage.Snapshots;

/// <summary>The first 96 bytes of a snapshot file. Bytes: docs/format/snapshot.md.</summary>
/// <param name="Identity">Whose state it is.</param>
/// <param name="Position">The entry that was applied last.</param>
/// <param name="Hash">The state machine's hash there.</param>
internal readonly record struct SnapshotHeader(SnapshotIdentity Identity, StatePosition Position, StateHash Hash)
{
    internal const int Size = 96;

    private const int DigestAlgorithmAt = 11;
    private const int HashAlgorithmAt = 12;
    private const int TermAt = 40;
    internal const int OffsetAt = 48;

    private static ReadOnlySpan<byte> Magic => "TIDESNP\n"u8;

    /// <summary>Writes the header and returns its checksum, which the checksums of the pieces go on from.</summary>
    internal uint Write(Span<byte> target)
    {
        target = target[..Size];
        target.Clear();
        FileStamp.Write(target, Magic);
        target[DigestAlgorithmAt] = ContentId.Algorithm;
        target[HashAlgorithmAt] = StateHash.Algorithm;
        Identity.Write(target);
        BinaryPrimitives.WriteInt64LittleEndian(target[TermAt..], Position.Term);
        BinaryPrimitives.WriteInt64LittleEndian(target[OffsetAt..], Position.Offset);
        BinaryPrimitives.WriteUInt64LittleEndian(target[56..], Position.Timestamp.Value);
        BinaryPrimitives.WriteUInt64LittleEndian(target[64..], Hash.Low);
        BinaryPrimitives.WriteUInt64LittleEndian(target[72..], Hash.High);
        BinaryPrimitives.WriteInt64LittleEndian(target[80..], Hash.Rows);
        return FileStamp.Seal(target);
    }

    /// <summary>Reads and checks a header.</summary>
    /// <param name="file">The file's path, for errors.</param>
    /// <param name="source">The file's first bytes, fewer than 96 where it is shorter.</param>
    /// <param name="checksum">The header's checksum, which the checksums of the pieces go on from.</param>
    /// <exception cref="CorruptDataException">The header is damaged.</exception>
    /// <exception cref="FormatMismatchException">The header is whole, and of another version or with algorithms this one does not know.</exception>
    internal static SnapshotHeader Read(string file, ReadOnlySpan<byte> source, out uint checksum)
    {
        checksum = FileStamp.Check(file, source, Size, Magic, "a snapshot header");
        if (source[DigestAlgorithmAt] != ContentId.Algorithm || source[HashAlgorithmAt] != StateHash.Algorithm)
            throw new FormatMismatchException(file, $"digest algorithm {ContentId.Algorithm}, state hash algorithm {StateHash.Algorithm}",
                $"digest algorithm {source[DigestAlgorithmAt]}, state hash algorithm {source[HashAlgorithmAt]}");

        var position = new StatePosition(
            BinaryPrimitives.ReadInt64LittleEndian(source[TermAt..]),
            BinaryPrimitives.ReadInt64LittleEndian(source[OffsetAt..]),
            new HybridTimestamp(BinaryPrimitives.ReadUInt64LittleEndian(source[56..])));
        if (!IsPossible(position)) throw new CorruptDataException(file, TermAt, "a term of 0 or more and an offset of -1 or more", $"{position}");
        var hash = new StateHash(
            BinaryPrimitives.ReadUInt64LittleEndian(source[64..]),
            BinaryPrimitives.ReadUInt64LittleEndian(source[72..]),
            BinaryPrimitives.ReadInt64LittleEndian(source[80..]));
        return new SnapshotHeader(SnapshotIdentity.Read(source), position, hash);
    }

    /// <summary>Whether there can be such a position, and an offset after it.</summary>
    internal static bool IsPossible(StatePosition position) => position.Term >= 0 && position.Offset is >= -1 and < long.MaxValue;
}

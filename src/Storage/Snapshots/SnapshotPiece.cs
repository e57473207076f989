using System.Buffers.Binary;

using Tidemark.Core.Hashing;

namespace Tidemark.Storage.Snapshots;

/// <summary>The 8 bytes in front of a piece. Bytes: docs/format/snapshot.md.</summary>
internal static class SnapshotPiece
{
    internal const int HeaderSize = 8;

    /// <summary>The longest piece. A machine makes pieces of about a megabyte; only a single huge row takes more.</summary>
    internal const int MaxBytes = 128 * 1024 * 1024;

    internal static void WriteHeader(Span<byte> target, uint headerChecksum, long index, ReadOnlySpan<byte> piece)
    {
        BinaryPrimitives.WriteInt32LittleEndian(target, piece.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(target[4..], Checksum(headerChecksum, index, target, piece));
    }

    /// <summary>The length a piece claims to have.</summary>
    internal static uint Length(ReadOnlySpan<byte> header) => BinaryPrimitives.ReadUInt32LittleEndian(header);

    /// <summary>The checksum a piece was written with.</summary>
    internal static uint Checksum(ReadOnlySpan<byte> header) => BinaryPrimitives.ReadUInt32LittleEndian(header[4..]);

    /// <summary>The checksum a piece should have. It goes on from the file header's, so that it binds the piece to its file and its place.</summary>
    internal static uint Checksum(uint headerChecksum, long index, ReadOnlySpan<byte> header, ReadOnlySpan<byte> piece)
    {
        uint place = Crc32C.Append(headerChecksum, (ulong)index);
        return Crc32C.Append(Crc32C.Append(place, header[..4]), piece);
    }
}

using System.Buffers.Binary;
using System.Diagnostics;
using System.Numerics;
using System.Runtime.CompilerServices;

using Tidemark.Core.Hashing;

namespace Tidemark.Storage.Log;

/// <summary>What a frame is.</summary>
internal enum FrameType : byte
{
    /// <summary>One record.</summary>
    Record = 1,

    /// <summary>The last frame of a segment that has a successor.</summary>
    Seal = 2,
}

/// <summary>What a frame says beside its content.</summary>
[Flags]
internal enum FrameFlags : byte
{
    None = 0,

    /// <summary>The flush mark: all bytes before this frame had been flushed when it was written.</summary>
    FlushedBefore = 1,

    /// <summary>The next frame belongs to the same batch.</summary>
    MoreInBatch = 2,
}

/// <summary>The 48 bytes in front of a payload. Bytes: docs/format/segment.md.</summary>
/// <remarks>Its checksum covers the segment's salt, the frame's position and, by the chain, its predecessor: a frame is valid in one place only.</remarks>
internal readonly struct FrameHeader
{
    internal const int Size = 48;
    internal const int Alignment = 8;
    private const byte EndByte = 0x45;       // "E": the last byte of padding, so that a frame never ends in zero and a missing end shows.
    private const uint Sync = 0x4D41_5246;   // "FRAM": makes the last word of a header never zero, and a lost frame quick to find.

    internal uint Checksum { get; init; }

    internal uint PayloadChecksum { get; init; }

    internal uint Chain { get; init; }

    internal int PayloadLength { get; init; }

    internal long Offset { get; init; }

    internal long Term { get; init; }

    internal ulong Timestamp { get; init; }

    internal ushort Kind { get; init; }

    internal FrameType Type { get; init; }

    internal FrameFlags Flags { get; init; }

    internal int PaddedLength => Padded(PayloadLength);

    internal int FrameLength => Size + PaddedLength;

    internal bool IsFlushMark => (Flags & FrameFlags.FlushedBefore) != 0;

    internal bool EndsBatch => (Flags & FrameFlags.MoreInBatch) == 0;

    /// <summary>The bytes a payload takes with its padding: none, or the next multiple of 8 above it.</summary>
    internal static int Padded(int payloadLength) => payloadLength == 0 ? 0 : (payloadLength + Alignment) & ~(Alignment - 1);

    /// <summary>The start value of all header checksums in a segment.</summary>
    internal static uint Seed(ulong salt) => BitOperations.Crc32C(uint.MaxValue, salt);

    /// <summary>Writes a whole frame, header, payload and padding, and returns its checksum: the next frame's chain.</summary>
    /// <param name="target">At least <see cref="FrameLength"/> bytes.</param>
    /// <param name="seed"><see cref="Seed"/> of the segment's salt.</param>
    /// <param name="position">Where in the file the frame will stand.</param>
    /// <param name="header">Its fields; both checksums and the length are made here.</param>
    /// <param name="payload">Its payload.</param>
    internal static uint WriteFrame(Span<byte> target, uint seed, long position, in FrameHeader header, ReadOnlySpan<byte> payload)
    {
        int padded = Padded(payload.Length);
        Span<byte> body = target.Slice(Size, padded);
        payload.CopyTo(body);
        if (padded > 0)
        {
            body[payload.Length..].Clear();
            body[^1] = EndByte;
        }

        Span<byte> head = target[..Size];
        BinaryPrimitives.WriteUInt32LittleEndian(head[4..], Crc32C.Compute(body));
        BinaryPrimitives.WriteUInt32LittleEndian(head[8..], header.Chain);
        BinaryPrimitives.WriteInt32LittleEndian(head[12..], payload.Length);
        BinaryPrimitives.WriteInt64LittleEndian(head[16..], header.Offset);
        BinaryPrimitives.WriteInt64LittleEndian(head[24..], header.Term);
        BinaryPrimitives.WriteUInt64LittleEndian(head[32..], header.Timestamp);
        BinaryPrimitives.WriteUInt16LittleEndian(head[40..], header.Kind);
        head[42] = (byte)header.Type;
        head[43] = (byte)header.Flags;
        BinaryPrimitives.WriteUInt32LittleEndian(head[44..], Sync);
        uint checksum = HeaderChecksum(head, seed, position);
        BinaryPrimitives.WriteUInt32LittleEndian(head, checksum);
        return checksum;
    }

    /// <summary>Reads a header that is whole: its own checksum fits this place. The payload is not looked at.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static bool TryRead(ReadOnlySpan<byte> source, uint seed, long position, out FrameHeader header)
    {
        Debug.Assert(source.Length >= Size, "a header is read from 48 bytes or more");
        source = source[..Size];
        uint checksum = BinaryPrimitives.ReadUInt32LittleEndian(source);
        header = new FrameHeader
        {
            Checksum = checksum,
            PayloadChecksum = BinaryPrimitives.ReadUInt32LittleEndian(source[4..]),
            Chain = BinaryPrimitives.ReadUInt32LittleEndian(source[8..]),
            PayloadLength = BinaryPrimitives.ReadInt32LittleEndian(source[12..]),
            Offset = BinaryPrimitives.ReadInt64LittleEndian(source[16..]),
            Term = BinaryPrimitives.ReadInt64LittleEndian(source[24..]),
            Timestamp = BinaryPrimitives.ReadUInt64LittleEndian(source[32..]),
            Kind = BinaryPrimitives.ReadUInt16LittleEndian(source[40..]),
            Type = (FrameType)source[42],
            Flags = (FrameFlags)source[43],
        };
        return BinaryPrimitives.ReadUInt32LittleEndian(source[44..]) == Sync
            && HeaderChecksum(source, seed, position) == checksum
            && header.Type is FrameType.Record or FrameType.Seal
            && header.PayloadLength >= 0
            && header.Offset >= 0;
    }

    private static uint HeaderChecksum(ReadOnlySpan<byte> head, uint seed, long position)
    {
        uint crc = BitOperations.Crc32C(seed, (ulong)position);
        crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt32LittleEndian(head[4..]));
        crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(head[8..]));
        crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(head[16..]));
        crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(head[24..]));
        crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(head[32..]));
        return ~BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(head[40..]));
    }
}

using System.Buffers.Binary;

using Tidemark.Core.Hashing;

namespace Tidemark.Replication.Transport.Tcp;

/// <summary>What a frame is.</summary>
internal enum FrameKind : byte
{
    Hello = 1,
    Answer = 2,
    Message = 3,
    Ping = 4,
}

/// <summary>What stands at the front of received bytes.</summary>
internal enum FrameStatus
{
    /// <summary>A whole frame.</summary>
    Whole,

    /// <summary>Nothing wrong so far, but it goes on.</summary>
    Partial,

    /// <summary>The length is 0, or above the limit.</summary>
    BadLength,

    /// <summary>The checksum is of other bytes.</summary>
    BadChecksum,

    /// <summary>The checksum is right and the kind unknown.</summary>
    BadKind,
}

/// <summary>Frames as bytes, and back. Format: docs/format/transport.md.</summary>
internal static class Frame
{
    internal const int HeaderBytes = 9;

    private const int ChecksumAt = 4;
    private const int KindAt = 8;

    /// <summary>What each side sends before its first frame.</summary>
    internal static ReadOnlySpan<byte> Magic => "TMRK"u8;

    /// <summary>How many bytes a frame of that payload has.</summary>
    internal static int LengthOf(int payloadBytes) => HeaderBytes + payloadBytes;

    internal static uint Checksum(FrameKind kind, ReadOnlySpan<byte> payload) => Crc32C.Append(Crc32C.Compute([(byte)kind]), payload);

    /// <summary>Writes a frame of <see cref="LengthOf"/> bytes. The <see cref="Checksum"/> is given, so that it can be worked out where nobody waits for it.</summary>
    internal static void Write(Span<byte> target, FrameKind kind, ReadOnlySpan<byte> payload, uint checksum)
    {
        BinaryPrimitives.WriteInt32LittleEndian(target, payload.Length + 1);
        BinaryPrimitives.WriteUInt32LittleEndian(target[ChecksumAt..], checksum);
        target[KindAt] = (byte)kind;
        payload.CopyTo(target[HeaderBytes..]);
    }

    internal static byte[] ToArray(FrameKind kind, ReadOnlySpan<byte> payload)
    {
        byte[] frame = new byte[LengthOf(payload.Length)];
        Write(frame, kind, payload, Checksum(kind, payload));
        return frame;
    }

    /// <summary>Looks at what stands at the front. Makes no room for anything.</summary>
    internal static FrameStatus Read(ReadOnlySpan<byte> source, int maxPayloadBytes, out FrameKind kind, out ReadOnlySpan<byte> payload, out int frameBytes)
    {
        kind = default;
        payload = default;
        frameBytes = 0;
        if (source.Length < ChecksumAt) return FrameStatus.Partial;
        uint length = BinaryPrimitives.ReadUInt32LittleEndian(source);
        if (length == 0 || length - 1 > (uint)maxPayloadBytes) return FrameStatus.BadLength;
        if (source.Length < KindAt || (uint)(source.Length - KindAt) < length) return FrameStatus.Partial;
        ReadOnlySpan<byte> covered = source.Slice(KindAt, (int)length);
        if (Crc32C.Compute(covered) != BinaryPrimitives.ReadUInt32LittleEndian(source[ChecksumAt..])) return FrameStatus.BadChecksum;
        kind = (FrameKind)covered[0];
        if (kind is < FrameKind.Hello or > FrameKind.Ping) return FrameStatus.BadKind;
        payload = covered[1..];
        frameBytes = KindAt + (int)length;
        return FrameStatus.Whole;
    }
}

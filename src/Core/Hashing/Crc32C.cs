using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Tidemark.Core.Hashing;

/// <summary>CRC-32C (Castagnoli), the checksum of every record, frame, index and header. Finds damage, not forgery.</summary>
/// <remarks>
/// The processor's instruction takes 8 bytes a step but its answer is ready only three steps later, so one chain runs at a third of
/// its speed. Long inputs are therefore cut into three lanes whose chains run side by side, and the three results are joined with
/// the tables of <see cref="Crc32CShift"/>. Allocates nothing. Parameters and vectors: docs/format/hashing.md.
/// </remarks>
internal static class Crc32C
{
    // Joining three lanes costs about as much as 100 bytes of one chain: short lanes pay from 384 bytes on, long ones make it vanish.
    internal const int ShortLaneBytes = 128;
    internal const int LongLaneBytes = 2048;

    private static readonly Crc32CShift _overShortLane = new(ShortLaneBytes);
    private static readonly Crc32CShift _overLongLane = new(LongLaneBytes);

    /// <summary>The checksum of the bytes. That of no bytes is 0.</summary>
    public static uint Compute(ReadOnlySpan<byte> bytes) => Append(0, bytes);

    /// <summary>The checksum of what <paramref name="crc"/> covers followed by the bytes: <c>Append(Compute(a), b) == Compute(a + b)</c>.</summary>
    public static uint Append(uint crc, ReadOnlySpan<byte> bytes)
    {
        uint state = ~crc;
        ref byte at = ref MemoryMarshal.GetReference(bytes);
        nint left = bytes.Length;

        for (; left >= 3 * LongLaneBytes; left -= 3 * LongLaneBytes)
        {
            state = AppendLanes(state, ref at, LongLaneBytes, _overLongLane);
            at = ref Unsafe.Add(ref at, 3 * LongLaneBytes);
        }

        for (; left >= 3 * ShortLaneBytes; left -= 3 * ShortLaneBytes)
        {
            state = AppendLanes(state, ref at, ShortLaneBytes, _overShortLane);
            at = ref Unsafe.Add(ref at, 3 * ShortLaneBytes);
        }

        nint i = 0;
        for (; i <= left - sizeof(ulong); i += sizeof(ulong)) state = BitOperations.Crc32C(state, ReadLittleEndian(ref Unsafe.Add(ref at, i)));
        for (; i < left; i++) state = BitOperations.Crc32C(state, Unsafe.Add(ref at, i));
        return ~state;
    }

    /// <summary>The checksum of what <paramref name="crc"/> covers followed by the value's 8 bytes, lowest first.</summary>
    public static uint Append(uint crc, ulong value) => ~BitOperations.Crc32C(~crc, value);

    /// <summary>Runs three chains over three adjacent lanes. The second and third start from 0, so that the first two can be shifted on to them.</summary>
    private static uint AppendLanes(uint state, ref byte start, nint laneBytes, Crc32CShift overLane)
    {
        uint first = state, second = 0, third = 0;
        for (nint i = 0; i < laneBytes; i += sizeof(ulong))
        {
            ref byte at = ref Unsafe.Add(ref start, i);
            first = BitOperations.Crc32C(first, ReadLittleEndian(ref at));
            second = BitOperations.Crc32C(second, ReadLittleEndian(ref Unsafe.Add(ref at, laneBytes)));
            third = BitOperations.Crc32C(third, ReadLittleEndian(ref Unsafe.Add(ref at, 2 * laneBytes)));
        }

        return overLane.Apply(overLane.Apply(first) ^ second) ^ third;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong ReadLittleEndian(ref byte at)
    {
        ulong value = Unsafe.ReadUnaligned<ulong>(ref at);
        return BitConverter.IsLittleEndian ? value : BinaryPrimitives.ReverseEndianness(value);
    }
}

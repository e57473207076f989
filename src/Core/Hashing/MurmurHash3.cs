using System.Buffers.Binary;
using System.Numerics;

namespace Tidemark.Core.Hashing;

/// <summary>MurmurHash3 x86 32, the hash that spreads shards over executors. Shaped like the classes of System.IO.Hashing.</summary>
/// <remarks>Public-domain algorithm by Austin Appleby. Allocates nothing. Vectors: docs/format/hashing.md.</remarks>
internal static class MurmurHash3
{
    private const uint Factor1 = 0xCC9E2D51, Factor2 = 0x1B873593;

    /// <summary>The hash of the bytes.</summary>
    public static uint HashToUInt32(ReadOnlySpan<byte> source, int seed = 0)
    {
        uint length = (uint)source.Length;
        uint hash = (uint)seed;
        for (; source.Length >= sizeof(uint); source = source[sizeof(uint)..])
            hash = (BitOperations.RotateLeft(hash ^ Scramble(BinaryPrimitives.ReadUInt32LittleEndian(source)), 13) * 5) + 0xE6546B64;

        uint tail = 0;
        for (int i = source.Length - 1; i >= 0; i--) tail = (tail << 8) | source[i];
        hash ^= Scramble(tail);   // No tail scrambles to 0.

        hash ^= length;
        hash = (hash ^ (hash >> 16)) * 0x85EBCA6B;
        hash = (hash ^ (hash >> 13)) * 0xC2B2AE35;
        return hash ^ (hash >> 16);
    }

    private static uint Scramble(uint block) => BitOperations.RotateLeft(block * Factor1, 15) * Factor2;
}

using System.Buffers.Binary;
using System.Numerics;

namespace Tidemark.Core.Hashing;

/// <summary>XXH32, the hash that spreads routing keys over shards. Shaped like the class of that name in System.IO.Hashing.</summary>
/// <remarks>Public-domain algorithm by Yann Collet. Allocates nothing. Vectors: docs/format/hashing.md.</remarks>
internal static class XxHash32
{
    private const uint Prime1 = 0x9E3779B1, Prime2 = 0x85EBCA77, Prime3 = 0xC2B2AE3D, Prime4 = 0x27D4EB2F, Prime5 = 0x165667B1;
    private const int StripeBytes = 16;

    /// <summary>The hash of the bytes.</summary>
    public static uint HashToUInt32(ReadOnlySpan<byte> source, int seed = 0)
    {
        uint length = (uint)source.Length;
        uint hash;
        if (source.Length >= StripeBytes)
        {
            uint a = (uint)seed + Prime1 + Prime2, b = (uint)seed + Prime2, c = (uint)seed, d = (uint)seed - Prime1;
            for (; source.Length >= StripeBytes; source = source[StripeBytes..])
            {
                a = Round(a, BinaryPrimitives.ReadUInt32LittleEndian(source));
                b = Round(b, BinaryPrimitives.ReadUInt32LittleEndian(source[4..]));
                c = Round(c, BinaryPrimitives.ReadUInt32LittleEndian(source[8..]));
                d = Round(d, BinaryPrimitives.ReadUInt32LittleEndian(source[12..]));
            }

            hash = BitOperations.RotateLeft(a, 1) + BitOperations.RotateLeft(b, 7) + BitOperations.RotateLeft(c, 12) + BitOperations.RotateLeft(d, 18);
        }
        else
        {
            hash = (uint)seed + Prime5;
        }

        hash += length;
        for (; source.Length >= sizeof(uint); source = source[sizeof(uint)..])
            hash = BitOperations.RotateLeft(hash + (BinaryPrimitives.ReadUInt32LittleEndian(source) * Prime3), 17) * Prime4;
        foreach (byte value in source)
            hash = BitOperations.RotateLeft(hash + (value * Prime5), 11) * Prime1;

        hash = (hash ^ (hash >> 15)) * Prime2;
        hash = (hash ^ (hash >> 13)) * Prime3;
        return hash ^ (hash >> 16);
    }

    private static uint Round(uint lane, uint input) => BitOperations.RotateLeft(lane + (input * Prime2), 13) * Prime1;
}

using System.Diagnostics.CodeAnalysis;
using System.Text;
using Tidemark.Core.Hashing;

namespace Tidemark.Bench;

/// <summary>Rows as a shard has them: 24-byte keys in hierarchical order, /user/ and sixteen digits, that share most of their bytes.</summary>
internal static class TreeRows
{
    public const int KeyBytes = 24;

    public static byte[] Value { get; } = new byte[100];   // One for all: what is measured is the way to it.

    /// <summary>The keys of the numbers below <paramref name="count"/> times <paramref name="step"/> that give a remainder, in random order.</summary>
    public static byte[][] Keys(int count, int step = 1, int remainder = 0)
    {
        byte[][] keys = [.. Enumerable.Range(0, count).Select(i => Key(((long)i * step) + remainder))];
        new Random(count + remainder).Shuffle(keys);
        return keys;
    }

    /// <summary>The keys one behind the other in another random order, so that reading what to look for costs no cache miss.</summary>
    public static byte[] Sought(byte[][] keys, int seed)
    {
        byte[][] shuffled = [.. keys];
        new Random(seed).Shuffle(shuffled);
        return [.. shuffled.SelectMany(key => key)];
    }

    private static byte[] Key(long number)
    {
        byte[] plain = Encoding.ASCII.GetBytes($"/user/{number:0000000000000000}");
        byte[] key = new byte[KeyOrder.Hierarchical.GetEncodedLength(plain)];
        KeyOrder.Hierarchical.Encode(plain, key);
        return key;
    }

    /// <summary>Compares as the tree does.</summary>
    public static IComparer<byte[]> Order { get; } = Comparer<byte[]>.Create((left, right) => left.AsSpan().SequenceCompareTo(right));

    /// <summary>For the hash table that is the floor of a get.</summary>
    internal sealed class Hashing : IEqualityComparer<byte[]>, IAlternateEqualityComparer<ReadOnlySpan<byte>, byte[]>
    {
        public bool Equals(byte[]? left, byte[]? right) => left.AsSpan().SequenceEqual(right);

        public int GetHashCode([DisallowNull] byte[] key) => GetHashCode(key.AsSpan());

        public bool Equals(ReadOnlySpan<byte> left, byte[] right) => left.SequenceEqual(right);

        public int GetHashCode(ReadOnlySpan<byte> key) => (int)XxHash32.HashToUInt32(key);

        public byte[] Create(ReadOnlySpan<byte> key) => key.ToArray();
    }
}

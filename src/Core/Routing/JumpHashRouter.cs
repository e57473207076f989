using Tidemark.Core.Hashing;

namespace Tidemark;

/// <summary>Jump consistent hash: growing from n to n + 1 shards moves about 1/(n + 1) of the keys, all of them to the new shard.</summary>
/// <remarks>
/// For shards numbered 0 to n - 1 that are only ever added or removed at the end; choose <see cref="HashRangeRouter"/> where a single
/// shard must be split. Algorithm by Lamping and Veach (2014) over the key's XxHash32. Immutable. A route takes about ln(n) steps and allocates nothing.
/// </remarks>
public sealed class JumpHashRouter : IShardRouter
{
    /// <summary>Spreads keys over the shards 0 to <paramref name="shardCount"/> - 1.</summary>
    /// <param name="shardCount">1 or more.</param>
    public JumpHashRouter(int shardCount)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(shardCount);
        ShardCount = shardCount;
    }

    /// <inheritdoc/>
    public int ShardCount { get; }

    /// <inheritdoc/>
    public long Route(ReadOnlySpan<byte> routingKey) => Jump(XxHash32.HashToUInt32(routingKey), ShardCount);

    /// <summary>The bucket of a key among the buckets 0 to <paramref name="buckets"/> - 1.</summary>
    /// <remarks>
    /// The key seeds a generator that says at which counts of buckets the key would move; the last move within the count is where it
    /// lives. Doubles are exact enough to be part of the format: one division and one product of IEEE 754 give the same bits everywhere.
    /// </remarks>
    internal static int Jump(ulong key, int buckets)
    {
        long bucket = -1;
        for (long next = 0; next < buckets;)
        {
            bucket = next;
            key = unchecked((key * 2862933555777941757UL) + 1);
            next = (long)((bucket + 1) * ((1L << 31) / (double)((key >> 33) + 1)));
        }

        return (int)bucket;
    }
}

using System.Buffers.Binary;
using Tidemark.Core.Hashing;

namespace Tidemark.Core.Routing;

/// <summary>Says which of a node's executors (threads that run shards) takes which shard.</summary>
/// <remarks>
/// Nothing is stored: a shard is placed when it starts. Few shards are dealt out in turn, because a hash of few numbers is lumpy: it puts
/// three of the shards 0 to 3 on one of four executors. Many are placed by hash, so that adding or removing one moves no other.
/// </remarks>
internal static class ShardPlacement
{
    /// <summary>The most executors the 16 bits of the hash can name.</summary>
    public const int MaxExecutorCount = 1 << 16;

    /// <summary>With fewer shards than this on an executor on average, they are dealt out in turn.</summary>
    public const int ShardsPerExecutorForHash = 8;

    /// <summary>Places shards on executors.</summary>
    /// <param name="shardIds">The shards of the node, ascending, each once.</param>
    /// <param name="executorCount">1 to <see cref="MaxExecutorCount"/>.</param>
    /// <param name="executors">Gets the executor of each shard, 0 to <paramref name="executorCount"/> - 1. As long as <paramref name="shardIds"/>.</param>
    public static void Place(ReadOnlySpan<long> shardIds, int executorCount, Span<int> executors)
    {
        RequireExecutorCount(executorCount);
        if (executors.Length != shardIds.Length) throw new ArgumentException("One place is needed for each shard.", nameof(executors));
        bool inTurn = shardIds.Length < (long)ShardsPerExecutorForHash * executorCount;
        for (int i = 0; i < shardIds.Length; i++)
        {
            if (i > 0 && shardIds[i] <= shardIds[i - 1]) throw new ArgumentException("Shard ids ascend, each once.", nameof(shardIds));
            executors[i] = inTurn ? i % executorCount : PlaceByHash(shardIds[i], executorCount);
        }
    }

    /// <summary>The executor of one shard among many, whatever the others are.</summary>
    public static int PlaceByHash(long shardId, int executorCount)
    {
        RequireExecutorCount(executorCount);
        Span<byte> bytes = stackalloc byte[sizeof(long)];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, shardId);
        return (int)((MurmurHash3.HashToUInt32(bytes) >> 16) % (uint)executorCount);   // The low bits are weak for small numbers.
    }

    private static void RequireExecutorCount(int executorCount)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(executorCount);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(executorCount, MaxExecutorCount);
    }
}

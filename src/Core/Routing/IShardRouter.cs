namespace Tidemark;

/// <summary>Says which shard a routing key belongs to. Every member of a cluster must use the same router with the same shards.</summary>
/// <remarks>Implementations are immutable and safe for concurrent calls, and depend on nothing but the key's bytes.</remarks>
public interface IShardRouter
{
    /// <summary>The number of shards keys are spread over, at least 1.</summary>
    int ShardCount { get; }

    /// <summary>The id of the shard that holds the key.</summary>
    /// <param name="routingKey">Any bytes, also none. A record's partition key where it has one, else its key.</param>
    long Route(ReadOnlySpan<byte> routingKey);
}

namespace Tidemark;

/// <summary>How a store is, for a health check or a status page.</summary>
/// <param name="Shards">Its shards.</param>
public sealed record StoreHealth(IReadOnlyList<ShardHealth> Shards)
{
    /// <summary>Whether every shard takes writes.</summary>
    public bool IsHealthy => Shards.All(shard => shard.Failure is null);
}

/// <summary>How a shard is.</summary>
/// <param name="Namespace">The namespace it belongs to.</param>
/// <param name="ShardId">The shard.</param>
/// <param name="Failure">Why it takes no more writes, or null.</param>
/// <param name="AppliedOffset">The log entry applied last.</param>
/// <param name="LogStart">The first offset its log keeps.</param>
/// <param name="PendingBytes">Commands that wait to be answered, in bytes.</param>
/// <param name="EngineBytes">About how many bytes its engine takes.</param>
public sealed record ShardHealth(string Namespace, long ShardId, string? Failure, long AppliedOffset, long LogStart, long PendingBytes, long EngineBytes);

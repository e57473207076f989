namespace Tidemark;

/// <summary>How a store is, for a health check or a status page.</summary>
/// <param name="Shards">The shards of its namespaces.</param>
/// <param name="Partitions">The partitions of its topics.</param>
public sealed record StoreHealth(IReadOnlyList<ShardHealth> Shards, IReadOnlyList<PartitionHealth> Partitions)
{
    /// <summary>How its archiving is; null where it has no archive.</summary>
    public ArchiveHealth? Archive { get; init; }

    /// <summary>Whether every shard and partition takes writes.</summary>
    public bool IsHealthy => Shards.All(shard => shard.Failure is null) && Partitions.All(partition => partition.Failure is null);
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

/// <summary>How a partition is.</summary>
/// <param name="Topic">The topic it belongs to.</param>
/// <param name="Info">Where it begins and ends.</param>
/// <param name="ShardId">The shard that it is.</param>
/// <param name="Failure">Why it takes no more messages, or null.</param>
/// <param name="LogStart">The first offset its log keeps: of an entry, which is a batch.</param>
/// <param name="PendingBytes">Appends that wait to be answered, in bytes.</param>
public sealed record PartitionHealth(string Topic, PartitionInfo Info, long ShardId, string? Failure, long LogStart, long PendingBytes);

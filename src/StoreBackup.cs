namespace Tidemark;

/// <summary>What a backup holds.</summary>
/// <param name="StoreId">The store it was made of.</param>
/// <param name="Shards">The shards of its namespaces, each at a position of its own.</param>
/// <param name="Partitions">The partitions of its topics, each at a position of its own, behind those of the shards.</param>
public sealed record BackupReport(Guid StoreId, IReadOnlyList<ShardBackup> Shards, IReadOnlyList<PartitionBackup> Partitions)
{
    /// <summary>The bytes of all shards' states, and of the partitions.</summary>
    public long Bytes => Shards.Sum(shard => shard.Bytes) + Partitions.Sum(partition => partition.Bytes);
}

/// <summary>What a backup holds of one shard.</summary>
/// <param name="Namespace">The namespace it belongs to.</param>
/// <param name="ShardId">The shard.</param>
/// <param name="Position">The log entry that was applied last.</param>
/// <param name="Hash">The hash over all rows of its state.</param>
/// <param name="Bytes">The bytes of its state.</param>
public sealed record ShardBackup(string Namespace, long ShardId, StatePosition Position, StateHash Hash, long Bytes);

/// <summary>What a backup holds of one partition.</summary>
/// <param name="Topic">The topic it belongs to.</param>
/// <param name="Partition">Its number.</param>
/// <param name="ShardId">The shard that it is.</param>
/// <param name="Start">The offset of the first message kept.</param>
/// <param name="End">The offset after the last message.</param>
/// <param name="Position">The log entry that was applied last.</param>
/// <param name="Hash">The hash of its state.</param>
/// <param name="Bytes">The bytes of its state and its entries.</param>
public sealed record PartitionBackup(string Topic, int Partition, long ShardId, long Start, long End, StatePosition Position, StateHash Hash, long Bytes);

/// <summary>How far a backup, a restore or a check has come.</summary>
/// <param name="ShardsDone">The shards that are done, partitions among them.</param>
/// <param name="ShardCount">All of them.</param>
/// <param name="Bytes">The bytes of state that were written or read.</param>
public readonly record struct BackupProgress(int ShardsDone, int ShardCount, long Bytes);

/// <summary>What a check of all bytes of a store or a backup found.</summary>
/// <param name="Shards">What was looked at in namespaces, shard by shard.</param>
/// <param name="Partitions">What was looked at in topics, partition by partition.</param>
/// <param name="Damage">What is damaged or missing. Empty where all is whole.</param>
public sealed record VerifyReport(IReadOnlyList<ShardVerification> Shards, IReadOnlyList<PartitionVerification> Partitions, IReadOnlyList<TidemarkException> Damage)
{
    /// <summary>Whether nothing is damaged.</summary>
    public bool IsWhole => Damage.Count == 0;
}

/// <summary>What was looked at in one shard.</summary>
/// <param name="Namespace">The namespace it belongs to.</param>
/// <param name="ShardId">The shard.</param>
/// <param name="LogRecords">The log's records whose checksums and order fit; 0 in a backup, which has no log.</param>
/// <param name="LogBytes">The bytes of the log that were read.</param>
/// <param name="Snapshots">Snapshot files that are whole.</param>
/// <param name="Rows">The rows of the state whose hash was computed anew; 0 where damage kept it from being looked at.</param>
public sealed record ShardVerification(string Namespace, long ShardId, long LogRecords, long LogBytes, int Snapshots, long Rows);

/// <summary>What was looked at in one partition.</summary>
/// <param name="Topic">The topic it belongs to.</param>
/// <param name="Partition">Its number.</param>
/// <param name="ShardId">The shard that it is.</param>
/// <param name="LogRecords">The log's records whose checksums and order fit: batches, and what else is noted there. In a backup, those it holds.</param>
/// <param name="LogBytes">The bytes of the log that were read; in a backup, of the records.</param>
/// <param name="Snapshots">Snapshot files that are whole.</param>
public sealed record PartitionVerification(string Topic, int Partition, long ShardId, long LogRecords, long LogBytes, int Snapshots);

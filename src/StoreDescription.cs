namespace Tidemark;

/// <summary>What a store or a backup on disk is, as its files say.</summary>
/// <param name="StoreId">The store's id; of a backup, that of the store it was made of.</param>
/// <param name="Created">When that store was created.</param>
/// <param name="Engine">The name of the engine its rows are kept in.</param>
/// <param name="IsBackup">Whether it is a backup, to be restored before it is opened.</param>
/// <param name="Namespaces">Its namespaces.</param>
/// <param name="Topics">Its topics.</param>
public sealed record StoreDescription(
    Guid StoreId, DateTimeOffset Created, string Engine, bool IsBackup, IReadOnlyList<NamespaceDescription> Namespaces, IReadOnlyList<TopicDescription> Topics);

/// <summary>A namespace on disk.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Settings">Its settings.</param>
/// <param name="Shards">Its shards.</param>
public sealed record NamespaceDescription(string Name, NamespaceOptions Settings, IReadOnlyList<ShardDescription> Shards);

/// <summary>A shard on disk.</summary>
/// <param name="ShardId">Its number, also in the names of its directory.</param>
/// <param name="HashRange">The hashes of keys that belong to it.</param>
/// <param name="Log">Its log; null in a backup, or where it was lost.</param>
/// <param name="Snapshots">Its snapshot files, the oldest first. Whether they are whole, a verification tells.</param>
public sealed record ShardDescription(long ShardId, ShardHashRange HashRange, LogDescription? Log, IReadOnlyList<SnapshotDescription> Snapshots);

/// <summary>A topic on disk.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Options">Its settings.</param>
/// <param name="Partitions">Its partitions, in their order.</param>
public sealed record TopicDescription(string Name, TopicOptions Options, IReadOnlyList<PartitionDescription> Partitions);

/// <summary>A partition on disk.</summary>
/// <param name="ShardId">The number of the shard that it is, also in the names of its directory.</param>
/// <param name="Log">The log that holds its messages, by batches; null in a backup, or where it was lost.</param>
/// <param name="Snapshots">Its snapshot files, the oldest first. Whether they are whole, a verification tells.</param>
public sealed record PartitionDescription(long ShardId, LogDescription? Log, IReadOnlyList<SnapshotDescription> Snapshots);

/// <summary>A log on disk.</summary>
/// <param name="Start">The first offset it keeps.</param>
/// <param name="End">The offset after its last record, where it was closed cleanly; else one up to which it surely goes.</param>
/// <param name="IsClosed">Whether it was closed cleanly. If not, it is in use or a crash left it.</param>
/// <param name="Segments">How many segment files there are.</param>
public sealed record LogDescription(long Start, long End, bool IsClosed, int Segments);

/// <summary>A snapshot file.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Bytes">Its length.</param>
public sealed record SnapshotDescription(string Name, long Bytes);

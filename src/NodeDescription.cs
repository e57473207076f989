namespace Tidemark;

/// <summary>A node and its cluster as the node knows them at one moment, for a status page or a health check.</summary>
/// <param name="Node">The node's number.</param>
/// <param name="IsRunning">Whether its replicas are open. They are not after a failed disk, until the node has opened them again, and after it was disposed.</param>
/// <param name="ProtocolVersion">The version in which the nodes speak and write. It rises once each node that keeps shards was started with a program that speaks a later one.</param>
/// <param name="Nodes">The nodes of the cluster, by number; also those that were removed.</param>
/// <param name="Shards">The shards of the cluster, by number.</param>
/// <remarks>Immutable. Each shard is of one moment, the shards of almost the same.</remarks>
public sealed record NodeDescription(int Node, bool IsRunning, int ProtocolVersion, IReadOnlyList<NodeOverview> Nodes, IReadOnlyList<ShardOverview> Shards)
{
    /// <summary>How archiving is, as far as this node has a part in it; null where it has no archive.</summary>
    public ArchiveHealth? Archive { get; init; }
}

/// <summary>A node of a cluster as another knows it.</summary>
/// <param name="Node">Its number.</param>
/// <param name="Zone">The label of what fails together with it; null for none.</param>
/// <param name="Keeps">Whether shards may be placed there. Not before it was added, and not after it was removed.</param>
/// <param name="Run">How many times it was started, as far as is known here; 0 for never.</param>
/// <param name="ProtocolVersion">The highest version that its program speaks, as far as is known here; 0 where it was never started.</param>
/// <param name="IsUp">Whether something came from it not long ago, or it is this one and runs.</param>
public sealed record NodeOverview(int Node, string? Zone, bool Keeps, long Run, int ProtocolVersion, bool IsUp);

/// <summary>A shard of a cluster as a node knows it.</summary>
/// <param name="ShardId">Its number.</param>
/// <param name="Leader">The node that leads it, as far as is known here; -1 for nobody. A leader that has just died may still stand here.</param>
/// <param name="Term">The term in which that node leads, or the newest that is known here.</param>
/// <param name="Members">The nodes that keep it.</param>
/// <param name="Replica">The replica here; null where there is none, or none is open.</param>
public sealed record ShardOverview(long ShardId, int Leader, long Term, IReadOnlyList<int> Members, ReplicaOverview? Replica);

/// <summary>The replica of a shard on a node.</summary>
/// <param name="Role">What it does.</param>
/// <param name="Head">The offset of the last entry in its log; -1 for none.</param>
/// <param name="Committed">The highest offset that is known here to be on a majority; -1 for none.</param>
/// <param name="Applied">The offset of the last entry in its state, which reads see; -1 for none.</param>
/// <param name="IsLost">Whether it may lack what it has acknowledged, and is given everything by others. Until then it counts in no majority.</param>
public sealed record ReplicaOverview(ReplicaRole Role, long Head, long Committed, long Applied, bool IsLost);

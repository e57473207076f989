using Tidemark.Core.Replication;
using Tidemark.Replication.Wire;

namespace Tidemark.Replication.Shards;

/// <summary>What makes a shard's host one of several replicas.</summary>
internal sealed record ReplicaOptions
{
    /// <summary>The node it is on.</summary>
    public required int Node { get; init; }

    /// <summary>How many times the node was started.</summary>
    public required long Run { get; init; }

    /// <summary>The term the status had when the node was started: of a lost replica, the least it begins in.</summary>
    public required long StatusTerm { get; init; }

    /// <summary>The terms of the log's entries.</summary>
    public required LogTerms Terms { get; init; }

    /// <summary>Its disk.</summary>
    public required IReplicaDisk Disk { get; init; }

    /// <summary>Sends a message to a node. It may be lost.</summary>
    public required Action<int, ShardMessage> Send { get; init; }

    /// <summary>Tells the elections of all nodes something.</summary>
    public required Action<ShardMessage> Tell { get; init; }

    /// <summary>Any thread: whether the node's clock may stamp entries.</summary>
    public required Func<bool> IsClockFit { get; init; }

    /// <summary>Called when state and log were replaced, before they are used.</summary>
    public Action<ShardState>? Replaced { get; init; }

    public ReplicaLimits Limits { get; init; } = ReplicaLimits.Default;

    /// <summary>How often a leader says that it is there.</summary>
    public TimeSpan Heartbeat { get; init; } = TimeSpan.FromMilliseconds(50);

    /// <summary>How long a leader goes on without a majority.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>How often replicas compare their states, where entries came.</summary>
    public required TimeSpan MarkInterval { get; init; }

    /// <summary>Bytes of entries in one message, or one entry.</summary>
    public int MessageBytes { get; init; } = 1024 * 1024;

    /// <summary>Bytes of entries kept in memory for followers.</summary>
    public long TailBytes { get; init; } = 4L * 1024 * 1024;
}

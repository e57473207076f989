using Microsoft.Extensions.Logging;

using Tidemark.Core.Replication;
using Tidemark.Storage.Files;

namespace Tidemark.Replication.Shards;

/// <summary>What a shard host is made of.</summary>
internal sealed record ShardHostOptions
{
    /// <summary>The shard.</summary>
    public required long ShardId { get; init; }

    /// <summary>What messages call it.</summary>
    public required string Name { get; init; }

    /// <summary>Its log, at its end, and its state, as it was remembered.</summary>
    public required ShardState State { get; init; }

    /// <summary>What makes it one of several replicas; null where it is alone.</summary>
    public ReplicaOptions? Replica { get; init; }

    /// <summary>The pool that holds the log's files.</summary>
    public required FilePool Pool { get; init; }

    /// <summary>Shows readers the state after a batch of entries.</summary>
    public required Action Publish { get; init; }

    /// <summary>Makes the leader's part for a state that is up to date.</summary>
    public required Func<ShardState, DateTimeOffset, ILeaderRole> CreateLeader { get; init; }

    /// <summary>Stamps entries.</summary>
    public required HybridClock Clock { get; init; }

    /// <summary>Measures how long flushes take.</summary>
    public required TimeProvider TimeProvider { get; init; }

    /// <summary>How many bytes of commands may wait.</summary>
    public long MaxPendingBytes { get; init; } = 64L * 1024 * 1024;

    /// <summary>How often the whole state is read and compared with its running sum; null for never.</summary>
    public TimeSpan? ScrubInterval { get; init; }

    /// <summary>How much log is kept for somebody who copies it, in bytes; null where nobody does.</summary>
    public long? MostHeldBytes { get; init; }

    public required ILogger Logger { get; init; }

    /// <summary>Told of each entry once it is applied, the shard's own too; for who watches over a simulation.</summary>
    internal Action<LogRecord>? Applied { get; init; }
}

using Tidemark.Core.KeyValue;
using Tidemark.Replication.Shards;

namespace Tidemark.Replication.KeyValue;

/// <summary>The way to a shard that several nodes keep: to whoever leads it now.</summary>
internal interface IShardRoute
{
    long ShardId { get; }

    /// <summary>Whether reads may look here: whether a replica of the shard is in this process and counts.</summary>
    bool IsHere { get; }

    /// <summary>The state that reads look at.</summary>
    /// <exception cref="ShardUnavailableException">It is not here, or not now.</exception>
    KvMachine Machine { get; }

    /// <summary>Completes when the state has changed, whichever replica's it is.</summary>
    Task Changed { get; }

    /// <summary>Brings a command to the leader, and finishes it with its answer or with why there is none.</summary>
    void Submit(Proposal proposal);

    /// <summary>Completes when <see cref="Machine"/> shows all that was acknowledged before the call, or so long before it as the level allows.</summary>
    /// <returns>The last entry that had to be applied for that; what is committed from the call on comes behind it.</returns>
    /// <exception cref="ShardUnavailableException">No leader could be reached that knows.</exception>
    ValueTask<long> ReadyToReadAsync(ReadLevel level, CancellationToken cancellationToken);

    /// <summary>Completes when it is known where a watch begins that was called for now.</summary>
    /// <returns>The last entry that was committed then. Where no leader tells at once, the last one that is known here: perhaps earlier, so that nothing is missed.</returns>
    /// <exception cref="ShardUnavailableException">It is not here, and no leader could be reached.</exception>
    Task<long> WatchFromAsync();

    /// <summary>Keeps a session alive at a leader that knows it leads.</summary>
    /// <returns>Whether it lives.</returns>
    /// <exception cref="ShardUnavailableException">That cannot be known.</exception>
    Task<bool> KeepAliveAsync(Guid session);
}

using System.Runtime.CompilerServices;

namespace Tidemark;

/// <summary>Chooses one of several candidates, and another when that one's session ends.</summary>
/// <remarks>It is a <see cref="DistributedLock"/> whose holder leads; what was said there about fencing tokens holds here.</remarks>
public sealed class LeaderElection
{
    private readonly DistributedLock _lock;

    /// <summary>An election of a name.</summary>
    /// <param name="store">Where it is kept.</param>
    /// <param name="name">Its key. The records below it are the election's own.</param>
    public LeaderElection(KeyValueStore store, string name) => _lock = new DistributedLock(store, name);

    /// <summary>Stands for election and waits until elected.</summary>
    /// <param name="session">Whose end is the end of the leadership.</param>
    /// <param name="candidate">What others read about the leader, for example its address.</param>
    /// <param name="cancellationToken">Withdraws.</param>
    /// <returns>The leadership, until it is disposed or the session ends. Its token is higher than that of every leader before.</returns>
    public ValueTask<LockHandle> CampaignAsync(StoreSession session, ReadOnlyMemory<byte> candidate, CancellationToken cancellationToken = default) =>
        _lock.AcquireAsync(session, candidate, cancellationToken);

    /// <summary>The leader's record, or null where there is none.</summary>
    public ValueTask<StoreRecord?> GetLeaderAsync(CancellationToken cancellationToken = default) => _lock.GetHolderAsync(cancellationToken);

    /// <summary>Tells the leader now, then each time it changed the latest; null while there is none.</summary>
    public async IAsyncEnumerable<StoreRecord?> ObserveAsync([EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        IAsyncEnumerable<StoreEvent> changes = _lock.WatchQueueAsync(cancellationToken);   // Begun before the first look.
        StoreRecord? leader = await GetLeaderAsync(cancellationToken).ConfigureAwait(false);
        yield return leader;
        await foreach (StoreEvent _ in changes.ConfigureAwait(false))
        {
            StoreRecord? now = await GetLeaderAsync(cancellationToken).ConfigureAwait(false);
            if (now?.Version == leader?.Version) continue;
            leader = now;
            yield return leader;
        }
    }
}

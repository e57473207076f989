using System.Globalization;

namespace Tidemark;

/// <summary>A lock that one session at a time holds, given out in the order in which it was asked for.</summary>
/// <remarks>
/// A session is no proof: whoever is paused long enough loses the lock without noticing. So whatever the lock guards must refuse what comes with a
/// <see cref="LockHandle.FencingToken"/> below one it has seen. Who waits, waits for the one before it alone. Keys: <c>{name}/queue-{number}</c>, ephemeral, on one shard.
/// </remarks>
public sealed class DistributedLock
{
    private readonly KeyValueStore _store;
    private readonly StoreKey _partition;
    private readonly StoreKey _prefix;
    private readonly KeyRange _queue;

    /// <summary>A lock of a name.</summary>
    /// <param name="store">Where it is kept.</param>
    /// <param name="name">Its key. The records below it are the lock's own.</param>
    public DistributedLock(KeyValueStore store, string name)
    {
        ArgumentNullException.ThrowIfNull(store);
        ArgumentException.ThrowIfNullOrEmpty(name);
        _store = store;
        Name = name;
        _partition = name;
        _prefix = name + "/queue";
        _queue = KeyRange.Between(name + "/queue-", name + "/queue.");   // '.' follows '-'.
    }

    /// <summary>The lock's key.</summary>
    public string Name { get; }

    /// <summary>Waits for the lock and takes it.</summary>
    /// <param name="session">Whose end gives it back.</param>
    /// <param name="value">What others read about the holder.</param>
    /// <param name="cancellationToken">Ends the wait and leaves the queue.</param>
    /// <exception cref="WriteRefusedException">The session has ended.</exception>
    public async ValueTask<LockHandle> AcquireAsync(StoreSession session, ReadOnlyMemory<byte> value = default, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(session);
        cancellationToken.ThrowIfCancellationRequested();
        LockHandle own = await EnterAsync(session, value).ConfigureAwait(false);
        try
        {
            while (await BeforeAsync(own, cancellationToken).ConfigureAwait(false) is { } ahead) await GoneAsync(ahead, cancellationToken).ConfigureAwait(false);
            return own;
        }
        catch
        {
            await own.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Takes the lock if nobody has it or waits for it.</summary>
    /// <returns>Null where somebody does.</returns>
    /// <inheritdoc cref="AcquireAsync"/>
    public async ValueTask<LockHandle?> TryAcquireAsync(StoreSession session, ReadOnlyMemory<byte> value = default, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(session);
        cancellationToken.ThrowIfCancellationRequested();
        LockHandle own = await EnterAsync(session, value).ConfigureAwait(false);
        if (await BeforeAsync(own, cancellationToken).ConfigureAwait(false) is null) return own;
        await own.DisposeAsync().ConfigureAwait(false);
        return null;
    }

    /// <summary>The record of whoever holds the lock; null where nobody does. Its version is the holder's fencing token.</summary>
    public async ValueTask<StoreRecord?> GetHolderAsync(CancellationToken cancellationToken = default)
    {
        ScanPage first = await _store.ScanPageAsync(_queue, new ScanOptions { Limit = 1, PartitionKey = _partition }, cancellationToken).ConfigureAwait(false);
        return first.Records.Count > 0 ? first.Records[0] : null;
    }

    /// <summary>Tells whenever the queue may have changed.</summary>
    internal IAsyncEnumerable<StoreEvent> WatchQueueAsync(CancellationToken cancellationToken) => _store.WatchAsync(_queue, null, cancellationToken);

    private async ValueTask<LockHandle> EnterAsync(StoreSession session, ReadOnlyMemory<byte> value)
    {
        // Not to be cancelled: a place whose key is not known could not be left again, and would hold up those behind it.
        var options = new PutOptions { Session = session, PartitionKey = _partition };
        WriteResult place = await _store.PutNextAsync(_prefix, value, [1], options, CancellationToken.None).ConfigureAwait(false);
        place.ThrowIfRefused();
        return new LockHandle(_store, session, place.Key, _partition, place.Version);
    }

    /// <summary>The place right before one's own, or null for the first.</summary>
    private async ValueTask<StoreKey?> BeforeAsync(LockHandle own, CancellationToken cancellationToken)
    {
        var options = new GetOptions { Comparison = KeyComparison.Lower, PartitionKey = _partition };
        StoreRecord? before = await _store.GetAsync(own.Key, options, cancellationToken).ConfigureAwait(false);
        if (before is { } record && record.Key.Span.StartsWith(_prefix.Span)) return record.Key;
        own.Session.Lost.ThrowIfCancellationRequested();
        return null;
    }

    private async ValueTask GoneAsync(StoreKey key, CancellationToken cancellationToken)
    {
        byte[] behind = [.. key.Span, 0];
        // The watch begins before the look, so that an end between the two is seen.
        IAsyncEnumerable<StoreEvent> changes = _store.WatchAsync(KeyRange.Between(key.Span, behind), null, cancellationToken);
        if (await _store.GetAsync(key, new GetOptions { PartitionKey = _partition }, cancellationToken).ConfigureAwait(false) is null) return;
        await foreach (StoreEvent _ in changes.ConfigureAwait(false)) return;
    }
}

/// <summary>A lock that is held, until it is disposed or its session ends.</summary>
public sealed class LockHandle : IAsyncDisposable
{
    private readonly KeyValueStore _store;
    private readonly StoreKey _partition;

    internal LockHandle(KeyValueStore store, StoreSession session, StoreKey key, StoreKey partition, long token)
    {
        _store = store;
        _partition = partition;
        Session = session;
        Key = key;
        FencingToken = token;
    }

    /// <summary>A number that is higher for each later holder of the lock. What the lock guards refuses lower ones than it has seen.</summary>
    public long FencingToken { get; }

    /// <summary>Cancelled when the session is lost, and the lock with it.</summary>
    public CancellationToken Lost => Session.Lost;

    internal StoreSession Session { get; }

    internal StoreKey Key { get; }

    /// <summary>Gives the lock back.</summary>
    public async ValueTask DisposeAsync()
    {
        // Only what is still one's own: a session that has ended took it along.
        await _store.DeleteAsync(Key, new DeleteOptions { PartitionKey = _partition, ExpectedVersion = FencingToken }).ConfigureAwait(false);
    }

    /// <summary>The token.</summary>
    public override string ToString() => FencingToken.ToString(CultureInfo.InvariantCulture);
}

namespace Tidemark;

/// <summary>Holds participants until as many have come as it waits for; from then on it is open for good.</summary>
/// <remarks>Keys: <c>{name}/at/{participant}</c>, ephemeral, and <c>{name}/open</c>, on one shard.</remarks>
public sealed class DistributedBarrier
{
    private readonly KeyValueStore _store;
    private readonly string _name;
    private readonly int _participants;
    private readonly StoreKey _partition;
    private readonly StoreKey _open;

    /// <summary>A barrier of a name.</summary>
    /// <param name="store">Where it is kept.</param>
    /// <param name="name">Its key. The records below it are the barrier's own.</param>
    /// <param name="participants">How many it waits for, 1 or more. All must say the same.</param>
    public DistributedBarrier(KeyValueStore store, string name, int participants)
    {
        ArgumentNullException.ThrowIfNull(store);
        ArgumentException.ThrowIfNullOrEmpty(name);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(participants);
        _store = store;
        _name = name;
        _participants = participants;
        _partition = name;
        _open = name + "/open";
    }

    /// <summary>Comes to the barrier and waits until it opens. One whose session ends before that counts no more.</summary>
    /// <param name="session">The participant's session.</param>
    /// <param name="participant">The participant's name: one that comes twice counts once.</param>
    /// <param name="cancellationToken">Ends the wait. The participant still counts, until its session ends.</param>
    public async ValueTask SignalAndWaitAsync(StoreSession session, string participant, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(session);
        ArgumentException.ThrowIfNullOrEmpty(participant);
        byte[] behind = [.. _open.Span, 0];
        IAsyncEnumerable<StoreEvent> opened = _store.WatchAsync(KeyRange.Between(_open.Span, behind), null, cancellationToken);   // Begun before the look.
        var options = new PutOptions { Session = session, PartitionKey = _partition };
        (await _store.PutAsync($"{_name}/at/{participant}", default, options, cancellationToken).ConfigureAwait(false)).ThrowIfRefused();
        if (await CountAsync(cancellationToken).ConfigureAwait(false) >= _participants)
        {
            (await _store.PutAsync(_open, default, new PutOptions { PartitionKey = _partition }, cancellationToken).ConfigureAwait(false)).ThrowIfRefused();
            return;
        }

        if (await _store.GetAsync(_open, new GetOptions { PartitionKey = _partition }, cancellationToken).ConfigureAwait(false) is not null) return;
        await foreach (StoreEvent _ in opened.ConfigureAwait(false)) return;
    }

    /// <summary>Whether the barrier is open.</summary>
    public async ValueTask<bool> IsOpenAsync(CancellationToken cancellationToken = default) =>
        await _store.GetAsync(_open, new GetOptions { PartitionKey = _partition }, cancellationToken).ConfigureAwait(false) is not null;

    private async ValueTask<int> CountAsync(CancellationToken cancellationToken)
    {
        int count = 0;
        KeyRange all = KeyRange.Between($"{_name}/at/", $"{_name}/at0");   // '0' follows '/' in byte order; in hierarchical order all of them lie on one level.
        if (_store.Settings.KeyOrder == KeyOrder.Hierarchical) all = KeyRange.Children($"{_name}/at");
        await foreach (StoreKey _ in _store.ListAsync(all, new ScanOptions { PartitionKey = _partition }, cancellationToken).ConfigureAwait(false)) count++;
        return count;
    }
}

using Tidemark.Replication.KeyValue;
using Tidemark.Replication.Shards;

namespace Tidemark.Tests.Consumers;

/// <summary>A store that can be made to refuse what consumers read and write of their offsets, to watch for them, and to close their sessions.</summary>
internal sealed class FailingStore(TidemarkStore store) : ShardedKeyValueStore(store.Local)
{
    private volatile TidemarkException? _failure;
    private int _failed, _watches;

    /// <summary>What it refuses with; null where it does not.</summary>
    internal TidemarkException? Failure { get => _failure; set => _failure = value; }

    /// <summary>How the keys end that it refuses; null for all.</summary>
    internal string? Only { get; set; }

    /// <summary>How often it has refused.</summary>
    internal int Failed => Volatile.Read(ref _failed);

    /// <summary>How many watches were asked for.</summary>
    internal int Watches => Volatile.Read(ref _watches);

    /// <summary>Whether the first watch ends at once, and the second does not begin.</summary>
    internal bool BreaksWatches { get; init; }

    /// <summary>Whether sessions cannot be closed.</summary>
    internal bool KeepsSessions { get; init; }

    public override ValueTask<StoreRecord?> GetAsync(StoreKey key, GetOptions? options = null, CancellationToken cancellationToken = default)
    {
        if (Only is null || key.ToString().EndsWith(Only, StringComparison.Ordinal)) ThrowIfFailing();
        return base.GetAsync(key, options, cancellationToken);
    }

    public override ValueTask<TransactionResult> CommitAsync(StoreTransaction transaction, CancellationToken cancellationToken = default)
    {
        if (Only is null) ThrowIfFailing();
        return base.CommitAsync(transaction, cancellationToken);
    }

    public override IAsyncEnumerable<StoreEvent> WatchAsync(KeyRange range, WatchOptions? options = null, CancellationToken cancellationToken = default) => (Interlocked.Increment(ref _watches), BreaksWatches) switch
    {
        (1, true) => BreakAsync(),
        (2, true) => throw Unreached(),
        _ => base.WatchAsync(range, options, cancellationToken),
    };

    public override async ValueTask<StoreSession> OpenSessionAsync(SessionOptions? options = null, CancellationToken cancellationToken = default)
    {
        StoreSession session = await base.OpenSessionAsync(options, cancellationToken);
        if (KeepsSessions) await Assert.ThrowsAsync<ShardUnavailableException>(() => session.EnsureOpenAsync(new UnreachedShard()).AsTask());
        return session;
    }

    private static async IAsyncEnumerable<StoreEvent> BreakAsync()
    {
        await Task.Yield();
        if (Unreached() is { } failure) throw failure;
        yield break;
    }

    private static ShardUnavailableException Unreached() => new(0, "Nobody answers.");

    private void ThrowIfFailing()
    {
        if (_failure is not { } failure) return;
        Interlocked.Increment(ref _failed);
        throw failure;
    }

    private sealed class UnreachedShard() : StoreShard(new ProposalPool())
    {
        internal override long Id => 1;

        internal override bool IsReplicated => true;

        protected override Type Owner => typeof(FailingStore);

        internal override Task<bool> KeepAliveAsync(Guid session) => throw Unreached();

        protected override void Send(Proposal proposal) => throw Unreached();
    }
}

namespace Tidemark.Tests.Consumers;

/// <summary>A store that can be made to refuse what consumers read and write of their offsets.</summary>
internal sealed class FailingStore(TidemarkStore store) : ShardedKeyValueStore(store.Local)
{
    private volatile TidemarkException? _failure;
    private int _failed;

    /// <summary>What it refuses with; null where it does not.</summary>
    internal TidemarkException? Failure { get => _failure; set => _failure = value; }

    /// <summary>How often it has refused.</summary>
    internal int Failed => Volatile.Read(ref _failed);

    public override ValueTask<StoreRecord?> GetAsync(StoreKey key, GetOptions? options = null, CancellationToken cancellationToken = default)
    {
        ThrowIfFailing();
        return base.GetAsync(key, options, cancellationToken);
    }

    public override ValueTask<TransactionResult> CommitAsync(StoreTransaction transaction, CancellationToken cancellationToken = default)
    {
        ThrowIfFailing();
        return base.CommitAsync(transaction, cancellationToken);
    }

    private void ThrowIfFailing()
    {
        if (_failure is not { } failure) return;
        Interlocked.Increment(ref _failed);
        throw failure;
    }
}

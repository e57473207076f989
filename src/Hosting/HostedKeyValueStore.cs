namespace Tidemark.Hosting;

/// <summary>The store of a node that may not have started yet. Each call goes to it.</summary>
internal sealed class HostedKeyValueStore(HostedStore hosted) : KeyValueStore
{
    public override string Name => hosted.Store.Name;

    public override NamespaceOptions Settings => hosted.Store.Settings;

    public override bool TryGet(StoreKey key, out StoreRecord record) => hosted.Store.TryGet(key, out record);

    public override ValueTask<StoreRecord?> GetAsync(StoreKey key, GetOptions? options = null, CancellationToken cancellationToken = default) =>
        hosted.Store.GetAsync(key, options, cancellationToken);

    public override ValueTask<StoreRecord?> GetByIndexAsync(StoreKey index, StoreKey key, GetOptions? options = null, CancellationToken cancellationToken = default) =>
        hosted.Store.GetByIndexAsync(index, key, options, cancellationToken);

    public override IAsyncEnumerable<StoreRecord> ScanAsync(KeyRange range, ScanOptions? options = null, CancellationToken cancellationToken = default) =>
        hosted.Store.ScanAsync(range, options, cancellationToken);

    public override ValueTask<ScanPage> ScanPageAsync(KeyRange range, ScanOptions? options = null, CancellationToken cancellationToken = default) =>
        hosted.Store.ScanPageAsync(range, options, cancellationToken);

    public override IAsyncEnumerable<StoreKey> ListAsync(KeyRange range, ScanOptions? options = null, CancellationToken cancellationToken = default) =>
        hosted.Store.ListAsync(range, options, cancellationToken);

    public override IAsyncEnumerable<StoreRecord> ScanIndexAsync(
        StoreKey index, StoreKey start = default, StoreKey end = default, ScanOptions? options = null, CancellationToken cancellationToken = default) =>
        hosted.Store.ScanIndexAsync(index, start, end, options, cancellationToken);

    public override ValueTask<WriteResult> PutAsync(StoreKey key, ReadOnlyMemory<byte> value, PutOptions? options = null, CancellationToken cancellationToken = default) =>
        hosted.Store.PutAsync(key, value, options, cancellationToken);

    public override ValueTask<WriteResult> PutNextAsync(
        StoreKey prefix, ReadOnlyMemory<byte> value, IReadOnlyList<long> steps, PutOptions? options = null, CancellationToken cancellationToken = default) =>
        hosted.Store.PutNextAsync(prefix, value, steps, options, cancellationToken);

    public override ValueTask<WriteResult> DeleteAsync(StoreKey key, DeleteOptions? options = null, CancellationToken cancellationToken = default) =>
        hosted.Store.DeleteAsync(key, options, cancellationToken);

    public override ValueTask<WriteResult> DeleteRangeAsync(KeyRange range, StoreKey? partitionKey = null, CancellationToken cancellationToken = default) =>
        hosted.Store.DeleteRangeAsync(range, partitionKey, cancellationToken);

    public override ValueTask<TransactionResult> CommitAsync(StoreTransaction transaction, CancellationToken cancellationToken = default) =>
        hosted.Store.CommitAsync(transaction, cancellationToken);

    public override ValueTask<IReadOnlyList<CutResult>> CompactAsync(CancellationToken cancellationToken = default) => hosted.Store.CompactAsync(cancellationToken);

    public override IAsyncEnumerable<StoreEvent> WatchAsync(KeyRange range, WatchOptions? options = null, CancellationToken cancellationToken = default) =>
        hosted.Store.WatchAsync(range, options, cancellationToken);

    public override IAsyncEnumerable<StoreKey> WatchSequenceAsync(StoreKey prefix, StoreKey? partitionKey = null, CancellationToken cancellationToken = default) =>
        hosted.Store.WatchSequenceAsync(prefix, partitionKey, cancellationToken);

    public override ValueTask<StoreSession> OpenSessionAsync(SessionOptions? options = null, CancellationToken cancellationToken = default) =>
        hosted.Store.OpenSessionAsync(options, cancellationToken);

    public override ValueTask<StoreClient> RegisterClientAsync(CancellationToken cancellationToken = default) => hosted.Store.RegisterClientAsync(cancellationToken);

    public override ValueTask<WriteOutcome> GetOutcomeAsync(WriteId write, CancellationToken cancellationToken = default) => hosted.Store.GetOutcomeAsync(write, cancellationToken);
}

using System.Runtime.CompilerServices;

using Tidemark.Core.KeyValue;
using Tidemark.Replication.KeyValue;
using Tidemark.Replication.Rebase;
using Tidemark.Replication.Wire;

namespace Tidemark.Replication.Remote;

/// <summary>A namespace whose shards may be kept anywhere: each read is asked of those who keep the shards it is about, and what they say is merged here; each write goes to its shard's leader.</summary>
internal abstract class RemoteKeyValueStore<TShard>(StoreNamespace<TShard> space, IShardReads reads, ClientWrites? client) : KeyValueStore
    where TShard : StoreShard
{
    private readonly StoreWrites<TShard> _writes = new(space, client);

    public override string Name => space.Name;

    public override NamespaceOptions Settings => space.Settings;

    internal override ISyncRoute? SyncRoute => space.Shards.Count == 1 ? new RemoteServerRoute(space.Shards[0].Id, reads) : null;

    protected StoreNamespace<TShard> Space => space;

    protected IShardReads Reads => reads;

    public override async ValueTask<StoreRecord?> GetAsync(StoreKey key, GetOptions? options = null, CancellationToken cancellationToken = default)
    {
        // As a store that has the records does: without options too long a key is one that is not there.
        if (key.Length > Settings.MaxKeyBytes) return options is null ? null : throw space.KeyTooLong(key);
        (KeyComparison comparison, ReadLevel level) = options is null ? default : (options.Comparison, options.Level);
        return await NearestAsync(ShardsOf(GetOptions.RoutingKey(key, options)), shard => new GetRequest(shard, null, key, comparison, level), comparison, cancellationToken).ConfigureAwait(false);
    }

    public override ValueTask<StoreRecord?> GetByIndexAsync(StoreKey index, StoreKey key, GetOptions? options = null, CancellationToken cancellationToken = default)
    {
        options ??= new GetOptions();
        return NearestAsync(ShardsOf(options.PartitionKey), shard => new GetRequest(shard, index, key, options.Comparison, options.Level), options.Comparison, cancellationToken);
    }

    public override IAsyncEnumerable<StoreRecord> ScanAsync(KeyRange range, ScanOptions? options = null, CancellationToken cancellationToken = default)
    {
        Check(range, ref options);
        return WalkAsync((shard, left) => new ScanRequest(shard, range, IsKeysOnly: false, left), options, cancellationToken);
    }

    public override async ValueTask<ScanPage> ScanPageAsync(KeyRange range, ScanOptions? options = null, CancellationToken cancellationToken = default)
    {
        Check(range, ref options);
        int limit = options.Limit ?? ContinuationToken.DefaultPage;
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(limit, nameof(options));
        var records = new List<StoreRecord>();
        MergedPages pages = Open((shard, left) => new ScanRequest(shard, range, IsKeysOnly: false, left), options with { Limit = limit }, () => records.Count, cancellationToken);
        while (records.Count < limit && await pages.MoveNextAsync().ConfigureAwait(false)) records.Add(pages.Current);
        return new ScanPage(records, records.Count == limit && pages.HasMore ? ContinuationToken.Write(pages.SortKey, options.Reverse) : null);
    }

    public override IAsyncEnumerable<StoreKey> ListAsync(KeyRange range, ScanOptions? options = null, CancellationToken cancellationToken = default)
    {
        Check(range, ref options);
        return KeysAsync(WalkAsync((shard, left) => new ScanRequest(shard, range, IsKeysOnly: true, left), options, cancellationToken));
    }

    public override IAsyncEnumerable<StoreRecord> ScanIndexAsync(
        StoreKey index, StoreKey start = default, StoreKey end = default, ScanOptions? options = null, CancellationToken cancellationToken = default)
    {
        options ??= new ScanOptions();
        ScanOptions.CheckIndexScan(index, options);
        return WalkAsync((shard, left) => new IndexScanRequest(shard, index, start, end, left), options, cancellationToken);
    }

    public override ValueTask<WriteResult> PutAsync(StoreKey key, ReadOnlyMemory<byte> value, PutOptions? options = null, CancellationToken cancellationToken = default) =>
        _writes.PutAsync(key, value, options, cancellationToken);

    public override ValueTask<WriteResult> PutNextAsync(
        StoreKey prefix, ReadOnlyMemory<byte> value, IReadOnlyList<long> steps, PutOptions? options = null, CancellationToken cancellationToken = default) =>
        _writes.PutNextAsync(prefix, value, steps, options, cancellationToken);

    public override ValueTask<WriteResult> DeleteAsync(StoreKey key, DeleteOptions? options = null, CancellationToken cancellationToken = default) =>
        _writes.DeleteAsync(key, options, cancellationToken);

    public override ValueTask<WriteResult> DeleteRangeAsync(KeyRange range, StoreKey? partitionKey = null, CancellationToken cancellationToken = default) =>
        _writes.DeleteRangeAsync(range, partitionKey, cancellationToken);

    public override ValueTask<TransactionResult> CommitAsync(StoreTransaction transaction, CancellationToken cancellationToken = default) =>
        _writes.CommitAsync(transaction, cancellationToken);

    public override ValueTask<StoreSession> OpenSessionAsync(SessionOptions? options = null, CancellationToken cancellationToken = default) => _writes.OpenSessionAsync(options);

    public override ValueTask<StoreClient> RegisterClientAsync(CancellationToken cancellationToken = default) => _writes.RegisterClientAsync(With, cancellationToken);

    public override async ValueTask<WriteOutcome> GetOutcomeAsync(WriteId write, CancellationToken cancellationToken = default)
    {
        if (space.Shards.All(shard => shard.Id != write.Shard)) throw new ArgumentException($"Namespace '{Name}' has no shard {write.Shard}.", nameof(write));
        return (await reads.ReadAsync(new OutcomeRequest(write), cancellationToken).ConfigureAwait(false)).Outcome;
    }

    public override ValueTask<IReadOnlyList<CutResult>> CompactAsync(CancellationToken cancellationToken = default) => _writes.CompactAsync(cancellationToken);

    public override IAsyncEnumerable<StoreEvent> WatchAsync(KeyRange range, WatchOptions? options = null, CancellationToken cancellationToken = default)
    {
        options ??= new WatchOptions();
        WatchOptions.Check(options);
        ArgumentNullException.ThrowIfNull(range);
        space.Shards[0].ThrowIfClosed();
        return new RemoteWatch(reads, ShardsOf(null), Settings.KeyOrder, range, options).RunAsync(cancellationToken);
    }

    public override async IAsyncEnumerable<StoreKey> WatchSequenceAsync(
        StoreKey prefix, StoreKey? partitionKey = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        long shard = space.ShardOf(prefix, partitionKey).Id;
        for (StoreKey? known = null; ;)
        {
            if (await reads.WatchAsync(new SequenceRequest(shard, prefix, known), cancellationToken).ConfigureAwait(false) is not { } page) yield break;
            foreach (StoreRecord latest in page.Records)
            {
                known = latest.Key;
                yield return latest.Key;
            }
        }
    }

    /// <summary>The same store, with writes that are numbered.</summary>
    protected abstract KeyValueStore With(ClientWrites numbered);

    private long[] ShardsOf(StoreKey? routingKey) => [.. space.ShardsOf(routingKey).Select(shard => shard.Id)];

    /// <summary>Refuses here what a node would refuse.</summary>
    private void Check(KeyRange range, [System.Diagnostics.CodeAnalysis.NotNull] ref ScanOptions? options)
    {
        ArgumentNullException.ThrowIfNull(range);
        options ??= new ScanOptions();
        if (options.Limit is { } most) ArgumentOutOfRangeException.ThrowIfNegative(most, nameof(options));
        ContinuationToken.Apply(Settings.KeyOrder.Encode(range), options);
    }

    /// <summary>Of what each shard finds the nearest.</summary>
    private async ValueTask<StoreRecord?> NearestAsync(long[] shards, Func<long, GetRequest> requestOf, KeyComparison comparison, CancellationToken cancellationToken)
    {
        PageBody[] pages = await Task.WhenAll(shards.Select(shard => reads.ReadAsync(requestOf(shard), cancellationToken))).ConfigureAwait(false);
        StoreRecord? nearest = null;
        ReadOnlyMemory<byte> best = default;
        foreach (PageBody page in pages)
        {
            if (page.Records.Count == 0) continue;
            ReadOnlyMemory<byte> found = page.SortKeyOf(0, Settings.KeyOrder);
            if (nearest is null || KvReads.IsNearer(comparison, found.Span, best.Span)) (nearest, best) = (page.Records[0], found);
        }

        return nearest;
    }

    private async IAsyncEnumerable<StoreRecord> WalkAsync(
        Func<long, ScanOptions, StoreRequest<PageBody>> requestOf, ScanOptions options, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        int told = 0;
        MergedPages pages = Open(requestOf, options, () => told, cancellationToken);
        while ((options.Limit is null || told < options.Limit) && await pages.MoveNextAsync().ConfigureAwait(false))
        {
            told++;
            yield return pages.Current;
        }
    }

    /// <summary>Opens a walk whose pages have no more records than are still wanted.</summary>
    private MergedPages Open(Func<long, ScanOptions, StoreRequest<PageBody>> requestOf, ScanOptions options, Func<int> told, CancellationToken cancellationToken) => new(
        ShardsOf(options.PartitionKey), Settings.KeyOrder, options.Reverse, options.ContinuationToken,
        (shard, next) => reads.ReadAsync(requestOf(shard, options with { ContinuationToken = next, Limit = options.Limit - told() }), cancellationToken));

    private static async IAsyncEnumerable<StoreKey> KeysAsync(IAsyncEnumerable<StoreRecord> records)
    {
        await foreach (StoreRecord record in records.ConfigureAwait(false)) yield return record.Key;
    }
}

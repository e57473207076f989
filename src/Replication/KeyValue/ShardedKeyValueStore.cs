using System.Runtime.CompilerServices;

using Tidemark.Core.KeyValue;
using Tidemark.Core.State;
using Tidemark.Replication.KeyValue;
using Tidemark.Replication.Rebase;

namespace Tidemark;

/// <summary>A namespace whose shards are in this process.</summary>
public class ShardedKeyValueStore : KeyValueStore
{
    private readonly LocalNamespace _namespace;
    private readonly StoreWrites<LocalShard> _writes;

    internal ShardedKeyValueStore(LocalNamespace local, ClientWrites? client = null)
    {
        _namespace = local;
        _writes = new StoreWrites<LocalShard>(local, client);
    }

    /// <inheritdoc/>
    public override string Name => _namespace.Name;

    /// <inheritdoc/>
    public override NamespaceOptions Settings => _namespace.Settings;

    internal LocalNamespace Local => _namespace;

    internal override ISyncRoute? SyncRoute => _namespace.Shards.Count == 1 ? new LocalServerRoute(_namespace.Shards[0], Order) : null;

    private KeyOrder Order => _namespace.Settings.KeyOrder;

    /// <inheritdoc/>
    public override bool TryGet(StoreKey key, out StoreRecord record)
    {
        LocalShard shard = _namespace.ShardOf(key, partitionKey: null);
        shard.ThrowIfClosed();
        record = default;
        if (key.Length > Settings.MaxKeyBytes) return false;
        if (KvReads.TryGetInMemory(shard.View, Order, key.Span, out byte[]? own))
        {
            record = own is null ? default : new StoreRecord(key, own);
            return own is not null;
        }

        using StateReader reader = shard.Open();
        if (KvReads.Find(reader, KeyComparison.Equal, Order.Encode(key.Span)) is not { } found) return false;
        record = new StoreRecord(key, found.Row);
        return true;
    }

    /// <inheritdoc/>
    public override ValueTask<StoreRecord?> GetAsync(StoreKey key, GetOptions? options = null, CancellationToken cancellationToken = default)
    {
        if (cancellationToken.IsCancellationRequested) return ValueTask.FromCanceled<StoreRecord?>(cancellationToken);
        return _namespace.IsReplicated ? GetWhenReadyAsync(key, options, cancellationToken) : new ValueTask<StoreRecord?>(Get(key, options));
    }

    private StoreRecord? Get(StoreKey key, GetOptions? options)
    {
        if (options is null) return TryGet(key, out StoreRecord record) ? record : null;
        if (key.Length > Settings.MaxKeyBytes) throw _namespace.KeyTooLong(key);
        byte[] encoded = Order.Encode(key.Span);
        byte[]? bestKey = null;
        StoreRecord? best = null;
        foreach (LocalShard shard in _namespace.ShardsOf(GetOptions.RoutingKey(key, options)))
        {
            using StateReader reader = shard.Open();
            if (KvReads.Find(reader, options.Comparison, encoded) is not { } found || (bestKey is not null && !KvReads.IsNearer(options.Comparison, found.EncodedKey, bestKey))) continue;
            bestKey = found.EncodedKey;
            best = ToRecord(found.EncodedKey, found.Row);
        }

        return best;
    }

    private async ValueTask<StoreRecord?> GetWhenReadyAsync(StoreKey key, GetOptions? options, CancellationToken cancellationToken)
    {
        await _namespace.ReadyToReadAsync(GetOptions.RoutingKey(key, options), options?.Level ?? default, cancellationToken).ConfigureAwait(false);
        return Get(key, options);
    }

    /// <inheritdoc/>
    public override ValueTask<StoreRecord?> GetByIndexAsync(StoreKey index, StoreKey key, GetOptions? options = null, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        options ??= new GetOptions();
        return _namespace.IsReplicated ? WhenReadyAsync() : new ValueTask<StoreRecord?>(GetByIndex(index, key, options));

        async ValueTask<StoreRecord?> WhenReadyAsync()
        {
            await _namespace.ReadyToReadAsync(options.PartitionKey, options.Level, cancellationToken).ConfigureAwait(false);
            return GetByIndex(index, key, options);
        }
    }

    private StoreRecord? GetByIndex(StoreKey index, StoreKey key, GetOptions options)
    {
        byte[]? bestKey = null;
        StoreRecord? best = null;
        foreach (LocalShard shard in _namespace.ShardsOf(options.PartitionKey))
        {
            using StateReader reader = shard.Open();
            if (KvReads.Find(reader, options.Comparison, index.Span, key.Span) is not { } found) continue;
            byte[] sortKey = RowKeys.Index(index.Span, found.IndexKey, found.EncodedKey);
            if (bestKey is not null && !KvReads.IsNearer(options.Comparison, sortKey, bestKey)) continue;
            bestKey = sortKey;
            best = ToRecord(found.EncodedKey, found.Row);
        }

        return best;
    }

    /// <inheritdoc/>
    public override IAsyncEnumerable<StoreRecord> ScanAsync(KeyRange range, ScanOptions? options = null, CancellationToken cancellationToken = default)
    {
        options ??= new ScanOptions();
        EncodedKeyRange encoded = ContinuationToken.Apply(Encode(range), options);
        return WalkAsync(options, () => OpenScan(encoded, options), source => ToRecord(source.EncodedKey, source.Row), cancellationToken);
    }

    /// <inheritdoc/>
    public override IAsyncEnumerable<StoreKey> ListAsync(KeyRange range, ScanOptions? options = null, CancellationToken cancellationToken = default)
    {
        options ??= new ScanOptions();
        EncodedKeyRange encoded = ContinuationToken.Apply(Encode(range), options);
        return WalkAsync(options, () => OpenScan(encoded, options), source => new StoreKey(Order.Decode(source.EncodedKey)), cancellationToken);
    }

    /// <inheritdoc/>
    public override ValueTask<ScanPage> ScanPageAsync(KeyRange range, ScanOptions? options = null, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        options ??= new ScanOptions();
        int limit = options.Limit ?? ContinuationToken.DefaultPage;
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(limit, nameof(options));
        EncodedKeyRange encoded = ContinuationToken.Apply(Encode(range), options);
        return _namespace.IsReplicated ? WhenReadyAsync() : new ValueTask<ScanPage>(ReadPage(encoded, options, limit));

        async ValueTask<ScanPage> WhenReadyAsync()
        {
            await _namespace.ReadyToReadAsync(options.PartitionKey, options.Level, cancellationToken).ConfigureAwait(false);
            return ReadPage(encoded, options, limit);
        }
    }

    private ScanPage ReadPage(EncodedKeyRange encoded, ScanOptions options, int limit)
    {
        using IRecordSource source = OpenScan(encoded, options);
        return RecordPage.Read(source, Order, options.Reverse, new PageLimits(limit, long.MaxValue, IsKeysOnly: false));
    }

    /// <inheritdoc/>
    public override IAsyncEnumerable<StoreRecord> ScanIndexAsync(
        StoreKey index, StoreKey start = default, StoreKey end = default, ScanOptions? options = null, CancellationToken cancellationToken = default)
    {
        options ??= new ScanOptions();
        ScanOptions.CheckIndexScan(index, options);
        return WalkAsync(options, Open, source => ToRecord(source.EncodedKey, source.Row), cancellationToken);

        IRecordSource Open() => MergedScan.Of(
            [.. _namespace.ShardsOf(options.PartitionKey).Select(shard => new IndexScan(shard.Open(), index.Span, start.Span, end.Span, options.Reverse))], options.Reverse);
    }

    /// <inheritdoc/>
    public override ValueTask<WriteResult> PutAsync(StoreKey key, ReadOnlyMemory<byte> value, PutOptions? options = null, CancellationToken cancellationToken = default) =>
        _writes.PutAsync(key, value, options, cancellationToken);

    /// <inheritdoc/>
    public override ValueTask<WriteResult> PutNextAsync(
        StoreKey prefix, ReadOnlyMemory<byte> value, IReadOnlyList<long> steps, PutOptions? options = null, CancellationToken cancellationToken = default) =>
        _writes.PutNextAsync(prefix, value, steps, options, cancellationToken);

    /// <inheritdoc/>
    public override ValueTask<WriteResult> DeleteAsync(StoreKey key, DeleteOptions? options = null, CancellationToken cancellationToken = default) =>
        _writes.DeleteAsync(key, options, cancellationToken);

    /// <inheritdoc/>
    public override ValueTask<WriteResult> DeleteRangeAsync(KeyRange range, StoreKey? partitionKey = null, CancellationToken cancellationToken = default) =>
        _writes.DeleteRangeAsync(range, partitionKey, cancellationToken);

    /// <inheritdoc/>
    public override ValueTask<TransactionResult> CommitAsync(StoreTransaction transaction, CancellationToken cancellationToken = default) =>
        _writes.CommitAsync(transaction, cancellationToken);

    /// <inheritdoc/>
    public override ValueTask<StoreSession> OpenSessionAsync(SessionOptions? options = null, CancellationToken cancellationToken = default) => _writes.OpenSessionAsync(options);

    /// <inheritdoc/>
    public override ValueTask<StoreClient> RegisterClientAsync(CancellationToken cancellationToken = default) =>
        _writes.RegisterClientAsync(writes => new ShardedKeyValueStore(_namespace, writes), cancellationToken);

    /// <inheritdoc/>
    public override ValueTask<IReadOnlyList<CutResult>> CompactAsync(CancellationToken cancellationToken = default) => _writes.CompactAsync(cancellationToken);

    /// <inheritdoc/>
    public override IAsyncEnumerable<StoreEvent> WatchAsync(KeyRange range, WatchOptions? options = null, CancellationToken cancellationToken = default)
    {
        options ??= new WatchOptions();
        WatchOptions.Check(options);
        // Opened now, not when the caller first asks: what happens from here on is told.
        return new StoreWatch(_namespace.Shards, Order, Encode(range), options).RunAsync(cancellationToken);
    }

    /// <inheritdoc/>
    public override IAsyncEnumerable<StoreKey> WatchSequenceAsync(StoreKey prefix, StoreKey? partitionKey = null, CancellationToken cancellationToken = default) =>
        SequenceWatch.RunAsync(_namespace.ShardOf(prefix, partitionKey), prefix, cancellationToken);

    /// <inheritdoc/>
    public override ValueTask<WriteOutcome> GetOutcomeAsync(WriteId write, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        LocalShard shard = _namespace.Shards.FirstOrDefault(shard => shard.Id == write.Shard)
            ?? throw new ArgumentException($"Namespace '{Name}' has no shard {write.Shard}.", nameof(write));
        return FindOutcomeAsync(shard, write, cancellationToken);
    }

    /// <summary>What a client's write came to, as its shard knows.</summary>
    internal static async ValueTask<WriteOutcome> FindOutcomeAsync(LocalShard shard, WriteId write, CancellationToken cancellationToken)
    {
        await shard.ReadyToReadAsync(ReadLevel.Linearizable, cancellationToken).ConfigureAwait(false);
        using StateReader reader = shard.Open();
        StoreStatus status = ClientTable.FindOutcome(reader, write.Client, write.Sequence, out ReadOnlyMemory<byte> answer);
        if (status != StoreStatus.Ok) return new WriteOutcome(status, null);
        WriteResult result = StoreShard.ReadResult(answer.Span, default);
        return new WriteOutcome(result.Status, result);
    }

    private IRecordSource OpenScan(EncodedKeyRange range, ScanOptions options) => MergedScan.Of(
        [.. _namespace.ShardsOf(options.PartitionKey).Select(shard => new RecordScan(shard.Open(), range, options.Reverse))], options.Reverse);

    private async IAsyncEnumerable<TItem> WalkAsync<TItem>(
        ScanOptions options, Func<IRecordSource> open, Func<IRecordSource, TItem> read, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        if (options.Limit is { } most) ArgumentOutOfRangeException.ThrowIfNegative(most, nameof(options));
        await _namespace.ReadyToReadAsync(options.PartitionKey, options.Level, cancellationToken).ConfigureAwait(false);
        using IRecordSource source = open();
        for (int count = 0; (options.Limit is null || count < options.Limit) && source.MoveNext(); count++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            yield return read(source);
        }
    }

    private StoreRecord ToRecord(ReadOnlySpan<byte> encodedKey, ReadOnlyMemory<byte> row) => new(Order.Decode(encodedKey), row);

    private EncodedKeyRange Encode(KeyRange range)
    {
        ArgumentNullException.ThrowIfNull(range);
        return Order.Encode(range);
    }
}

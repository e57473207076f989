using System.Runtime.CompilerServices;

using Tidemark.Replication.KeyValue;
using Tidemark.Replication.Wire;

namespace Tidemark.Replication.Client;

/// <summary>A namespace of which nothing is in this process: what reads it asks a member, what writes goes through one to the shard's leader.</summary>
internal sealed class RemoteKeyValueStore(StoreNamespace<RemoteShard> space, MemberCalls calls, ClientWrites? client = null) : KeyValueStore
{
    private readonly StoreWrites<RemoteShard> _writes = new(space, client);

    public override string Name => space.Name;

    public override NamespaceOptions Settings => space.Settings;

    public override bool TryGet(StoreKey key, out StoreRecord record) =>
        throw new NotSupportedException("This process holds no records to look at without waiting: use GetAsync.");

    public override async ValueTask<StoreRecord?> GetAsync(StoreKey key, GetOptions? options = null, CancellationToken cancellationToken = default)
    {
        // As a store that has the records does: without options too long a key is one that is not there.
        if (key.Length > Settings.MaxKeyBytes) return options is null ? null : throw space.KeyTooLong(key);
        return await FindAsync(new GetRequest(null, key, options ?? new GetOptions()), cancellationToken).ConfigureAwait(false);
    }

    public override ValueTask<StoreRecord?> GetByIndexAsync(StoreKey index, StoreKey key, GetOptions? options = null, CancellationToken cancellationToken = default) =>
        FindAsync(new GetRequest(index, key, options ?? new GetOptions()), cancellationToken);

    public override IAsyncEnumerable<StoreRecord> ScanAsync(KeyRange range, ScanOptions? options = null, CancellationToken cancellationToken = default)
    {
        Check(range, ref options);
        return WalkAsync(left => new ScanRequest(range, IsKeysOnly: false, left), options, cancellationToken);
    }

    public override async ValueTask<ScanPage> ScanPageAsync(KeyRange range, ScanOptions? options = null, CancellationToken cancellationToken = default)
    {
        Check(range, ref options);
        options = options with { Limit = options.Limit ?? ContinuationToken.DefaultPage };
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(options.Limit.Value, nameof(options));
        PageBody page = await PageAsync(new ScanRequest(range, IsKeysOnly: false, options), cancellationToken).ConfigureAwait(false);
        return new ScanPage(page.Records, page.ContinuationToken);
    }

    public override async IAsyncEnumerable<StoreKey> ListAsync(
        KeyRange range, ScanOptions? options = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        Check(range, ref options);
        await foreach (StoreRecord record in WalkAsync(left => new ScanRequest(range, IsKeysOnly: true, left), options, cancellationToken).ConfigureAwait(false)) yield return record.Key;
    }

    public override IAsyncEnumerable<StoreRecord> ScanIndexAsync(
        StoreKey index, StoreKey start = default, StoreKey end = default, ScanOptions? options = null, CancellationToken cancellationToken = default)
    {
        options ??= new ScanOptions();
        ScanOptions.CheckIndexScan(index, options);
        return WalkAsync(left => new IndexScanRequest(index, start, end, left), options, cancellationToken);
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

    public override ValueTask<StoreClient> RegisterClientAsync(CancellationToken cancellationToken = default) =>
        _writes.RegisterClientAsync(writes => new RemoteKeyValueStore(space, calls, writes), cancellationToken);

    public override async ValueTask<WriteOutcome> GetOutcomeAsync(WriteId write, CancellationToken cancellationToken = default)
    {
        if (space.Shards.All(shard => shard.Id != write.Shard)) throw new ArgumentException($"Namespace '{Name}' has no shard {write.Shard}.", nameof(write));
        StoreAnswer answer = await calls.ReadAsync(new OutcomeRequest(write), cancellationToken).ConfigureAwait(false);
        return StoreAnswerCodec.ReadOutcome(answer.Body.Span);
    }

    public override IAsyncEnumerable<StoreEvent> WatchAsync(KeyRange range, WatchOptions? options = null, CancellationToken cancellationToken = default)
    {
        options ??= new WatchOptions();
        WatchOptions.Check(options);
        ArgumentNullException.ThrowIfNull(range);
        return new RemoteWatch(calls, space.Settings.KeyOrder, range, options).RunAsync(cancellationToken);
    }

    public override async IAsyncEnumerable<StoreKey> WatchSequenceAsync(
        StoreKey prefix, StoreKey? partitionKey = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        for (StoreKey? known = null; ;)
        {
            if (await calls.WatchUntilClosedAsync(new SequenceRequest(prefix, partitionKey, known), cancellationToken).ConfigureAwait(false) is not { } answer) yield break;
            foreach (StoreRecord latest in StoreAnswerCodec.ReadPage(answer.Body.Span, isKeysOnly: true).Records)
            {
                known = latest.Key;
                yield return latest.Key;
            }
        }
    }

    /// <summary>Refuses here what a member would refuse.</summary>
    private void Check(KeyRange range, [System.Diagnostics.CodeAnalysis.NotNull] ref ScanOptions? options)
    {
        ArgumentNullException.ThrowIfNull(range);
        options ??= new ScanOptions();
        if (options.Limit is { } most) ArgumentOutOfRangeException.ThrowIfNegative(most, nameof(options));
        ContinuationToken.Apply(Settings.KeyOrder.Encode(range), options);
    }

    private async ValueTask<StoreRecord?> FindAsync(GetRequest request, CancellationToken cancellationToken)
    {
        PageBody page = await PageAsync(request, cancellationToken).ConfigureAwait(false);
        return page.Records.Count > 0 ? page.Records[0] : null;
    }

    private async ValueTask<PageBody> PageAsync(StoreRequest request, CancellationToken cancellationToken)
    {
        StoreAnswer answer = await calls.ReadAsync(request, cancellationToken).ConfigureAwait(false);
        return StoreAnswerCodec.ReadPage(answer.Body.Span, request is ScanRequest { IsKeysOnly: true });
    }

    /// <summary>Reads page after page.</summary>
    private async IAsyncEnumerable<StoreRecord> WalkAsync(
        Func<ScanOptions, StoreRequest> pageOf, ScanOptions options, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        while (options.Limit is not 0)
        {
            PageBody page = await PageAsync(pageOf(options), cancellationToken).ConfigureAwait(false);
            foreach (StoreRecord record in page.Records) yield return record;
            if (page.ContinuationToken is not { } next) yield break;
            options = options with { ContinuationToken = next, Limit = options.Limit - page.Records.Count };
        }
    }
}

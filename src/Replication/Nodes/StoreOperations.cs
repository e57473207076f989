using System.Buffers;

using Tidemark.Core.KeyValue;
using Tidemark.Core.State;
using Tidemark.Replication.KeyValue;
using Tidemark.Replication.Shards;
using Tidemark.Replication.Wire;

namespace Tidemark.Replication.Nodes;

/// <summary>Does on this node's store what a client asks.</summary>
internal sealed class StoreOperations(Guid cluster, LocalNamespace space)
{
    private const int MostEntries = 4_096;
    private const int MostBytes = 256 * 1024;

    private readonly ShardedKeyValueStore _store = new(space);

    /// <param name="request">What.</param>
    /// <param name="patience">How long a command may be tried.</param>
    /// <param name="cancellationToken">Ends a read, or the wait of a watch.</param>
    internal async ValueTask<(RequestOutcome Outcome, ReadOnlyMemory<byte> Body)> RunAsync(StoreRequest request, TimeSpan patience, CancellationToken cancellationToken)
    {
        if (request is KeepAliveRequest alive) return (await ShardOf(alive.Shard).KeepAliveAsync(alive.Session).ConfigureAwait(false) ? RequestOutcome.Done : RequestOutcome.SessionIsOver, default);
        return (RequestOutcome.Done, request switch
        {
            CommandRequest command => await CommandAsync(command, patience).ConfigureAwait(false),
            GetRequest get => StoreAnswerCodec.Write(await GetAsync(get, cancellationToken).ConfigureAwait(false)),
            ScanRequest scan => StoreAnswerCodec.Write(await ScanAsync(scan, cancellationToken).ConfigureAwait(false)),
            IndexScanRequest scan => StoreAnswerCodec.Write(await ScanAsync(scan, cancellationToken).ConfigureAwait(false)),
            WatchRequest watch => StoreAnswerCodec.Write(await WatchAsync(watch, cancellationToken).ConfigureAwait(false)),
            SequenceRequest watch => StoreAnswerCodec.Write(await WatchAsync(watch, cancellationToken).ConfigureAwait(false)),
            OutcomeRequest outcome => StoreAnswerCodec.Write(await _store.GetOutcomeAsync(outcome.Write, cancellationToken).ConfigureAwait(false)),
            _ => StoreAnswerCodec.Write(new StoreDescriptionBody(cluster, space.Name, KvSettings.Of(space.Settings), space.Ranges)),
        });
    }

    private async ValueTask<ReadOnlyMemory<byte>> CommandAsync(CommandRequest request, TimeSpan patience)
    {
        LocalShard shard = ShardOf(request.Shard);
        Proposal proposal = shard.Rent(request.Command);
        try
        {
            proposal.Patience = patience;
            proposal.Payload.Write(request.Payload.Span);
            await shard.SubmitAsync(proposal, CancellationToken.None).ConfigureAwait(false);
            return proposal.Answer.WrittenSpan.ToArray();
        }
        finally
        {
            proposal.LetGo();
        }
    }

    private async ValueTask<PageBody> GetAsync(GetRequest request, CancellationToken cancellationToken)
    {
        StoreRecord? found = request.Index is { } index
            ? await _store.GetByIndexAsync(index, request.Key, request.Options, cancellationToken).ConfigureAwait(false)
            : await _store.GetAsync(request.Key, request.Options, cancellationToken).ConfigureAwait(false);
        return new PageBody(found is { } record ? [record] : [], null, null);
    }

    private async ValueTask<PageBody> ScanAsync(ScanRequest request, CancellationToken cancellationToken)
    {
        ScanOptions options = request.Options;
        EncodedKeyRange range = ContinuationToken.Apply(space.Settings.KeyOrder.Encode(request.Range), options);
        await space.ReadyToReadAsync(options.PartitionKey, options.Level, cancellationToken).ConfigureAwait(false);
        var places = new Dictionary<long, WatchPlace>();
        using IRecordSource source = MergedScan.Of([.. space.ShardsOf(options.PartitionKey).Select(Open)], options.Reverse);
        return PageOf(source, options, request.IsKeysOnly, new WatchToken(places));

        RecordScan Open(LocalShard shard)
        {
            StateReader reader = shard.Open();
            places[shard.Id] = new WatchPlace(reader.View.AppliedOffset, WatchPlace.All);
            return new RecordScan(reader, range, options.Reverse);
        }
    }

    private async ValueTask<PageBody> ScanAsync(IndexScanRequest request, CancellationToken cancellationToken)
    {
        ScanOptions options = request.Options;
        byte[] after = options.ContinuationToken is { } token ? ContinuationToken.Read(token, options.Reverse) : [];
        await space.ReadyToReadAsync(options.PartitionKey, options.Level, cancellationToken).ConfigureAwait(false);
        using IRecordSource source = MergedScan.Of(
            [.. space.ShardsOf(options.PartitionKey).Select(shard => new IndexScan(shard.Open(), request.Index.Span, request.Start.Span, request.End.Span, options.Reverse, after))],
            options.Reverse);
        return PageOf(source, options, isKeysOnly: false, place: null);
    }

    private PageBody PageOf(IRecordSource source, ScanOptions options, bool isKeysOnly, WatchToken? place)
    {
        ScanPage page = RecordPage.Read(source, space.Settings.KeyOrder, options.Reverse, new PageLimits(Math.Min(options.Limit ?? MostEntries, MostEntries), MostBytes, isKeysOnly));
        return new PageBody(page.Records, page.ContinuationToken, place);
    }

    /// <summary>Where a watch begins; or what lies behind a place, as soon as there is something, and what of it need not be waited for.</summary>
    private async ValueTask<EventsBody> WatchAsync(WatchRequest request, CancellationToken cancellationToken)
    {
        var options = new WatchOptions { ResumeAfter = request.After, IncludeValues = request.IncludeValues, LatestOnly = request.LatestOnly };
        var watch = new StoreWatch(space, space.Settings.KeyOrder.Encode(request.Range), options);
        if (request.After is null)
        {
            await watch.BeginAsync(cancellationToken).ConfigureAwait(false);
            return new EventsBody([], watch.Token);
        }

        using var enough = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var events = new List<StoreEvent>();
        IAsyncEnumerator<StoreEvent> changes = watch.RunAsync(enough.Token).GetAsyncEnumerator(CancellationToken.None);
        try
        {
            for (long bytes = 0; events.Count < MostEntries && bytes < MostBytes; bytes += BytesOf(events[^1]))
            {
                ValueTask<bool> next = changes.MoveNextAsync();
                if (events.Count > 0 && !next.IsCompleted) await enough.CancelAsync().ConfigureAwait(false);
                ObjectDisposedException.ThrowIf(!await next.ConfigureAwait(false), typeof(TidemarkNode));
                events.Add(changes.Current);
            }
        }
        catch (OperationCanceledException)
        {
            // There is no more for now.
        }
        finally
        {
            await changes.DisposeAsync().ConfigureAwait(false);
        }

        return new EventsBody(events, events.Count > 0 ? events[^1].Token : watch.Token);
    }

    private async ValueTask<PageBody> WatchAsync(SequenceRequest request, CancellationToken cancellationToken)
    {
        try
        {
            await foreach (StoreKey key in _store.WatchSequenceAsync(request.Prefix, request.PartitionKey, cancellationToken).ConfigureAwait(false))
            {
                // This node may be behind the one that told the key known.
                if (request.Known is not { } known || key.Span.SequenceCompareTo(known.Span) > 0) return new PageBody([new StoreRecord(key, default)], null, null);
            }
        }
        catch (OperationCanceledException)
        {
            return new PageBody([], null, null);
        }

        throw new ObjectDisposedException(nameof(TidemarkNode));
    }

    private LocalShard ShardOf(long id) => space.Shards.FirstOrDefault(shard => shard.Id == id) ?? throw new ArgumentException($"There is no shard {id}.", nameof(id));

    private static int BytesOf(StoreEvent change) => change.Key.Length + (change.Record?.RowBytes.Length ?? 0) + (change.Range is { } range ? range.Start.Length + range.End.Length : 0) + change.Token.ToString().Length;
}

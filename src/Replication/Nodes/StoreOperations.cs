using System.Buffers;

using Tidemark.Core.KeyValue;
using Tidemark.Core.Replication;
using Tidemark.Core.State;
using Tidemark.Replication.KeyValue;
using Tidemark.Replication.Rebase;
using Tidemark.Replication.Shards;
using Tidemark.Replication.Wire;

namespace Tidemark.Replication.Nodes;

/// <summary>Does what clients and other nodes ask: reads on the replicas here, writes wherever their shard is led.</summary>
/// <param name="node">This node's number.</param>
/// <param name="cluster">The cluster's id.</param>
/// <param name="space">The namespace.</param>
/// <param name="topics">What is asked about topics.</param>
/// <param name="leaderOf">Who leads a shard as far as is known, or -1.</param>
internal sealed class StoreOperations(int node, Guid cluster, LocalNamespace space, TopicOperations topics, Func<long, int> leaderOf)
{
    private const int MostEntries = 4_096;
    private const int MostBytes = 256 * 1024;

    private static readonly PageBody _nothing = new([], null, null);

    private KeyOrder Order => space.Settings.KeyOrder;

    /// <param name="request">What.</param>
    /// <param name="patience">How long a command may be tried.</param>
    /// <param name="cancellationToken">Ends a read, or the wait of a watch.</param>
    internal async ValueTask<StoreAnswer> RunAsync(StoreRequest request, TimeSpan patience, CancellationToken cancellationToken)
    {
        if (request is DescribeRequest) return Done(new StoreDescriptionBody(cluster, space.Name, KvSettings.Of(space.Settings), space.Ranges));
        if (space.Shards.FirstOrDefault(shard => shard.Id == request.Shard) is not { } shard)
            return await topics.RunAsync(request, patience, cancellationToken).ConfigureAwait(false) is { } body ? Done(body) : NotKept(request.Shard);
        switch (request)
        {
            case CommandRequest command:
                return Done(new BytesBody(await CommandAsync(shard, command, patience).ConfigureAwait(false)));
            case KeepAliveRequest alive:
                return Done(null) with { Outcome = await shard.KeepAliveAsync(alive.Session).ConfigureAwait(false) ? RequestOutcome.Done : RequestOutcome.SessionIsOver };
            case PushRequest push:
                return Done(new PushedBody(await ServerRoute.PushAsync(shard, push.Push, push.Forbids, cancellationToken).ConfigureAwait(false)));
            case WatchRequest { After: null }:
                return Done(new EventsBody([], PlaceOf(shard, await shard.WatchFromAsync().WaitAsync(cancellationToken).ConfigureAwait(false))));
        }

        if (!shard.IsHere) return NotKept(shard.Id);
        return Done(request switch
        {
            GetRequest get => await GetAsync(shard, get, cancellationToken).ConfigureAwait(false),
            ScanRequest scan => await ScanAsync(shard, scan, cancellationToken).ConfigureAwait(false),
            IndexScanRequest scan => await ScanAsync(shard, scan, cancellationToken).ConfigureAwait(false),
            WatchRequest watch => await WatchAsync(shard, watch, cancellationToken).ConfigureAwait(false),
            SequenceRequest watch => await WatchAsync(shard, watch, cancellationToken).ConfigureAwait(false),
            PullRequest pull => new SyncBody(await LocalServerRoute.AnswerAsync(shard, Order, pull.Pull, pull.Waits, cancellationToken).ConfigureAwait(false)),
            OutcomeRequest outcome => new OutcomeBody(await ShardedKeyValueStore.FindOutcomeAsync(shard, outcome.Write, cancellationToken).ConfigureAwait(false)),
            _ => throw new ArgumentException($"Shard {shard.Id} is no partition of a topic.", nameof(request)),
        });
    }

    private StoreAnswer NotKept(long shard) => new(RequestOutcome.NotKept, leaderOf(shard), $"Node {node} does not keep shard {shard}.", null);

    private static async ValueTask<ReadOnlyMemory<byte>> CommandAsync(LocalShard shard, CommandRequest request, TimeSpan patience)
    {
        Proposal proposal = shard.Rent((KvCommand)request.Command);
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

    private async ValueTask<PageBody> GetAsync(LocalShard shard, GetRequest request, CancellationToken cancellationToken)
    {
        if (request.Index is null && request.Key.Length > space.Settings.MaxKeyBytes) throw space.KeyTooLong(request.Key);
        await shard.ReadyToReadAsync(request.Level, cancellationToken).ConfigureAwait(false);
        using StateReader reader = shard.Open();
        if (request.Index is not { } index)
            return KvReads.Find(reader, request.Comparison, Order.Encode(request.Key.Span)) is { } near ? PageOf(near.EncodedKey, near.Row) : _nothing;
        return KvReads.Find(reader, request.Comparison, index.Span, request.Key.Span) is { } found
            ? PageOf(found.EncodedKey, found.Row) with { SortKeys = [RowKeys.Index(index.Span, found.IndexKey, found.EncodedKey)] }
            : _nothing;
    }

    private async ValueTask<PageBody> ScanAsync(LocalShard shard, ScanRequest request, CancellationToken cancellationToken)
    {
        EncodedKeyRange range = ContinuationToken.Apply(Order.Encode(request.Range), request.Options);
        await shard.ReadyToReadAsync(request.Options.Level, cancellationToken).ConfigureAwait(false);
        StateReader reader = shard.Open();
        WatchToken place = PlaceOf(shard, reader.View.AppliedOffset);
        using var source = new RecordScan(reader, range, request.Options.Reverse);
        ScanPage page = RecordPage.Read(source, Order, request.Options.Reverse, LimitsOf(request.Options, request.IsKeysOnly));
        return new PageBody(page.Records, page.ContinuationToken, place);
    }

    private async ValueTask<PageBody> ScanAsync(LocalShard shard, IndexScanRequest request, CancellationToken cancellationToken)
    {
        ScanOptions options = request.Options;
        byte[] after = options.ContinuationToken is { } token ? ContinuationToken.Read(token, options.Reverse) : [];
        await shard.ReadyToReadAsync(options.Level, cancellationToken).ConfigureAwait(false);
        using var source = new IndexScan(shard.Open(), request.Index.Span, request.Start.Span, request.End.Span, options.Reverse, after);
        var sortKeys = new List<ReadOnlyMemory<byte>>();
        ScanPage page = RecordPage.Read(source, Order, options.Reverse, LimitsOf(options, isKeysOnly: false), sortKeys);
        return new PageBody(page.Records, page.ContinuationToken, null) { SortKeys = sortKeys };
    }

    private static PageLimits LimitsOf(ScanOptions options, bool isKeysOnly) => new(Math.Min(options.Limit ?? MostEntries, MostEntries), MostBytes, isKeysOnly);

    private PageBody PageOf(byte[] encodedKey, ReadOnlyMemory<byte> row) => new([new StoreRecord(Order.Decode(encodedKey), row)], null, null);

    private static WatchToken PlaceOf(LocalShard shard, long offset) => new(new Dictionary<long, WatchPlace> { [shard.Id] = new(offset, WatchPlace.All) });

    private static StoreAnswer Done(StoreBody? body) => new(RequestOutcome.Done, ShardStatus.Nobody, "", body);

    /// <summary>What lies behind a place, as soon as there is something, and what of it need not be waited for.</summary>
    private async ValueTask<EventsBody> WatchAsync(LocalShard shard, WatchRequest request, CancellationToken cancellationToken)
    {
        var options = new WatchOptions { ResumeAfter = request.After, IncludeValues = request.IncludeValues, LatestOnly = request.LatestOnly };
        var watch = new StoreWatch([shard], Order, Order.Encode(request.Range), options);
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

    private static async ValueTask<PageBody> WatchAsync(LocalShard shard, SequenceRequest request, CancellationToken cancellationToken)
    {
        try
        {
            await foreach (StoreKey key in SequenceWatch.RunAsync(shard, request.Prefix, cancellationToken).ConfigureAwait(false))
            {
                // This node may be behind the one that told the key known.
                if (request.Known is not { } known || key.Span.SequenceCompareTo(known.Span) > 0) return new PageBody([new StoreRecord(key, default)], null, null);
            }
        }
        catch (OperationCanceledException)
        {
            return _nothing;
        }

        throw new ObjectDisposedException(nameof(TidemarkNode));
    }

    private static int BytesOf(StoreEvent change) => change.Key.Length + (change.Record?.RowBytes.Length ?? 0) + (change.Range is { } range ? range.Start.Length + range.End.Length : 0) + change.Token.ToString().Length;
}

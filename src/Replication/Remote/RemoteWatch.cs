using System.Runtime.CompilerServices;

using Tidemark.Replication.Wire;

namespace Tidemark.Replication.Remote;

/// <summary>A watch over shards wherever they are kept: asks for each again and again what lies behind its place, of whoever keeps it then.</summary>
internal sealed class RemoteWatch
{
    private readonly IShardReads _reads;
    private readonly IReadOnlyList<long> _shards;
    private readonly KeyOrder _order;
    private readonly KeyRange _range;
    private readonly WatchOptions _options;
    private readonly Task<EventsBody?>[]? _begun;
    private readonly Dictionary<long, WatchPlace> _places = [];
    private readonly Dictionary<long, ExistingPages> _pages = [];

    internal RemoteWatch(IShardReads reads, IReadOnlyList<long> shards, KeyOrder order, KeyRange range, WatchOptions options)
    {
        order.Encode(range);   // A range that means nothing is refused here.
        (_reads, _shards, _order, _range, _options) = (reads, shards, order, range, options);
        foreach (long shard in shards)
        {
            _pages[shard] = new ExistingPages(order);
            if (options.ResumeAfter is { } token) _places[shard] = token.PlaceOf(shard) ?? new WatchPlace(-1, WatchPlace.All);   // A shard that is younger than the token: from its beginning.
        }

        // Asked now, not when the caller first asks: what happens from here on is told.
        if (!options.IncludeExisting && options.ResumeAfter is null) _begun = [.. shards.Select(shard => reads.WatchAsync(RequestOf(shard, null), CancellationToken.None))];
    }

    internal async IAsyncEnumerable<StoreEvent> RunAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        if (_begun is not null && !await BeginAsync(_begun, cancellationToken).ConfigureAwait(false)) yield break;
        if (_options.IncludeExisting)
        {
            var existing = new MergedPages(_shards, _order, isReverse: false, first: null, (shard, next) => PageAsync(shard, next, cancellationToken));
            WatchToken? token = null;   // Behind the first pages, all of which are there before the first record is told.
            while (await existing.MoveNextAsync().ConfigureAwait(false))
            {
                StoreRecord record = existing.Current;
                token ??= new WatchToken(_places);
                yield return new StoreEvent { Kind = StoreEventKind.Existing, Key = record.Key, Version = record.Version, Timestamp = record.Modified, Record = record, Token = token };
            }

            if (_places.Count < _shards.Count) yield break;   // Closed meanwhile.
        }

        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        try
        {
            Task<EventsBody?>[] polls = [.. _shards.Select(shard => PollAsync(shard, ended.Token))];
            while (true)
            {
                await Task.WhenAny(polls).ConfigureAwait(false);
                for (int i = 0; i < polls.Length; i++)
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    if (!polls[i].IsCompleted) continue;
                    if (await polls[i].ConfigureAwait(false) is not { } body) yield break;
                    long shard = _shards[i];
                    foreach (StoreEvent change in body.Events)
                    {
                        _places[shard] = PlaceIn(change.Token, shard);
                        if (_pages[shard].Left(change) is not { } left) continue;
                        yield return left with { Token = new WatchToken(_places) };
                        cancellationToken.ThrowIfCancellationRequested();
                    }

                    _places[shard] = PlaceIn(body.Place, shard);
                    polls[i] = PollAsync(shard, ended.Token);   // Not before all was taken: who is slow is waited for.
                }
            }
        }
        finally
        {
            await ended.CancelAsync().ConfigureAwait(false);
        }
    }

    private async Task<bool> BeginAsync(Task<EventsBody?>[] begun, CancellationToken cancellationToken)
    {
        for (int i = 0; i < begun.Length; i++)
        {
            if (await begun[i].WaitAsync(cancellationToken).ConfigureAwait(false) is not { } body) return false;
            _places[_shards[i]] = PlaceIn(body.Place, _shards[i]);
        }

        return true;
    }

    private async Task<PageBody> PageAsync(long shard, string? next, CancellationToken cancellationToken)
    {
        var request = new ScanRequest(shard, _range, IsKeysOnly: false, new ScanOptions { ContinuationToken = next });
        if (await _reads.WatchAsync(request, cancellationToken).ConfigureAwait(false) is not { } page) return new PageBody([], null, null);   // Closed.
        lock (_pages)   // The first pages come at once.
        {
            _pages[shard].Add(page);
            _places.TryAdd(shard, PlaceIn(page.Place, shard));
        }

        return page;
    }

    private Task<EventsBody?> PollAsync(long shard, CancellationToken cancellationToken) =>
        _reads.WatchAsync(RequestOf(shard, new WatchToken(new Dictionary<long, WatchPlace> { [shard] = _places[shard] })), cancellationToken);

    private WatchRequest RequestOf(long shard, WatchToken? after) => new(shard, _range, after, _options.IncludeValues, _options.LatestOnly);

    private static WatchPlace PlaceIn(WatchToken? token, long shard) => token?.PlaceOf(shard) ?? throw new MalformedDataException(0, "what a shard tells has a place in it");
}

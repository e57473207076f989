using System.Runtime.CompilerServices;

using Tidemark.Replication.Wire;

namespace Tidemark.Replication.Client;

/// <summary>A watch over members: asks again and again for what lies behind its place, whichever of them answers.</summary>
internal sealed class RemoteWatch
{
    private readonly MemberCalls _calls;
    private readonly KeyOrder _order;
    private readonly KeyRange _range;
    private readonly WatchOptions _options;
    private readonly Task<StoreAnswer>? _begun;

    internal RemoteWatch(MemberCalls calls, KeyOrder order, KeyRange range, WatchOptions options)
    {
        order.Encode(range);   // A range that means nothing is refused here.
        (_calls, _order, _range, _options) = (calls, order, range, options);
        // Asked now, not when the caller first asks: what happens from here on is told.
        if (!options.IncludeExisting && options.ResumeAfter is null) _begun = calls.WatchAsync(RequestFrom(null), CancellationToken.None);
    }

    internal async IAsyncEnumerable<StoreEvent> RunAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        WatchToken? place = _options.ResumeAfter;
        var pages = new ExistingPages(_order);
        if (_begun is not null)
        {
            place = StoreAnswerCodec.ReadEvents((await _begun.WaitAsync(cancellationToken).ConfigureAwait(false)).Body.Span).Place;
        }
        else if (_options.IncludeExisting)
        {
            for (string? next = null; pages.Count == 0 || next is not null;)
            {
                StoreAnswer answer = await _calls.WatchAsync(new ScanRequest(_range, IsKeysOnly: false, new ScanOptions { ContinuationToken = next }), cancellationToken).ConfigureAwait(false);
                PageBody page = StoreAnswerCodec.ReadPage(answer.Body.Span, isKeysOnly: false);
                place ??= page.Place ?? throw new MalformedDataException(0, "a page of a scan has a place");
                pages.Add(page);
                next = page.ContinuationToken;
                foreach (StoreRecord record in page.Records)
                    yield return new StoreEvent { Kind = StoreEventKind.Existing, Key = record.Key, Version = record.Version, Timestamp = record.Modified, Record = record, Token = place };
            }
        }

        while (true)
        {
            if (await _calls.WatchUntilClosedAsync(RequestFrom(place), cancellationToken).ConfigureAwait(false) is not { } answer) yield break;
            EventsBody body = StoreAnswerCodec.ReadEvents(answer.Body.Span);
            foreach (StoreEvent change in body.Events)
            {
                if (pages.Left(change) is { } left) yield return left;
                cancellationToken.ThrowIfCancellationRequested();
            }

            place = body.Place;
        }
    }

    private WatchRequest RequestFrom(WatchToken? place) => new(_range, place, _options.IncludeValues, _options.LatestOnly);
}

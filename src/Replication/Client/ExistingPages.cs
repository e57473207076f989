using Tidemark.Replication.Wire;

namespace Tidemark.Replication.Client;

/// <summary>Remembers as of when each page of a scan was, so that of the changes behind the first page those are left out that later pages show already.</summary>
/// <remarks>Pages are read in key order, each no earlier than the one before. So where a change lies before some pages, those are the last ones: what it still tells is about the keys before them.</remarks>
internal sealed class ExistingPages(KeyOrder order)
{
    private readonly List<(StoreKey First, WatchToken Place)> _pages = [];

    internal int Count => _pages.Count;

    internal void Add(PageBody page) => _pages.Add((page.Records.Count > 0 ? page.Records[0].Key : default, page.Place ?? throw new MalformedDataException(0, "a page of a scan has a place")));

    /// <summary>What a change tells that no page has shown; null for nothing.</summary>
    internal StoreEvent? Left(StoreEvent change)
    {
        int shows = FirstThatShows(change);
        if (shows == _pages.Count || change.Kind == StoreEventKind.Compacted) return change;
        if (shows == 0) return null;
        byte[] border = order.Encode(_pages[shows].First.Span);
        if (change.Range is not { } deleted) return order.Encode(change.Key.Span).AsSpan().SequenceCompareTo(border) < 0 ? change : null;
        EncodedKeyRange range = order.Encode(deleted);
        if (!range.End.IsEmpty && range.End.Span.SequenceCompareTo(border) <= 0) return change;
        if (range.Start.Span.SequenceCompareTo(border) >= 0) return null;
        KeyRange left = KeyRange.Between(FirstKeyOf(deleted), _pages[shows].First.Span);
        bool isPart = order.Encode(left).Start.Span.SequenceEqual(range.Start.Span);   // Else no range begins where it does: who watches is told to look again.
        return isPart ? change with { Range = left } : change with { Kind = StoreEventKind.Compacted, Range = null };
    }

    /// <summary>The first page that was read when the change had happened.</summary>
    private int FirstThatShows(StoreEvent change)
    {
        if (_pages.Count == 0 || change.Token.PlaceOf(change.Shard) is not { } at) return _pages.Count;
        int page = _pages.FindIndex(page => page.Place.PlaceOf(change.Shard) is { } seen && seen.Offset >= at.Offset);
        // A last page without records says nothing of where it began: all keys lie before it.
        return page < 0 || (page == _pages.Count - 1 && page > 0 && _pages[page].First.IsEmpty) ? _pages.Count : page;
    }

    /// <summary>A key at which a range begins; none of its own lies before.</summary>
    private static byte[] FirstKeyOf(KeyRange range) => range.Kind == KeyRangeKind.Children ? [.. range.Start.Span, (byte)'/'] : range.Start.ToArray();
}

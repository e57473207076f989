using Tidemark.Replication.Wire;

namespace Tidemark.Replication.Remote;

/// <summary>Remembers as of when each page of a scan of one shard was, so that of the changes behind the first page those are left out that later pages show already.</summary>
/// <remarks>Pages are read in key order, each no earlier than the one before. So where a change lies before some pages, those are the last ones: what it still tells is about the keys before them.</remarks>
internal sealed class ExistingPages(KeyOrder order)
{
    private readonly List<(StoreKey First, StoreKey Last, WatchToken Place)> _pages = [];

    internal int Count => _pages.Count;

    internal void Add(PageBody page)
    {
        (StoreKey first, StoreKey last) = page.Records.Count > 0 ? (page.Records[0].Key, page.Records[^1].Key) : default;
        _pages.Add((first, last, page.Place ?? throw new MalformedDataException(0, "a page of a scan has a place")));
    }

    /// <summary>What a change tells that no page has shown; null for nothing.</summary>
    internal StoreEvent? Left(StoreEvent change)
    {
        if (change.Kind == StoreEventKind.Compacted || change.Token.PlaceOf(change.Shard) is not { } at) return change;
        int shows = _pages.FindIndex(page => page.Place.PlaceOf(change.Shard) is { } seen && seen.Offset >= at.Offset);
        if (shows < 0) return change;
        if (shows == 0) return null;
        return change.Range is { } deleted ? LeftOf(change, deleted, _pages[shows].First) : order.Compare(change.Key.Span, _pages[shows - 1].Last.Span) <= 0 ? change : null;
    }

    /// <summary>The part of a range delete that is about the pages before the one that begins with a key.</summary>
    private StoreEvent? LeftOf(StoreEvent change, KeyRange deleted, StoreKey first)
    {
        EncodedKeyRange range = order.Encode(deleted);
        byte[] border = order.Encode(first.Span);
        if (first.IsEmpty || (!range.End.IsEmpty && range.End.Span.SequenceCompareTo(border) <= 0)) return change;   // The last page may have no records: no key lies behind.
        if (range.Start.Span.SequenceCompareTo(border) >= 0) return null;
        KeyRange left = KeyRange.Between(FirstKeyOf(deleted), first.Span);
        bool isPart = order.Encode(left).Start.Span.SequenceEqual(range.Start.Span);   // Else no range begins where it does: who watches is told to look again.
        return isPart ? change with { Range = left } : change with { Kind = StoreEventKind.Compacted, Range = null };
    }

    /// <summary>A key at which a range begins; none of its own lies before.</summary>
    private static byte[] FirstKeyOf(KeyRange range) => range.Kind == KeyRangeKind.Children ? [.. range.Start.Span, (byte)'/'] : range.Start.ToArray();
}

using Tidemark.Replication.Wire;

namespace Tidemark.Replication.Remote;

/// <summary>Walks over records of several shards in one order, though each gives its own page after page.</summary>
/// <remarks>Not thread-safe. The first pages are asked for together, a further one of a shard when its last is used up. A step costs a comparison for each shard.</remarks>
/// <param name="shards">The shards.</param>
/// <param name="order">The order of keys, where records go by those.</param>
/// <param name="isReverse">Whether the last comes first.</param>
/// <param name="first">Behind which place to begin, as a continuation token; null for the beginning. It is a place in the order, so it fits every shard.</param>
/// <param name="read">Reads a shard's page behind a token.</param>
internal sealed class MergedPages(IReadOnlyList<long> shards, KeyOrder order, bool isReverse, string? first, Func<long, string?, Task<PageBody>> read)
{
    private Part[]? _parts;
    private Part? _at;

    internal StoreRecord Current => _at!.Page.Records[_at.Record];

    /// <summary>What the order goes by, of the current record.</summary>
    internal ReadOnlySpan<byte> SortKey => _at!.SortKey.Span;

    /// <summary>Whether there is a record behind the current one.</summary>
    internal bool HasMore => _parts!.Any(part => part.Record + (part == _at ? 1 : 0) < part.Page.Records.Count || part.Page.ContinuationToken is not null);

    internal async ValueTask<bool> MoveNextAsync()
    {
        if (_parts is null)
        {
            PageBody[] pages = await Task.WhenAll(shards.Select(shard => read(shard, first))).ConfigureAwait(false);
            _parts = [.. pages.Select((page, i) => new Part(shards[i], page))];
            foreach (Part part in _parts) await FillAsync(part).ConfigureAwait(false);
        }
        else if (_at is { } told)
        {
            told.Record++;
            await FillAsync(told).ConfigureAwait(false);
        }

        _at = null;
        foreach (Part part in _parts)
        {
            if (part.Record < part.Page.Records.Count && (_at is null || IsBefore(part, _at))) _at = part;
        }

        return _at is not null;
    }

    private async ValueTask FillAsync(Part part)
    {
        while (part.Record == part.Page.Records.Count && part.Page.ContinuationToken is { } next) (part.Page, part.Record) = (await read(part.Shard, next).ConfigureAwait(false), 0);
        if (part.Record < part.Page.Records.Count) part.SortKey = part.Page.SortKeyOf(part.Record, order);
    }

    private bool IsBefore(Part left, Part right)
    {
        int found = left.SortKey.Span.SequenceCompareTo(right.SortKey.Span);
        return isReverse ? found > 0 : found < 0;
    }

    /// <summary>Where the walk is in one shard.</summary>
    private sealed class Part(long shard, PageBody page)
    {
        internal long Shard { get; } = shard;

        internal PageBody Page { get; set; } = page;

        internal int Record { get; set; }

        internal ReadOnlyMemory<byte> SortKey { get; set; }
    }
}

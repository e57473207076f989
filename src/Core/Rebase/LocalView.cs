using Tidemark.Core.Engines;

namespace Tidemark.Core.Rebase;

/// <summary>A local store at one moment, as readers see it. Immutable.</summary>
/// <param name="Base">All rows of the state.</param>
/// <param name="Visible">As <paramref name="Base"/>, with the records that the timeline makes of it.</param>
/// <param name="Fields">What the state holds besides.</param>
/// <param name="Applied">The last entry that is in it.</param>
/// <param name="Troubles">How the runs of mutations ended that have no effect now.</param>
internal sealed record LocalView(OrderedTreeView Base, OrderedTreeView Visible, LocalFields Fields, long Applied, IReadOnlyDictionary<long, MutationRun> Troubles)
{
    private byte Records => LocalRows.Records(Fields.Tables);

    /// <summary>Finds the value of a record.</summary>
    internal bool TryGet(bool isConfirmed, StoreKey key, out ReadOnlyMemory<byte> value)
    {
        byte[] rowKey = new byte[1 + Fields.Order!.GetEncodedLength(key.Span)];
        rowKey[0] = Records;
        Fields.Order.Encode(key.Span, rowKey.AsSpan(1));
        bool isThere = (isConfirmed ? Base : Visible).TryGet(rowKey, out byte[]? row);
        value = isThere ? row.AsMemory(LocalRows.NumberBytes) : default;
        return isThere;
    }

    /// <summary>Walks over the records of a range, in order or from its end.</summary>
    internal IEnumerable<KeyValuePair<StoreKey, ReadOnlyMemory<byte>>> Scan(bool isConfirmed, EncodedKeyRange range, bool isReverse)
    {
        foreach ((byte[] key, ReadOnlyMemory<byte> value) in RecordRows.Scan((isConfirmed ? Base : Visible).OpenCursor(), Records, range, isReverse))
            yield return new(Fields.Order!.Decode(key), value);
    }

    /// <summary>The mutations that are not known to be decided.</summary>
    internal IEnumerable<TimelineEntry> Timeline()
    {
        OrderedTreeCursor cursor = Base.OpenCursor();
        for (bool found = cursor.SeekAtOrAfter([LocalRows.TimelineTable]); found && cursor.Key[0] == LocalRows.TimelineTable; found = cursor.MoveNext())
            yield return LocalRows.ReadTimeline(cursor.Value).Mutation;
    }

    /// <summary>The rejections that are kept, the oldest first.</summary>
    internal IEnumerable<(Guid Client, SyncRejection Rejection, TimelineEntry Mutation)> Rejections()
    {
        OrderedTreeCursor cursor = Base.OpenCursor();
        for (bool found = cursor.SeekAtOrAfter([LocalRows.RejectionTable]); found && cursor.Key[0] == LocalRows.RejectionTable; found = cursor.MoveNext())
        {
            (SyncRejection rejection, TimelineEntry mutation) = LocalRows.ReadRejection(cursor.Value);
            yield return (new Guid(cursor.Key.AsSpan(1, 16), bigEndian: true), rejection, mutation);
        }
    }

    /// <summary>The records of a range whose visible values differ from those of another view, by encoded key, ascending. Rows are as in the tables: a number, then the value.</summary>
    internal List<RowChange> ChangesSince(LocalView before, EncodedKeyRange range)
    {
        List<RowChange> rows = [];
        if (before.Fields.Tables == Fields.Tables) OrderedTreeDiff.Find(before.Visible, Visible, RecordRows.Start(Records, range), RecordRows.End(Records, range), rows);
        else Merge(before, range, rows);
        List<RowChange> changes = [];
        foreach ((byte[] key, byte[]? old, byte[]? now) in rows)
        {
            if (old is not null && now is not null && old.AsSpan(LocalRows.NumberBytes).SequenceEqual(now.AsSpan(LocalRows.NumberBytes))) continue;
            changes.Add(new RowChange(key.Length > 0 && before.Fields.Tables == Fields.Tables ? key[1..] : key, old, now));
        }

        return changes;
    }

    /// <summary>As the comparison of trees, over two sets of tables.</summary>
    private void Merge(LocalView before, EncodedKeyRange range, List<RowChange> changes)
    {
        using IEnumerator<KeyValuePair<byte[], byte[]>> left = RecordRows.Rows(before.Visible.OpenCursor(), before.Records, range, isReverse: false).GetEnumerator();
        using IEnumerator<KeyValuePair<byte[], byte[]>> right = RecordRows.Rows(Visible.OpenCursor(), Records, range, isReverse: false).GetEnumerator();
        bool hasLeft = left.MoveNext(), hasRight = right.MoveNext();
        while (hasLeft || hasRight)
        {
            int order = !hasLeft ? 1 : !hasRight ? -1 : left.Current.Key.AsSpan().SequenceCompareTo(right.Current.Key);
            changes.Add(new RowChange(order <= 0 ? left.Current.Key : right.Current.Key, order <= 0 ? left.Current.Value : null, order >= 0 ? right.Current.Value : null));
            if (order <= 0) hasLeft = left.MoveNext();
            if (order >= 0) hasRight = right.MoveNext();
        }
    }
}

/// <summary>The records among the rows of a local store's tree.</summary>
internal static class RecordRows
{
    internal static byte[] Start(byte records, EncodedKeyRange range) => [records, .. range.Start.Span];

    internal static byte[] End(byte records, EncodedKeyRange range) => range.End.IsEmpty ? [(byte)(records + 1)] : [records, .. range.End.Span];

    /// <summary>Encoded keys and values of a range.</summary>
    internal static IEnumerable<KeyValuePair<byte[], ReadOnlyMemory<byte>>> Scan(OrderedTreeCursor cursor, byte records, EncodedKeyRange range, bool isReverse)
    {
        foreach ((byte[] key, byte[] row) in Rows(cursor, records, range, isReverse)) yield return new(key, row.AsMemory(LocalRows.NumberBytes));
    }

    /// <summary>Encoded keys and rows of a range.</summary>
    internal static IEnumerable<KeyValuePair<byte[], byte[]>> Rows(OrderedTreeCursor cursor, byte records, EncodedKeyRange range, bool isReverse)
    {
        byte[] start = Start(records, range), end = End(records, range);
        if (start.AsSpan().SequenceCompareTo(end) >= 0) yield break;
        bool found = isReverse ? cursor.SeekBefore(end) : cursor.SeekAtOrAfter(start);
        for (; found; found = isReverse ? cursor.MovePrevious() : cursor.MoveNext())
        {
            if (isReverse ? cursor.Key.AsSpan().SequenceCompareTo(start) < 0 : cursor.Key.AsSpan().SequenceCompareTo(end) >= 0) yield break;
            yield return new(cursor.Key[1..], cursor.Value);
        }
    }
}

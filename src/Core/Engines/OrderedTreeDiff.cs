namespace Tidemark.Core.Engines;

/// <summary>A row that two trees do not have alike.</summary>
/// <param name="Key">Its key.</param>
/// <param name="Before">The value in the one; null where it has none.</param>
/// <param name="After">The value in the other; null where it has none.</param>
internal readonly record struct RowChange(byte[] Key, byte[]? Before, byte[]? After);

/// <summary>Finds where two trees differ. What they share, because one came of the other by changes, is not looked into: the cost is that of what changed.</summary>
internal static class OrderedTreeDiff
{
    /// <summary>Adds the rows of a range that differ, in ascending order.</summary>
    /// <param name="before">The one tree.</param>
    /// <param name="after">The other.</param>
    /// <param name="start">The first key.</param>
    /// <param name="end">Behind the last key; empty for no bound.</param>
    /// <param name="changes">Gets them.</param>
    internal static void Find(OrderedTreeView before, OrderedTreeView after, ReadOnlySpan<byte> start, ReadOnlySpan<byte> end, List<RowChange> changes) =>
        Compare(before.Root, after.Root, start, end, changes);

    private static void Compare(OrderedTreeNode before, OrderedTreeNode after, ReadOnlySpan<byte> start, ReadOnlySpan<byte> end, List<RowChange> changes)
    {
        if (ReferenceEquals(before, after) || (!end.IsEmpty && start.SequenceCompareTo(end) >= 0)) return;
        if (before is not OrderedTreeInner left || after is not OrderedTreeInner right)
        {
            Merge(before, after, start, end, changes);
            return;
        }

        // Where both have a separator, what lies before it on the one side can only be before it on the other.
        int l = 0, r = 0, fromLeft = 0, fromRight = 0;
        ReadOnlySpan<byte> low = start;
        while (true)
        {
            byte[]? leftEnd = l < left.Count ? left.Keys[l] : null, rightEnd = r < right.Count ? right.Keys[r] : null;
            int order = leftEnd is null ? (rightEnd is null ? 0 : 1) : rightEnd is null ? -1 : leftEnd.AsSpan().SequenceCompareTo(rightEnd);
            if (order != 0)
            {
                if (order < 0) l++;
                else r++;
                continue;
            }

            ReadOnlySpan<byte> high = leftEnd is null || (!end.IsEmpty && end.SequenceCompareTo(leftEnd) < 0) ? end : leftEnd;
            bool isInRange = leftEnd is null || start.SequenceCompareTo(leftEnd) < 0;
            if (isInRange && l == fromLeft && r == fromRight) Compare(left.Children[l], right.Children[r], low, high, changes);
            else if (isInRange) Merge(left, right, low, high, changes);
            if (leftEnd is null || (!end.IsEmpty && end.SequenceCompareTo(leftEnd) <= 0)) return;
            if (start.SequenceCompareTo(leftEnd) < 0) low = leftEnd;
            (l, r) = (l + 1, r + 1);
            (fromLeft, fromRight) = (l, r);
        }
    }

    private static void Merge(OrderedTreeNode before, OrderedTreeNode after, ReadOnlySpan<byte> start, ReadOnlySpan<byte> end, List<RowChange> changes)
    {
        OrderedTreeCursor left = new(before, writer: null), right = new(after, writer: null);
        bool hasLeft = IsIn(left.SeekAtOrAfter(start), left, end), hasRight = IsIn(right.SeekAtOrAfter(start), right, end);
        while (hasLeft || hasRight)
        {
            int order = !hasLeft ? 1 : !hasRight ? -1 : left.Key.AsSpan().SequenceCompareTo(right.Key);
            if (order < 0) changes.Add(new RowChange(left.Key, left.Value, null));
            else if (order > 0) changes.Add(new RowChange(right.Key, null, right.Value));
            else if (left.Value != right.Value && !left.Value.AsSpan().SequenceEqual(right.Value)) changes.Add(new RowChange(left.Key, left.Value, right.Value));
            if (order <= 0) hasLeft = IsIn(left.MoveNext(), left, end);
            if (order >= 0) hasRight = IsIn(right.MoveNext(), right, end);
        }
    }

    private static bool IsIn(bool found, OrderedTreeCursor cursor, ReadOnlySpan<byte> end) => found && (end.IsEmpty || cursor.Key.AsSpan().SequenceCompareTo(end) < 0);
}

using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace Tidemark.Core.Engines;

/// <summary>The rows of a stretch of keys.</summary>
internal sealed class OrderedTreeLeaf(object? owner) : OrderedTreeNode(owner)
{
    public ValueSlots Values;

    /// <summary>The leaf of every empty tree. No edit owns it.</summary>
    public static OrderedTreeLeaf Empty { get; } = new(owner: null);

    public override int EntryCount => Count;

    public override OrderedTreeNode Set(object owner, byte[] key, byte[] value, out byte[]? replaced)
    {
        int at = Find(key, out bool found);
        var leaf = (OrderedTreeLeaf)OwnedBy(owner);
        replaced = found ? leaf.Values[at] : null;
        if (found) leaf.Values[at] = value;
        else leaf.Insert(at, key, value);
        return leaf;
    }

    public override OrderedTreeNode? Remove(object owner, ReadOnlySpan<byte> key, out KeyValuePair<byte[], byte[]>? removed)
    {
        int at = Find(key, out bool found);
        removed = found ? new(Keys[at], Values[at]) : null;
        if (!found) return this;
        if (Count == 1) return null;
        var leaf = (OrderedTreeLeaf)OwnedBy(owner);
        Span<byte[]> values = leaf.Values;
        values[(at + 1)..Count].CopyTo(values[at..]);
        values[leaf.Count - 1] = null!;
        leaf.RemoveKey(at);
        return leaf;
    }

    public override OrderedTreeNode SplitOff(int keep, object owner, out byte[] separator)
    {
        var right = new OrderedTreeLeaf(owner);
        right.AppendRows(this, keep);
        ((Span<byte[]>)Values)[keep..Count].Clear();
        Cut(keep);
        Reindex();
        separator = Separate(Keys[keep - 1], right.Keys[0]);
        return right;
    }

    public override void Absorb(OrderedTreeNode right, byte[] separator) => AppendRows((OrderedTreeLeaf)right, 0);

    /// <summary>Inserts a row whose key stands behind so many of those here.</summary>
    public void Insert(int at, byte[] key, byte[] value)
    {
        Span<byte[]> values = Values;
        values[at..Count].CopyTo(values[(at + 1)..]);
        values[at] = value;
        InsertKey(at, key);
    }

    /// <summary>The shortest bytes above one key and not above the next.</summary>
    public static byte[] Separate(ReadOnlySpan<byte> left, ReadOnlySpan<byte> right)
    {
        Debug.Assert(left.SequenceCompareTo(right) < 0, "keys ascend");
        return right[..(left.CommonPrefixLength(right) + 1)].ToArray();
    }

    private void AppendRows(OrderedTreeLeaf source, int from)
    {
        Span<byte[]> all = source.Values, values = Values;
        all[from..source.Count].CopyTo(values[Count..]);
        AppendKeys(source, from);
        Reindex();
    }

    [InlineArray(Capacity)]
    internal struct ValueSlots
    {
        private byte[] _first;
    }
}

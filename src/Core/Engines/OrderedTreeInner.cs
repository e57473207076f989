using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace Tidemark.Core.Engines;

/// <summary>Children, and between each two a key that separates them: above all keys of the one, not above any of the other.</summary>
internal sealed class OrderedTreeInner(object? owner) : OrderedTreeNode(owner)
{
    public ChildSlots Children;

    public override int EntryCount => Count + 1;

    /// <summary>Which child has the key, if any does.</summary>
    public int ChildFor(ReadOnlySpan<byte> key)
    {
        int at = Find(key, out bool found);
        return found ? at + 1 : at;
    }

    /// <summary>A node with one child. More follow by <see cref="InsertChild"/>.</summary>
    public static OrderedTreeInner Above(OrderedTreeNode child, object owner)
    {
        var inner = new OrderedTreeInner(owner);
        inner.Children[0] = child;
        return inner;
    }

    public override OrderedTreeNode Set(object owner, byte[] key, byte[] value, out byte[]? replaced)
    {
        int at = ChildFor(key);
        OrderedTreeNode child = Children[at].Set(owner, key, value, out replaced);
        if (ReferenceEquals(child, Children[at]) && !child.IsFull) return this;
        var inner = (OrderedTreeInner)OwnedBy(owner);
        inner.Children[at] = child;
        if (child.IsFull) inner.SplitChild(at, owner);
        return inner;
    }

    public override OrderedTreeNode? Remove(object owner, ReadOnlySpan<byte> key, out KeyValuePair<byte[], byte[]>? removed)
    {
        int at = ChildFor(key);
        OrderedTreeNode? child = Children[at].Remove(owner, key, out removed);
        if (removed is null) return this;
        if (child is null && Count == 0) return null;
        int left = child is null ? -1 : MergeableFrom(at, child);
        if (left < 0 && ReferenceEquals(child, Children[at])) return this;

        var inner = (OrderedTreeInner)OwnedBy(owner);
        if (child is null)
        {
            inner.RemoveChild(at);
            return inner;
        }

        inner.Children[at] = child;
        if (left >= 0) inner.MergeChildren(left, owner);
        return inner;
    }

    public override OrderedTreeNode SplitOff(int keep, object owner, out byte[] separator)
    {
        var right = new OrderedTreeInner(owner);
        right.AppendChildren(this, keep);
        separator = Keys[keep - 1];
        ((Span<OrderedTreeNode>)Children)[keep..EntryCount].Clear();
        Cut(keep - 1);
        Reindex();
        return right;
    }

    public override void Absorb(OrderedTreeNode right, byte[] separator)
    {
        InsertKey(Count, separator);
        AppendChildren((OrderedTreeInner)right, 0);
    }

    /// <summary>Splits a full child, which the edit owns, where it likes best but so that neither part could be merged with the neighbour there.</summary>
    public void SplitChild(int at, object owner)
    {
        OrderedTreeNode child = Children[at];
        int low = at == 0 ? 1 : Math.Max(1, MergeEntries + 1 - Children[at - 1].EntryCount);
        int high = at == Count ? 1 : Math.Max(1, MergeEntries + 1 - Children[at + 1].EntryCount);
        int keep = Math.Clamp(child.SplitPoint, low, child.EntryCount - high);
        OrderedTreeNode right = child.SplitOff(keep, owner, out byte[] separator);
        InsertChild(at + 1, separator, right);
    }

    /// <summary>Inserts a child that is not the first, with the key that separates it from the child before.</summary>
    public void InsertChild(int at, byte[] separator, OrderedTreeNode child)
    {
        Span<OrderedTreeNode> children = Children;
        children[at..(Count + 1)].CopyTo(children[(at + 1)..]);
        children[at] = child;
        InsertKey(at - 1, separator);
    }

    /// <summary>The lower of two children to merge after one of them got smaller; -1 where none is to be.</summary>
    private int MergeableFrom(int at, OrderedTreeNode child)
    {
        int room = MergeEntries - child.EntryCount;
        if (room <= 0) return -1;
        if (at > 0 && Children[at - 1].EntryCount <= room) return at - 1;
        return at < Count && Children[at + 1].EntryCount <= room ? at : -1;
    }

    private void MergeChildren(int left, object owner)
    {
        OrderedTreeNode whole = Children[left].OwnedBy(owner);
        whole.Absorb(Children[left + 1], Keys[left]);
        Children[left] = whole;
        RemoveChild(left + 1);
    }

    private void RemoveChild(int at)
    {
        Debug.Assert(Count > 0, "a node without children is dropped by its parent");
        Span<OrderedTreeNode> children = Children;
        children[(at + 1)..(Count + 1)].CopyTo(children[at..]);
        children[Count] = null!;
        RemoveKey(Math.Max(0, at - 1));
    }

    /// <summary>Appends children of another node and the keys between them.</summary>
    private void AppendChildren(OrderedTreeInner source, int from)
    {
        Span<OrderedTreeNode> all = source.Children, children = Children;
        all[from..(source.Count + 1)].CopyTo(children[Count..]);
        AppendKeys(source, from);
        Reindex();
    }

    [InlineArray(Capacity + 1)]
    internal struct ChildSlots
    {
        private OrderedTreeNode _first;
    }
}

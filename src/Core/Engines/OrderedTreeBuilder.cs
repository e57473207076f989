namespace Tidemark.Core.Engines;

/// <summary>Builds an <see cref="OrderedTree"/> from rows in ascending order, each node as full as it can be without a split. Costs the same for each row.</summary>
internal sealed class OrderedTreeBuilder
{
    private readonly object _owner = new();
    private readonly List<OrderedTreeInner> _spine = [];   // The rightmost inner node of each level, the lowest first.
    private OrderedTreeLeaf _leaf;
    private long _count, _bytes;

    /// <summary>Begins with no row.</summary>
    public OrderedTreeBuilder() => _leaf = new OrderedTreeLeaf(_owner);

    /// <summary>Adds a row, which is the tree's from now on.</summary>
    /// <exception cref="ArgumentException">The key is not above the last one added.</exception>
    public void Add(byte[] key, byte[] value)
    {
        if (_count > 0)
        {
            byte[] last = _leaf.Keys[_leaf.Count - 1];
            if (last.AsSpan().SequenceCompareTo(key) >= 0) throw new ArgumentException("The keys do not ascend.", nameof(key));
            if (_leaf.Count == OrderedTreeNode.Capacity - 1)
            {
                OrderedTreeLeaf full = _leaf;
                _leaf = new OrderedTreeLeaf(_owner);
                Append(0, full, OrderedTreeLeaf.Separate(last, key), _leaf);
            }
        }

        _leaf.Insert(_leaf.Count, key, value);
        _count++;
        _bytes += OrderedTree.RowBytes(key, value);
    }

    /// <summary>The tree. The builder is of no use afterwards.</summary>
    public OrderedTree Build()
    {
        OrderedTreeNode root = _spine.Count > 0 ? _spine[^1] : _leaf;
        return new OrderedTree(_owner, root, _count, _bytes);
    }

    /// <summary>Hangs a node behind another that was the last on its level.</summary>
    private void Append(int level, OrderedTreeNode last, byte[] separator, OrderedTreeNode next)
    {
        if (level == _spine.Count) _spine.Add(OrderedTreeInner.Above(last, _owner));
        OrderedTreeInner inner = _spine[level];
        if (inner.Count < OrderedTreeNode.Capacity - 1)
        {
            inner.InsertChild(inner.Count + 1, separator, next);
            return;
        }

        _spine[level] = OrderedTreeInner.Above(next, _owner);
        Append(level + 1, inner, separator, _spine[level]);
    }
}

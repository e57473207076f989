using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace Tidemark.Core.Engines;

/// <summary>A place among the rows of a tree. Allocates nothing once it is open.</summary>
/// <remarks>Not thread-safe. It stands nowhere at first and where a step answered false; the next call is a seek then.</remarks>
internal sealed class OrderedTreeCursor
{
    // Two neighbours hold more than 32 children together, so a level has ten times the nodes of the one above at least, but for the topmost.
    private const int MaxDepth = 16;

    private readonly OrderedTreeNode _root;
    private readonly OrderedTree? _writer;
    private readonly long _changes;

    private InnerPath _path;   // The way from the root to the leaf, and which child it takes at each step.
    private IndexPath _taken;
    private int _depth;
    private OrderedTreeLeaf? _leaf;
    private int _at;

    /// <param name="root">Where the rows hang.</param>
    /// <param name="writer">The tree that may change these nodes in place; null where nobody may.</param>
    internal OrderedTreeCursor(OrderedTreeNode root, OrderedTree? writer)
        => (_root, _writer, _changes) = (root, writer, writer?.Changes ?? 0);

    /// <summary>The key the cursor stands at. It is the tree's: not to be changed.</summary>
    public byte[] Key => Here().Keys[_at];

    /// <summary>The value the cursor stands at. It is the tree's: not to be changed.</summary>
    public byte[] Value => Here().Values[_at];

    /// <summary>Goes to the first key that is not below the given bytes.</summary>
    public bool SeekAtOrAfter(ReadOnlySpan<byte> key)
    {
        OrderedTreeLeaf leaf = Descend(key);
        _at = leaf.Find(key, out _);
        return _at < leaf.Count || NextLeaf();
    }

    /// <summary>Goes to the last key below the given bytes.</summary>
    public bool SeekBefore(ReadOnlySpan<byte> key)
    {
        _at = Descend(key).Find(key, out _) - 1;
        return _at >= 0 || PreviousLeaf();
    }

    /// <summary>Goes to the first key of all.</summary>
    public bool SeekFirst()
    {
        _depth = 0;
        return StandFirst(_root);
    }

    /// <summary>Goes to the last key of all.</summary>
    public bool SeekLast()
    {
        _depth = 0;
        return StandLast(_root);
    }

    /// <summary>Goes to the next key.</summary>
    public bool MoveNext() => ++_at < Here().Count || NextLeaf();

    /// <summary>Goes to the key before.</summary>
    public bool MovePrevious()
    {
        Here();
        return --_at >= 0 || PreviousLeaf();
    }

    private OrderedTreeLeaf Here()
    {
        AssertCurrent();
        Debug.Assert(_leaf is not null, "a cursor that stands nowhere is sought first");
        return _leaf!;
    }

    private OrderedTreeLeaf Descend(ReadOnlySpan<byte> key)
    {
        AssertCurrent();
        _depth = 0;
        OrderedTreeNode node = _root;
        while (node is OrderedTreeInner inner) node = Enter(inner, inner.ChildFor(key));
        return _leaf = (OrderedTreeLeaf)node;
    }

    private OrderedTreeNode Enter(OrderedTreeInner inner, int child)
    {
        _path[_depth] = inner;
        _taken[_depth++] = child;
        return inner.Children[child];
    }

    private bool NextLeaf()
    {
        while (_depth > 0)
        {
            OrderedTreeInner inner = _path[--_depth];
            int child = _taken[_depth];
            if (child < inner.Count) return StandFirst(Enter(inner, child + 1));
        }

        return StandNowhere();
    }

    private bool PreviousLeaf()
    {
        while (_depth > 0)
        {
            OrderedTreeInner inner = _path[--_depth];
            int child = _taken[_depth];
            if (child > 0) return StandLast(Enter(inner, child - 1));
        }

        return StandNowhere();
    }

    private bool StandFirst(OrderedTreeNode node)
    {
        AssertCurrent();
        while (node is OrderedTreeInner inner) node = Enter(inner, 0);
        (_leaf, _at) = ((OrderedTreeLeaf)node, 0);
        return _leaf.Count > 0 || StandNowhere();
    }

    private bool StandLast(OrderedTreeNode node)
    {
        AssertCurrent();
        while (node is OrderedTreeInner inner) node = Enter(inner, inner.Count);
        (_leaf, _at) = ((OrderedTreeLeaf)node, node.Count - 1);
        return _at >= 0 || StandNowhere();
    }

    private bool StandNowhere()
    {
        (_leaf, _depth) = (null, 0);
        return false;
    }

    [Conditional("DEBUG")]
    private void AssertCurrent() => Debug.Assert(_writer is null || _writer.Changes == _changes, "the tree has not changed since its cursor was opened");

    [InlineArray(MaxDepth)]
    private struct InnerPath
    {
        private OrderedTreeInner _first;
    }

    [InlineArray(MaxDepth)]
    private struct IndexPath
    {
        private int _first;
    }
}

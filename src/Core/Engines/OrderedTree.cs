using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;

namespace Tidemark.Core.Engines;

/// <summary>A map of byte keys to byte values, ordered by the keys' unsigned bytes, that can be kept as it is at any moment while it changes on.</summary>
/// <remarks>
/// A B+tree whose nodes are copied before they change, once they are published: a <see cref="View"/> costs nothing but its own object, any number of
/// threads read views without a lock, and a change copies at most the nodes on one path. One thread at a time uses the tree itself.
/// Keys and values belong to the tree from the call on that brings them: nobody changes them any more.
/// Balance: all leaves are equally deep; a node is split at 64 keys; two neighbours of 32 entries together become one where a removal shrinks
/// one of them, and an empty node goes at once. So neighbours hold more than 32 entries together, and what is removed gives its memory back.
/// </remarks>
internal sealed class OrderedTree
{
    /// <summary>What a row takes beside its bytes: two array headers, rounding, and its part of nodes that are two thirds full.</summary>
    public const int RowOverheadBytes = 96;

    private object _owner = new();   // Stands in the nodes that no view shows: these change in place.
    private OrderedTreeNode _root = OrderedTreeLeaf.Empty;
    private OrderedTreeView? _view;   // The tree as it is now, if somebody has asked since the last change.
    private long _changes;

    /// <summary>Creates an empty tree.</summary>
    public OrderedTree()
    {
    }

    internal OrderedTree(object owner, OrderedTreeNode root, long count, long bytes)
        => (_owner, _root, Count, Bytes) = (owner, root, count, bytes);

    /// <summary>How many rows there are.</summary>
    public long Count { get; private set; }

    /// <summary>About how much memory the rows take: keys, values and <see cref="RowOverheadBytes"/> for each.</summary>
    public long Bytes { get; private set; }

    internal OrderedTreeNode Root => _root;

    /// <summary>Goes up by one at each change, so that a cursor can tell that it has become invalid.</summary>
    internal long Changes => _changes;

    /// <summary>Builds a tree from rows in one go, its nodes as full as can be.</summary>
    /// <exception cref="ArgumentException">A key is not above the one before.</exception>
    public static OrderedTree FromSorted(IEnumerable<KeyValuePair<byte[], byte[]>> rows)
    {
        var builder = new OrderedTreeBuilder();
        foreach ((byte[] key, byte[] value) in rows) builder.Add(key, value);
        return builder.Build();
    }

    /// <summary>Finds the value of a key. Allocates nothing.</summary>
    public bool TryGet(ReadOnlySpan<byte> key, [NotNullWhen(true)] out byte[]? value) => OrderedTreeView.TryGet(_root, key, out value);

    /// <summary>Sets the value of a key, which keeps the array it has if it exists.</summary>
    /// <returns>Whether the key is new.</returns>
    public bool Set(byte[] key, byte[] value)
    {
        OrderedTreeNode root = _root.Set(_owner, key, value, out byte[]? replaced);
        if (root.IsFull)
        {
            OrderedTreeInner above = OrderedTreeInner.Above(root, _owner);
            above.SplitChild(0, _owner);
            root = above;
        }

        bool isNew = replaced is null;
        if (isNew) Changed(root, 1, RowBytes(key, value));
        else Changed(root, 0, value.Length - replaced!.Length);
        return isNew;
    }

    /// <summary>Removes a key and its value.</summary>
    /// <returns>Whether the key was there.</returns>
    public bool Remove(ReadOnlySpan<byte> key)
    {
        OrderedTreeNode root = _root.Remove(_owner, key, out KeyValuePair<byte[], byte[]>? removed) ?? OrderedTreeLeaf.Empty;
        if (removed is not { } row) return false;
        while (root is OrderedTreeInner { Count: 0 } inner) root = inner.Children[0];
        Changed(root, -1, -RowBytes(row.Key, row.Value));
        return true;
    }

    /// <summary>The content as it is now, for good. Costs the same at any size; without a change in between it is the same object again.</summary>
    public OrderedTreeView View()
    {
        if (_view is not null) return _view;
        _owner = new object();
        return _view = new OrderedTreeView(_root, Count, Bytes);
    }

    /// <summary>Makes the tree what a view is, of this tree or of any other. Costs the same at any size.</summary>
    public void Restore(OrderedTreeView view)
    {
        (_root, Count, Bytes, _view) = (view.Root, view.Count, view.Bytes, view);
        _changes++;
    }

    /// <summary>A cursor over the content as it is now, which the next change makes invalid. Unlike one of a view, it publishes nothing.</summary>
    public OrderedTreeCursor OpenCursor() => new(_root, this);

    /// <summary>Checks every rule that a tree keeps; costs as much as reading all of it.</summary>
    [Conditional("DEBUG")]
    public void AssertInvariants() => OrderedTreeRules.Check(this);

    internal static long RowBytes(byte[] key, byte[] value) => (long)key.Length + value.Length + RowOverheadBytes;

    private void Changed(OrderedTreeNode root, int rows, long bytes)
    {
        _root = root;
        Count += rows;
        Bytes += bytes;
        _view = null;
        _changes++;
    }
}

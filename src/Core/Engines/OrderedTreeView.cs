using System.Diagnostics.CodeAnalysis;

namespace Tidemark.Core.Engines;

/// <summary>An <see cref="OrderedTree"/> as it was at one moment. It never changes; any number of threads may read it.</summary>
internal sealed class OrderedTreeView
{
    internal OrderedTreeView(OrderedTreeNode root, long count, long bytes) => (Root, Count, Bytes) = (root, count, bytes);

    /// <summary>How many rows there are.</summary>
    public long Count { get; }

    /// <summary>As <see cref="OrderedTree.Bytes"/>.</summary>
    public long Bytes { get; }

    internal OrderedTreeNode Root { get; }

    /// <summary>Finds the value of a key. Allocates nothing.</summary>
    public bool TryGet(ReadOnlySpan<byte> key, [NotNullWhen(true)] out byte[]? value) => TryGet(Root, key, out value);

    /// <summary>A cursor, which stands nowhere yet. One thread at a time uses it.</summary>
    public OrderedTreeCursor OpenCursor() => new(Root, writer: null);

    internal static bool TryGet(OrderedTreeNode root, ReadOnlySpan<byte> key, [NotNullWhen(true)] out byte[]? value)
    {
        OrderedTreeNode node = root;
        while (node is OrderedTreeInner inner) node = inner.Children[inner.ChildFor(key)];
        var leaf = (OrderedTreeLeaf)node;
        int at = leaf.FindPrefixed(key, out bool found);
        value = found ? leaf.Values[at] : null;
        return found;
    }
}

using System.Diagnostics.CodeAnalysis;

namespace Tidemark.Core.Engines;

/// <summary>The rules that an <see cref="OrderedTree"/> keeps, checked from outside: tests ask after every few changes.</summary>
internal static class OrderedTreeRules
{
    /// <summary>Walks the whole tree.</summary>
    /// <exception cref="InvalidOperationException">A rule is broken; the message says which.</exception>
    public static void Check(OrderedTree tree)
    {
        Demand(tree.Root is not OrderedTreeInner { Count: 0 }, "an inner root has two children or more");
        long count = 0, bytes = 0;
        int depth = -1;
        Check(tree.Root, 0, null, null, ref depth, ref count, ref bytes);
        Demand(count == tree.Count, $"the count is that of the rows: {tree.Count}, found {count}");
        Demand(bytes == tree.Bytes, $"the bytes are those of the rows: {tree.Bytes}, found {bytes}");
    }

    private static void Check(OrderedTreeNode node, int level, byte[]? atLeast, byte[]? below, ref int depth, ref long count, ref long bytes)
    {
        CheckKeys(node, atLeast, below);
        if (node is OrderedTreeLeaf leaf)
        {
            if (depth < 0) depth = level;
            Demand(depth == level, "all leaves are equally deep");
            Demand(leaf.Count > 0 || level == 0, "only the leaf of an empty tree is empty");
            for (int i = 0; i < OrderedTreeNode.Capacity; i++)
            {
                Demand(i < leaf.Count == leaf.Values[i] is not null, "a slot holds a value where it holds a key");
                if (i < leaf.Count) bytes += OrderedTree.RowBytes(leaf.Keys[i], leaf.Values[i]);
            }

            count += leaf.Count;
            return;
        }

        var inner = (OrderedTreeInner)node;
        for (int i = 0; i <= OrderedTreeNode.Capacity; i++)
        {
            Demand(i <= inner.Count == inner.Children[i] is not null, "an inner node has one child more than keys");
            if (i > inner.Count) continue;
            if (i > 0) Demand(inner.Children[i - 1].EntryCount + inner.Children[i].EntryCount > OrderedTreeNode.MergeEntries, "two neighbours are too many to merge");
            byte[]? from = i == 0 ? atLeast : inner.Keys[i - 1], to = i == inner.Count ? below : inner.Keys[i];
            Check(inner.Children[i], level + 1, from, to, ref depth, ref count, ref bytes);
        }
    }

    private static void CheckKeys(OrderedTreeNode node, byte[]? atLeast, byte[]? below)
    {
        Demand(node.Count < OrderedTreeNode.Capacity, "a full node is split");
        Demand(node.Count > 0 || node.PrefixLength == 0, "a node without keys has no prefix");
        for (int i = 0; i < OrderedTreeNode.Capacity; i++)
        {
            byte[]? key = node.Keys[i];
            if (i >= node.Count)
            {
                Demand(key is null && node.Heads[i] == long.MaxValue, "an unused slot holds nothing, and a head above all");
                continue;
            }

            Demand(key is not null, "a used slot holds a key");
            Demand(i == 0 || node.Keys[i - 1].AsSpan().SequenceCompareTo(key) < 0, "keys ascend");
            Demand(atLeast is null || atLeast.AsSpan().SequenceCompareTo(key) <= 0, "a key is not below the separator before its node");
            Demand(below is null || key.AsSpan().SequenceCompareTo(below) < 0, "a key is below the separator behind its node");
            Demand(key.AsSpan().CommonPrefixLength(node.Keys[0]) >= node.PrefixLength, "all keys begin with the prefix");
            Demand(node.Heads[i] == OrderedTreeNode.Head(key, node.PrefixLength), "a head is the eight bytes behind the prefix");
        }
    }

    private static void Demand([DoesNotReturnIf(false)] bool holds, string rule)
    {
        if (!holds) throw new InvalidOperationException($"A rule of the ordered tree is broken: {rule}.");
    }
}

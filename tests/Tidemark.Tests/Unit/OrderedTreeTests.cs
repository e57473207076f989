using System.Text;
using Tidemark.Core.Engines;
using static Tidemark.Tests.Unit.TreeModel;

namespace Tidemark.Tests.Unit;

public sealed class OrderedTreeTests
{
    private const int Packed = OrderedTreeNode.Capacity - 1;   // A node splits when it is full.

    private static readonly byte[] _one = [1], _two = [2, 2];

    [Fact]
    public void An_empty_tree_has_nothing_to_find_or_remove_or_stand_at()
    {
        var tree = new OrderedTree();
        Assert.False(tree.TryGet([], out _));
        Assert.False(tree.Remove("a"u8));
        OrderedTreeCursor cursor = tree.OpenCursor();
        Assert.False(cursor.SeekFirst() || cursor.SeekLast() || cursor.SeekAtOrAfter([]) || cursor.SeekBefore("z"u8));
        Assert.Equal((0, 0), (tree.Count, tree.Bytes));
        OrderedTreeRules.Check(tree);
    }

    [Fact]
    public void The_empty_key_is_a_key_and_the_first()
    {
        var tree = new OrderedTree();
        Assert.True(tree.Set([0], _two));
        Assert.True(tree.Set([], _one));
        Assert.True(tree.TryGet([], out byte[]? value));
        Assert.Same(_one, value);
        OrderedTreeCursor cursor = tree.OpenCursor();
        Assert.True(cursor.SeekFirst());
        Assert.Empty(cursor.Key);
        Assert.True(cursor.MoveNext());
        Assert.Equal([0], cursor.Key);
        Assert.True(tree.Remove([]));
        Assert.False(tree.TryGet([], out _));
    }

    [Fact]
    public void A_new_value_replaces_the_old_one_and_the_key_stays_the_array_it_was()
    {
        byte[] key = "key"u8.ToArray(), again = "key"u8.ToArray();
        var tree = new OrderedTree();
        Assert.True(tree.Set(key, _one));
        Assert.False(tree.Set(again, _two));
        OrderedTreeCursor cursor = tree.OpenCursor();
        Assert.True(cursor.SeekFirst());
        Assert.Same(key, cursor.Key);
        Assert.Same(_two, cursor.Value);
        Assert.Equal((1, OrderedTree.RowBytes(key, _two)), (tree.Count, tree.Bytes));
    }

    [Fact]
    public void Keys_whose_heads_are_equal_are_told_apart_by_what_follows_and_by_length()
    {
        var model = new TreeModel();
        for (int i = 0; i < 40; i++)
        {
            model.Set([.. "same-head-in-all/"u8, .. new byte[i]], [(byte)i]);   // Zeros, as the padding of a head is.
            model.Set([.. "same-head-in-all/"u8, .. new byte[8], (byte)(255 - i)], [(byte)i]);
        }

        model.Set("other"u8.ToArray(), _one);   // Now nothing is common, so that the first eight bytes are one head.
        model.Check();
        Assert.False(model.Tree.TryGet("same-head-in-all"u8, out _));
        Assert.False(model.Tree.TryGet([.. "same-head-in-all/"u8, .. new byte[8], 1], out _));
    }

    [Fact]
    public void A_key_that_does_not_begin_as_all_in_a_node_do_is_not_found_there()
    {
        var model = new TreeModel();
        for (int i = 0; i < 2000; i++) model.Set(User(i), _one);
        string[] others = ["", "/", "/user/", "/user/0", "/vser/0000000000000100", "/tser/0000000000000100", "/user/00000000000001000", "/user/000000000000010"];
        foreach (string other in others)
        {
            byte[] key = [0, 2, .. Encoding.ASCII.GetBytes(other)];
            Assert.False(model.Tree.TryGet(key, out _));
            Assert.False(model.Tree.Remove(key));
            Assert.False(model.Tree.TryGet(key.AsSpan(1), out _));
        }

        model.Check();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(8)]
    [InlineData(62)]
    [InlineData(63)]
    [InlineData(64)]
    [InlineData(65)]
    [InlineData(500)]
    public void A_prefix_of_any_length_that_all_keys_share_is_compared_whole(int length)
    {
        byte[] prefix = new byte[length];
        Array.Fill(prefix, (byte)'p');
        var model = new TreeModel();
        for (int i = 0; i < 1000; i++) model.Set([.. prefix, (byte)(i * 7), (byte)(i >> 8)], [(byte)i]);
        model.Check();
        foreach ((byte[] key, _) in model.Rows.Take(100))
        {
            byte[] other = [.. key];
            other[length - 1]++;
            Assert.False(model.Tree.TryGet(other, out _));
            Assert.False(model.Tree.TryGet(key.AsSpan(1), out _));
        }
    }

    [Fact]
    public void Runs_that_start_anywhere_and_ranges_that_go_leave_no_two_neighbours_too_small()
    {
        var random = new Random(11);
        var tree = new OrderedTree();
        for (int round = 0; round < 400; round++)
        {
            int start = random.Next(20_000), direction = random.Next(2) == 0 ? 1 : -1, length = random.Next(200);
            bool remove = random.Next(5) < 2;
            for (int i = 0; i < length; i++)
            {
                byte[] key = User(start + (i * direction));
                if (remove) tree.Remove(key);
                else tree.Set(key, _one);
            }

            OrderedTreeRules.Check(tree);
        }
    }

    [Theory]
    [InlineData("ascending")]
    [InlineData("descending")]
    [InlineData("shuffled")]
    public void Twenty_thousand_keys_come_and_go_in_any_order_and_the_rules_hold(string order)
    {
        int[] numbers = [.. Enumerable.Range(0, 20_000)];
        if (order == "descending") Array.Reverse(numbers);
        if (order == "shuffled") new Random(7).Shuffle(numbers);
        var model = new TreeModel();
        foreach (int number in numbers)
        {
            model.Set(User(number), [(byte)number]);
            if (number % 1000 == 0) OrderedTreeRules.Check(model.Tree);
        }

        model.Check();
        foreach (int number in numbers)
        {
            model.Remove(User(number));
            if (number % 1000 == 0) OrderedTreeRules.Check(model.Tree);
        }

        model.Check();
        Assert.Same(OrderedTreeLeaf.Empty, model.Tree.Root);   // All memory is given back.
    }

    [Fact]
    public void Keys_that_come_in_order_fill_their_nodes_also_between_others()
    {
        var tree = new OrderedTree();
        for (int i = 0; i < 1000; i++)
        {
            tree.Set(User(i), _one);
            tree.Set(User(1_000_000 + i), _one);
        }

        for (int i = 1000; i < 10_000; i++) tree.Set(User(i), _one);
        (int leaves, long rows) = Leaves(tree.Root);
        Assert.InRange(rows / (double)leaves, 0.9 * Packed, Packed);
        OrderedTreeRules.Check(tree);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(Packed)]
    [InlineData(Packed + 1)]
    [InlineData(Packed * (Packed + 1))]
    [InlineData((Packed * (Packed + 1)) + 1)]
    [InlineData(20_000)]
    public void A_tree_from_sorted_rows_is_what_single_sets_make(int count)
    {
        SortedDictionary<byte[], byte[]> rows = TreeModel.NewRows();
        for (int i = 0; i < count; i++) rows.Add(User(i * 3), [(byte)i]);
        TreeModel model = TreeModel.FromSorted(rows);
        model.Check();
        if (count > 0) Assert.Equal((count + Packed - 1) / Packed, Leaves(model.Tree.Root).Leaves);

        for (int i = 0; i < count; i += 2)   // It changes as any tree does.
        {
            model.Remove(User(i * 3));
            model.Set(User((i * 3) + 1), _one);
        }

        model.Check();
    }

    [Theory]
    [InlineData("b", "a")]
    [InlineData("a", "a")]
    [InlineData("a", "")]
    public void Rows_that_do_not_ascend_are_refused(string first, string second)
    {
        KeyValuePair<byte[], byte[]>[] rows = [new(Encoding.ASCII.GetBytes(first), _one), new(Encoding.ASCII.GetBytes(second), _one)];
        Assert.Throws<ArgumentException>(() => OrderedTree.FromSorted(rows));
    }

    [Fact]
    public void A_cursor_turns_around_at_any_place_and_across_leaves()
    {
        var tree = new OrderedTree();
        for (int i = 0; i < 500; i++) tree.Set(User(i * 2), _one);
        OrderedTreeCursor cursor = tree.OpenCursor();
        for (int i = 0; i < 499; i++)
        {
            Assert.True(cursor.SeekAtOrAfter(User((i * 2) - 1)));
            Assert.Equal(User(i * 2), cursor.Key);
            Assert.True(cursor.MoveNext());
            Assert.Equal(User((i * 2) + 2), cursor.Key);
            Assert.True(cursor.MovePrevious());
            Assert.Equal(User(i * 2), cursor.Key);
            Assert.Equal(i > 0, cursor.MovePrevious());
            Assert.Equal(i > 0, cursor.SeekBefore(User(i * 2)));
            if (i > 0) Assert.Equal(User((i * 2) - 2), cursor.Key);
        }

        Assert.False(cursor.SeekAtOrAfter(User(999)));
        Assert.True(cursor.SeekBefore(User(5000)));
        Assert.Equal(User(998), cursor.Key);
    }

    private static (int Leaves, long Rows) Leaves(OrderedTreeNode node)
    {
        if (node is not OrderedTreeInner inner) return (1, node.Count);
        (int leaves, long rows) = (0, 0);
        for (int i = 0; i <= inner.Count; i++)
        {
            (int more, long moreRows) = Leaves(inner.Children[i]);
            (leaves, rows) = (leaves + more, rows + moreRows);
        }

        return (leaves, rows);
    }
}

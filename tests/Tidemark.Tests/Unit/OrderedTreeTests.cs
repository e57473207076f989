using System.Buffers.Binary;
using System.Text;
using Tidemark.Core.Engines;

namespace Tidemark.Tests.Unit;

public sealed class OrderedTreeTests
{
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
        foreach (string other in (string[])["", "/", "/user/", "/user/0", "/vser/00000000000100", "/tser/00000000000100", "/user/000000000001000", "/user/0000000000010"])
        {
            Assert.False(model.Tree.TryGet(Encoding.ASCII.GetBytes(other), out _));
            Assert.False(model.Tree.Remove(Encoding.ASCII.GetBytes(other)));
        }

        model.Check();
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
        Assert.InRange(rows / (double)leaves, 55, 63);
        OrderedTreeRules.Check(tree);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(63)]
    [InlineData(64)]
    [InlineData(63 * 63)]
    [InlineData((63 * 63) + 1)]
    [InlineData(20_000)]
    public void A_tree_from_sorted_rows_is_what_single_sets_make(int count)
    {
        SortedDictionary<byte[], byte[]> rows = TreeModel.NewRows();
        for (int i = 0; i < count; i++) rows.Add(User(i * 3), [(byte)i]);
        TreeModel model = TreeModel.FromSorted(rows);
        model.Check();
        if (count > 0) Assert.Equal((count + 62) / 63, Leaves(model.Tree.Root).Leaves);

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
    public void A_view_without_a_change_in_between_is_the_same_one()
    {
        var tree = new OrderedTree();
        tree.Set([1], _one);
        OrderedTreeView first = tree.View();
        Assert.False(tree.Remove([2]));
        Assert.Same(first, tree.View());
        tree.Set([1], _one);
        OrderedTreeView second = tree.View();
        Assert.NotSame(first, second);
        tree.Restore(first);
        Assert.Same(first, tree.View());
    }

    [Fact]
    public void A_view_stays_as_it_was_and_a_tree_can_become_it_again()
    {
        var model = new TreeModel();
        for (int i = 0; i < 3000; i++) model.Set(User(i), [(byte)i]);
        var before = model.View();
        for (int i = 0; i < 3000; i += 3) model.Remove(User(i));
        for (int i = 1; i < 3000; i += 3) model.Set(User(i), _two);
        var after = model.View();
        for (int i = 0; i < 3000; i++) model.Remove(User(i));

        TreeModel.AssertSame(before.Rows, before.View);
        TreeModel.AssertSame(after.Rows, after.View);
        model.Restore(before);
        model.Check();
        model.Set(User(7), _two);
        model.Restore(after);
        model.Check();
        TreeModel.AssertSame(before.Rows, before.View);
    }

    [Fact]
    public void A_tree_can_become_a_view_of_another_and_both_go_their_own_ways()
    {
        var first = new TreeModel();
        for (int i = 0; i < 500; i++) first.Set(User(i), _one);
        var second = new TreeModel();
        second.Restore(first.View());
        for (int i = 0; i < 500; i++)
        {
            first.Set(User(i), [1, (byte)i]);
            second.Set(User(i), [2, (byte)i]);
        }

        first.Check();
        second.Check();
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

    [Fact]
    public async Task Readers_beside_the_writer_see_whole_published_states()
    {
        const int Pairs = 200, Rounds = 3000;
        var tree = new OrderedTree();
        for (int i = 0; i < Pairs; i++) SetPair(i, 0);
        OrderedTreeView published = tree.View();
        bool done = false;
        Task<int>[] readers = [.. Enumerable.Range(0, 2).Select(_ => Task.Run(Read))];

        var random = new Random(3);
        for (int round = 1; round <= Rounds; round++)
        {
            int i = random.Next(Pairs);
            if (round % 3 == 0)
            {
                tree.Remove(Pair('a', i));
                tree.Remove(Pair('b', i));
            }
            else SetPair(i, round);
            Volatile.Write(ref published, tree.View());
        }

        Volatile.Write(ref done, true);
        Assert.All(await Task.WhenAll(readers), reads => Assert.True(reads > 0));
        OrderedTreeRules.Check(tree);

        void SetPair(int i, int number)
        {
            byte[] value = new byte[sizeof(int)];
            BinaryPrimitives.WriteInt32BigEndian(value, number);
            tree.Set(Pair('a', i), value);
            tree.Set(Pair('b', i), (byte[])value.Clone());
        }

        int Read()
        {
            int reads = 0;
            bool last;
            do
            {
                last = Volatile.Read(ref done);
                OrderedTreeView view = Volatile.Read(ref published);
                OrderedTreeCursor cursor = view.OpenCursor();
                int rows = 0;
                for (bool more = cursor.SeekFirst(); more; more = cursor.MoveNext(), rows++)
                {
                    byte[] twin = [cursor.Key[0] == 'a' ? (byte)'b' : (byte)'a', .. cursor.Key[1..]];
                    Assert.True(view.TryGet(twin, out byte[]? value));
                    Assert.Equal(cursor.Value, value);
                }

                Assert.Equal(view.Count, rows);
                reads++;
            }
            while (!last);
            return reads;
        }

        static byte[] Pair(char side, int i) => Encoding.ASCII.GetBytes($"{side}/{i:000}");
    }

    private static byte[] User(int number) => [0, 1, .. Encoding.ASCII.GetBytes($"/user/{number:00000000000000}")];

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

[Collection(AloneDefinition.Name)]
public sealed class OrderedTreeFootprintTests
{
    private const int Count = 100_000;

    [Fact]
    public void Getting_and_stepping_allocate_nothing()
    {
        OrderedTree tree = Fill();
        OrderedTreeView view = tree.View();
        byte[] key = new byte[24];
        OrderedTreeCursor cursor = view.OpenCursor();
        ReadAll();
        long before = GC.GetAllocatedBytesForCurrentThread();
        int found = ReadAll();
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.Equal(3 * Count, found);

        int ReadAll()
        {
            int hits = 0;
            for (int i = 0; i < Count; i++)
            {
                BinaryPrimitives.WriteInt32BigEndian(key.AsSpan(20), i);
                if (view.TryGet(key, out _)) hits++;
                if (cursor.SeekAtOrAfter(key)) hits++;
            }

            for (bool more = cursor.SeekFirst(); more; more = cursor.MoveNext()) hits++;
            return hits;
        }
    }

    [Fact]
    public void The_bytes_a_tree_tells_are_about_those_it_holds()
    {
        long before = GC.GetTotalMemory(forceFullCollection: true);
        OrderedTree tree = Fill();
        long held = GC.GetTotalMemory(forceFullCollection: true) - before;
        Assert.InRange(tree.Bytes, held * 0.8, held * 1.25);
    }

    [Fact]
    public void A_tree_whose_rows_were_all_removed_holds_nothing()
    {
        OrderedTree tree = Fill();
        long before = GC.GetTotalMemory(forceFullCollection: true);
        byte[] key = new byte[24];
        for (int i = 0; i < Count; i++)
        {
            BinaryPrimitives.WriteInt32BigEndian(key.AsSpan(20), i);
            Assert.True(tree.Remove(key));
        }

        long freed = before - GC.GetTotalMemory(forceFullCollection: true);
        Assert.Equal((0, 0), (tree.Count, tree.Bytes));
        Assert.True(freed > Count * 100L, $"{freed} bytes freed");
        GC.KeepAlive(tree);
    }

    private static OrderedTree Fill()
    {
        int[] numbers = [.. Enumerable.Range(0, Count)];
        new Random(5).Shuffle(numbers);
        var tree = new OrderedTree();
        foreach (int number in numbers)
        {
            byte[] key = new byte[24];
            BinaryPrimitives.WriteInt32BigEndian(key.AsSpan(20), number);
            tree.Set(key, new byte[16]);
        }

        return tree;
    }
}

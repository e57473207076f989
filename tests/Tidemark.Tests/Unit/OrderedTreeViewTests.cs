using System.Buffers.Binary;
using System.Text;
using Tidemark.Core.Engines;
using static Tidemark.Tests.Unit.TreeModel;

namespace Tidemark.Tests.Unit;

public sealed class OrderedTreeViewTests
{
    private static readonly byte[] _one = [1], _two = [2, 2];

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
}

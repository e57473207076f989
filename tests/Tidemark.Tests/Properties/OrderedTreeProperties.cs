using FsCheck;
using FsCheck.Fluent;
using Tidemark.Core.Engines;
using Tidemark.Tests.Unit;

namespace Tidemark.Tests.Properties;

public sealed class OrderedTreeProperties
{
    internal enum Act
    {
        Set,
        SetRun,
        Remove,
        RemoveRange,
        View,
        Restore,
    }

    // Bytes at both ends of the scale, and the separator's.
    private static readonly byte[] _letters = [0x00, 0x01, 0x2F, 0x61, 0x7F, 0x80, 0xFE, 0xFF];

    private static readonly byte[][] _prefixes =
        [[], [0], [0, 1, .. "/user/000"u8], "/a-long-prefix-of-many-keys/"u8.ToArray(), [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]];

    private static readonly Gen<byte[]> _keys =
        from prefix in Gen.Elements(_prefixes)
        from tail in Gen.Frequency(
            (4, Gen.Elements(_letters).ListOf().Select(letters => letters.Take(12).ToArray())),
            (4, Gen.Choose(0, 999).Select(number => (byte[])[(byte)'0', (byte)(number / 100), (byte)(number / 10), (byte)number])),
            (1, Gen.Choose(0, 20).Select(zeros => new byte[zeros])))   // Equal heads, and prefixes of each other.
        select (byte[])[.. prefix, .. tail];

    private static readonly Gen<Step> _steps =
        from act in Gen.Frequency(
            (6, Gen.Constant(Act.Set)), (4, Gen.Constant(Act.SetRun)), (3, Gen.Constant(Act.Remove)),
            (2, Gen.Constant(Act.RemoveRange)), (2, Gen.Constant(Act.View)), (1, Gen.Constant(Act.Restore)))
        from key in _keys
        from number in Gen.Choose(0, 400)
        select new Step(act, key, number);

    internal sealed record Step(Act Act, byte[] Key, int Number)
    {
        public override string ToString() => $"{Act} {Convert.ToHexString(Key)} {Number}";
    }

    private static Config Runs(int count) => Config.QuickThrowOnFailure.WithMaxTest(Soak.Times(count)).WithEndSize(60);

    [Fact]
    public void A_tree_is_a_sorted_dictionary_that_can_be_kept_and_restored() =>
        Prop.ForAll(_steps.ListOf().ToArbitrary(), steps =>
        {
            var model = new TreeModel();
            List<(OrderedTreeView View, SortedDictionary<byte[], byte[]> Rows)> views = [model.View()];
            foreach (Step step in steps)
            {
                Apply(model, views, step);
                OrderedTreeRules.Check(model.Tree);
            }

            model.Check();
            foreach ((OrderedTreeView view, SortedDictionary<byte[], byte[]> rows) in views) TreeModel.AssertSame(rows, view);
        }).Check(Runs(150));

    [Fact]
    public void A_cursor_steps_both_ways_from_any_seek_as_an_index_into_a_sorted_list_does() =>
        Prop.ForAll(Rows().ToArbitrary(), _keys.ListOf().ToArbitrary(), Gen.Choose(0, 3).ListOf().ToArbitrary(), (rows, sought, moves) =>
        {
            OrderedTree tree = OrderedTree.FromSorted(rows);
            byte[][] keys = [.. rows.Keys];
            OrderedTreeCursor cursor = tree.OpenCursor();
            foreach (byte[] key in sought.Concat(keys.Take(100)))
            {
                int index = Array.BinarySearch(keys, key, TreeModel.Order);
                int atOrAfter = index < 0 ? ~index : index;
                Stands(cursor.SeekAtOrAfter(key), keys, cursor, atOrAfter);
                Stands(cursor.SeekBefore(key), keys, cursor, atOrAfter - 1);
                int at = atOrAfter - 1;
                foreach (int move in moves)
                {
                    if (at < 0 || at >= keys.Length) break;
                    bool next = move > 1;
                    at += next ? 1 : -1;
                    Stands(next ? cursor.MoveNext() : cursor.MovePrevious(), keys, cursor, at);
                }
            }
        }).Check(Runs(60));

    [Fact]
    public void Rows_in_order_build_the_tree_that_single_sets_build() =>
        Prop.ForAll(Rows().ToArbitrary(), rows =>
        {
            TreeModel model = TreeModel.FromSorted(rows);
            model.Check();
            var single = new OrderedTree();
            foreach ((byte[] key, byte[] value) in rows) single.Set(key, value);
            Assert.Equal((single.Count, single.Bytes), (model.Tree.Count, model.Tree.Bytes));
            TreeModel.AssertSame(rows, single.View());
        }).Check(Runs(60));

    private static Gen<SortedDictionary<byte[], byte[]>> Rows() =>
        from steps in _steps.ListOf()
        select Model(steps.Where(step => step.Act is Act.Set or Act.SetRun)).Rows;

    private static TreeModel Model(IEnumerable<Step> steps)
    {
        var model = new TreeModel();
        foreach (Step step in steps) Apply(model, [], step);
        return model;
    }

    private static void Apply(TreeModel model, List<(OrderedTreeView View, SortedDictionary<byte[], byte[]> Rows)> views, Step step)
    {
        switch (step.Act)
        {
            case Act.Set:
                model.Set(step.Key, new byte[step.Number % 5]);
                break;
            case Act.SetRun:
                int stride = (step.Number % 3) - 1;   // Downwards, on one key, upwards.
                for (int i = 0; i < step.Number; i++) model.Set([.. step.Key, (byte)((1000 + (i * stride)) >> 8), (byte)(1000 + (i * stride))], [(byte)i]);
                break;
            case Act.Remove:
                model.Remove(step.Key);
                break;
            case Act.RemoveRange:
                foreach (byte[] key in model.Rows.Keys.Where(key => key.AsSpan().SequenceCompareTo(step.Key) >= 0).Take(step.Number).ToList()) model.Remove(key);
                break;
            case Act.View:
                views.Add(model.View());
                break;
            case Act.Restore:
                model.Restore(views[step.Number % views.Count]);
                break;
        }
    }

    private static void Stands(bool stands, byte[][] keys, OrderedTreeCursor cursor, int expected)
    {
        Assert.Equal(expected >= 0 && expected < keys.Length, stands);
        if (stands) Assert.Equal(keys[expected], cursor.Key);
    }
}

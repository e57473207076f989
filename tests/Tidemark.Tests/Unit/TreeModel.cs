using System.Text;
using Tidemark.Core.Engines;

namespace Tidemark.Tests.Unit;

/// <summary>An ordered tree beside a plain sorted dictionary that is changed alike.</summary>
internal sealed class TreeModel
{
    public OrderedTree Tree { get; private init; } = new();

    public SortedDictionary<byte[], byte[]> Rows { get; private set; } = NewRows();

    public static IComparer<byte[]> Order { get; } = Comparer<byte[]>.Create((left, right) => left.AsSpan().SequenceCompareTo(right));

    public static TreeModel FromSorted(SortedDictionary<byte[], byte[]> rows) => new() { Tree = OrderedTree.FromSorted(rows), Rows = new(rows, Order) };

    /// <summary>A 24-byte key that shares most of its bytes with all others, as keys in hierarchical order do.</summary>
    public static byte[] User(int number) => [0, 2, .. Encoding.ASCII.GetBytes($"/user/{number:0000000000000000}")];

    public static SortedDictionary<byte[], byte[]> NewRows() => new(Order);

    public void Set(byte[] key, byte[] value)
    {
        Assert.Equal(!Rows.ContainsKey(key), Tree.Set(key, value));
        Rows[key] = value;
    }

    public void Remove(byte[] key) => Assert.Equal(Rows.Remove(key), Tree.Remove(key));

    public (OrderedTreeView View, SortedDictionary<byte[], byte[]> Rows) View() => (Tree.View(), new(Rows, Order));

    public void Restore((OrderedTreeView View, SortedDictionary<byte[], byte[]> Rows) view)
    {
        Tree.Restore(view.View);
        Rows = new(view.Rows, Order);
    }

    /// <summary>Compares everything a tree shows, through the tree and through a cursor, and checks its rules.</summary>
    public void Check()
    {
        OrderedTreeRules.Check(Tree);
        AssertSame(Rows, Tree.OpenCursor(), Tree.Count, Tree.Bytes);
        foreach ((byte[] key, byte[] value) in Rows)
        {
            Assert.True(Tree.TryGet(key, out byte[]? found));
            Assert.Same(value, found);
        }
    }

    public static void AssertSame(SortedDictionary<byte[], byte[]> rows, OrderedTreeView view) => AssertSame(rows, view.OpenCursor(), view.Count, view.Bytes);

    private static void AssertSame(SortedDictionary<byte[], byte[]> rows, OrderedTreeCursor cursor, long count, long bytes)
    {
        Assert.Equal(rows.Count, count);
        Assert.Equal(rows.Sum(row => OrderedTree.RowBytes(row.Key, row.Value)), bytes);
        bool more = cursor.SeekFirst();
        foreach ((byte[] key, byte[] value) in rows)
        {
            Assert.True(more);
            Assert.Equal(key, cursor.Key);
            Assert.Same(value, cursor.Value);
            more = cursor.MoveNext();
        }

        Assert.False(more);
        more = cursor.SeekLast();
        foreach ((byte[] key, byte[] value) in rows.Reverse())
        {
            Assert.True(more);
            Assert.Equal(key, cursor.Key);
            Assert.Same(value, cursor.Value);
            more = cursor.MovePrevious();
        }

        Assert.False(more);
    }
}

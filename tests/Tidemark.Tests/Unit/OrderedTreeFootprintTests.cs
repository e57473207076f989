using System.Buffers.Binary;
using Tidemark.Core.Engines;

namespace Tidemark.Tests.Unit;

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

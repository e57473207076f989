using System.Diagnostics;
using Tidemark.Core.Engines;

namespace Tidemark.Bench;

/// <summary>The ordered tree of a million rows beside what the base library has: a hash table for the get, a sorted dictionary for all else.</summary>
/// <remarks>
/// A get looks for every key in random order, so each meets cold memory. Inserts go to random places of the million, with a published view after each
/// 1, 16 or 128, which makes the next change copy its path. Rounds are interleaved; figures are medians, percentiles are of a batch's mean.
/// </remarks>
internal static class TreeBench
{
    private const int Rows = 1_000_000, Inserted = 100_000, BatchCount = 1000;

    public static IEnumerable<BenchRow> Run(BenchOptions options)
    {
        byte[][] keys = TreeRows.Keys(Rows, step: 2), more = TreeRows.Keys(Inserted, step: 20, remainder: 1);
        var tree = new OrderedTree();
        var sorted = new SortedDictionary<byte[], byte[]>(TreeRows.Order);
        var hashed = new Dictionary<byte[], byte[]>(Rows, new TreeRows.Hashing());
        foreach (byte[] key in keys)
        {
            tree.Set(key, TreeRows.Value);
            sorted.Add(key, TreeRows.Value);
            hashed.Add(key, TreeRows.Value);
        }

        return [.. Gets(options, keys, tree.View(), sorted, hashed), .. Inserts(options, more, tree, sorted), Scan(options, tree.View(), sorted)];
    }

    private static IEnumerable<BenchRow> Gets(
        BenchOptions options, byte[][] keys, OrderedTreeView view, SortedDictionary<byte[], byte[]> sorted, Dictionary<byte[], byte[]> hashed)
    {
        byte[][] sought = [TreeRows.Sought(keys, 1), TreeRows.Sought(keys, 2)];
        byte[][] soughtArrays = [.. sought[0].Chunk(TreeRows.KeyBytes)];
        TimeSpan time = TimeSpan.FromSeconds(options.Seconds / options.Rounds / 3);
        foreach (int threads in (int[])[1, 2])
        {
            Samples ours = new(), library = new(), floor = new();
            for (int round = 0; round < options.Rounds; round++)
            {
                Side(floor, threads, time, (thread, batch) =>
                {
                    var lookup = hashed.GetAlternateLookup<ReadOnlySpan<byte>>();
                    for (int i = 0; i < BatchCount; i++) Demand(lookup.TryGetValue(At(sought[thread], batch, i), out _));
                });
                Side(ours, threads, time, (thread, batch) =>
                {
                    for (int i = 0; i < BatchCount; i++) Demand(view.TryGet(At(sought[thread], batch, i), out _));
                });
                if (threads > 1) continue;
                Side(library, threads, time, (_, batch) =>
                {
                    for (int i = 0; i < BatchCount; i++) Demand(sorted.TryGetValue(soughtArrays[((batch * BatchCount) + i) % Rows], out byte[]? _));
                });
            }

            yield return ours.ToRow("tree-get", threads, floor);
            if (threads == 1) yield return library.ToRow("sorted-dictionary-get", threads, floor);
        }
    }

    private static IEnumerable<BenchRow> Inserts(BenchOptions options, byte[][] more, OrderedTree tree, SortedDictionary<byte[], byte[]> sorted)
    {
        OrderedTreeView million = tree.View();
        int[] perView = [1, 16, 128, int.MaxValue];
        Samples[] ours = [.. perView.Select(_ => new Samples())];
        var floor = new Samples();
        for (int round = 0; round < options.Rounds; round++)
        {
            Times(floor, more, key => sorted.Add(key, TreeRows.Value));
            foreach (byte[] key in more) sorted.Remove(key);
            for (int p = 0; p < perView.Length; p++)
            {
                int each = perView[p], since = 0;
                Times(ours[p], more, key =>
                {
                    tree.Set(key, TreeRows.Value);
                    if (++since < each) return;
                    tree.View();
                    since = 0;
                });
                tree.Restore(million);
            }
        }

        for (int p = 0; p < perView.Length; p++) yield return ours[p].ToRow(perView[p] == int.MaxValue ? "tree-insert" : $"tree-insert-view-{perView[p]}", 1, floor);
    }

    private static BenchRow Scan(BenchOptions options, OrderedTreeView view, SortedDictionary<byte[], byte[]> sorted)
    {
        Samples ours = new(), floor = new();
        for (int round = 0; round < options.Rounds; round++)
        {
            long begin = Stopwatch.GetTimestamp();
            long bytes = 0;
            foreach ((byte[] key, byte[] value) in sorted) bytes += key.Length + value.Length;
            Add(floor, begin);
            begin = Stopwatch.GetTimestamp();
            OrderedTreeCursor cursor = view.OpenCursor();
            for (bool found = cursor.SeekFirst(); found; found = cursor.MoveNext()) bytes -= cursor.Key.Length + cursor.Value.Length;
            Add(ours, begin);
            Demand(bytes == 0);
        }

        return ours.ToRow("tree-scan", 1, floor);

        static void Add(Samples samples, long begin)
        {
            TimeSpan elapsed = Stopwatch.GetElapsedTime(begin);
            samples.Add(Rows, elapsed);
        }
    }

    /// <summary>Runs batches on threads side by side for a time.</summary>
    private static void Side(Samples samples, int threads, TimeSpan time, Action<int, int> run)
    {
        using var start = new Barrier(threads);
        double[] rates = new double[threads];
        Thread[] workers = [.. Enumerable.Range(0, threads).Select(thread => new Thread(() =>
        {
            List<double> times = [];
            start.SignalAndWait();
            long begin = Stopwatch.GetTimestamp(), before = begin;
            do
            {
                run(thread, times.Count);
                long after = Stopwatch.GetTimestamp();
                times.Add(Stopwatch.GetElapsedTime(before, after).TotalMicroseconds / BatchCount);
                before = after;
            }
            while (Stopwatch.GetElapsedTime(begin, before) < time);
            rates[thread] = (double)times.Count * BatchCount / Stopwatch.GetElapsedTime(begin, before).TotalSeconds;
            samples.AddLatencies(times);
        }))];
        foreach (Thread worker in workers) worker.Start();
        foreach (Thread worker in workers) worker.Join();
        samples.AddRate(rates.Sum(), TimeSpan.FromSeconds(1));
    }

    /// <summary>Takes all keys once, in batches.</summary>
    private static void Times(Samples samples, byte[][] keys, Action<byte[]> change)
    {
        List<double> times = [];
        long begin = Stopwatch.GetTimestamp();
        foreach (byte[][] batch in keys.Chunk(BatchCount))
        {
            long before = Stopwatch.GetTimestamp();
            foreach (byte[] key in batch) change(key);
            times.Add(Stopwatch.GetElapsedTime(before).TotalMicroseconds / BatchCount);
        }

        samples.AddRate(keys.Length, Stopwatch.GetElapsedTime(begin));
        samples.AddLatencies(times);
    }

    private static ReadOnlySpan<byte> At(byte[] sought, int batch, int i) => sought.AsSpan(((batch * BatchCount) + i) % Rows * TreeRows.KeyBytes, TreeRows.KeyBytes);

    private static void Demand(bool holds)
    {
        if (!holds) throw new InvalidOperationException("The measured thing gave a wrong answer.");
    }
}

using System.Diagnostics;

namespace Tidemark.Bench;

/// <summary>Loads many records in transactions of a thousand, then kills nothing but itself: closes without a word, opens again, and says how long that took.</summary>
/// <remarks>TIDEMARK_BENCH_RECORDS sets how many records (default 10 M). For engines on disk the peak of managed memory is told: it must not grow with the data.</remarks>
internal static class KvBulkBench
{
    public static IEnumerable<BenchRow> Run(BenchOptions options)
    {
        int records = int.TryParse(Environment.GetEnvironmentVariable("TIDEMARK_BENCH_RECORDS"), out int given) ? given : 10_000_000;
        foreach (BenchEngine engine in BenchEngine.All)
        {
            using var place = new BenchPlace(options, "kv-bulk");
            var load = new Samples();
            var open = new Samples();
            var none = new Samples();
            none.AddRate(double.NaN, TimeSpan.FromSeconds(1));
            TidemarkStore store = TidemarkStore.OpenAsync(place.At("store"), engine.StoreOptions()).AsTask().GetAwaiter().GetResult();
            long begin = Stopwatch.GetTimestamp();
            LoadAsync(store, records).GetAwaiter().GetResult();
            load.AddRate(records, Stopwatch.GetElapsedTime(begin));
            store.DisposeAsync().AsTask().GetAwaiter().GetResult();
            Console.Error.WriteLine($"{engine.Name}: {GC.GetTotalMemory(forceFullCollection: false) >> 20} MiB managed, {Environment.WorkingSet >> 20} MiB working set after loading");

            begin = Stopwatch.GetTimestamp();
            store = TidemarkStore.OpenAsync(place.At("store"), engine.StoreOptions()).AsTask().GetAwaiter().GetResult();
            TimeSpan opened = Stopwatch.GetElapsedTime(begin);
            open.AddRate(records, opened);
            Console.Error.WriteLine($"{engine.Name}: opened {records} records in {opened.TotalSeconds:F2} s");
            if (!store.TryGet(BenchKeys.Of(records - 1), out _)) throw new InvalidOperationException("lost");
            store.DisposeAsync().AsTask().GetAwaiter().GetResult();
            yield return load.ToRow($"kv-bulk-{engine.Name}", 8, none);
            yield return open.ToRow($"kv-open-{engine.Name}", 1, none);
        }
    }

    private static async Task LoadAsync(TidemarkStore store, int records)
    {
        byte[] value = new byte[100];
        await Parallel.ForEachAsync(Enumerable.Range(0, (records + 999) / 1000), new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (chunk, token) =>
        {
            var transaction = new StoreTransaction();
            for (int i = chunk * 1000; i < Math.Min(records, (chunk + 1) * 1000); i++) transaction.Put(BenchKeys.Of(i), value);
            (await store.CommitAsync(transaction, token)).ThrowIfRefused();
        });
    }
}

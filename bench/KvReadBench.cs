using System.Diagnostics;

namespace Tidemark.Bench;

/// <summary>Gets of one of a million records, and scans of all of them, over each engine.</summary>
internal static class KvReadBench
{
    internal const int Records = 1_000_000;
    private const int Batch = 1024;

    /// <summary>Reads of 100 bytes through the public store; beside them the engine's own bare reads, or a hash table for the engine in memory.</summary>
    public static IEnumerable<BenchRow> RunGet(BenchOptions options)
    {
        foreach (BenchEngine engine in BenchEngine.All)
        {
            using var place = new BenchPlace(options, "kv-get");
            using var loaded = LoadedStore.Create(engine, place, Records);
            foreach (int threads in (int[])[1, 2])
            {
                var floor = new Samples();
                var gets = new Samples();
                TimeSpan time = TimeSpan.FromSeconds(options.Seconds / options.Rounds / 2);
                for (int round = 0; round < options.Rounds; round++)
                {
                    Repeat(floor, threads, time, loaded.BareGets);
                    Repeat(gets, threads, time, random =>
                    {
                        for (int i = 0; i < Batch; i++)
                        {
                            if (!loaded.Store.TryGet(loaded.Keys[random.Next(Records)], out StoreRecord record) || record.Value.Length != 100) throw new InvalidOperationException("lost");
                        }
                    });
                }

                yield return gets.ToRow($"kv-get-{engine.Name}", threads, floor);
            }
        }
    }

    /// <summary>Scans of all records through the public store; beside them the engine's own bare scan.</summary>
    public static IEnumerable<BenchRow> RunScan(BenchOptions options)
    {
        foreach (BenchEngine engine in BenchEngine.All)
        {
            using var place = new BenchPlace(options, "kv-scan");
            using var loaded = LoadedStore.Create(engine, place, Records);
            var floor = new Samples();
            var scans = new Samples();
            for (int round = 0; round < options.Rounds; round++)
            {
                long begin = Stopwatch.GetTimestamp();
                floor.AddRate(loaded.BareScan(), Stopwatch.GetElapsedTime(begin));
                begin = Stopwatch.GetTimestamp();
                scans.AddRate(ScanAsync(loaded.Store).GetAwaiter().GetResult(), Stopwatch.GetElapsedTime(begin));
            }

            yield return scans.ToRow($"kv-scan-{engine.Name}", 1, floor);
        }
    }

    private static async Task<long> ScanAsync(TidemarkStore store)
    {
        long count = 0;
        await foreach (StoreRecord record in store.ScanAsync(KeyRange.All)) count += record.Value.Length / 100;
        return count;
    }

    private static void Repeat(Samples samples, int threads, TimeSpan time, Action<Random> batch)
    {
        long begin = Stopwatch.GetTimestamp();
        long count = 0;
        Parallel.For(0, threads, new ParallelOptions { MaxDegreeOfParallelism = threads }, thread =>
        {
            var random = new Random(thread);
            long done = 0;
            while (Stopwatch.GetElapsedTime(begin) < time)
            {
                batch(random);
                done += Batch;
            }

            Interlocked.Add(ref count, done);
        });
        samples.AddRate((double)count / threads, Stopwatch.GetElapsedTime(begin));
    }
}

/// <summary>A store with records in it, and the same records where a floor reads them.</summary>
internal sealed class LoadedStore : IDisposable
{
    private readonly BareReads _bare;

    private readonly TidemarkStoreHandle _handle;

    private LoadedStore(TidemarkStoreHandle handle, StoreKey[] keys, BareReads bare)
    {
        _handle = handle;
        Keys = keys;
        _bare = bare;
    }

    internal TidemarkStore Store => _handle.Store;

    internal StoreKey[] Keys { get; }

    /// <summary>1024 bare gets of random keys.</summary>
    internal Action<Random> BareGets => _bare.Gets;

    internal static LoadedStore Create(BenchEngine engine, BenchPlace place, int records)
    {
        TidemarkStoreHandle store = TidemarkStoreHandle.Open(engine, place.At("store"));
        StoreKey[] keys = [.. Enumerable.Range(0, records).Select(BenchKeys.Of)];
        byte[] value = new byte[100];
        LoadAsync(store.Store, keys, value).GetAwaiter().GetResult();
        return new LoadedStore(store, keys, engine.Bare(place.At("bare"), keys, value));
    }

    internal long BareScan() => _bare.Scan();

    /// <summary>Puts all records in transactions of a thousand, many under way.</summary>
    private static async Task LoadAsync(TidemarkStore store, StoreKey[] keys, byte[] value)
    {
        await Parallel.ForEachAsync(keys.Chunk(1000), new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (chunk, token) =>
        {
            var transaction = new StoreTransaction();
            foreach (StoreKey key in chunk) transaction.Put(key, value);
            (await store.CommitAsync(transaction, token)).ThrowIfRefused();
        });
    }

    public void Dispose()
    {
        _handle.Dispose();
        _bare.Dispose();
    }
}

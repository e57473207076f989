namespace Tidemark.Bench;

/// <summary>Mixes in the shapes of YCSB: A half reads half updates, B 95 % reads, E 95 % scans of up to 100 records; Zipf-distributed keys, 16 clients.</summary>
internal static class KvMixedBench
{
    private const int Records = 200_000;
    private const int Clients = 16;

    private static readonly (string Name, int ReadPercent, bool Scans)[] _shapes = [("A", 50, false), ("B", 95, false), ("E", 95, true)];

    public static IEnumerable<BenchRow> Run(BenchOptions options)
    {
        foreach (BenchEngine engine in BenchEngine.All)
        {
            using var place = new BenchPlace(options, "kv-mixed");
            using var loaded = LoadedStore.Create(engine, place, Records);
            foreach ((string name, int readPercent, bool scans) in _shapes) yield return MeasureAsync(options, engine, place, loaded, name, readPercent, scans).GetAwaiter().GetResult();
        }
    }

    private static async Task<BenchRow> MeasureAsync(
        BenchOptions options, BenchEngine engine, BenchPlace place, LoadedStore loaded, string name, int readPercent, bool scans)
    {
        byte[] value = new byte[100];
        var floor = new Samples();
        var mixed = new Samples();
        TimeSpan time = TimeSpan.FromSeconds(options.Seconds / options.Rounds / 2);
        using var bare = new BareLog(place.At("bare-log-" + name));
        BareLog.Waiter[] waiters = [.. Enumerable.Range(0, Clients).Select(_ => new BareLog.Waiter())];
        Random[] random = [.. Enumerable.Range(0, Clients).Select(client => new Random(client))];
        for (int round = 0; round < options.Rounds; round++)
        {
            // The floor: reads cost nothing, writes what the bare log takes.
            await floor.RunAsync(Clients, time, client =>
                random[client].Next(100) < readPercent ? ValueTask.CompletedTask : bare.AppendAsync(waiters[client], value));
            await mixed.RunAsync(Clients, time, async client =>
            {
                StoreKey key = loaded.Keys[Zipf(random[client])];
                if (random[client].Next(100) >= readPercent) await loaded.Store.PutAsync(key, value);
                else if (scans) await loaded.Store.ScanPageAsync(KeyRange.Between(key.Span, default), new ScanOptions { Limit = random[client].Next(1, 101) });
                else await loaded.Store.GetAsync(key);
            });
        }

        return mixed.ToRow($"kv-mixed-{name}-{engine.Name}", Clients, floor);
    }

    /// <summary>A key number, low ones far more often: about what YCSB calls zipfian with constant 0.99.</summary>
    private static int Zipf(Random random) => (int)(Math.Pow(Records, random.NextDouble()) - 1);
}

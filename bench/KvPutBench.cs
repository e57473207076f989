namespace Tidemark.Bench;

/// <summary>Durable puts of 100 bytes under one of a million keys, each awaited, over each engine; beside them the bare log.</summary>
internal static class KvPutBench
{
    private const int Keys = 1_000_000;

    public static IEnumerable<BenchRow> Run(BenchOptions options)
    {
        foreach (BenchEngine engine in BenchEngine.All)
        {
            foreach (int writers in (int[])[1, 16, 128]) yield return MeasureAsync(options, engine, writers).GetAwaiter().GetResult();
        }
    }

    private static async Task<BenchRow> MeasureAsync(BenchOptions options, BenchEngine engine, int writers)
    {
        using var place = new BenchPlace(options, "kv-put");
        byte[] value = new byte[100];
        new Random(1).NextBytes(value);
        var floor = new Samples();
        var puts = new Samples();
        TimeSpan time = TimeSpan.FromSeconds(options.Seconds / options.Rounds / 2);
        using var bare = new BareLog(place.At("bare"));
        BareLog.Waiter[] waiters = [.. Enumerable.Range(0, writers).Select(_ => new BareLog.Waiter())];
        Random[] random = [.. Enumerable.Range(0, writers).Select(writer => new Random(writer))];
        await using TidemarkStore store = await TidemarkStore.OpenAsync(place.At("store"), engine.StoreOptions());
        for (int round = 0; round < options.Rounds; round++)
        {
            await floor.RunAsync(writers, time, writer =>
            {
                if (writers > 1) return bare.AppendAsync(waiters[writer], value);
                bare.AppendAlone(value);
                return ValueTask.CompletedTask;
            });
            await puts.RunAsync(writers, time, async writer => await store.PutAsync(BenchKeys.Of(random[writer].Next(Keys)), value));
        }

        return puts.ToRow($"kv-put-{engine.Name}", writers, floor);
    }
}

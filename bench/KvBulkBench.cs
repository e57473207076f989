using System.Diagnostics;
using System.Globalization;

namespace Tidemark.Bench;

/// <summary>A program of its own loads many records in transactions of a thousand, eight under way, and is killed; the store opens again, and how long that took is told.</summary>
/// <remarks>
/// <c>--records</c> says how many (10 M), <c>--memory-cap</c> how many MiB of managed memory the loading program may have. The floor writes the same records in durable
/// transactions of a thousand without a store: into the bare library, or into a bare file for the engine in memory.
/// </remarks>
internal static class KvBulkBench
{
    internal const string Loader = "kv-bulk-load";

    private const int PerTransaction = 1000;

    public static IEnumerable<BenchRow> Run(BenchOptions options)
    {
        foreach (BenchEngine engine in BenchEngine.All)
        {
            using var place = new BenchPlace(options, "kv-bulk");
            var (load, floor, open, none) = (new Samples(), new Samples(), new Samples(), new Samples());
            none.AddRate(double.NaN, TimeSpan.FromSeconds(1));

            long begin = Stopwatch.GetTimestamp();
            engine.BareLoad(place.At("bare"), options.Records, new byte[100]);
            floor.AddRate(options.Records, Stopwatch.GetElapsedTime(begin));
            load.AddRate(options.Records, LoadAndKill(engine, place.At("store"), options));

            begin = Stopwatch.GetTimestamp();
            using TidemarkStoreHandle store = TidemarkStoreHandle.Open(engine, place.At("store"));
            TimeSpan opened = Stopwatch.GetElapsedTime(begin);
            open.AddRate(options.Records, opened);
            Console.Error.WriteLine($"{engine.Name}: killed, opened again in {opened.TotalSeconds:F2} s, {Environment.WorkingSet >> 20} MiB working set");
            if (!store.Store.TryGet(BenchKeys.Of(options.Records - 1), out _)) throw new InvalidOperationException("lost");
            yield return load.ToRow($"kv-bulk-{engine.Name}", 8, floor);
            yield return open.ToRow($"kv-open-{engine.Name}", 1, none);
        }
    }

    /// <summary>The program that is killed: loads, says how long it took and what memory it used, and waits for its end.</summary>
    internal static int Load(string engineName, string directory, int records)
    {
        BenchEngine engine = BenchEngine.All.Single(known => known.Name == engineName);
        TidemarkStoreHandle store = TidemarkStoreHandle.Open(engine, directory);
        long begin = Stopwatch.GetTimestamp();
        LoadAsync(store.Store, records).GetAwaiter().GetResult();
        double seconds = Stopwatch.GetElapsedTime(begin).TotalSeconds;
        using var self = Process.GetCurrentProcess();
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{seconds} {GC.GetTotalMemory(forceFullCollection: false) >> 20} {self.PeakWorkingSet64 >> 20}"));
        Thread.Sleep(Timeout.Infinite);
        return 0;
    }

    private static TimeSpan LoadAndKill(BenchEngine engine, string directory, BenchOptions options)
    {
        string[] arguments = [typeof(KvBulkBench).Assembly.Location, Loader, engine.Name, directory, options.Records.ToString(CultureInfo.InvariantCulture)];
        var start = new ProcessStartInfo("dotnet", arguments) { RedirectStandardOutput = true };
        if (options.MemoryCapMebibytes is { } cap) start.Environment["DOTNET_GCHeapHardLimit"] = (cap * 1024L * 1024).ToString("x", CultureInfo.InvariantCulture);
        using Process loader = Process.Start(start)!;
        string[] said = (loader.StandardOutput.ReadLine() ?? throw new InvalidOperationException("The loading program ended early.")).Split(' ');
        loader.Kill();
        loader.WaitForExit();
        Console.Error.WriteLine($"{engine.Name}: {options.Records:N0} records loaded, {said[1]} MiB managed, {said[2]} MiB working set at most");
        return TimeSpan.FromSeconds(double.Parse(said[0], CultureInfo.InvariantCulture));
    }

    private static async Task LoadAsync(TidemarkStore store, int records)
    {
        byte[] value = new byte[100];
        int transactions = (records + PerTransaction - 1) / PerTransaction;
        await Parallel.ForEachAsync(Enumerable.Range(0, transactions), new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (chunk, token) =>
        {
            var transaction = new StoreTransaction();
            for (int i = chunk * PerTransaction; i < Math.Min(records, (chunk + 1) * PerTransaction); i++) transaction.Put(BenchKeys.Of(i), value);
            (await store.CommitAsync(transaction, token)).ThrowIfRefused();
        });
    }
}

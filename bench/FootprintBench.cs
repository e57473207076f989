using System.Globalization;

namespace Tidemark.Bench;

/// <summary>What things hold that do nothing: bytes of managed memory and of disk for one more shard, record, session and watch.</summary>
internal static class FootprintBench
{
    private const int Shards = 200, Records = 200_000, Sessions = 5_000, Watches = 2_000;

    public static async Task RunAsync(BenchOptions options)
    {
        using var place = new BenchPlace(options, "footprint");
        Console.WriteLine($"{"one more",-28} {"memory B",10} {"disk B",10}");
        await LocalAsync(place);
        await ClusterAsync(place);
    }

    private static async Task LocalAsync(BenchPlace place)
    {
        long memory = Memory(), disk = Disk(place);
        await using (await OpenAsync(place, "many", Shards)) Tell("shard of a local store", Shards, memory, disk, place);
        await using TidemarkStore one = await OpenAsync(place, "one", 1);
        (memory, disk) = (Memory(), Disk(place));
        await Parallel.ForAsync(0, Records, async (i, cancellation) => await one.PutAsync(BenchKeys.Of(i), new byte[100], cancellationToken: cancellation));
        Tell("record of 24 + 100 B", Records, memory, disk, place);

        (memory, disk) = (Memory(), Disk(place));
        var sessions = new List<StoreSession>();
        for (int i = 0; i < Sessions; i++) sessions.Add(await one.OpenSessionAsync(new SessionOptions { Timeout = TimeSpan.FromMinutes(5) }));
        Tell("session, its holder in here", Sessions, memory, disk, place);

        (memory, disk) = (Memory(), Disk(place));
        using var stop = new CancellationTokenSource();
        Task[] watches = [.. Enumerable.Range(0, Watches).Select(_ => WatchAsync(one, stop.Token))];
        await one.PutAsync("/last", new byte[1]);
        await Task.Delay(500);
        Tell("watch, its reader in here", Watches, memory, disk, place);
        await stop.CancelAsync();
        await Task.WhenAll(watches);
    }

    private static async Task ClusterAsync(BenchPlace place)
    {
        long memory = Memory(), disk = Disk(place);
        await using (BenchCluster few = await BenchCluster.StartAsync(place, "few", 1))
        {
            await few.WholeAsync();
            long first = Memory() - memory, firstDisk = Disk(place) - disk;
            Console.WriteLine(Line("node with one shard", first / BenchCluster.Count, firstDisk / BenchCluster.Count));
            (memory, disk) = (Memory(), Disk(place));
            await using BenchCluster more = await BenchCluster.StartAsync(place, "more", 1 + Shards);
            await more.WholeAsync();
            Console.WriteLine(Line("shard of a node", (Memory() - memory - first) / BenchCluster.Count / Shards, (Disk(place) - disk - firstDisk) / BenchCluster.Count / Shards));
        }
    }

    private static async Task<TidemarkStore> OpenAsync(BenchPlace place, string name, int shards) =>
        await TidemarkStore.OpenAsync(place.At(name), new TidemarkStoreOptions { DefaultNamespace = new NamespaceOptions { ShardCount = shards } });

    private static async Task WatchAsync(KeyValueStore store, CancellationToken stop)
    {
        try
        {
            await foreach (StoreEvent _ in store.WatchAsync(KeyRange.All, cancellationToken: stop))
            {
            }
        }
        catch (OperationCanceledException)
        {
            // Enough.
        }
    }

    private static void Tell(string what, int count, long memory, long disk, BenchPlace place) =>
        Console.WriteLine(Line(what, (Memory() - memory) / count, (Disk(place) - disk) / count));

    private static string Line(string what, long memory, long disk) => string.Create(CultureInfo.InvariantCulture, $"{what,-28} {memory,10:N0} {disk,10:N0}");

    private static long Memory() => GC.GetTotalMemory(forceFullCollection: true);

    private static long Disk(BenchPlace place) => Directory.EnumerateFiles(place.At(""), "*", SearchOption.AllDirectories).Sum(file => new FileInfo(file).Length);
}

using System.Diagnostics;

namespace Tidemark.Bench;

/// <summary>Three nodes: durable puts and reads of each level at the leader, and how long clients wait when a node goes.</summary>
internal static class ReplicatedBench
{
    private const int Keys = 100_000;
    private const int Failovers = 20;

    /// <summary>Puts of 100 bytes, each awaited until two of three have it on their disks; beside them a bare quorum.</summary>
    public static IEnumerable<BenchRow> RunPut(BenchOptions options)
    {
        foreach (int clients in (int[])[1, 16, 128, 512]) yield return PutAsync(options, clients).GetAwaiter().GetResult();
    }

    /// <summary>Appends of a message, or of a hundred at once, to a topic, each awaited until two of three have it on their disks; beside them a bare quorum with the same bytes. One partition is appended to at its leader, eight
    /// through one node, wherever they are led.</summary>
    public static IEnumerable<BenchRow> RunTopic(BenchOptions options)
    {
        foreach ((int bytes, int batch, int partitions) in ((int, int, int)[])[(100, 1, 1), (1024, 1, 1), (100, 1, 8), (1024, 1, 8), (100, 100, 1), (1024, 100, 1), (1024, 100, 8)])
        {
            foreach (int producers in (int[])[1, 16, 128]) yield return AppendAsync(options, bytes, batch, partitions, producers).GetAwaiter().GetResult();
        }
    }

    /// <summary>Gets at the leader. Beside the linearizable ones the bare exchange with a majority that each must wait for; beside the others those that ask nobody.</summary>
    public static IEnumerable<BenchRow> RunGet(BenchOptions options)
    {
        foreach (int clients in (int[])[1, 16, 128])
        {
            foreach (BenchRow row in GetAsync(options, clients).GetAwaiter().GetResult()) yield return row;
        }
    }

    /// <summary>The longest a client waits for a put when the leader is killed: the median and the longest of 20 times. Beside it the half second after which a silent leader is taken for dead.</summary>
    public static IEnumerable<BenchRow> RunFailover(BenchOptions options)
    {
        using var place = new BenchPlace(options, "failover");
        yield return GapsAsync(place, "failover", Failovers, async cluster =>
        {
            int leader = await cluster.LeaderAsync();
            return (leader, async () => await cluster.Nodes[leader]!.AbortAsync());
        }).GetAwaiter().GetResult();
    }

    /// <summary>The same where each node in turn is disposed in good order and started again.</summary>
    public static IEnumerable<BenchRow> RunRollingRestart(BenchOptions options)
    {
        using var place = new BenchPlace(options, "rolling-restart");
        int next = 0;
        yield return GapsAsync(place, "rolling-restart", BenchCluster.Count * 4, cluster =>
        {
            int node = next++ % BenchCluster.Count;
            return Task.FromResult<(int, Func<Task>)>((node, async () => await cluster.Nodes[node]!.DisposeAsync()));
        }).GetAwaiter().GetResult();
    }

    private static async Task<BenchRow> PutAsync(BenchOptions options, int clients)
    {
        using var place = new BenchPlace(options, "replicated-put");
        byte[] value = new byte[100];
        new Random(1).NextBytes(value);
        Samples floor = new(), puts = new();
        TimeSpan time = TimeSpan.FromSeconds(options.Seconds / options.Rounds / 2);
        await using BareQuorum bare = await BareQuorum.StartAsync(place.At(""));
        BareLog.Waiter[] waiters = [.. Enumerable.Range(0, clients).Select(_ => new BareLog.Waiter())];
        Random[] random = [.. Enumerable.Range(0, clients).Select(client => new Random(client))];
        await using BenchCluster cluster = await BenchCluster.StartAsync(place);
        KeyValueStore store = cluster.Nodes[await cluster.LeaderAsync()]!.Store;
        for (int round = 0; round < options.Rounds; round++)
        {
            await floor.RunAsync(clients, time, client => Bare(bare, waiters, client, clients, value));
            await puts.RunAsync(clients, time, async client => await store.PutAsync(BenchKeys.Of(random[client].Next(Keys)), value));
        }

        return puts.ToRow("replicated-put", clients, floor);
    }

    private static async Task<BenchRow> AppendAsync(BenchOptions options, int bytes, int batch, int partitions, int producers)
    {
        using var place = new BenchPlace(options, "replicated-append");
        byte[] payload = new byte[bytes], together = new byte[bytes * batch];
        new Random(1).NextBytes(payload);
        new Random(1).NextBytes(together);
        TopicMessage[] Messages() => [.. Enumerable.Range(0, batch).Select(_ => new TopicMessage(payload))];
        Samples floor = new(), appends = new();
        TimeSpan time = TimeSpan.FromSeconds(options.Seconds / options.Rounds / 2);
        await using BareQuorum bare = await BareQuorum.StartAsync(place.At(""));
        BareLog.Waiter[] waiters = [.. Enumerable.Range(0, producers).Select(_ => new BareLog.Waiter())];
        await using BenchCluster cluster = await BenchCluster.StartAsync(place);
        await (await cluster.Nodes[0]!.Topics.CreateAsync("bench", new TopicOptions { Partitions = partitions, RetentionBytes = 256 * 1024 * 1024 })).AppendAsync(new TopicMessage(payload));
        AppendOptions[] to = [.. Enumerable.Range(0, producers).Select(producer => new AppendOptions { Partition = producer % partitions })];
        await Task.Delay(TimeSpan.FromSeconds(3));   // Leaders are shared out.
        Topic topic = cluster.Nodes[cluster.Nodes[0]!.Describe().Shards[^1].Leader]!.Topics.Get("bench");
        for (int round = 0; round < options.Rounds; round++)
        {
            await floor.RunAsync(producers, time, producer => Bare(bare, waiters, producer, producers, together));
            await appends.RunAsync(producers, time, async producer => await topic.AppendAsync(Messages(), to[producer]));
        }

        return appends.ToRow($"replicated-append-{bytes}B-x{batch}-p{partitions}", producers, floor);
    }

    private static async Task<List<BenchRow>> GetAsync(BenchOptions options, int clients)
    {
        using var place = new BenchPlace(options, "replicated-get");
        TimeSpan time = TimeSpan.FromSeconds(options.Seconds / options.Rounds / 4);
        Samples floor = new(), linearizable = new(), bounded = new(), local = new(), follower = new();
        await using BareQuorum bare = await BareQuorum.StartAsync(null);
        BareLog.Waiter[] waiters = [.. Enumerable.Range(0, clients).Select(_ => new BareLog.Waiter())];
        Random[] random = [.. Enumerable.Range(0, clients).Select(client => new Random(client))];
        await using BenchCluster cluster = await BenchCluster.StartAsync(place);
        int leader = await cluster.LeaderAsync();
        KeyValueStore store = cluster.Nodes[leader]!.Store, other = cluster.Nodes[(leader + 1) % BenchCluster.Count]!.Store;
        await Parallel.ForAsync(0, Keys / 10, async (key, stop) => await store.PutAsync(BenchKeys.Of(key), new byte[100], cancellationToken: stop));
        for (int round = 0; round < options.Rounds; round++)
        {
            await floor.RunAsync(clients, time, client => Bare(bare, waiters, client, clients, []));
            await linearizable.RunAsync(clients, time, client => ReadAsync(store, ReadLevel.Linearizable, client));
            await follower.RunAsync(clients, time, client => ReadAsync(other, ReadLevel.Linearizable, client));
            await bounded.RunAsync(clients, time, client => ReadAsync(store, ReadLevel.Bounded(TimeSpan.FromSeconds(1)), client));
            await local.RunAsync(clients, time, client => ReadAsync(store, ReadLevel.Local, client));
        }

        return
        [
            linearizable.ToRow("replicated-get-linearizable", clients, floor), follower.ToRow("replicated-get-from-follower", clients, floor),
            bounded.ToRow("replicated-get-bounded", clients, local), local.ToRow("replicated-get-local", clients, local),
        ];

        async ValueTask ReadAsync(KeyValueStore from, ReadLevel level, int client) =>
            _ = await from.GetAsync(BenchKeys.Of(random[client].Next(Keys / 10)), new GetOptions { Level = level }) ?? throw new InvalidOperationException("It was put.");
    }

    private static ValueTask Bare(BareQuorum bare, BareLog.Waiter[] waiters, int client, int clients, byte[] value)
    {
        if (clients > 1) return bare.AppendAsync(waiters[client], value);
        bare.AppendAlone(value);
        return ValueTask.CompletedTask;
    }

    /// <summary>A client puts without a pause, through another node, while a node goes and comes back.</summary>
    private static async Task<BenchRow> GapsAsync(BenchPlace place, string name, int times, Func<BenchCluster, Task<(int Node, Func<Task> End)>> next)
    {
        var suspicion = new Samples();
        var gaps = new Samples();
        await using BenchCluster cluster = await BenchCluster.StartAsync(place);
        for (int i = 0; i < times; i++)
        {
            (int node, Func<Task> end) = await next(cluster);
            KeyValueStore store = cluster.Nodes[(node + 1) % BenchCluster.Count]!.Store;
            using var stop = new CancellationTokenSource();
            Task<TimeSpan> longest = Task.Run(() => LongestGapAsync(store, stop.Token));
            await Task.Delay(300);
            await end();
            cluster.Nodes[node] = null;
            await Task.Delay(1500);
            await cluster.StartAsync(node);
            await cluster.WholeAsync();
            await Task.Delay(300);
            await stop.CancelAsync();
            TimeSpan gap = await longest;
            gaps.Add(1, gap);
            suspicion.AddRate(1, TimeSpan.FromMilliseconds(500));
        }

        return gaps.ToRow(name, 1, suspicion);
    }

    private static async Task<TimeSpan> LongestGapAsync(KeyValueStore store, CancellationToken stop)
    {
        byte[] value = new byte[100];
        TimeSpan longest = TimeSpan.Zero;
        long before = Stopwatch.GetTimestamp();
        for (int i = 0; !stop.IsCancellationRequested; i++)
        {
            try
            {
                await store.PutAsync(BenchKeys.Of(i % Keys), value, cancellationToken: CancellationToken.None);
            }
            catch (TidemarkException)
            {
                continue;   // As a program would do it: again. The wait goes on.
            }

            long now = Stopwatch.GetTimestamp();
            TimeSpan gap = Stopwatch.GetElapsedTime(before, now);
            if (gap > longest) longest = gap;
            before = now;
        }

        return longest;
    }
}

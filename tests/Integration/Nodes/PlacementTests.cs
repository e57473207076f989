using System.Collections.Concurrent;
using System.Text;

namespace Tidemark.Integration.Nodes;

/// <summary>Clusters in which a shard is kept by some of the nodes, while nodes come, go and die.</summary>
public sealed class PlacementTests
{
    private const int Shards = 6;
    private const int Replicas = 3;

    private static readonly string[] _zones = ["a", "a", "b", "b", "c", "c"];

    [Fact]
    public async Task Nodes_come_and_go_under_writes_and_nothing_acknowledged_is_lost()
    {
        await using LiveCluster cluster = await LiveCluster.StartPlacedAsync(5, Replicas, Shards, static node => _zones[node]);
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(180));
        using var stop = new CancellationTokenSource();
        var acknowledged = new ConcurrentDictionary<string, int>();
        Task[] writers = [.. Enumerable.Range(0, 2).Select(number => Task.Run(() => WriteAsync(cluster, number, acknowledged, stop.Token)))];

        await UntilAsync(() => IsPlaced(cluster, [3, 3, 3, 3, 6]), cluster, patience.Token);   // The third zone has one node alone.

        await cluster.StartAsync(5);
        Task adding = cluster.Nodes[0]!.AddNodeAsync(5, patience.Token);
        await UntilAsync(() => MembersOf(cluster).Any(members => members.Contains(5)), cluster, patience.Token);
        await cluster.KillAsync(1);
        await cluster.StartAsync(1);
        await adding;
        await UntilAsync(() => IsPlaced(cluster, [3, 3, 3, 3, 3, 3]), cluster, patience.Token);

        Task removing = cluster.Nodes[0]!.RemoveNodeAsync(2, patience.Token);
        await cluster.KillAsync(5);
        await cluster.StartAsync(5);
        await removing;
        await UntilAsync(() => IsPlaced(cluster, [3, 3, 0, 6, 3, 3]), cluster, patience.Token);
        await UntilAsync(() => FilesOfShards(cluster, 2).Length == 0, cluster, patience.Token);

        await stop.CancelAsync();
        await Task.WhenAll(writers);
        Assert.NotEmpty(acknowledged);
        foreach ((string key, int value) in acknowledged)
        {
            int seen = int.Parse(await GetAsync(cluster, key, patience.Token));
            Assert.True(seen >= value, $"{key} is {seen}, and {value} was acknowledged");
        }
    }

    /// <summary>It begins with nothing where it was deleted before, and none of what it said then is taken for what it has now.</summary>
    [Fact]
    public async Task A_node_that_goes_and_comes_back_in_one_run_is_given_everything_again()
    {
        await using LiveCluster cluster = await LiveCluster.StartPlacedAsync(3, 2, shards: 2, static _ => null);
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(120));
        var acknowledged = new ConcurrentDictionary<string, int>();
        for (int round = 0; round < 2; round++)
        {
            using var stop = new CancellationTokenSource();
            Task writer = Task.Run(() => WriteAsync(cluster, round, acknowledged, stop.Token));
            await cluster.Nodes[1]!.RemoveNodeAsync(0, patience.Token);
            await UntilAsync(() => FilesOfShards(cluster, 0).Length == 0, cluster, patience.Token);
            await cluster.Nodes[1]!.AddNodeAsync(0, patience.Token);
            await stop.CancelAsync();
            await writer;
            await UntilAsync(() => FilesOfShards(cluster, 0).Length > 0, cluster, patience.Token);
            Assert.Equal(1L, cluster.Nodes[1]!.Describe().Nodes[0].Run);
        }

        foreach ((string key, int value) in acknowledged) Assert.True(int.Parse(await GetAsync(cluster, key, patience.Token)) >= value);
    }

    [Fact]
    public async Task A_node_that_went_while_it_was_down_deletes_what_it_kept_at_its_next_start()
    {
        await using LiveCluster cluster = await LiveCluster.StartPlacedAsync(4, 3, shards: 2, static _ => null);
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(120));
        await PutAsync(cluster, "key", 1, patience.Token);
        await cluster.KillAsync(3);
        await cluster.Nodes[0]!.RemoveNodeAsync(3, patience.Token);
        await cluster.StartAsync(3);
        await UntilAsync(() => FilesOfShards(cluster, 3).Length == 0, cluster, patience.Token);
        NodeOverview gone = cluster.Nodes[0]!.Describe().Nodes[3];
        Assert.Equal((3, false), (gone.Node, gone.Keeps));
        Assert.Equal("1", await GetAsync(cluster, "key", patience.Token));
    }

    /// <summary>Whether every shard is kept by as many nodes as it shall, in different zones, and each node keeps so many.</summary>
    private static bool IsPlaced(LiveCluster cluster, int[] counts)
    {
        IReadOnlyList<int>[] ensembles = MembersOf(cluster);
        return ensembles.All(members => members.Count == Replicas && members.Select(node => _zones[node]).Distinct().Count() == Replicas)
            && counts.Select((count, node) => ensembles.Count(members => members.Contains(node)) == count).All(isSo => isSo);
    }

    private static IReadOnlyList<int>[] MembersOf(LiveCluster cluster) => [.. cluster.Nodes[0]!.Describe().Shards.Select(shard => shard.Members)];

    private static string[] FilesOfShards(LiveCluster cluster, int node)
    {
        string shards = Path.Combine(cluster.DirectoryOf(node), "shards");
        return Directory.Exists(shards) ? Directory.GetFiles(shards, "*", SearchOption.AllDirectories) : [];
    }

    private static async Task WriteAsync(LiveCluster cluster, int number, ConcurrentDictionary<string, int> acknowledged, CancellationToken stop)
    {
        for (int i = 0; !stop.IsCancellationRequested; i++)
        {
            TidemarkNode[] up = [.. cluster.Up];
            string key = $"/count/{number}/{i % 30}";
            try
            {
                if ((await up[i % up.Length].Store.PutAsync(key, Encoding.UTF8.GetBytes($"{i}"), cancellationToken: CancellationToken.None)).Status == StoreStatus.Ok) acknowledged[key] = i;
            }
            catch (Exception e) when (e is TidemarkException or ObjectDisposedException)
            {
                await Task.Delay(10, CancellationToken.None);
            }
        }
    }

    private static async Task PutAsync(LiveCluster cluster, string key, int value, CancellationToken patience)
    {
        while (true)
        {
            try
            {
                await cluster.Nodes[0]!.Store.PutAsync(key, Encoding.UTF8.GetBytes($"{value}"), cancellationToken: patience);
                return;
            }
            catch (TidemarkException)
            {
                await Task.Delay(10, patience);
            }
        }
    }

    /// <summary>Reads a value through whichever node can.</summary>
    private static async Task<string> GetAsync(LiveCluster cluster, string key, CancellationToken patience)
    {
        for (int attempt = 0; ; attempt++)
        {
            TidemarkNode[] up = [.. cluster.Up];
            try
            {
                return (await up[attempt % up.Length].Store.GetAsync(key, cancellationToken: patience))!.Value.GetString();
            }
            catch (ShardUnavailableException)
            {
                await Task.Delay(10, patience);
            }
        }
    }

    private static async Task UntilAsync(Func<bool> isSo, LiveCluster cluster, CancellationToken patience)
    {
        while (!isSo())
        {
            if (patience.IsCancellationRequested) Assert.Fail($"it is never so: {string.Join("; ", MembersOf(cluster).Select(members => string.Join(',', members)))}; {string.Join(", ", cluster.Nodes[0]!.Describe().Nodes)}");
            await Task.Delay(20, CancellationToken.None);
        }
    }
}

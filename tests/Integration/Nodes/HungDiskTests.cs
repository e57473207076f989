using Tidemark.Tests.Replication;

using static Tidemark.Tests.Eventually;

namespace Tidemark.Integration.Nodes;

/// <summary>Clusters in which a flush of one node never ends, until it is let go.</summary>
public sealed class HungDiskTests
{
    private const int Puts = 50;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_disk_that_hangs_holds_up_nobody_for_long(bool isLeaders)
    {
        HangingFileSystem[] disks = [.. Enumerable.Range(0, LiveCluster.Count).Select(_ => new HangingFileSystem())];
        await using LiveCluster cluster = LiveCluster.Prepare(isTcp: false);
        cluster.FilesOf = node => disks[node];
        await Task.WhenAll(Enumerable.Range(0, LiveCluster.Count).Select(cluster.StartAsync));
        await PutAsync(cluster.Nodes[0]!.Store, "first");
        int leader = await cluster.LeaderAsync(), hung = isLeaders ? leader : (leader + 1) % LiveCluster.Count, other = (leader + 2) % LiveCluster.Count;

        disks[hung].Hang(1);
        Task held = PutAsync(cluster.Nodes[hung]!.Store, "held");
        await UntilAsync(() => disks[hung].Hanging == 1);
        for (int i = 0; i < Puts; i++) await PutAsync(cluster.Nodes[other]!.Store, $"{i}").WaitAsync(TimeSpan.FromSeconds(60));
        Assert.Equal(1, disks[hung].Hanging);
        Assert.Equal(isLeaders, cluster.Nodes[other]!.GetLeaders()[0] != leader);

        disks[hung].LetGo();
        await held.WaitAsync(TimeSpan.FromSeconds(60));
        int count = 0;
        await foreach (StoreRecord _ in cluster.Nodes[hung]!.Store.ScanAsync(KeyRange.All, new ScanOptions { Level = ReadLevel.Linearizable })) count++;
        Assert.Equal(Puts + 2, count);
        await UntilAsync(() => cluster.Nodes[hung]!.GetLeaders()[0] == cluster.Nodes[other]!.GetLeaders()[0]);
    }

    /// <summary>Puts until it is surely there.</summary>
    private static async Task PutAsync(KeyValueStore store, string key)
    {
        while (true)
        {
            try
            {
                await store.PutAsync(key, default);
                return;
            }
            catch (TidemarkException e) when (e.IsTransient || e is OutcomeUnknownException)
            {
                await Task.Delay(20);
            }
        }
    }
}

using System.Text;

using Tidemark.Core.State;
using Tidemark.Replication.Nodes;

using static Tidemark.Tests.Eventually;

namespace Tidemark.Integration.Nodes;

/// <summary>Logs that several replicas keep are cut: all of them agree where, and who was away goes on with entries.</summary>
public class CutTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Whoever_asks_all_replicas_begin_the_same_generation(bool isTcp)
    {
        await using LiveCluster cluster = await LiveCluster.StartAsync(isTcp, new NamespaceOptions { ShardCount = 2 });
        await using TidemarkClient client = await cluster.ConnectAsync();
        KeyValueStore[] askers = [.. cluster.Up.Select(node => node.Store), client.Store];
        for (int round = 0; round < askers.Length; round++)
        {
            for (int i = 0; i < 20; i++) await askers[round].PutAsync($"/{round}/{i}", "v"u8.ToArray());
            IReadOnlyList<CutResult> cut = await askers[round].CompactAsync();
            Assert.Equal(2, cut.Count);
            foreach (CutResult each in cut)
            {
                foreach (TidemarkNode node in cluster.Up) await UntilAsync(() => GenerationOf(node, each.Shard) is var own && (own.Number, own.LogId, own.Hash) == (each.Generation, each.LogId, each.Hash));
            }
        }
    }

    [Fact]
    public async Task Who_was_away_over_a_cut_is_given_the_entries_and_compares_too()
    {
        await using LiveCluster cluster = await LiveCluster.StartAsync(isTcp: false);
        int away = (await cluster.LeaderAsync() + 1) % 3;
        KeyValueStore store = cluster.Nodes[(away + 1) % 3]!.Store;
        await store.PutAsync("before", "v"u8.ToArray());
        await store.CompactAsync();
        await cluster.KillAsync(away);
        for (int i = 0; i < 50; i++) await store.PutAsync($"/away/{i}", "v"u8.ToArray());
        CutResult cut = Assert.Single(await store.CompactAsync());
        await store.PutAsync("behind", "v"u8.ToArray());

        await cluster.StartAsync(away);
        await UntilAsync(() => GenerationOf(cluster.Nodes[away]!, 0).LogId == cut.LogId);
        Assert.Equal(0, ReplicaOf(cluster.Nodes[away]!, 0).State.Log.Start);   // It was given no state in place of its own.
        Assert.Equal("v", (await cluster.Nodes[away]!.Store.GetAsync("behind"))!.Value.GetString());
    }

    [Fact]
    public async Task A_leader_that_dies_between_the_wish_and_the_end_leaves_the_cut_to_the_next()
    {
        await using LiveCluster cluster = await LiveCluster.StartAsync(isTcp: false);
        for (int round = 0; round < 3; round++)
        {
            int leader = await cluster.LeaderAsync(), other = (leader + 1) % 3;
            await cluster.Nodes[leader]!.Store.PutAsync("key", Encoding.UTF8.GetBytes($"{round}"));
            Task<IReadOnlyList<CutResult>> cutting = RetryAsync(cluster.Nodes[other]!.Store);
            await cluster.KillAsync(leader);
            CutResult cut = Assert.Single(await cutting);
            await cluster.StartAsync(leader);
            await UntilAsync(() => GenerationOf(cluster.Nodes[leader]!, 0).Number >= cut.Generation);
        }
    }

    [Fact]
    public async Task A_caller_needs_the_right_to_it()
    {
        await using LiveCluster cluster = await LiveCluster.StartAsync(isTcp: true, authorize: operation => operation.Kind != ClientOperationKind.Compact);
        await using TidemarkClient client = await cluster.ConnectAsync();
        await client.Store.PutAsync("key", "v"u8.ToArray());
        await Assert.ThrowsAsync<NotAuthorizedException>(async () => await client.Store.CompactAsync());
        Assert.Equal(1, Assert.Single(await cluster.Nodes[0]!.Store.CompactAsync()).Generation);
    }

    private static ReplicaHost ReplicaOf(TidemarkNode node, long shard) => ((INodeRuns)node).Current!.Host.Replicas[shard];

    private static Generation GenerationOf(TidemarkNode node, long shard) => ReplicaOf(node, shard).Machine is ICutsLog { Generations: { Count: > 0 } generations } ? generations[^1] : default;

    private static async Task<IReadOnlyList<CutResult>> RetryAsync(KeyValueStore store)
    {
        for (DateTime end = DateTime.UtcNow.AddSeconds(60); ;)
        {
            try
            {
                return await store.CompactAsync();
            }
            catch (TidemarkException) when (DateTime.UtcNow < end)
            {
                await Task.Delay(10);
            }
        }
    }
}

using Assertions;

namespace Tidemark.Integration.Nodes;

/// <summary>The facts of the sample Assertions on three nodes, of which those that lead die.</summary>
public sealed class FactClusterTests
{
    private static readonly string[] _subjects = ["Africa/Accra", "Asia/Tokyo", "Europe/Paris", "Europe/Zurich", "Pacific/Apia"];

    [Fact]
    public async Task What_is_said_later_holds_across_changes_of_the_leader_and_what_is_said_again_is_not_new()
    {
        await using LiveCluster cluster = await LiveCluster.StartAsync(isTcp: false);
        await using TidemarkClient client = await cluster.ConnectAsync();
        FactLog log = await FactLog.OpenAsync(client.Store, client.Topics);
        var said = new List<Fact>();
        for (int round = 0; round < 4; round++)
        {
            foreach (string subject in _subjects)
            {
                said.Add(new Fact(subject, "comment", $"word {round} of {subject}"));
                if (round == 0) said.Add(new Fact(subject, "country", subject[..2]));
            }

            foreach (Fact fact in said.Skip(said.Count - (round == 0 ? 2 : 1) * _subjects.Length)) await PersistAsync(() => log.SayAsync(fact));
            await PersistAsync(IndexedAsync);
            if (round == 3) break;

            // Whoever leads the facts of Paris goes; of the others some have the same leader.
            int victim = await LeaderAsync(cluster, client, "Europe/Paris");
            await cluster.KillAsync(victim);
            int replayed = 0;
            foreach (Fact fact in said) replayed += await PersistAsync(() => log.SayAsync(fact)) ? 1 : 0;
            Assert.Equal(0, replayed);
            await cluster.StartAsync(victim);
        }

        // Each was said after the one before was answered: the hybrid clock has them in that order, whoever led.
        List<Said> history = await log.HistoryAsync(_ => true);
        Assert.Equal(said, history.Select(one => one.Fact));
        Assert.All(history.Zip(history.Skip(1)), pair => Assert.True(pair.First.At < pair.Second.At, $"{pair.First} is not before {pair.Second}"));
        List<Said> paris = await log.HistoryAsync(fact => fact is { Subject: "Europe/Paris", Predicate: "comment" });
        Assert.Equal(["word 0 of Europe/Paris", "word 1 of Europe/Paris", "word 2 of Europe/Paris", "word 3 of Europe/Paris"], paris.Select(one => one.Fact.Value));

        SortedDictionary<string, string> index = await log.IndexedAsync();
        Assert.Equal(2 * _subjects.Length, index.Count);
        Assert.Equal("word 3 of Europe/Paris", index["by-predicate|comment|Europe.Paris"]);
        Assert.Equal(await log.RebuildAsync(), index);
        foreach (TidemarkNode node in cluster.Up) Assert.Equal(index, await (await FactLog.OpenAsync(node.Store, node.Topics)).RebuildAsync());

        // A second index, made anew from the first message on, comes to the same.
        await foreach (StoreKey key in client.Store.ListAsync(KeyRange.Between("by-predicate|", "by-predicate}"))) await client.Store.DeleteAsync(key);
        await using (var indexer = new TopicConsumer(client.Store, client.Topics.Get("facts"), "by-predicate"))
        {
            for (int partition = 0; partition < 8; partition++) Assert.True(await indexer.StoreOffsetAsync(partition, 0));
        }

        await log.IndexAsync();
        Assert.Equal(index, await log.IndexedAsync());

        async Task<bool> IndexedAsync()
        {
            await log.IndexAsync();
            return true;
        }
    }

    private static async Task<int> LeaderAsync(LiveCluster cluster, TidemarkClient client, string subject)
    {
        long shard = 1 + client.Topics.Get("facts").PartitionOf(subject);   // The default namespace has the first shard.
        for (DateTime end = DateTime.UtcNow.AddSeconds(60); DateTime.UtcNow < end; await Task.Delay(10))
        {
            foreach (TidemarkNode node in cluster.Up)
            {
                if (node.Describe().Shards.FirstOrDefault(one => one.ShardId == shard) is { Replica.Role: ReplicaRole.Leader } found && cluster.Nodes[found.Leader] == node) return found.Leader;
            }
        }

        throw new TimeoutException("nobody leads");
    }

    /// <summary>Tries again what comes to nothing, or to nobody knows what: a fact that is there already is not new.</summary>
    private static async Task<bool> PersistAsync(Func<Task<bool>> work)
    {
        for (DateTime end = DateTime.UtcNow.AddSeconds(60); ;)
        {
            try
            {
                return await work();
            }
            catch (TidemarkException e) when ((e.IsTransient || e is OutcomeUnknownException) && DateTime.UtcNow < end)
            {
                await Task.Delay(50);
            }
        }
    }
}

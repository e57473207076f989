using System.Text;

using Tidemark.Testing;

namespace Tidemark.Tests.Simulation;

/// <summary>A replica whose state is not what the entries give, on a whole cluster.</summary>
public class StateComparisonTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_state_that_differs_from_that_of_the_majority_is_given_up_and_copied_from_the_others(bool isLeader)
    {
        using var cluster = TestCluster.Start();
        await PutAsync(cluster, "key", "1");
        int node = isLeader ? cluster.Leader : (cluster.Leader + 1) % 3;
        cluster.Stray(node);
        Assert.NotEqual(cluster.MachineOf(node)!.Hash, cluster.MachineOf((node + 1) % 3)!.Hash);

        await PutAsync(cluster, "key", "2");
        await cluster.AdvanceAsync(TimeSpan.FromSeconds(10));
        Assert.Contains($"node {node} says: Shard 0 failed", cluster.Replay);
        Assert.Contains($"The state of shard 0 on node {node} behind entry", cluster.Replay);
        Assert.Equal(cluster.MachineOf(node)!.Hash, cluster.MachineOf((node + 1) % 3)!.Hash);
        cluster.Check();
    }

    /// <summary>Without entries there is nothing to compare anew, and a mark would be one more entry for nothing.</summary>
    [Fact]
    public async Task An_idle_shard_writes_no_marks()
    {
        using var cluster = TestCluster.Start();
        await PutAsync(cluster, "key", "1");
        await cluster.AdvanceAsync(TimeSpan.FromSeconds(5));
        long before = cluster.MachineOf(0)!.Position.Offset;
        await cluster.AdvanceAsync(TimeSpan.FromMinutes(5));
        await PutAsync(cluster, "key", "2");
        cluster.Check();
        Assert.InRange(cluster.MachineOf(0)!.Position.Offset, before + 1, before + 3);
    }

    /// <summary>What was copied from the others was right: who differs again has a machine that is not deterministic, or bad memory, and copying goes on for ever.</summary>
    [Fact]
    public async Task Who_differs_again_after_it_was_copied_stops_and_keeps_everything()
    {
        using var cluster = TestCluster.Start();
        await PutAsync(cluster, "key", "1");
        int node = (cluster.Leader + 1) % 3;
        foreach (string value in (string[])["2", "3"])
        {
            cluster.Stray(node);
            await PutAsync(cluster, "key", value);
            await cluster.AdvanceAsync(TimeSpan.FromSeconds(10));
        }

        Assert.Contains("and it was so before. Nothing was deleted.", cluster.Replay);
        Assert.Single(cluster.Replay.Split('\n'), line => line.Contains("It is given up; at the next start", StringComparison.Ordinal));
        cluster.Check();   // What was wrong was in memory alone: the restart has mended it.
    }

    [Fact]
    public async Task Where_no_majority_has_one_state_the_shard_stops_and_nothing_is_given_up()
    {
        using var cluster = TestCluster.Start();
        await PutAsync(cluster, "key", "1");
        int leader = cluster.Leader;
        cluster.Stray((leader + 1) % 3);
        cluster.Stray((leader + 2) % 3);
        await PutAsync(cluster, "key", "2");
        await cluster.AdvanceAsync(TimeSpan.FromSeconds(10));
        string alarm = cluster.Replay.Split('\n').First(line => line.Contains(" failed: ", StringComparison.Ordinal) || line.Contains(" says: Shard", StringComparison.Ordinal));
        Assert.Contains($"node {leader} says: Shard 0 failed", alarm);
        Assert.Contains("have different states behind entry", alarm);
    }

    private static async Task PutAsync(TestCluster cluster, string key, string value) =>
        Assert.Equal(StoreStatus.Ok, (await cluster.Store.PutAsync(key, Encoding.UTF8.GetBytes(value))).Status);
}

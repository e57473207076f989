using Tidemark.Core.Replication;

namespace Tidemark.Tests.Replication;

/// <summary>Replica and election cores under drawn schedules: everything is lost, doubled, late and out of order, and everybody is killed at any moment.</summary>
public sealed class ReplicaCoreProperties
{
    [Theory]
    [InlineData(3, 3)]
    [InlineData(5, 5)]
    [InlineData(4, 3)]   // One is in the ensemble only now and then.
    public void Whatever_happens_nothing_committed_is_lost_and_all_agree_and_afterwards_it_goes_on(int nodes, int ensemble)
    {
        int crashes = 0, wipes = 0, changes = 0, reads = 0, terms = 0, replaced = 0;
        long acknowledged = 0;
        for (int seed = 1; seed <= Soak.Times(150); seed++)
        {
            var cluster = new SimCluster(seed, nodes, [.. Enumerable.Range(0, ensemble)], elections: 2);
            try
            {
                LiveThrough(cluster);
            }
            catch (Exception e)
            {
                string story = string.Join('\n', cluster.Story.TakeLast(60));
                string state = string.Join('\n', cluster.Nodes.Select(node => node.Core?.ToString() ?? $"{node.Node} down").Concat(cluster.Elections.Select(core => core.ToString())));
                Assert.Fail($"seed {seed}, step {cluster.Steps}: {e.Message}\n{story}\n{state}");
            }

            crashes += cluster.Crashes;
            wipes += cluster.Wipes;
            changes += cluster.Changes;
            reads += cluster.Checks.ReadsAnswered;
            terms += cluster.Checks.Terms;
            replaced += cluster.Checks.Replaced;
            acknowledged += cluster.Checks.Acknowledged;
        }

        Assert.True(crashes > 1_000 && wipes > 100 && reads > 1_000 && terms > 500 && acknowledged > 5_000 && replaced > 100, $"{crashes} {wipes} {reads} {terms} {acknowledged} {replaced}");
        Assert.Equal(nodes > ensemble || ensemble > 3, changes > 20);   // An ensemble of three does not shrink here.
    }

    /// <summary>Whatever goes wrong for a while; then nothing does, and it must go on.</summary>
    internal static void LiveThrough(SimCluster cluster)
    {
        while (cluster.Steps < 10_000) cluster.Step();
        long before = cluster.Checks.Acknowledged;
        cluster.Heal();
        for (long end = cluster.Steps + 20_000; cluster.Steps < end && cluster.Checks.Acknowledged < before + 10;) cluster.Step();
        Assert.True(cluster.Checks.Acknowledged >= before + 10, "nothing is written any more");
    }
}

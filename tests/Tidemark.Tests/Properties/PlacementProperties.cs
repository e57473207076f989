using FsCheck;
using FsCheck.Fluent;

using Tidemark.Core.Replication;

namespace Tidemark.Tests.Properties;

/// <summary>Whatever a cluster looks like, placing its shards step by step comes to an end, and there it is as good as it can be.</summary>
public sealed class PlacementProperties
{
    private const int MostSteps = 600;

    [Fact]
    public void Steps_come_to_an_end_at_which_counts_zones_and_balance_hold_as_far_as_they_can() => Prop.ForAll(Clusters(), drawn =>
    {
        PlacedCluster cluster = drawn.Copy();
        int steps = 0;
        while (cluster.TryStep(static _ => true)) Assert.True(++steps <= MostSteps, $"it does not end: {drawn}");
        cluster.CheckEnd();
    }).Check(Config.QuickThrowOnFailure.WithMaxTest(Soak.Times(500)));

    [Fact]
    public void Each_step_is_of_one_node_and_leaves_a_shard_with_all_it_must_have() => Prop.ForAll(Clusters(), drawn =>
    {
        PlacedCluster cluster = drawn.Copy();
        for (int step = 0; step < MostSteps && cluster.TryStep(shard => (shard + step) % 3 > 0); step++) cluster.CheckStep();
    }).Check(Config.QuickThrowOnFailure.WithMaxTest(Soak.Times(500)));

    [Fact]
    public void The_same_cluster_gives_the_same_step() => Prop.ForAll(Clusters(), drawn =>
    {
        PlacedCluster first = drawn.Copy(), second = drawn.Copy();
        while (first.TryStep(static _ => true)) Assert.True(second.TryStep(static _ => true) && first.ToString() == second.ToString());
    }).Check(Config.QuickThrowOnFailure.WithMaxTest(Soak.Times(500)));

    [Fact]
    public void A_new_cluster_begins_with_as_many_shards_on_each_node_or_one_more() => Prop.ForAll(
        Gen.Zip(Gen.Choose(1, 40), Gen.Zip(Gen.Choose(1, 32), Gen.Choose(1, 9))).ToArbitrary(), drawn =>
    {
        (int shards, (int nodes, int replicas)) = drawn;
        int[] members = [.. Enumerable.Range(10, nodes)];
        IReadOnlyList<int>[] ensembles = [.. Enumerable.Range(0, shards).Select(shard => Placement.First(shard, members, replicas))];
        Assert.All(ensembles, ensemble => Assert.Equal((Math.Min(replicas, nodes), ensemble.Count), (ensemble.Count, ensemble.Distinct().Count())));
        int[] counts = [.. members.Select(node => ensembles.Count(ensemble => ensemble.Contains(node)))];
        Assert.True(counts.Max() - counts.Min() <= 1, string.Join(", ", counts));
    }).Check(Config.QuickThrowOnFailure.WithMaxTest(Soak.Times(500)));

    /// <summary>Clusters in any state: nodes that are down, that were added or removed, and shards that nobody would have placed so, some of them amid a change.</summary>
    private static Arbitrary<PlacedCluster> Clusters() => Gen.Choose(0, int.MaxValue - 1).Select(PlacedCluster.Drawn).ToArbitrary();
}

using FsCheck;
using FsCheck.Fluent;

using Tidemark.Core.Replication;
using Tidemark.Replication.Cluster;

namespace Tidemark.Tests.Replication;

/// <summary>Topics in the status of a cluster.</summary>
public sealed class ClusterTopicTests
{
    private static readonly string[] _names = ["a", "b", "c"];

    [Fact]
    public void No_shard_is_ever_given_twice_and_every_document_is_read_as_it_was_written() => Prop.ForAll(Gen.Zip(Gen.Choose(0, 2), Gen.Choose(0, 4)).ArrayOf().ToArbitrary(), changes =>
    {
        ClusterStatus status = ClusterStatus.New(Guid.Empty, [1, 2, 3, 4], [(0, [1, 2]), (1, [3, 4])], replicas: 2);
        var given = new HashSet<long> { 0, 1 };
        foreach ((int name, int count) in changes)
        {
            ClusterStatus before = status;
            status = Changed(status, _names[name], count);
            foreach (long shard in status.Shards.Keys.Except(before.Shards.Keys)) Assert.True(given.Add(shard), $"shard {shard} is given again");
            Assert.Equal(status.Shards.Keys.Except([0, 1]), status.Topics.Values.SelectMany(topic => topic.Shards).Order());
            Assert.All(status.Topics.Values, topic => Assert.Equal(topic.Options.Partitions, topic.Shards.Count));
            Assert.Equal(status.ToBytes(), ClusterStatus.Read(status.ToBytes()).ToBytes());
        }

        Assert.Equal(given.Count, status.NextShard);
    }).Check(Config.QuickThrowOnFailure.WithMaxTest(Soak.Times(200)));

    [Fact]
    public void New_shards_go_to_who_keeps_fewest_in_zones_of_their_own_and_to_who_is_down_only_where_too_few_are_up()
    {
        ClusterStatus status = ClusterStatus.New(Guid.Empty, [1, 2, 3, 4], [(0, [1, 2])], replicas: 2);
        Assert.Equal([3, 4], FirstOf(status, static _ => true));
        Assert.Equal([1, 4], FirstOf(status, static node => node is not (2 or 3)));
        ClusterStatus zoned = status.With(3, new NodeStatus(Zone: "east", Keeps: true)).With(4, new NodeStatus(Zone: "east", Keeps: true));
        Assert.Equal([1, 3], FirstOf(zoned, static _ => true));
        Assert.Equal([1, 4], FirstOf(status.With(2, new NodeStatus()).With(3, new NodeStatus()), static node => node == 4));   // Two keep nothing, and one that does is down.
        Assert.Equal([1, 2, 3, 4], FirstOf(status with { Replicas = null }, static _ => true));

        // Each of four nodes gets about as many of a large topic.
        ClusterStatus large = status.WithTopic("t", Guid.Empty, new TopicOptions { Partitions = 101 }, static _ => true);
        int[] counts = [.. Enumerable.Range(1, 4).Select(node => large.Shards.Values.Count(shard => shard.IsKeptBy(node)))];
        Assert.Equal(51, counts.Max());
        Assert.Equal(51, counts.Min());
    }

    [Fact]
    public void What_cannot_be_made_of_topics_is_refused()
    {
        ClusterStatus status = ClusterStatus.New(Guid.Empty, [1], [(0, [1])]).WithTopic("t", Guid.Empty, new TopicOptions { Partitions = 2 }, static _ => true);
        Assert.Throws<ArgumentException>(() => status.WithTopic("t", Guid.Empty, new TopicOptions(), static _ => true));
        Assert.Throws<ArgumentException>(() => status.WithTopicOptions("u", new TopicOptions(), static _ => true));
        Assert.Throws<ArgumentException>(() => status.WithTopicOptions("t", new TopicOptions(), static _ => true));
    }

    private static int[] FirstOf(ClusterStatus status, Func<int, bool> isUp) => [.. status.WithTopic("t", Guid.Empty, new TopicOptions(), isUp).Shards[status.NextShard].Ensemble];

    private static ClusterStatus Changed(ClusterStatus status, string name, int partitions)
    {
        ClusterTopic? topic = status.Topics.GetValueOrDefault(name);
        if (topic is null) return status.WithTopic(name, Guid.Empty, new TopicOptions { Partitions = partitions + 1 }, static _ => true);
        return partitions == 0 ? status.WithoutTopic(name) : status.WithTopicOptions(name, topic.Options with { Partitions = topic.Shards.Count + partitions - 1 }, static _ => true);
    }
}

using System.Text;

using Tidemark.Core.Replication;
using Tidemark.Replication.Cluster;

namespace Tidemark.Tests.Golden;

/// <summary>The document that docs/format/cluster-status.md shows is the one that the code writes.</summary>
public sealed class ClusterStatusFormatTests
{
    private static readonly Guid _cluster = new("00112233-4455-6677-8899-aabbccddeeff");

    [Fact]
    public void The_document_of_the_format_page_is_what_the_code_writes()
    {
        ClusterStatus status = Example();
        string text = Encoding.UTF8.GetString(status.ToBytes());
        string page = File.ReadAllText(RepositoryRoot.At("docs", "format", "cluster-status.md"));
        Assert.True(page.Contains($"```json\n{text}\n```", StringComparison.Ordinal), $"docs/format/cluster-status.md does not show this document:\n{text}");

        var read = ClusterStatus.Read(status.ToBytes());
        Assert.Equal(_cluster, read.Cluster);
        Assert.Equal(3, read.Replicas);
        Assert.Equal(status.Nodes, read.Nodes);
        Assert.Equal(status.Shards.Keys, read.Shards.Keys);
        foreach ((long shard, ShardStatus expected) in status.Shards)
        {
            ShardStatus found = read.Shards[shard];
            Assert.Equal((expected.Term, expected.Leader, expected.Nonce), (found.Term, found.Leader, found.Nonce));
            Assert.Equal(expected.Ensemble, found.Ensemble);
            Assert.Equal(expected.Next, found.Next);
        }

        Assert.Equal((7L, 3L), (read.NextShard, read.TopicChanges));
        ClusterTopic topic = Assert.Single(read.Topics.Values);
        Assert.Equal(status.Topics["orders"].Options, topic.Options);
        Assert.Equal([5L, 6L], topic.Shards);
        Assert.Equal(status.ToBytes(), read.ToBytes());
    }

    [Fact]
    public void A_topic_of_the_format_is_read()
    {
        var read = ClusterStatus.Read(Bytes("""{"version":1,"speaks":1,"nextShard":2,"topicChanges":1,"cluster":"00112233-4455-6677-8899-aabbccddeeff","nodes":[],"shards":[{"shard":1,"term":0,"ensemble":[1],"nonce":"n"}],"topics":[{"topic":"t","id":"00112233-4455-6677-8899-aabbccddeeff","maxMessageBytes":1024,"maxBatchBytes":4096,"segmentBytes":65536,"deduplicationIds":0,"producerIdleMs":1000,"maxProducers":1,"shards":[1]}]}"""));
        Assert.Equal(new TopicOptions { MaxMessageBytes = 1024, MaxBatchBytes = 4096, SegmentBytes = 65536, ProducerIdleTimeout = TimeSpan.FromSeconds(1), MaxProducers = 1 }, read.Topics["t"].Options);
    }

    [Fact]
    public void Unknown_fields_are_passed_over_and_form_does_not_matter()
    {
        var read = ClusterStatus.Read(Bytes("""{"shards":[{"more":[1],"shard":1,"nonce":"n","ensemble":[2],"term":0}],"nodes":[],"cluster":"00112233-4455-6677-8899-aabbccddeeff","later":{},"speaks":1,"nextShard":2,"topicChanges":0,"topics":[],"version":1}"""));
        Assert.Equal((ShardStatus.Nobody, 0L, "n"), (read.Shards[1].Leader, read.Shards[1].Term, read.Shards[1].Nonce));
        Assert.Null(read.Shards[1].Next);
        Assert.Null(read.Replicas);
    }

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("[]")]
    [InlineData("null")]
    [InlineData("""{"version":2,"speaks":1,"nextShard":2,"topicChanges":0,"topics":[],"cluster":"00112233-4455-6677-8899-aabbccddeeff","nodes":[],"shards":[]}""")]
    [InlineData("""{"speaks":1,"nextShard":2,"topicChanges":0,"topics":[],"cluster":"00112233-4455-6677-8899-aabbccddeeff","nodes":[],"shards":[]}""")]
    [InlineData("""{"version":1,"speaks":1,"nextShard":2,"topicChanges":0,"topics":[],"nodes":[],"shards":[]}""")]
    [InlineData("""{"version":1,"nextShard":2,"topicChanges":0,"topics":[],"cluster":"00112233-4455-6677-8899-aabbccddeeff","nodes":[],"shards":[]}""")]
    [InlineData("""{"version":1,"speaks":1,"nextShard":2,"topicChanges":0,"topics":[],"cluster":"00112233-4455-6677-8899-aabbccddeeff","replicas":0,"nodes":[],"shards":[]}""")]
    [InlineData("""{"version":1,"speaks":1,"nextShard":2,"topicChanges":0,"topics":[],"cluster":"00112233-4455-6677-8899-aabbccddeeff","replicas":10,"nodes":[],"shards":[]}""")]
    [InlineData("""{"version":1,"speaks":1,"nextShard":2,"topicChanges":0,"topics":[],"cluster":"00112233-4455-6677-8899-aabbccddeeff","nodes":[{"node":1,"run":1,"keeps":1}],"shards":[]}""")]
    [InlineData("""{"version":1,"speaks":1,"nextShard":2,"topicChanges":0,"topics":[],"cluster":"me","nodes":[],"shards":[]}""")]
    [InlineData("""{"version":1,"speaks":1,"nextShard":2,"topicChanges":0,"topics":[],"cluster":"00112233-4455-6677-8899-aabbccddeeff","nodes":{},"shards":[]}""")]
    [InlineData("""{"version":1,"speaks":1,"nextShard":2,"topicChanges":0,"topics":[],"cluster":"00112233-4455-6677-8899-aabbccddeeff","nodes":[{"node":1,"run":1},{"node":1,"run":2}],"shards":[]}""")]
    [InlineData("""{"version":1,"speaks":1,"nextShard":2,"topicChanges":0,"topics":[],"cluster":"00112233-4455-6677-8899-aabbccddeeff","nodes":[{"node":1,"run":99999999999999999999}],"shards":[]}""")]
    [InlineData("""{"version":1,"speaks":1,"nextShard":2,"topicChanges":0,"topics":[],"cluster":"00112233-4455-6677-8899-aabbccddeeff","nodes":[],"shards":[{"shard":1,"term":"0","ensemble":[1],"nonce":"n"}]}""")]
    [InlineData("""{"version":1,"speaks":1,"nextShard":2,"topicChanges":0,"topics":[],"cluster":"00112233-4455-6677-8899-aabbccddeeff","nodes":[],"shards":[{"shard":1,"term":0,"ensemble":[],"nonce":"n"}]}""")]
    [InlineData("""{"version":1,"speaks":1,"nextShard":2,"topicChanges":0,"topics":[],"cluster":"00112233-4455-6677-8899-aabbccddeeff","nodes":[],"shards":[{"shard":1,"term":0,"ensemble":[1],"next":[],"nonce":"n"}]}""")]
    [InlineData("""{"version":1,"speaks":1,"nextShard":2,"topicChanges":0,"topics":[],"cluster":"00112233-4455-6677-8899-aabbccddeeff","nodes":[],"shards":[{"shard":1,"term":0,"ensemble":[1]}]}""")]
    [InlineData("""{"version":1,"speaks":1,"topicChanges":1,"cluster":"00112233-4455-6677-8899-aabbccddeeff","nodes":[],"shards":[{"shard":1,"term":0,"ensemble":[1],"nonce":"n"}],"topics":[{"topic":"t","id":"00112233-4455-6677-8899-aabbccddeeff","maxMessageBytes":1024,"maxBatchBytes":4096,"segmentBytes":65536,"deduplicationIds":0,"producerIdleMs":1000,"maxProducers":1,"shards":[1]}]}""")]
    [InlineData("""{"version":1,"speaks":1,"nextShard":1,"topicChanges":1,"cluster":"00112233-4455-6677-8899-aabbccddeeff","nodes":[],"shards":[{"shard":1,"term":0,"ensemble":[1],"nonce":"n"}],"topics":[{"topic":"t","id":"00112233-4455-6677-8899-aabbccddeeff","maxMessageBytes":1024,"maxBatchBytes":4096,"segmentBytes":65536,"deduplicationIds":0,"producerIdleMs":1000,"maxProducers":1,"shards":[1]}]}""")]
    [InlineData("""{"version":1,"speaks":1,"nextShard":2,"topicChanges":1,"cluster":"00112233-4455-6677-8899-aabbccddeeff","nodes":[],"shards":[{"shard":1,"term":0,"ensemble":[1],"nonce":"n"}],"topics":[{"topic":"t","id":"00112233-4455-6677-8899-aabbccddeeff","maxMessageBytes":1024,"maxBatchBytes":4096,"segmentBytes":65536,"deduplicationIds":0,"producerIdleMs":1000,"maxProducers":1,"shards":[1]},{"topic":"u","id":"00112233-4455-6677-8899-aabbccddeeff","maxMessageBytes":1024,"maxBatchBytes":4096,"segmentBytes":65536,"deduplicationIds":0,"producerIdleMs":1000,"maxProducers":1,"shards":[1]}]}""")]
    [InlineData("""{"version":1,"speaks":1,"nextShard":3,"topicChanges":1,"cluster":"00112233-4455-6677-8899-aabbccddeeff","nodes":[],"shards":[{"shard":1,"term":0,"ensemble":[1],"nonce":"n"},{"shard":2,"term":0,"ensemble":[1],"nonce":"n"}],"topics":[{"topic":"t","id":"00112233-4455-6677-8899-aabbccddeeff","maxMessageBytes":1024,"maxBatchBytes":4096,"segmentBytes":65536,"deduplicationIds":0,"producerIdleMs":1000,"maxProducers":1,"shards":[1]},{"topic":"t","id":"00112233-4455-6677-8899-aabbccddeeff","maxMessageBytes":1024,"maxBatchBytes":4096,"segmentBytes":65536,"deduplicationIds":0,"producerIdleMs":1000,"maxProducers":1,"shards":[2]}]}""")]
    [InlineData("""{"version":1,"speaks":1,"nextShard":2,"topicChanges":1,"cluster":"00112233-4455-6677-8899-aabbccddeeff","nodes":[],"shards":[{"shard":1,"term":0,"ensemble":[1],"nonce":"n"}],"topics":[{"topic":"t","id":"00112233-4455-6677-8899-aabbccddeeff","maxMessageBytes":1024,"maxBatchBytes":4096,"segmentBytes":65536,"deduplicationIds":0,"producerIdleMs":1000,"maxProducers":1,"shards":[0]}]}""")]
    [InlineData("""{"version":1,"speaks":1,"nextShard":2,"topicChanges":1,"cluster":"00112233-4455-6677-8899-aabbccddeeff","nodes":[],"shards":[{"shard":1,"term":0,"ensemble":[1],"nonce":"n"}],"topics":[{"topic":"t","id":"00112233-4455-6677-8899-aabbccddeeff","maxMessageBytes":1024,"maxBatchBytes":4096,"segmentBytes":65536,"deduplicationIds":0,"producerIdleMs":1000,"maxProducers":1,"shards":[]}]}""")]
    [InlineData("""{"version":1,"speaks":1,"nextShard":2,"topicChanges":1,"cluster":"00112233-4455-6677-8899-aabbccddeeff","nodes":[],"shards":[{"shard":1,"term":0,"ensemble":[1],"nonce":"n"}],"topics":[{"topic":"","id":"00112233-4455-6677-8899-aabbccddeeff","maxMessageBytes":1024,"maxBatchBytes":4096,"segmentBytes":65536,"deduplicationIds":0,"producerIdleMs":1000,"maxProducers":1,"shards":[1]}]}""")]
    [InlineData("""{"version":1,"speaks":1,"nextShard":2,"topicChanges":1,"cluster":"00112233-4455-6677-8899-aabbccddeeff","nodes":[],"shards":[{"shard":1,"term":0,"ensemble":[1],"nonce":"n"}],"topics":[{"topic":"t","id":"00112233-4455-6677-8899-aabbccddeeff","maxMessageBytes":0,"maxBatchBytes":4096,"segmentBytes":65536,"deduplicationIds":0,"producerIdleMs":1000,"maxProducers":1,"shards":[1]}]}""")]
    public void What_is_no_status_or_of_another_version_is_refused(string text) => Assert.Throws<FormatMismatchException>(() => ClusterStatus.Read(Bytes(text)));

    private static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);

    private static ClusterStatus Example()
    {
        var status = ClusterStatus.New(_cluster, [1, 2, 3], [(0, [1, 2, 3]), (1, [1, 2])], replicas: 3);
        return status.With(1, new NodeStatus(2, "east", Keeps: true, 1)).With(2, new NodeStatus(1, "west", Keeps: true, 1)).With(4, new NodeStatus(1, Version: 1))
            .WithTopic("payments", Guid.Empty, new TopicOptions { Partitions = 3 }, static _ => true).WithoutTopic("payments")
            .WithTopic("orders", new Guid("0199a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"), new TopicOptions { Partitions = 2, RetentionAge = TimeSpan.FromDays(7), RetentionConsumer = "billing" }, static node => node != 3)
            .With(0, new ShardStatus(4, 2, [1, 2, 3], null, "1.2.0/7"))
            .With(1, new ShardStatus(1, ShardStatus.Nobody, [1, 2], [1, 2, 3], "1.2.1/3"));
    }
}

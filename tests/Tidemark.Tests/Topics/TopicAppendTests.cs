using Tidemark.Core.Hashing;
using Tidemark.Replication.Topics;
using Tidemark.Testing;

using static Tidemark.Tests.Topics.FakeTopic;

namespace Tidemark.Tests.Topics;

/// <summary>What a topic looks at before it sends anything, and to which partition it sends.</summary>
public sealed class TopicAppendTests
{
    [Fact]
    public async Task Messages_without_a_key_go_to_the_partitions_in_turn()
    {
        PartitionedTopic topic = Over(Partitions(3));
        int[] partitions = new int[7];
        for (int i = 0; i < partitions.Length; i++) partitions[i] = (await topic.AppendAsync(Message())).Partition;
        Assert.Equal([0, 1, 2, 0, 1, 2, 0], partitions);
    }

    [Fact]
    public async Task A_key_decides_the_partition_by_its_hash()
    {
        PartitionedTopic topic = Over(Partitions(5));
        for (int i = 0; i < 50; i++)
        {
            StoreKey key = $"customer-{i}";
            AppendResult result = await topic.AppendAsync(new TopicMessage(default) { Key = key });
            Assert.Equal((int)(XxHash32.HashToUInt32(key.Span) % 5), result.Partition);
        }

        Assert.Equal((int)(XxHash32.HashToUInt32(default) % 5), (await topic.AppendAsync(new TopicMessage(default) { Key = new StoreKey("") })).Partition);   // An empty key is one.
    }

    [Fact]
    public async Task A_named_partition_counts_more_than_keys_and_takes_a_batch_of_several()
    {
        FakePartition[] partitions = Partitions(3);
        await Over(partitions).AppendAsync([Message(key: "a"), Message(key: "b"), Message()], new AppendOptions { Partition = 2 });
        Assert.Equal([0, 0, 3], partitions.Select(partition => partition.Messages.Count));
    }

    [Fact]
    public async Task Keys_spread_anew_over_partitions_that_are_added_and_settings_count_from_then_on()
    {
        FakePartition[] partitions = Partitions(4);
        PartitionedTopic topic = Over(partitions[..1]);
        await topic.AppendAsync(Message("x", "a"));
        topic.Change(View(partitions, new TopicOptions { MaxMessageBytes = 20 }));
        for (int i = 0; i < 40; i++) await topic.AppendAsync(Message("x", $"{i}"));
        Assert.All(partitions, partition => Assert.NotEmpty(partition.Messages));
        Assert.Equal(4, topic.Options.Partitions);
        await Assert.ThrowsAsync<LimitExceededException>(async () => await topic.AppendAsync(Message("12345")));
    }

    [Fact]
    public async Task An_offset_may_be_expected_only_where_the_partition_is_determined()
    {
        PartitionedTopic topic = Over(Partitions(2));
        await Assert.ThrowsAsync<ArgumentException>(async () => await topic.AppendAsync(Message(), new AppendOptions { ExpectedOffset = 0 }));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(async () => await topic.AppendAsync(Message(), new AppendOptions { Partition = 0, ExpectedOffset = -1 }));
        Assert.True((await topic.AppendAsync(Message(key: "a"), new AppendOptions { ExpectedOffset = 0 })).IsAppended);
        Assert.Equal(AppendStatus.OffsetConflict, (await topic.AppendAsync(Message(), new AppendOptions { Partition = 0, ExpectedOffset = 7 })).Status);
    }

    [Fact]
    public async Task What_is_asked_wrongly_is_refused_and_nothing_is_appended()
    {
        FakePartition[] partitions = Partitions(2);
        PartitionedTopic topic = Over(partitions);
        async Task RefusedAsync<T>(IReadOnlyList<TopicMessage> messages, AppendOptions? options = null)
            where T : Exception => await Assert.ThrowsAnyAsync<T>(async () => await topic.AppendAsync(messages, options));

        await RefusedAsync<ArgumentException>([]);
        await RefusedAsync<ArgumentException>([null!]);
        await RefusedAsync<ArgumentNullException>(null!);
        await RefusedAsync<ArgumentException>([Message(key: "a"), Message(key: "b")]);
        await RefusedAsync<ArgumentException>([Message(key: "a"), Message()]);
        await RefusedAsync<ArgumentOutOfRangeException>([Message()], new AppendOptions { Partition = 2 });
        await RefusedAsync<ArgumentOutOfRangeException>([Message()], new AppendOptions { Partition = -1 });
        await RefusedAsync<ArgumentException>([Message() with { Headers = [new MessageHeader("", default)] }]);
        await RefusedAsync<ArgumentException>([Message() with { Headers = [new MessageHeader("\ud800", default)] }]);
        await Assert.ThrowsAsync<OperationCanceledException>(async () => await topic.AppendAsync(Message(), cancellationToken: new CancellationToken(canceled: true)));
        Assert.Throws<ArgumentOutOfRangeException>(() => topic.TailAsync(2, TopicPosition.First));
        Assert.Throws<ArgumentException>(() => topic.TailAsync(0, TopicPosition.First, new TopicReadOptions { Reverse = true }));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(async () => await topic.ReadAsync(2, TopicPosition.First));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(async () => await topic.ReadAsync(0, TopicPosition.First, new TopicReadOptions { MaxMessages = 0 }));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(async () => await topic.TrimAsync(0, -1));
        Assert.All(partitions, partition => Assert.Empty(partition.Calls));
    }

    [Fact]
    public async Task Every_limit_is_named_with_what_it_was_and_lets_through_what_just_fits()
    {
        PartitionedTopic topic = Over(Partitions(1), new TopicOptions { MaxMessageBytes = 100_000, MaxBatchBytes = 150_000 });
        TopicMessage largest = new(new byte[100_000 - 16 - 1 - 3 - 4]) { Key = "k", Headers = [new MessageHeader("hä", new byte[4])] };
        Assert.True((await topic.AppendAsync(largest)).IsAppended);

        await ExceededAsync(100_001, 100_000, "MaxMessageBytes", largest with { Payload = new byte[largest.Payload.Length + 1] });
        TopicMessage rest = new(new byte[50_000 - (3 * 48) - 2 - 10]) { Key = "k" };   // As they are stored.
        Assert.True((await topic.AppendAsync([largest with { Payload = largest.Payload[..^24] }, rest])).IsAppended);
        await ExceededAsync(65_537, 65_536, "LargestKeyBytes", new TopicMessage(default) { Key = new byte[65_537] });
        await ExceededAsync(1_001, 1_000, "MostHeaders", new TopicMessage(default) { Headers = [.. Enumerable.Repeat(new MessageHeader("a", default), 1_001)] });
        await ExceededAsync(1_026, 1_024, "LargestHeaderNameBytes", new TopicMessage(default) { Headers = [new MessageHeader(new string('ü', 513), default)] });

        async Task ExceededAsync(long actual, long limit, string setting, params TopicMessage[] messages)
        {
            var exceeded = await Assert.ThrowsAsync<LimitExceededException>(async () => await topic.AppendAsync(messages));
            Assert.Equal((actual, limit), (exceeded.Actual, exceeded.Limit));
            Assert.Contains(setting, exceeded.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_message_without_an_id_gets_one_of_version_7_that_tells_the_time_and_others_keep_theirs()
    {
        FakePartition[] partitions = Partitions(1);
        var own = new Guid("00112233-4455-6677-8899-aabbccddeeff");
        await Over(partitions).AppendAsync([Message(), Message() with { Id = own }, Message()]);
        Guid[] ids = [.. partitions[0].Messages.Select(message => message.Id)];
        Assert.Equal(own, ids[1]);
        Assert.Equal(3, ids.Distinct().Count());
        long now = new ManualTimeProvider().GetUtcNow().ToUnixTimeMilliseconds();
        Assert.All((Guid[])[ids[0], ids[2]], id =>
        {
            Assert.Equal((7, 0x8), (id.Version, id.Variant & 0xC));
            Assert.Equal(now, Convert.ToInt64(id.ToString("N")[..12], 16));
        });
    }

    [Fact]
    public async Task A_topic_that_was_deleted_does_nothing_more()
    {
        PartitionedTopic topic = Over(Partitions(1));
        TopicProducer producer = topic.CreateProducer();
        topic.Close();
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await topic.AppendAsync(Message()));
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await producer.AppendAsync(Message()));
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await topic.ReadAsync(0, TopicPosition.First));
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await topic.DescribeAsync(0));
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await topic.PurgeAsync());
        Assert.Throws<ObjectDisposedException>(() => topic.TailAsync(0, TopicPosition.First));
        Assert.Equal(1, topic.Options.Partitions);
    }
}

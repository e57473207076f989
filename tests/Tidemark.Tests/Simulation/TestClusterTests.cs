using System.Buffers.Binary;
using System.Text;

using Tidemark.Testing;

namespace Tidemark.Tests.Simulation;

/// <summary>A cluster in a user's own test.</summary>
public class TestClusterTests
{
    [Fact]
    public async Task What_is_acknowledged_outlives_its_leader()
    {
        using var cluster = TestCluster.Start();
        for (int i = 0; i < 20; i++)
        {
            Assert.Equal(StoreStatus.Ok, (await cluster.Store.PutAsync($"/{i}", Bytes($"value {i}"))).Status);
            if (i == 10) await cluster.CrashAsync(cluster.Leader);
        }

        for (int i = 0; i < 20; i++) Assert.Equal($"value {i}", (await cluster.Store.GetAsync($"/{i}"))?.GetString());
        cluster.Check();
    }

    [Fact]
    public async Task Partitioned_old_leader_reads_nothing_and_the_others_go_on()
    {
        using var cluster = TestCluster.Start();
        await cluster.Store.PutAsync("key", Bytes("before"));
        int old = cluster.Leader;
        cluster.Partition(old);
        await cluster.AdvanceAsync(TimeSpan.FromSeconds(5));
        Assert.NotEqual(old, cluster.Leader);
        await cluster.Store.PutAsync("key", Bytes("after"));
        Assert.Equal("after", (await cluster.Store.GetAsync("key"))?.GetString());
        cluster.Check();
    }

    [Fact]
    public async Task What_is_appended_to_a_topic_outlives_its_leader_and_is_consumed_once()
    {
        using var cluster = TestCluster.Start();
        Topic orders = await cluster.Topics.CreateAsync("orders", new TopicOptions { Partitions = 2 });
        await using TopicProducer producer = orders.CreateProducer();
        for (int i = 0; i < 20; i++)
        {
            if (i % 5 == 4) cluster.CrashIn(cluster.LeaderOf(orders, 1), TimeSpan.FromMilliseconds(0.5));   // In the middle of what follows.
            Assert.Equal(i, (await producer.AppendAsync(new TopicMessage(Bytes($"order {i}")), new AppendOptions { Partition = 1 })).Offset);
            for (int node = 0; node < 3; node++) await cluster.StartAsync(node);
        }

        await using var billing = new TopicConsumer(cluster.Store, orders, "billing");
        TopicPage page = await billing.ReadAsync(1);
        Assert.Equal(Enumerable.Range(0, 20).Select(i => $"order {i}"), page.Messages.Select(message => Encoding.UTF8.GetString(message.Payload.Span)));
        await billing.StoreOffsetAsync(1, page.Next);
        await cluster.CrashAsync(cluster.Leader);
        Assert.Empty((await billing.ReadAsync(1)).Messages);
        await Assert.ThrowsAsync<ArgumentException>(async () => await cluster.Topics.CreateAsync("orders"));
        cluster.Check();

        Assert.True(await cluster.Topics.DeleteAsync("orders"));
        Assert.Null(cluster.Topics.Find("orders"));
        Assert.Throws<ArgumentException>(() => cluster.LeaderOf(orders, 1));
        cluster.Check();
    }

    [Fact]
    public async Task A_tail_goes_on_over_the_loss_of_the_partitions_leader()
    {
        using var cluster = TestCluster.Start();
        Topic orders = await cluster.Topics.CreateAsync("orders");
        await using IAsyncEnumerator<StoredMessage> tail = orders.TailAsync(0, TopicPosition.First).GetAsyncEnumerator();
        for (int i = 0; i < 12; i++)
        {
            await orders.AppendAsync(new TopicMessage(Bytes($"{i}")));
            if (i == 5) await cluster.CrashAsync(cluster.LeaderOf(orders));
            Assert.True(await tail.MoveNextAsync());
            Assert.Equal((i, $"{i}"), ((int)tail.Current.Offset, Encoding.UTF8.GetString(tail.Current.Payload.Span)));
        }

        cluster.Check();
    }

    /// <summary>
    /// A replica was started again while nobody led. Its log began where messages had been let go, and its state, which had come to the disk before that, did not know of it: a reading there failed with the numbers of
    /// entries as if they were offsets, and who went on from there skipped messages, or found none. It is told the first message that the log has. Seed 3 of the simulation's first runs with a topic.
    /// </summary>
    [Fact]
    public async Task A_replica_whose_state_is_older_than_its_log_names_the_first_message_that_is_there()
    {
        using var cluster = TestCluster.Start();
        Topic orders = await cluster.Topics.CreateAsync("orders", new TopicOptions { SegmentBytes = 64 * 1024, SegmentAge = TimeSpan.FromSeconds(1) });
        for (int i = 0; i < 30; i++)
        {
            for (int same = 0; same < 3; same++) await orders.AppendAsync([.. Enumerable.Range(0, 3).Select(_ => new TopicMessage(new byte[300]))]);
            await cluster.AdvanceAsync(TimeSpan.FromMilliseconds(500));
        }

        await orders.TrimAsync(0, 200);
        await cluster.AdvanceAsync(TimeSpan.FromSeconds(5));
        for (int node = 0; node < 3; node++) await cluster.CrashAsync(node);
        await cluster.StartAsync(0);
        await cluster.AdvanceAsync(TimeSpan.FromSeconds(1));   // Without a majority it does not learn what is committed.
        OffsetOutOfRangeException told = await Assert.ThrowsAsync<OffsetOutOfRangeException>(async () => await orders.ReadAsync(0, TopicPosition.At(0), new TopicReadOptions { Level = ReadLevel.Local }));
        Assert.InRange(told.Start, 150, 200);
        Assert.InRange(told.End, told.Start, 270);
        TopicPage page = await orders.ReadAsync(0, TopicPosition.First, new TopicReadOptions { Level = ReadLevel.Local });
        Assert.Equal(told.Start, page.Start);
        Assert.Equal(page.Messages.Count, (int)(page.End - page.Start));
        cluster.Check();
        Assert.Equal(200, (await orders.DescribeAsync(0)).Start);
    }

    /// <summary>Messages that are to go are read once more, for the base. Where they have rotted on a replica, it is copied from the others; else its log would be kept for ever.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_replica_whose_log_has_rotted_where_it_is_trimmed_is_copied_from_the_others(bool isLeader)
    {
        using var cluster = TestCluster.Start();
        Topic orders = await cluster.Topics.CreateAsync("orders", new TopicOptions { SegmentBytes = 64 * 1024, SegmentAge = TimeSpan.FromSeconds(1) });
        for (int i = 0; i < 30; i++)
        {
            await orders.AppendAsync([.. Enumerable.Range(0, 9).Select(_ => new TopicMessage(new byte[300]))]);
            await cluster.AdvanceAsync(TimeSpan.FromMilliseconds(500));
        }

        int node = isLeader ? cluster.LeaderOf(orders) : (cluster.LeaderOf(orders) + 1) % 3;
        string path = cluster.SegmentsOf(node, orders)[0];
        cluster.FlipBit(node, path, 1000);   // In the first batch.
        await orders.TrimAsync(0, 200);
        await cluster.AdvanceAsync(TimeSpan.FromSeconds(20));
        Assert.Contains($"node {node} says: Shard 1 failed", cluster.Replay);
        Assert.DoesNotContain(path, cluster.SegmentsOf(node, orders));
        Assert.Equal(200, (await orders.DescribeAsync(0)).Start);
        cluster.Check();
    }

    [Fact]
    public async Task Without_a_majority_nothing_is_written_and_with_one_all_goes_on()
    {
        using var cluster = TestCluster.Start(new TestClusterOptions { OperationTimeout = TimeSpan.FromSeconds(10) });
        await cluster.Store.PutAsync("key", Bytes("one"));
        await cluster.CrashAsync((cluster.Leader + 1) % 3);
        await cluster.CrashAsync((cluster.Leader + 2) % 3, losesPower: false);
        Exception? refused = await Record.ExceptionAsync(async () => await cluster.Store.PutAsync("key", Bytes("two")));
        Assert.True(refused is OutcomeUnknownException or ShardUnavailableException, $"{refused}");
        await Assert.ThrowsAsync<ShardUnavailableException>(async () => await cluster.Store.GetAsync("key"));
        cluster.Check();
        Assert.NotNull(await cluster.Store.GetAsync("key"));
    }

    [Fact]
    public async Task A_wiped_node_is_given_everything_again()
    {
        using var cluster = TestCluster.Start();
        for (int i = 0; i < 1000; i++) await cluster.Store.PutAsync($"/{i % 50}", new byte[300]);
        int follower = (cluster.Leader + 1) % 3;
        await cluster.WipeAsync(follower);
        await cluster.StartAsync(follower);
        cluster.Check();
        Assert.Equal(cluster.MachineOf(cluster.Leader)!.Hash, cluster.MachineOf(follower)!.Hash);
    }

    [Fact]
    public async Task Retry_after_ambiguous_commit_happens_once()
    {
        using var cluster = TestCluster.Start(new TestClusterOptions { Seed = 3 });
        await using StoreClient client = await cluster.Store.RegisterClientAsync();
        await client.Store.PutAsync("key", Bytes("one"));
        await cluster.CrashAsync(cluster.Leader);
        WriteResult second = await client.Store.PutAsync("key", Bytes("two"));
        Assert.Equal(StoreStatus.Ok, second.Status);
        cluster.Check();
    }

    [Fact]
    public async Task A_session_outlives_its_leader_and_ends_when_nobody_keeps_it()
    {
        using var cluster = TestCluster.Start();
        await using StoreSession session = await cluster.Store.OpenSessionAsync(new SessionOptions { Timeout = TimeSpan.FromSeconds(4) });
        await cluster.Store.PutAsync("service", Bytes("here"), new PutOptions { Session = session });
        for (int i = 0; i < 5; i++)
        {
            int leader = cluster.Leader;
            await cluster.CrashAsync(leader);
            await cluster.AdvanceAsync(TimeSpan.FromSeconds(3));
            await cluster.StartAsync(leader);
            Assert.NotNull(await cluster.Store.GetAsync("service"));
            Assert.False(session.IsEnded, $"{i} {cluster.Elapsed}\n{cluster.Replay}");
        }

        cluster.Partition(0, 1, 2);   // Nobody is cut off: all are on one side.
        await session.DisposeAsync();
        Assert.Null(await cluster.Store.GetAsync("service"));
    }

    [Fact]
    public async Task The_same_calls_are_the_same_run()
    {
        Assert.Equal(await RunAsync(), await RunAsync());

        static async Task<string> RunAsync()
        {
            using var cluster = TestCluster.Start(new TestClusterOptions { Seed = 9 });
            cluster.Disturb(loss: 0.1, doubling: 0.1);
            for (int i = 0; i < 30; i++) await cluster.Store.PutAsync($"/{i}", Bytes("value"));
            await cluster.CrashAsync(1);
            await cluster.AdvanceAsync(TimeSpan.FromSeconds(2));
            cluster.Check();
            return cluster.Replay;
        }
    }

    [Fact]
    public async Task A_state_machine_of_ones_own_is_replicated()
    {
        using var cluster = TestCluster.Start(() => new CounterMachine());
        for (int i = 1; i <= 500; i++)
        {
            ReadOnlyMemory<byte> answer = await cluster.ProposeAsync(1, CounterMachine.Command("visits", 2));
            Assert.Equal(2 * i, BinaryPrimitives.ReadInt64BigEndian(answer.Span));
            if (i % 100 == 0)
            {
                int leader = cluster.Leader;
                await cluster.CrashAsync(leader);
                await cluster.AdvanceAsync(TimeSpan.FromSeconds(2));
                await cluster.StartAsync(leader);
            }
        }

        Assert.Equal(1000, BinaryPrimitives.ReadInt64BigEndian((await cluster.QueryAsync(Encoding.UTF8.GetBytes("visits"))).Span));
        cluster.Check();
        Assert.All(Enumerable.Range(0, 3), node => Assert.Equal(cluster.MachineOf(0)!.Hash, cluster.MachineOf(node)!.Hash));
    }

    private static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);
}

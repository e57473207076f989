using System.Collections.Concurrent;
using System.Text;

using Tidemark.Integration.Client;

using static Tidemark.Tests.Eventually;

namespace Tidemark.Integration.Nodes;

/// <summary>Topics of a cluster, in real time: on its nodes, and for its clients.</summary>
public sealed class TopicClusterTests
{
    [Fact]
    public async Task Topics_say_the_same_in_one_process_on_every_node_and_to_a_client()
    {
        string expected;
        await using (TidemarkStore local = await TidemarkStore.OpenAsync(Path.GetFullPath("topics"), new TidemarkStoreOptions { FileSystem = new MemoryFileSystem() })) expected = await TopicBattery.RunAsync(local.Topics);
        Assert.True(expected.Length > 2_000);

        // Of four nodes each keeps about half of the partitions.
        await using LiveCluster cluster = await LiveCluster.StartPlacedAsync(4, replicas: 2, shards: 1);
        Assert.Equal(expected, await RunBatteryAsync(cluster.Nodes[0]!.Topics));
        await UntilAsync(() => cluster.Nodes[3]!.Topics.Find("orders") is null);
        Assert.Equal(expected, await RunBatteryAsync(cluster.Nodes[3]!.Topics));
        await using TidemarkClient client = await cluster.ConnectAsync();
        await UntilAsync(() => client.Topics.Names.Count == 0);
        Assert.Equal(expected, await RunBatteryAsync(client.Topics));
    }

    [Fact]
    public async Task Nothing_acknowledged_is_lost_and_nothing_is_there_twice_when_leaders_go_under_producers()
    {
        await using LiveCluster cluster = await LiveCluster.StartAsync(isTcp: false);
        await using TidemarkClient client = await cluster.ConnectAsync(options => options with { AnswerPatience = TimeSpan.FromSeconds(1) });
        Topic topic = await client.Topics.CreateAsync("t", new TopicOptions { Partitions = 2 });
        var acknowledged = new ConcurrentBag<string>();
        using var ending = new CancellationTokenSource();
        Task[] producers = [.. Enumerable.Range(0, 4).Select(producer => Task.Run(() => ProduceAsync(topic, producer, acknowledged, ending.Token)))];
        for (int round = 0; round < 2; round++)
        {
            int before = acknowledged.Count;
            await UntilAsync(() => acknowledged.Count > before + 20 || producers.Any(producer => producer.IsCompleted));
            int leader = await PartitionLeaderAsync(cluster, shard: 1 + round);
            await cluster.KillAsync(leader);
            int killed = acknowledged.Count;
            await UntilAsync(() => acknowledged.Count > killed + 20 || producers.Any(producer => producer.IsCompleted));
            await cluster.StartAsync(leader);
        }

        await ending.CancelAsync();
        await Task.WhenAll(producers);
        var found = new List<string>();
        for (int partition = 0; partition < 2; partition++) found.AddRange(await ReadAllAsync(topic, partition));
        Assert.Equal(found.Count, found.Distinct().Count());
        Assert.Empty(acknowledged.Except(found));
        foreach (TidemarkNode node in cluster.Up) Assert.Equal(await ReadAllAsync(topic, 0), await ReadAllAsync(node.Topics.Get("t"), 0));
    }

    [Fact]
    public async Task A_topic_that_is_made_while_a_node_is_down_is_there_when_it_comes_back()
    {
        await using LiveCluster cluster = await LiveCluster.StartAsync(isTcp: false);
        await cluster.KillAsync(2);
        Topic topic = await cluster.Nodes[0]!.Topics.CreateAsync("t", new TopicOptions { Partitions = 3 });
        for (int partition = 0; partition < 3; partition++) await AppendAsync(topic, Message("1"), partition);
        await cluster.StartAsync(2);
        Topic there = cluster.Nodes[2]!.Topics.Get("t");
        for (int partition = 0; partition < 3; partition++) Assert.Equal("1", Assert.Single(await ReadAllAsync(there, partition)));
        Assert.Equal(1, (await AppendAsync(there, Message("2"), 1)).Offset);
        await UntilAsync(() => FilesOf(cluster, 2, shard: 2).Length > 0);
    }

    [Fact]
    public async Task A_topic_that_was_deleted_while_a_node_was_down_leaves_no_file_anywhere_and_its_shards_do_not_come_again()
    {
        await using LiveCluster cluster = await LiveCluster.StartAsync(isTcp: false);
        Topic topic = await cluster.Nodes[0]!.Topics.CreateAsync("t", new TopicOptions { Partitions = 2 });
        for (int partition = 0; partition < 2; partition++) await AppendAsync(topic, Message("1"), partition);
        await UntilAsync(() => FilesOf(cluster, 2, shard: 1).Length > 0 && FilesOf(cluster, 2, shard: 2).Length > 0);
        await cluster.KillAsync(2);
        Assert.True(await cluster.Nodes[0]!.Topics.DeleteAsync("t"));
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await topic.AppendAsync(Message("2")));
        await cluster.StartAsync(2);
        Assert.Empty(cluster.Nodes[2]!.Topics.Names);
        for (int node = 0; node < 3; node++)
        {
            for (int shard = 1; shard <= 2; shard++)
            {
                (int keeper, int deleted) = (node, shard);
                await UntilAsync(() => FilesOf(cluster, keeper, deleted).Length == 0);
            }
        }

        Topic again = await cluster.Nodes[2]!.Topics.CreateAsync("t");
        Assert.Equal(0, (await AppendAsync(again, Message("3"))).Offset);
        Assert.Equal([0L, 3L], cluster.Nodes[2]!.Describe().Shards.Select(shard => shard.ShardId));
        Assert.Equal("3", Assert.Single(await ReadAllAsync(again, 0)));
    }

    [Fact]
    public async Task A_node_that_is_added_gets_what_is_kept_and_one_that_goes_takes_nothing_along()
    {
        await using LiveCluster cluster = await LiveCluster.StartAsync(isTcp: false);
        Topic topic = await cluster.Nodes[0]!.Topics.CreateAsync("t", new TopicOptions { SegmentBytes = 64 * 1024, DeduplicationIds = 1_000 });
        for (int i = 0; i < 100; i++) await AppendAsync(topic, Message($"{i:D2}{new string('x', 5_000)}"));
        await topic.TrimAsync(0, 60);
        string[] expected = await ReadAllAsync(topic, 0);
        Assert.Equal(40, expected.Length);

        await cluster.StartAsync(3);
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        await cluster.Nodes[0]!.AddNodeAsync(3, patience.Token);
        await cluster.Nodes[3]!.RemoveNodeAsync(0, patience.Token);
        await UntilAsync(() => FilesOf(cluster, 0, shard: 1).Length == 0);
        Topic there = cluster.Nodes[3]!.Topics.Get("t");
        Assert.Equal(expected, await ReadAllAsync(there, 0));
        Assert.Equal(expected, await ReadAllAsync(topic, 0));   // On the node that keeps nothing any more.
        await cluster.KillAsync(1);
        Assert.Equal(100, (await AppendAsync(topic, Message("100"))).Offset);
        string[] all = await ReadAllAsync(there, 0);
        Assert.Equal([.. expected, "100"], all);
    }

    [Fact]
    public async Task Settings_come_to_be_in_force_whoever_leads()
    {
        await using LiveCluster cluster = await LiveCluster.StartAsync(isTcp: false);
        Topic topic = await cluster.Nodes[0]!.Topics.CreateAsync("t");
        var same = new TopicMessage("same"u8.ToArray()) { Id = new Guid(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11) };
        for (int i = 0; i < 2; i++) Assert.Equal(AppendStatus.Appended, (await AppendAsync(topic, same)).Status);
        await cluster.Nodes[0]!.Topics.ChangeAsync("t", new TopicOptions { DeduplicationIds = 10 });
        AppendStatus status = AppendStatus.Appended;
        for (DateTime end = DateTime.UtcNow.AddSeconds(60); status == AppendStatus.Appended; status = (await AppendAsync(topic, same)).Status) Assert.True(DateTime.UtcNow < end, "ids are never remembered");
        Assert.Equal(AppendStatus.Duplicate, status);
        await cluster.KillAsync(await PartitionLeaderAsync(cluster, shard: 1));
        Topic left = cluster.Up.First().Topics.Get("t");
        Assert.Equal(AppendStatus.Duplicate, (await AppendAsync(left, same)).Status);
    }

    [Fact]
    public async Task Clients_hear_of_what_others_make_of_topics()
    {
        await using LiveCluster cluster = await LiveCluster.StartAsync(isTcp: true);
        await using TidemarkClient client = await cluster.ConnectAsync();
        await cluster.Nodes[1]!.Topics.CreateAsync("t", new TopicOptions { DeduplicationIds = 10 });
        await UntilAsync(() => client.Topics.Find("t") is not null);
        Topic topic = client.Topics.Get("t");
        Task waiting = Task.Run(async () =>
        {
            await foreach (StoredMessage _ in topic.TailAsync(0, TopicPosition.First))
            {
            }
        });
        await cluster.Nodes[2]!.Topics.ChangeAsync("t", new TopicOptions { Partitions = 2 });
        await UntilAsync(() => topic.Options.Partitions == 2);
        Assert.Equal(AppendStatus.Appended, (await AppendAsync(topic, Message("1"), 1)).Status);
        await cluster.Nodes[0]!.Topics.DeleteAsync("t");
        await Assert.ThrowsAsync<ObjectDisposedException>(() => waiting.WaitAsync(TimeSpan.FromSeconds(60)));
        await UntilAsync(() => client.Topics.Names.Count == 0);
    }

    [Fact]
    public async Task What_callers_may_do_with_topics_the_nodes_decide()
    {
        await using LiveCluster cluster = await LiveCluster.StartPlacedAsync(3, replicas: 3, shards: 1, authorize: operation => (operation.Kind, operation.Topic) switch
        {
            (ClientOperationKind.Append, "open") => true,
            (ClientOperationKind.Read, "open" or "public") => true,
            _ => false,
        });
        foreach (string name in (string[])["open", "public"]) await cluster.Nodes[0]!.Topics.CreateAsync(name);
        await using TidemarkClient client = await cluster.ConnectAsync();
        await UntilAsync(() => client.Topics.Names.Count == 2);
        Topic open = client.Topics.Get("open"), closed = client.Topics.Get("public");
        await AppendAsync(open, Message("1"));
        Assert.Equal("1", Assert.Single(await ReadAllAsync(open, 0)));
        Assert.Empty(await ReadAllAsync(closed, 0));
        await Assert.ThrowsAsync<NotAuthorizedException>(async () => await closed.AppendAsync(Message("1")));
        await Assert.ThrowsAsync<NotAuthorizedException>(async () => await open.TrimAsync(0, 1));
        await Assert.ThrowsAsync<NotAuthorizedException>(async () => await client.Topics.CreateAsync("more"));
        await Assert.ThrowsAsync<NotAuthorizedException>(async () => await client.Topics.ChangeAsync("open", new TopicOptions { Partitions = 2 }));
        await Assert.ThrowsAsync<NotAuthorizedException>(async () => await client.Topics.DeleteAsync("open"));
        Assert.Equal(2, cluster.Nodes[0]!.Topics.Names.Count);
    }

    /// <summary>Runs the battery; anew, where the lead of a partition went to another node amid an append that nobody has numbered.</summary>
    private static async Task<string> RunBatteryAsync(TopicCollection topics)
    {
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                return await TopicBattery.RunAsync(topics);
            }
            catch (OutcomeUnknownException) when (attempt < 10)
            {
                await topics.DeleteAsync("orders");
            }
        }
    }

    /// <summary>Appends a message once, whoever leads meanwhile.</summary>
    private static async Task<AppendResult> AppendAsync(Topic topic, TopicMessage message, int partition = 0)
    {
        await using TopicProducer producer = topic.CreateProducer();
        while (true)
        {
            try
            {
                return await producer.AppendAsync(message, new AppendOptions { Partition = partition });
            }
            catch (WriteRefusedException e) when (e.Status == StoreStatus.SequenceGap)
            {
                await Task.Delay(20);   // Nobody knows whether the producer is known: nothing was sent.
            }
        }
    }

    private static async Task ProduceAsync(Topic topic, int number, ConcurrentBag<string> acknowledged, CancellationToken ending)
    {
        await using TopicProducer producer = topic.CreateProducer();
        for (int i = 0; !ending.IsCancellationRequested; i++)
        {
            string text = $"{number}/{i}";
            try
            {
                await producer.AppendAsync(Message(text), new AppendOptions { Partition = number % 2 }, CancellationToken.None);
                acknowledged.Add(text);
            }
            catch (TidemarkException e) when (e is OutcomeUnknownException or ShardUnavailableException or WriteRefusedException { Status: StoreStatus.SequenceGap })
            {
                // It is not counted on; it may be there, once. The last: what it sent before has no answer yet.
            }
        }
    }

    private static async Task<int> PartitionLeaderAsync(LiveCluster cluster, long shard)
    {
        int leader = -1;
        await UntilAsync(() => (leader = cluster.Up.Where(node => node.Describe().Shards.Any(found => found.ShardId == shard && found.Leader == node.Node)).Select(node => node.Node).FirstOrDefault(-1)) >= 0);
        return leader;
    }

    private static async Task<string[]> ReadAllAsync(Topic topic, int partition)
    {
        var found = new List<string>();
        for (TopicPosition from = TopicPosition.First; ;)
        {
            TopicPage page = await topic.ReadAsync(partition, from);
            found.AddRange(page.Messages.Select(message => Encoding.UTF8.GetString(message.Payload.Span)));
            if (page.Next >= page.End) return [.. found];
            from = TopicPosition.At(page.Next);
        }
    }

    private static string[] FilesOf(LiveCluster cluster, int node, int shard)
    {
        string directory = Path.Combine(cluster.DirectoryOf(node), "shards", $"{shard:D6}");
        return Directory.Exists(directory) ? Directory.GetFiles(directory, "*", SearchOption.AllDirectories) : [];
    }

    private static TopicMessage Message(string text) => new(Encoding.UTF8.GetBytes(text));
}

using System.Collections.Concurrent;
using System.Globalization;
using System.Text;

using Tidemark.Replication.Consumers;
using Tidemark.Replication.Topics;

using static Tidemark.Tests.Eventually;

namespace Tidemark.Integration.Nodes;

/// <summary>Consumers, groups and outboxes on a cluster whose nodes die and come back, in real time.</summary>
public sealed class ConsumerClusterTests
{
    private const int Partitions = 4;

    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(60);

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task A_group_handles_every_message_in_order_while_members_and_nodes_come_go_and_die(int seed)
    {
        var chance = new Random(seed);
        await using LiveCluster cluster = await LiveCluster.StartAsync(isTcp: false, new NamespaceOptions { ShardCount = 2 });
        await using TidemarkClient producerSide = await cluster.ConnectAsync();
        Topic produced = await producerSide.Topics.CreateAsync("t", new TopicOptions { Partitions = Partitions });
        var journal = new GroupJournal();
        using var ending = new CancellationTokenSource();
        long[] acknowledged = new long[Partitions];
        Task producing = Task.WhenAll(Enumerable.Range(0, Partitions).Select(partition => Task.Run(() => ProduceAsync(produced, partition, acknowledged, ending.Token))));
        Task watching = Task.Run(() => WatchOffsetsAsync(producerSide, produced, journal, ending.Token));

        List<ChurnedMember> members = [];
        int names = 0;
        for (int step = 0; step < 14; step++)
        {
            switch (step is 4 or 9 ? -1 : chance.Next(4))
            {
                case -1:
                    int victim = chance.Next(LiveCluster.Count);
                    foreach (ChurnedMember member in members.Where(member => member.Node == victim).ToArray())
                    {
                        // Its process dies with the node: what it did last is stored nowhere.
                        members.Remove(member);
                        member.Abandon();
                    }

                    await cluster.KillAsync(victim);
                    await ProgressAsync();
                    await cluster.StartAsync(victim);
                    break;
                case 0 or 1 when members.Count < 4:
                    await JoinAsync();
                    break;
                case 2 when members.Count > 1:
                    ChurnedMember leaver = members[chance.Next(members.Count)];
                    members.Remove(leaver);
                    await leaver.LeaveAsync();
                    break;
                default:
                    await Task.Delay(chance.Next(100));
                    break;
            }
        }

        if (members.Count == 0) await JoinAsync();
        await UntilAsync(() => acknowledged.All(count => count > 20), () => $"little was produced: {string.Join(", ", acknowledged)}");
        await ending.CancelAsync();
        await producing;
        await UntilAsync(
            () => !journal.Wrong.IsEmpty || Enumerable.Range(0, Partitions).All(partition => journal.Count(partition) == acknowledged[partition]),
            () => string.Join(", ", Enumerable.Range(0, Partitions).Select(partition => $"{journal.Count(partition)} of {acknowledged[partition]}")) + "; " + string.Join(" | ", members.Select(member => $"{member.Name} on {member.Node} has {string.Join(',', member.Partitions)} {member.End}")));
        await watching;
        foreach (ChurnedMember member in members) await member.LeaveAsync();
        Assert.Empty(journal.Wrong);
        await using var after = new TopicConsumer(producerSide.Store, produced, "g");
        for (int partition = 0; partition < Partitions; partition++) Assert.Equal(0, await after.GetLagAsync(partition));

        async Task JoinAsync()
        {
            int[] up = [.. Enumerable.Range(0, LiveCluster.Count).Where(node => cluster.Nodes[node] is not null)];
            int node = up[chance.Next(up.Length)];
            members.Add(await ChurnedMember.JoinAsync(cluster.Nodes[node]!, node, names++, journal));
        }

        async Task ProgressAsync()
        {
            long before = acknowledged.Sum();
            await UntilAsync(() => acknowledged.Sum() > before + 20, () => "no more is appended");
        }
    }

    [Fact]
    public async Task Partitions_that_stay_with_their_member_are_read_without_a_break_while_others_move_and_a_leader_dies()
    {
        await using LiveCluster cluster = await LiveCluster.StartAsync(isTcp: false);
        Topic topic = await cluster.Nodes[0]!.Topics.CreateAsync("t", new TopicOptions { Partitions = Partitions });
        await using TidemarkClient client = await cluster.ConnectAsync();
        await UntilAsync(() => client.Topics.Find("t") is not null, () => "the client knows no topic");
        var journal = new GroupJournal();
        ChurnedMember first = await ChurnedMember.JoinAsync(client.Store, client.Topics.Get("t"), -1, 0, journal);
        await UntilAsync(() => first.Partitions.Count == Partitions, () => "the first has not all");
        Dictionary<int, (long Ownership, int Run)> before = first.Readings();
        ChurnedMember second = await ChurnedMember.JoinAsync(client.Store, client.Topics.Get("t"), -1, 1, journal);
        await UntilAsync(() => first.Partitions.Count == 2 && second.Partitions.Count == 2, () => "it was not shared");
        int[] kept = [.. first.Partitions];
        await cluster.KillAsync(await cluster.LeaderAsync());
        Topic left = cluster.Up.First().Topics.Get("t");
        for (int partition = 0; partition < Partitions; partition++)
        {
            for (int i = 0; i < 5; i++) await AppendAsync(left, partition, i);
        }

        await UntilAsync(() => Enumerable.Range(0, Partitions).All(partition => journal.Count(partition) == 5), () => "not all came");
        Dictionary<int, (long Ownership, int Run)> now = first.Readings();
        Assert.Equal(kept.Order(), now.Keys.Order());
        foreach (int partition in kept) Assert.Equal(before[partition], now[partition]);   // The same reading under the same ownership: neither the other member nor the leader's death ended it.
        await second.LeaveAsync();
        await UntilAsync(() => first.Partitions.Count == Partitions, () => "the first has not all again");
        foreach (int partition in kept) Assert.Equal(before[partition], first.Readings()[partition]);
        await first.LeaveAsync();
        Assert.Empty(journal.Wrong);
    }

    [Fact]
    public async Task Each_row_of_an_outbox_is_one_message_though_relays_and_nodes_die()
    {
        var chance = new Random(1);
        await using LiveCluster cluster = await LiveCluster.StartAsync(isTcp: false, new NamespaceOptions { ShardCount = 2 });
        await using TidemarkClient client = await cluster.ConnectAsync();
        Topic topic = await client.Topics.CreateAsync("t", new TopicOptions { Partitions = 2, DeduplicationIds = 100_000 });
        var outbox = new TopicOutbox(client.Store, client.Topics);
        using var ending = new CancellationTokenSource();
        var committed = new ConcurrentBag<string>();
        var unknown = new ConcurrentBag<string>();
        Task[] writers = [.. Enumerable.Range(0, 3).Select(writer => Task.Run(async () =>
        {
            for (int i = 0; !ending.IsCancellationRequested; i++)
            {
                string text = $"{writer}.{i}";
                StoreTransaction transaction = new StoreTransaction($"w{writer}").RequireMissing($"/{text}").Put($"/{text}", default);
                outbox.Add(transaction, topic, new TopicMessage(Encoding.UTF8.GetBytes(text)));
                try
                {
                    if ((await client.Store.CommitAsync(transaction)).Status == StoreStatus.Ok) committed.Add(text);
                }
                catch (OutcomeUnknownException)
                {
                    unknown.Add(text);
                }
                catch (TidemarkException e) when (e.IsTransient)
                {
                    // It surely was not done.
                }
            }
        }))];
        Task relaying = Task.Run(() => RelayAsync(cluster, chance, ending.Token));
        for (int round = 0; round < 2; round++)
        {
            int before = committed.Count;
            await UntilAsync(() => committed.Count > before + 100, () => "nothing is committed");
            int leader = await cluster.LeaderAsync();
            await cluster.KillAsync(leader);
            int killed = committed.Count;
            await UntilAsync(() => committed.Count > killed + 50, () => "nothing is committed");
            await cluster.StartAsync(leader);
        }

        await ending.CancelAsync();
        await Task.WhenAll(writers);
        await relaying;
        await UntilAsync(() => RelayOnceAsync(outbox).GetAwaiter().GetResult() == 0, () => "rows are left");
        var found = new List<string>();
        for (int partition = 0; partition < 2; partition++)
        {
            for (var from = TopicPosition.First; await topic.ReadAsync(partition, from) is { Messages.Count: > 0 } page; from = TopicPosition.At(page.Next))
                found.AddRange(page.Messages.Select(message => Encoding.UTF8.GetString(message.Payload.Span)));
        }

        Assert.Equal(found.Count, found.Distinct().Count());
        Assert.Empty(committed.Except(found));
        Assert.Empty(found.Except(committed).Except(unknown));
        foreach (string text in unknown) Assert.Equal(await client.Store.GetAsync($"/{text}", new GetOptions { PartitionKey = $"w{text[0]}" }) is not null, found.Contains(text));
    }

    /// <summary>What was released already is not written into the log once more: each would be an entry on every replica.</summary>
    [Fact]
    public async Task A_release_of_what_is_released_writes_nothing()
    {
        await using LiveCluster cluster = await LiveCluster.StartAsync(isTcp: false);
        Topic topic = await cluster.Nodes[0]!.Topics.CreateAsync("t");
        for (int i = 0; i < 5; i++) await AppendAsync(topic, 0, i);
        TopicPartition partition = ((PartitionedTopic)topic).View[0];
        await partition.ReleaseAsync(4, default);
        await topic.DescribeAsync(0);   // The replica here shows it.
        long applied = Applied();
        for (int i = 0; i < 10; i++) await partition.ReleaseAsync(4 - (i % 3), default);
        await topic.DescribeAsync(0);
        Assert.InRange(Applied() - applied, 0, 3);   // Marks may come by themselves.
        await partition.ReleaseAsync(5, default);
        await topic.DescribeAsync(0);
        Assert.True(Applied() > applied);

        long Applied() => cluster.Nodes[0]!.Describe().Shards.Single(shard => shard.ShardId == 1).Replica!.Applied;
    }

    private static async Task<long> RelayOnceAsync(TopicOutbox outbox)
    {
        try
        {
            return await outbox.RelayAsync();
        }
        catch (TidemarkException e) when (e.IsTransient || e is OutcomeUnknownException)
        {
            return -1;
        }
    }

    /// <summary>Two relays at a time, on any nodes, each of which is ended at a random moment.</summary>
    private static async Task RelayAsync(LiveCluster cluster, Random chance, CancellationToken ending)
    {
        while (!ending.IsCancellationRequested)
        {
            TidemarkNode[] up = [.. cluster.Up];
            using var death = CancellationTokenSource.CreateLinkedTokenSource(ending);
            Task[] relays = [.. Enumerable.Range(0, 2).Select(_ => up[chance.Next(up.Length)]).Select(node => new TopicOutbox(node.Store, node.Topics).RunAsync(death.Token))];
            death.CancelAfter(chance.Next(1, 200));
            await Task.WhenAll(relays).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            foreach (Exception e in relays.Where(relay => relay.IsFaulted).SelectMany(relay => relay.Exception!.InnerExceptions))
                if (e is not ObjectDisposedException) throw e;   // Its node was killed.
        }
    }

    private static async Task ProduceAsync(Topic topic, int partition, long[] acknowledged, CancellationToken ending)
    {
        await using TopicProducer producer = topic.CreateProducer();
        for (long number = 0; !ending.IsCancellationRequested; number++)
        {
            // Whatever becomes of it, the producer has it appended once.
            while (true)
            {
                try
                {
                    AppendResult result = await producer.AppendAsync(new TopicMessage(Encoding.UTF8.GetBytes(number.ToString(CultureInfo.InvariantCulture))), new AppendOptions { Partition = partition }, CancellationToken.None);
                    Interlocked.Exchange(ref acknowledged[partition], result.Offset + 1);
                    break;
                }
                catch (OutcomeUnknownException)
                {
                    break;   // It is brought to its end before the next.
                }
                catch (TidemarkException e) when (e.IsTransient)
                {
                    await Task.Delay(20, CancellationToken.None);
                }
            }

            await Task.Delay(5, CancellationToken.None);
        }
    }

    /// <summary>Looks again and again at what is stored: it never goes back.</summary>
    private static async Task WatchOffsetsAsync(TidemarkClient client, Topic topic, GroupJournal journal, CancellationToken ending)
    {
        await using var looker = new TopicConsumer(client.Store, topic, "g");
        long[] last = new long[Partitions];
        while (!ending.IsCancellationRequested)
        {
            for (int partition = 0; partition < Partitions; partition++)
            {
                try
                {
                    long stored = await looker.GetOffsetAsync(partition, CancellationToken.None) ?? 0;
                    if (stored < last[partition]) journal.Wrong.Enqueue($"what is stored of {partition} goes back from {last[partition]} to {stored}");
                    last[partition] = stored;
                }
                catch (TidemarkException e) when (e.IsTransient)
                {
                    // Nobody leads just now.
                }
            }

            await Task.Delay(10, CancellationToken.None);
        }
    }

    private static async Task AppendAsync(Topic topic, int partition, int number)
    {
        for (DateTime end = DateTime.UtcNow + _patience; ;)
        {
            try
            {
                await topic.AppendAsync(new TopicMessage(BitConverter.GetBytes(number)), new AppendOptions { Partition = partition, ExpectedOffset = number });
                return;
            }
            catch (TidemarkException e) when ((e.IsTransient || e is OutcomeUnknownException) && DateTime.UtcNow < end)
            {
                await Task.Delay(20);
            }
        }
    }
}

using System.Text;

using Tidemark.Core.Replication;
using Tidemark.Replication.Cluster;
using Tidemark.Testing;

using static Tidemark.Tests.Eventually;

namespace Tidemark.Integration.Nodes;

/// <summary>Nodes of a cluster as a program starts them, on real threads, disks and connections.</summary>
public sealed class NodeTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Every_node_gives_the_same_store(bool isTcp)
    {
        await using LiveCluster cluster = await LiveCluster.StartAsync(isTcp, new NamespaceOptions { ShardCount = 3 });
        for (int i = 0; i < 60; i++)
        {
            KeyValueStore writer = cluster.Nodes[i % 3]!.Store;
            Assert.Equal(StoreStatus.Ok, (await writer.PutAsync($"/key/{i}", Bytes($"{i}"))).Status);
            StoreRecord? seen = await cluster.Nodes[(i + 1) % 3]!.Store.GetAsync($"/key/{i}");
            Assert.Equal($"{i}", seen?.GetString());   // Acknowledged there, and so seen here.
        }

        foreach (TidemarkNode node in cluster.Up)
        {
            List<StoreRecord> all = [];
            await foreach (StoreRecord record in node.Store.ScanAsync(KeyRange.Children("/key"))) all.Add(record);
            Assert.Equal(60, all.Count);
        }

        WriteResult refused = await cluster.Nodes[2]!.Store.PutAsync("/key/1", Bytes("x"), PutOptions.MustNotExist);
        Assert.Equal(StoreStatus.VersionMismatch, refused.Status);
    }

    /// <summary>Where the first node has raised a term long before the others are there, they have nothing to have lost.</summary>
    [Fact]
    public async Task A_cluster_whose_nodes_are_started_one_long_after_the_other_begins()
    {
        await using LiveCluster cluster = LiveCluster.Prepare(isTcp: false);
        await cluster.StartAsync(0);
        while ((await StatusOfAsync(cluster, shard: 0)).Term == 0) await Task.Delay(10);
        await cluster.StartAsync(1);
        await cluster.StartAsync(2);
        Assert.Equal(StoreStatus.Ok, (await PutAsync(cluster.Nodes[2]!.Store, "first", "1")).Status);
    }

    /// <summary>Whoever hears late of a new shard has lost nothing: it counts from its first moment, where the leader is gone by then.</summary>
    [Fact]
    public async Task A_node_that_hears_late_of_a_topic_counts_at_once()
    {
        await using LiveCluster cluster = LiveCluster.Prepare(isTcp: false);
        var deaf = new DeafStatusStore(cluster.Status);
        cluster.StatusOf = node => node == 2 ? deaf : cluster.Status;
        await Task.WhenAll(Enumerable.Range(0, 3).Select(cluster.StartAsync));
        deaf.IsDeaf = true;
        Topic topic = await cluster.Nodes[0]!.Topics.CreateAsync("orders");
        await topic.AppendAsync(new TopicMessage(Bytes("1")));
        int leader = (await StatusOfAsync(cluster, shard: 1)).Leader;
        await cluster.KillAsync(leader);
        deaf.IsDeaf = false;
        Topic there = cluster.Nodes[1 - leader]!.Topics.Get("orders");
        await RetryAsync(async () => await there.AppendAsync(new TopicMessage(Bytes("2"))));
        Assert.Equal(["1", "2"], (await there.ReadAsync(0, TopicPosition.First)).Messages.Select(message => Encoding.UTF8.GetString(message.Payload.Span)));
    }

    /// <summary>Whatever was acknowledged is there afterwards, and the others go on: a leader that is killed, one after the other.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Nothing_acknowledged_is_lost_when_leaders_are_killed(bool isTcp)
    {
        await using LiveCluster cluster = await LiveCluster.StartAsync(isTcp);
        using var stop = new CancellationTokenSource();
        Dictionary<string, int>[] acknowledged = [[], []];
        Task[] writers = [.. acknowledged.Select((known, number) => Task.Run(() => WriteAsync(cluster, number, known, stop.Token)))];
        for (int round = 0; round < 3; round++)
        {
            int leader = await cluster.LeaderAsync();
            await cluster.KillAsync(leader);
            int next = await cluster.LeaderAsync();
            Assert.NotEqual(leader, next);
            Assert.Equal(StoreStatus.Ok, (await PutAsync(cluster.Nodes[next]!.Store, "probe", $"{round}")).Status);
            await cluster.StartAsync(leader);
        }

        await stop.CancelAsync();
        await Task.WhenAll(writers);
        Assert.All(acknowledged, known => Assert.NotEmpty(known));
        foreach (TidemarkNode node in cluster.Up)
        {
            foreach ((string key, int value) in acknowledged.SelectMany(known => known))
            {
                int seen = int.Parse((await node.Store.GetAsync(key))!.Value.GetString());
                Assert.True(seen >= value, $"{key} is {seen} at node {node.Node}, and {value} was acknowledged");
            }
        }
    }

    [Fact]
    public async Task A_node_that_is_disposed_hands_over_and_comes_back_with_everything()
    {
        await using LiveCluster cluster = await LiveCluster.StartAsync(isTcp: false);
        int leader = await cluster.LeaderAsync();
        await PutAsync(cluster.Nodes[leader]!.Store, "key", "1");
        KeyValueStore old = cluster.Nodes[leader]!.Store;
        await cluster.Nodes[leader]!.DisposeAsync();
        cluster.Nodes[leader] = null;
        int next = await cluster.LeaderAsync();
        Assert.Equal("1", (await cluster.Nodes[next]!.Store.GetAsync("key"))?.GetString());
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await old.GetAsync("key"));
        await PutAsync(cluster.Nodes[next]!.Store, "key", "2");
        await cluster.StartAsync(leader);
        Assert.Equal("2", (await cluster.Nodes[leader]!.Store.GetAsync("key"))?.GetString());
    }

    [Fact]
    public async Task A_node_whose_directory_was_wiped_gets_everything_from_the_others()
    {
        await using LiveCluster cluster = await LiveCluster.StartAsync(isTcp: false);
        for (int i = 0; i < 300; i++) await PutAsync(cluster.Nodes[0]!.Store, $"/key/{i}", new string('x', 1000));
        await cluster.KillAsync(1);
        Directory.Delete(cluster.DirectoryOf(1), recursive: true);
        for (int i = 300; i < 400; i++) await PutAsync(cluster.Nodes[0]!.Store, $"/key/{i}", new string('x', 1000));
        await cluster.StartAsync(1);
        List<StoreKey> keys = [];
        await foreach (StoreKey key in cluster.Nodes[1]!.Store.ListAsync(KeyRange.Children("/key"))) keys.Add(key);
        Assert.Equal(400, keys.Count);
    }

    /// <summary>Whoever leads then, the others go on. Once there is room, all of it is everywhere.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_full_disk_of_one_node_loses_nothing(bool isLeaders)
    {
        await using LiveCluster cluster = await LiveCluster.StartAsync(isTcp: false);
        await PutAsync(cluster.Nodes[0]!.Store, "/key/-1", "x");
        int node = (await cluster.LeaderAsync() + (isLeaders ? 0 : 1)) % 3;
        var disk = new FaultyFileSystem();
        await cluster.KillAsync(node);
        cluster.FilesOf = other => other == node ? disk : DiskFileSystem.Instance;
        await cluster.StartAsync(node);
        if (isLeaders)
        {
            // The others hand over to it, as far as they lead at all.
            for (int other = await cluster.LeaderAsync(); other != node; other = await cluster.LeaderAsync())
            {
                await cluster.Nodes[node]!.Store.GetAsync("/key/-1");
                await cluster.Nodes[other]!.DisposeAsync();
                cluster.Nodes[other] = null;
                await PutAsync(cluster.Nodes[node]!.Store, "/key/-1", "x");
                await cluster.StartAsync(other);
            }
        }

        disk.CapacityBytes = 1;
        KeyValueStore store = cluster.Nodes[(node + 1) % 3]!.Store;
        Task writing = Task.Run(async () =>
        {
            for (int i = 0; i < 300; i++) await PutAsync(store, $"/key/{i}", new string('x', 2000));
        });
        await UntilAsync(() => disk.Counts[FaultKind.DiskFull] > 0);
        await writing;
        long before = disk.Counts[FaultKind.DiskFull];
        await Task.Delay(TimeSpan.FromSeconds(1));
        Assert.InRange(disk.Counts[FaultKind.DiskFull] - before, 0, 200);   // It does not try without a pause.
        disk.CapacityBytes = long.MaxValue;
        Assert.Equal(301, await CountAsync(cluster.Nodes[node]!.Store, ReadLevel.Linearizable));
    }

    [Fact]
    public async Task Each_node_comes_to_lead_as_many_shards_as_the_others()
    {
        await using LiveCluster cluster = await LiveCluster.StartAsync(isTcp: false, new NamespaceOptions { ShardCount = 6 });
        await PutAsync(cluster.Nodes[0]!.Store, "key", "1");
        IReadOnlyList<int> leaders = [];
        for (DateTime end = DateTime.UtcNow.AddSeconds(60); DateTime.UtcNow < end; await Task.Delay(50))
        {
            leaders = cluster.Nodes[0]!.GetLeaders();
            if (Enumerable.Range(0, 3).All(node => leaders.Count(leader => leader == node) == 2)) return;
        }

        Assert.Fail($"led by {string.Join(", ", leaders)}");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Another_node_joins_and_one_goes(bool isTcp)
    {
        await using LiveCluster cluster = await LiveCluster.StartAsync(isTcp, new NamespaceOptions { ShardCount = 2 });
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(90));
        for (int i = 0; i < 200; i++) await PutAsync(cluster.Nodes[0]!.Store, $"/key/{i}", "1");
        await cluster.StartAsync(3);
        await cluster.Nodes[1]!.AddNodeAsync(3, patience.Token);
        await cluster.Nodes[1]!.AddNodeAsync(3, patience.Token);   // It is there: nothing to do.
        Assert.Equal(200, await CountAsync(cluster.Nodes[3]!.Store, ReadLevel.Linearizable));
        await cluster.Nodes[3]!.RemoveNodeAsync(0, patience.Token);
        await cluster.KillAsync(0);
        await PutAsync(cluster.Nodes[3]!.Store, "/key/200", "1");

        // Of three that keep it now, one of them the new one, two go on alone.
        await cluster.KillAsync(1);
        await PutAsync(cluster.Nodes[2]!.Store, "/key/201", "1");
        Assert.Equal(202, await CountAsync(cluster.Nodes[3]!.Store, ReadLevel.Linearizable));
    }

    [Fact]
    public async Task Who_waits_to_join_and_does_not_come_can_be_given_up()
    {
        await using LiveCluster cluster = await LiveCluster.StartAsync(isTcp: false);
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(90));
        await PutAsync(cluster.Nodes[0]!.Store, "key", "1");
        using (var shortly = new CancellationTokenSource(TimeSpan.FromSeconds(2)))
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cluster.Nodes[0]!.AddNodeAsync(4, shortly.Token));
        await PutAsync(cluster.Nodes[0]!.Store, "key", "2");   // It counts nowhere yet.
        await cluster.Nodes[2]!.RemoveNodeAsync(4, patience.Token);
        await cluster.StartAsync(3);
        await cluster.Nodes[0]!.AddNodeAsync(3, patience.Token);
        Assert.Equal("2", (await cluster.Nodes[3]!.Store.GetAsync("key", cancellationToken: patience.Token))?.GetString());
    }

    [Fact]
    public async Task The_last_node_cannot_be_removed_and_a_stranger_makes_no_cluster()
    {
        await using LiveCluster cluster = await LiveCluster.StartAsync(isTcp: false);
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(90));
        await cluster.Nodes[0]!.RemoveNodeAsync(1, patience.Token);
        await cluster.Nodes[0]!.RemoveNodeAsync(2, patience.Token);
        await Assert.ThrowsAsync<InvalidOperationException>(() => cluster.Nodes[0]!.RemoveNodeAsync(0, patience.Token));
        await PutAsync(cluster.Nodes[0]!.Store, "key", "1");
        using var folder = new TemporaryDirectory();
        await Assert.ThrowsAsync<FormatMismatchException>(() => TidemarkNode.StartAsync(new TidemarkNodeOptions
        {
            Node = 5,
            Directory = folder.Path,
            Members = [0, 1, 2],
            Status = new MemoryClusterStatusStore(),
            CreateTransport = _ => new MemoryNetwork().CreateTransport(5),
        }));
    }

    /// <summary>Each node in turn is ended in good order and started with the next release, and one back again on the way, while it is written to.</summary>
    [Fact]
    public async Task A_cluster_is_upgraded_one_node_after_the_other_and_loses_nothing()
    {
        await using LiveCluster cluster = await LiveCluster.StartAsync(isTcp: true);
        await using TidemarkClient client = await cluster.ConnectAsync();
        await PutAsync(client.Store, "/key/0", "0");
        using var stop = new CancellationTokenSource();
        var writing = Task.Run(async () =>
        {
            int written = 1;
            for (; !stop.IsCancellationRequested; written++) await PutAsync(client.Store, $"/key/{written}", $"{written}");
            return written;
        });
        foreach ((int node, int release) in ((int, int)[])[(0, 2), (1, 2), (0, 1), (2, 2), (0, 2)])
        {
            Assert.All(cluster.Up, up => Assert.Equal(1, up.Describe().ProtocolVersion));
            await cluster.Nodes[node]!.DisposeAsync();
            cluster.Nodes[node] = null;
            cluster.VersionsOf = _ => new ProtocolVersions(1, release);
            await cluster.StartAsync(node);
            Assert.NotNull(await cluster.Nodes[node]!.Store.GetAsync("/key/0"));
        }

        await UntilAsync(() => cluster.Up.All(up => up.Describe().ProtocolVersion == 2));
        await stop.CancelAsync();
        int count = await writing;
        foreach (TidemarkNode node in cluster.Up) Assert.Equal(count, await CountAsync(node.Store, ReadLevel.Linearizable));

        await cluster.KillAsync(1);
        cluster.VersionsOf = _ => new ProtocolVersions(1, 1);
        var refusal = await Assert.ThrowsAsync<FormatMismatchException>(() => cluster.StartAsync(1));
        Assert.Contains("version 2", refusal.Message, StringComparison.Ordinal);
        cluster.VersionsOf = _ => new ProtocolVersions(2, 3);
        await cluster.StartAsync(1);
        Assert.Equal(count, await CountAsync(cluster.Nodes[1]!.Store, ReadLevel.Linearizable));
    }

    /// <summary>A watch began at the state that the leader had when it answered, and what was written between the call and that was not told.</summary>
    [Fact]
    public async Task A_watch_tells_what_is_written_once_it_was_called_for()
    {
        await using LiveCluster cluster = await LiveCluster.StartAsync(isTcp: false);
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        for (int i = 0; i < 100; i++)
        {
            KeyValueStore store = cluster.Nodes[i % 3]!.Store;
            IAsyncEnumerable<StoreEvent> watch = store.WatchAsync(KeyRange.Prefix($"/{i}-"), cancellationToken: patience.Token);
            for (int write = 0; write < 3; write++) await PutAsync(store, $"/{i}-{write}", "x");
            await using IAsyncEnumerator<StoreEvent> events = watch.GetAsyncEnumerator(patience.Token);
            Assert.True(await events.MoveNextAsync());
            Assert.Equal($"/{i}-0", events.Current.Key.ToString());
        }
    }

    [Fact]
    public async Task Watches_and_sessions_outlive_the_leader()
    {
        await using LiveCluster cluster = await LiveCluster.StartAsync(isTcp: false);
        int leader = await cluster.LeaderAsync();
        TidemarkNode other = cluster.Nodes[(leader + 1) % 3]!;
        await PutAsync(other.Store, "/watched/0", "0");
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        await using StoreSession session = await other.Store.OpenSessionAsync(new SessionOptions { Timeout = TimeSpan.FromSeconds(10) }, patience.Token);
        await other.Store.PutAsync("/watched/here", Bytes("1"), new PutOptions { Session = session }, patience.Token);
        await using IAsyncEnumerator<StoreEvent> events = other.Store.WatchAsync(KeyRange.Children("/watched"), cancellationToken: patience.Token).GetAsyncEnumerator(patience.Token);
        ValueTask<bool> next = events.MoveNextAsync();
        await cluster.KillAsync(leader);
        for (int i = 1; i <= 5; i++)
        {
            await PutAsync(other.Store, $"/watched/{i}", $"{i}");
            Assert.True(await next);
            Assert.Equal($"/watched/{i}", events.Current.Key.ToString());
            next = events.MoveNextAsync();
        }

        Assert.Equal("1", (await other.Store.GetAsync("/watched/here", cancellationToken: patience.Token))?.GetString());
        Assert.False(session.Lost.IsCancellationRequested);
        await session.DisposeAsync();
        Assert.True(await next);
        Assert.Equal((StoreEventKind.Deleted, "/watched/here"), (events.Current.Kind, events.Current.Key.ToString()));
    }

    [Fact]
    public async Task Without_a_majority_it_says_that_nobody_leads_and_local_reads_are_answered()
    {
        await using LiveCluster cluster = await LiveCluster.StartAsync(isTcp: false);
        await PutAsync(cluster.Nodes[0]!.Store, "key", "1");
        Assert.Equal("1", (await cluster.Nodes[2]!.Store.GetAsync("key"))?.GetString());
        await cluster.KillAsync(0);
        await cluster.KillAsync(1);
        Assert.Equal("1", (await cluster.Nodes[2]!.Store.GetAsync("key", new GetOptions { Level = ReadLevel.Local }))?.GetString());
        Exception refusal = await Assert.ThrowsAnyAsync<TidemarkException>(async () => await cluster.Nodes[2]!.Store.PutAsync("key", Bytes("2")));
        Assert.True(refusal is ShardUnavailableException or OutcomeUnknownException, $"{refusal}");
        await cluster.StartAsync(0);
        await PutAsync(cluster.Nodes[2]!.Store, "key", "3");
        Assert.Equal("3", (await cluster.Nodes[0]!.Store.GetAsync("key"))?.GetString());
    }

    /// <summary>
    /// A leader has a write in its log that no majority has yet, and is closed. Other nodes may have the entry and commit it, so nobody may take the write for refused and do it again: it was once
    /// answered as if it had never been taken.
    /// </summary>
    [Fact]
    public async Task Of_a_write_under_way_when_its_leader_closes_the_outcome_is_unknown()
    {
        await using LiveCluster cluster = await LiveCluster.StartAsync(isTcp: false);
        TidemarkNode leader = cluster.Nodes[await cluster.LeaderAsync()]!;
        await PutAsync(leader.Store, "key", "1");
        foreach (TidemarkNode other in cluster.Up.Where(node => node != leader).ToArray()) await cluster.KillAsync(other.Node);

        ValueTask<WriteResult> write = leader.Store.PutAsync("key", Bytes("2"));
        await UntilAsync(() => write.IsCompleted || leader.Describe().Shards[0].Replica is { } replica && replica.Head > replica.Applied);
        await cluster.KillAsync(leader.Node);
        await Assert.ThrowsAsync<OutcomeUnknownException>(async () => await write);
    }

    [Fact]
    public async Task A_node_describes_itself_and_its_cluster()
    {
        await using LiveCluster cluster = await LiveCluster.StartAsync(isTcp: false, new NamespaceOptions { ShardCount = 2 });
        for (int i = 0; i < 20; i++) await PutAsync(cluster.Nodes[0]!.Store, $"/key/{i}", "1");
        for (int shard = 0; shard < 2; shard++)
        {
            int leader = await cluster.LeaderAsync(shard);
            NodeDescription there = cluster.Nodes[leader]!.Describe();
            Assert.Equal((leader, true, 2), (there.Node, there.IsRunning, there.Shards.Count));
            ShardOverview led = there.Shards[shard];
            Assert.Equal((shard, leader), ((int)led.ShardId, led.Leader));
            Assert.True(led.Term > 0);
            Assert.Equal([0, 1, 2], led.Members);
            Assert.Equal((ReplicaRole.Leader, false), (led.Replica!.Role, led.Replica.IsLost));
            Assert.True(led.Replica.Applied > 0 && led.Replica.Applied <= led.Replica.Committed && led.Replica.Committed <= led.Replica.Head, $"{led.Replica}");

            TidemarkNode other = cluster.Nodes[(leader + 1) % 3]!;
            await UntilAsync(() => other.Describe().Shards[shard] is var seen && (seen.Leader, seen.Term, seen.Replica!.Role, seen.Replica.Applied) == (leader, led.Term, ReplicaRole.Follower, led.Replica.Applied));
        }

        TidemarkNode disposed = cluster.Nodes[1]!;
        await disposed.DisposeAsync();
        cluster.Nodes[1] = null;
        NodeDescription after = disposed.Describe();
        Assert.False(after.IsRunning);
        Assert.All(after.Shards, shard => Assert.Equal((-1, 3, null), (shard.Leader, shard.Members.Count, shard.Replica)));
        Assert.Equal(2, after.Shards.Count);
    }

    [Fact]
    public async Task A_directory_of_another_node_is_refused()
    {
        await using LiveCluster cluster = await LiveCluster.StartAsync(isTcp: false);
        await cluster.KillAsync(1);
        await cluster.KillAsync(2);
        Directory.Delete(cluster.DirectoryOf(2), recursive: true);
        Directory.Move(cluster.DirectoryOf(1), cluster.DirectoryOf(2));
        await Assert.ThrowsAsync<FormatMismatchException>(() => cluster.StartAsync(2));
    }

    /// <summary>Counts up a key of its own, through whichever node is up.</summary>
    private static async Task WriteAsync(LiveCluster cluster, int number, Dictionary<string, int> acknowledged, CancellationToken stop)
    {
        for (int i = 0; !stop.IsCancellationRequested; i++)
        {
            if (cluster.Nodes[(number + i) % 3] is not { } node) continue;
            string key = $"/count/{number}/{i % 10}";
            try
            {
                if ((await node.Store.PutAsync(key, Bytes($"{i}"), cancellationToken: CancellationToken.None)).Status == StoreStatus.Ok) acknowledged[key] = i;
            }
            catch (Exception e) when (e is TidemarkException or ObjectDisposedException)
            {
                await Task.Delay(10, CancellationToken.None);
            }
        }
    }

    /// <summary>Puts until it is known to be done.</summary>
    private static Task<WriteResult> PutAsync(KeyValueStore store, string key, string value) => RetryAsync(async () => await store.PutAsync(key, Bytes(value)));

    private static async Task<T> RetryAsync<T>(Func<Task<T>> act)
    {
        for (DateTime end = DateTime.UtcNow.AddSeconds(60); ;)
        {
            try
            {
                return await act();
            }
            catch (TidemarkException) when (DateTime.UtcNow < end)
            {
                await Task.Delay(10);
            }
        }
    }

    private static async Task<ShardStatus> StatusOfAsync(LiveCluster cluster, long shard) => ClusterStatus.Read((await cluster.Status.ReadAsync())!.Content).Shards[shard];

    /// <summary>A status store of which one node hears nothing for a while.</summary>
    private sealed class DeafStatusStore(IClusterStatusStore inner) : IClusterStatusStore
    {
        internal volatile bool IsDeaf;

        public ValueTask<ClusterStatusEntry?> ReadAsync(CancellationToken cancellationToken = default) => IsDeaf ? throw new IOException("deaf") : inner.ReadAsync(cancellationToken);

        public ValueTask<long?> TryWriteAsync(ReadOnlyMemory<byte> content, long expectedVersion, CancellationToken cancellationToken = default) =>
            IsDeaf ? throw new IOException("deaf") : inner.TryWriteAsync(content, expectedVersion, cancellationToken);

        public IAsyncEnumerable<ClusterStatusEntry> WatchAsync(long afterVersion, CancellationToken cancellationToken = default) => inner.WatchAsync(afterVersion, cancellationToken);
    }

    private static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);

    private static async Task<int> CountAsync(KeyValueStore store, ReadLevel level)
    {
        int count = 0;
        await foreach (StoreKey _ in store.ListAsync(KeyRange.Children("/key"), new ScanOptions { Level = level })) count++;
        return count;
    }
}

using Tidemark.Integration.Client;

namespace Tidemark.Integration.Nodes;

/// <summary>A cluster in which no node keeps every shard: whoever reads reaches all of them, from any node and from any client.</summary>
public sealed class SpreadTests
{
    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(90);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Nodes_and_clients_are_told_what_they_are_told_where_every_node_keeps_everything(bool isTcp)
    {
        string whole, ofNode, ofClient;
        await using (LiveCluster cluster = await LiveCluster.StartAsync(isTcp, new NamespaceOptions { ShardCount = 5 })) whole = await RunAsync(cluster);
        await using (LiveCluster cluster = await StartAsync(isTcp)) ofNode = await RunAsync(cluster);
        await using (LiveCluster cluster = await StartAsync(isTcp))
        {
            await cluster.SettleAsync();
            await using TidemarkClient client = await cluster.ConnectAsync();
            ofClient = await StoreBattery.RunAsync(client.Store);
        }

        Assert.Equal(whole, ofNode);
        Assert.Equal(whole, ofClient);

        static async Task<string> RunAsync(LiveCluster cluster)
        {
            await cluster.SettleAsync();
            return await StoreBattery.RunAsync(cluster.Nodes[0]!.Store);
        }
    }

    /// <summary>Two of five nodes may be down of which no shard has both; whoever asks is told what the model says, by whichever node.</summary>
    [Fact]
    public async Task All_stores_say_what_the_model_says_while_nodes_are_killed_and_started_again()
    {
        await using LiveCluster cluster = await StartAsync(isTcp: false);
        await using TidemarkClient client = await cluster.ConnectAsync();
        using var patience = new CancellationTokenSource(_patience);
        var model = new SortedDictionary<string, string>(Comparer<string>.Create((left, right) =>
            KeyOrder.Hierarchical.Compare(System.Text.Encoding.UTF8.GetBytes(left), System.Text.Encoding.UTF8.GetBytes(right))));
        var random = new Random(11);
        for (int round = 0; round < 4; round++)
        {
            int down = round;
            if (round > 0) await cluster.KillAsync(down);
            KeyValueStore[] stores = [.. cluster.Up.Select(node => node.Store), client.Store];
            for (int i = 0; i < 30; i++)
            {
                string key = $"/{(char)('a' + random.Next(3))}/{random.Next(20):D2}", value = $"{round}.{i}";
                KeyValueStore store = stores[random.Next(stores.Length)];
                if (random.Next(4) == 0)
                {
                    await UntilDoneAsync(() => store.DeleteAsync(key, cancellationToken: patience.Token), patience.Token);
                    model.Remove(key);
                }
                else
                {
                    var options = new PutOptions { Indexes = [new IndexEntry("i", key[1..2]), new IndexEntry("i", "z")] };
                    await UntilDoneAsync(() => store.PutAsync(key, System.Text.Encoding.UTF8.GetBytes(value), options, patience.Token), patience.Token);
                    model[key] = value;
                }
            }

            foreach (KeyValueStore store in stores) await CompareAsync(store, model, random, patience.Token);
            if (round > 0) await cluster.StartAsync(down);
        }
    }

    [Fact]
    public async Task A_node_looks_only_at_what_it_keeps_without_waiting()
    {
        await using LiveCluster cluster = await StartAsync(isTcp: false);
        KeyValueStore store = cluster.Nodes[0]!.Store;
        HashRangeRouter router = HashRangeRouter.CreateEven(5);
        string kept = KeyOf(router, 0), elsewhere = KeyOf(router, 2);   // Node 0 keeps the shards 0, 1 and 3.
        using var patience = new CancellationTokenSource(_patience);
        await UntilDoneAsync(() => store.PutAsync(kept, "1"u8.ToArray()), patience.Token);
        await UntilDoneAsync(() => store.PutAsync(elsewhere, "2"u8.ToArray()), patience.Token);
        Assert.Equal("1", (await store.GetAsync(kept))?.GetString());
        Assert.True(store.TryGet(kept, out _));
        Assert.Equal(2, Assert.Throws<ShardUnavailableException>(() => store.TryGet(elsewhere, out _)).ShardId);
        Assert.Equal("2", (await store.GetAsync(elsewhere, new GetOptions { Level = ReadLevel.Bounded(TimeSpan.FromSeconds(1)) }))?.GetString());
    }

    /// <summary>What a program of a node reads of other nodes is the node's own business; what a client reads through it is not.</summary>
    [Fact]
    public async Task Nodes_may_ask_each_other_what_clients_may_not()
    {
        await using LiveCluster cluster = await StartAsync(isTcp: false, static _ => false);
        await using TidemarkClient client = await cluster.ConnectAsync();
        foreach (TidemarkNode node in cluster.Up)
        {
            for (int shard = 0; shard < 5; shard++) Assert.Null(await ReadAsync(() => node.Store.GetAsync(KeyOf(HashRangeRouter.CreateEven(5), shard))));
        }

        for (int shard = 0; shard < 5; shard++) await Assert.ThrowsAsync<NotAuthorizedException>(() => ReadAsync(() => client.Store.GetAsync(KeyOf(HashRangeRouter.CreateEven(5), shard))));
    }

    [Fact]
    public async Task A_client_that_knows_no_keeper_of_a_shard_is_told_so()
    {
        await using LiveCluster cluster = await StartAsync(isTcp: false);
        await using TidemarkClient client = await cluster.ConnectAsync(options => options with { Members = [0], OperationTimeout = TimeSpan.FromMilliseconds(200) });
        HashRangeRouter router = HashRangeRouter.CreateEven(5);
        using var patience = new CancellationTokenSource(_patience);
        await UntilDoneAsync(() => client.Store.PutAsync(KeyOf(router, 2), "1"u8.ToArray()), patience.Token);   // Writes any node brings to the leader.
        ShardUnavailableException nobody = await Assert.ThrowsAsync<ShardUnavailableException>(async () => await client.Store.GetAsync(KeyOf(router, 2)));
        Assert.Contains("does not keep shard 2", nobody.Message, StringComparison.Ordinal);
        await ReadAsync(() => client.Store.GetAsync(KeyOf(router, 0)));
    }

    /// <summary>The node is taken out of all ensembles, and put back, while its own programs watch and read: it goes on asking the others, and looks at its own again.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_watch_goes_on_without_gap_or_repeat_while_shards_leave_its_node_and_come_back(bool isExisting)
    {
        await using LiveCluster cluster = await LiveCluster.StartAsync(isTcp: false, new NamespaceOptions { ShardCount = 3 });
        TidemarkNode node = cluster.Nodes[0]!;
        using var patience = new CancellationTokenSource(_patience);
        await UntilDoneAsync(() => node.Store.PutAsync("/before", default, cancellationToken: patience.Token), patience.Token);
        IAsyncEnumerator<StoreEvent> events = node.Store.WatchAsync(KeyRange.Children("/w"), new WatchOptions { IncludeExisting = isExisting }).GetAsyncEnumerator(patience.Token);
        Task<bool> next = events.MoveNextAsync().AsTask();
        int written = 0, told = 0;
        HashSet<string> perhapsTwice = [];
        await TellAsync();
        await cluster.Nodes[1]!.RemoveNodeAsync(0, patience.Token);
        while (Assert.ThrowsAny<Exception>(() => Try(node.Store)) is not ShardUnavailableException) await Task.Delay(10, patience.Token);
        await TellAsync();
        Assert.NotNull(await node.Store.GetAsync("/before", cancellationToken: patience.Token));
        await cluster.Nodes[1]!.AddNodeAsync(0, patience.Token);
        await TellAsync();
        Assert.NotNull(await node.Store.GetAsync("/before", cancellationToken: patience.Token));
        await patience.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => next);
        await events.DisposeAsync();

        async Task TellAsync()
        {
            HashSet<string> expected = [];
            for (int i = 0; i < 12; i++) expected.Add($"/w/{written++:D4}");
            foreach (string key in expected.ToArray())
            {
                if (await UntilDoneAsync(() => cluster.Nodes[1]!.Store.PutAsync(key, default, cancellationToken: patience.Token), patience.Token)) perhapsTwice.Add(key);
            }

            while (told < written)
            {
                Assert.True(await next);
                string key = events.Current.Key.ToString();
                if (expected.Remove(key)) told++;
                else Assert.True(perhapsTwice.Contains(key), $"{events.Current.Kind} {key}");
                next = events.MoveNextAsync().AsTask();
            }
        }

        static void Try(KeyValueStore store)
        {
            store.TryGet("/before", out _);
            throw new InvalidOperationException("it is here");
        }
    }

    /// <summary>Five nodes, of which three keep each of five shards.</summary>
    private static Task<LiveCluster> StartAsync(bool isTcp, Func<ClientOperation, bool>? authorize = null) =>
        LiveCluster.StartPlacedAsync(count: 5, replicas: 3, shards: 5, isTcp: isTcp, authorize: authorize);

    private static async Task CompareAsync(KeyValueStore store, SortedDictionary<string, string> model, Random random, CancellationToken cancellationToken)
    {
        List<string> found = [], backwards = [], indexed = [];
        await foreach (StoreRecord record in store.ScanAsync(KeyRange.All, cancellationToken: cancellationToken)) found.Add($"{record.Key}={record.GetString()}");
        Assert.Equal(model.Select(record => $"{record.Key}={record.Value}"), found);
        await foreach (StoreKey key in store.ListAsync(KeyRange.All, new ScanOptions { Reverse = true, Limit = 7 }, cancellationToken)) backwards.Add(key.ToString());
        Assert.Equal(model.Keys.Reverse().Take(7), backwards);
        await foreach (StoreRecord record in store.ScanIndexAsync("i", cancellationToken: cancellationToken)) indexed.Add(record.Key.ToString());
        Assert.Equal(model.Keys.OrderBy(key => key[1]).Concat(model.Keys), indexed);   // Under its letter, then under z.
        for (int i = 0; i < 10; i++)
        {
            string key = $"/{(char)('a' + random.Next(4))}/{random.Next(20):D2}";
            Assert.Equal(model.Keys.FirstOrDefault(other => model.Comparer.Compare(other, key) >= 0), (await store.GetAsync(key, new GetOptions { Comparison = KeyComparison.Ceiling }, cancellationToken))?.Key.ToString());
            Assert.Equal(model.Keys.LastOrDefault(other => model.Comparer.Compare(other, key) < 0), (await store.GetAsync(key, new GetOptions { Comparison = KeyComparison.Lower }, cancellationToken))?.Key.ToString());
        }
    }

    /// <summary>Does a write until it is answered.</summary>
    /// <returns>Whether it may have happened twice.</returns>
    private static async Task<bool> UntilDoneAsync(Func<ValueTask<WriteResult>> write, CancellationToken cancellationToken)
    {
        bool isUnknown = false;
        while (true)
        {
            try
            {
                await write();
                return isUnknown;
            }
            catch (Exception e) when (e is ShardUnavailableException or OutcomeUnknownException)
            {
                isUnknown |= e is OutcomeUnknownException;
                cancellationToken.ThrowIfCancellationRequested();
            }
        }
    }

    private static async Task<StoreRecord?> ReadAsync(Func<ValueTask<StoreRecord?>> read)
    {
        while (true)
        {
            try
            {
                return await read();
            }
            catch (ShardUnavailableException)
            {
                await Task.Delay(10);   // Nobody leads it at the moment.
            }
        }
    }

    private static string KeyOf(HashRangeRouter router, long shard) => Enumerable.Range(0, 1_000).Select(i => $"/key/{i}").First(key => router.Route(System.Text.Encoding.UTF8.GetBytes(key)) == shard);
}

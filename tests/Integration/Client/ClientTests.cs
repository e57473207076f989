using Tidemark.Integration.Nodes;

namespace Tidemark.Integration.Client;

/// <summary>A process that is no member uses a cluster's store, while nothing goes wrong.</summary>
public sealed class ClientTests
{
    [Theory]
    [InlineData(false, 1)]
    [InlineData(false, 3)]
    [InlineData(true, 3)]
    public async Task A_client_is_told_what_a_nodes_own_programs_are_told(bool isTcp, int shards)
    {
        var settings = new NamespaceOptions { ShardCount = shards };
        string ofNode, ofClient;
        await using (LiveCluster cluster = await LiveCluster.StartAsync(isTcp, settings))
        {
            await cluster.SettleAsync();
            ofNode = await StoreBattery.RunAsync(cluster.Nodes[0]!.Store);
        }

        await using (LiveCluster cluster = await LiveCluster.StartAsync(isTcp, settings))
        {
            await cluster.SettleAsync();
            await using TidemarkClient client = await cluster.ConnectAsync();
            Assert.Equal(settings, client.Store.Settings);
            ofClient = await StoreBattery.RunAsync(client.Store);
            Assert.Throws<NotSupportedException>(() => client.Store.TryGet("/a", out _));
        }

        Assert.Equal(ofNode, ofClient);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_store_of_a_client_does_what_the_model_does(bool isTcp)
    {
        KeyOrder order = isTcp ? KeyOrder.Natural : KeyOrder.Hierarchical;
        await using LiveCluster cluster = await LiveCluster.StartAsync(isTcp, new NamespaceOptions { KeyOrder = order });
        await using TidemarkClient client = await cluster.ConnectAsync();
        var model = new StoreModel(order);
        var random = new Random(7);
        await using StoreSession session = await client.Store.OpenSessionAsync(new SessionOptions { Timeout = TimeSpan.FromMinutes(1) });
        for (int i = 0; i < 200; i++)
        {
            await StoreModelSteps.StepAsync(client.Store, model, session, random);
            if (i % 50 == 49) await StoreModelSteps.CompareAsync(client.Store, model, $"step {i}");
        }
    }

    /// <summary>Values of 40 KB: a page holds 6 of them, whatever was asked for.</summary>
    [Fact]
    public async Task What_does_not_fit_one_answer_comes_in_several()
    {
        await using LiveCluster cluster = await LiveCluster.StartAsync(isTcp: false, new NamespaceOptions { ShardCount = 2 });
        await using TidemarkClient client = await cluster.ConnectAsync();
        for (int i = 0; i < 20; i++) await client.Store.PutAsync($"/big/{i:D2}", new byte[40_000], new PutOptions { Indexes = [new IndexEntry("i", "same")] });
        string[] expected = [.. Enumerable.Range(0, 20).Select(i => $"/big/{i:D2}")];
        Assert.Equal(expected, await KeysAsync(client.Store.ScanAsync(KeyRange.Children("/big"))));
        Assert.Equal(expected.Reverse().Take(15), await KeysAsync(client.Store.ScanAsync(KeyRange.Children("/big"), new ScanOptions { Reverse = true, Limit = 15 })));
        Assert.Equal(expected, await KeysAsync(client.Store.ScanIndexAsync("i")));
        Assert.Equal(expected.Reverse(), await KeysAsync(client.Store.ScanIndexAsync("i", options: new ScanOptions { Reverse = true })));
        ScanPage page = await client.Store.ScanPageAsync(KeyRange.Children("/big"));
        Assert.Equal((20, null), (page.Records.Count, page.ContinuationToken));
    }

    /// <summary>Whoever follows a watch from what exists has, at its end, what the store has; while others write, and range deletes go through, over many pages.</summary>
    [Fact]
    public async Task A_watch_that_begins_with_what_exists_misses_and_repeats_nothing()
    {
        await using LiveCluster cluster = await LiveCluster.StartAsync(isTcp: false, new NamespaceOptions { ShardCount = 2 });
        await using TidemarkClient client = await cluster.ConnectAsync();
        KeyValueStore store = cluster.Nodes[1]!.Store;
        for (int i = 0; i < 60; i++) await store.PutAsync($"/w/{i:D2}", new byte[20_000]);
        using var stop = new CancellationTokenSource();
        Task writer = Task.Run(async () =>
        {
            var random = new Random(3);
            while (!stop.IsCancellationRequested)
            {
                string key = $"/w/{random.Next(60):D2}";
                if (random.Next(10) == 0) await store.DeleteRangeAsync(KeyRange.Between(key, $"/w/{random.Next(60):D2}"));
                else if (random.Next(3) == 0) await store.DeleteAsync(key);
                else await store.PutAsync(key, new byte[20_000]);
            }
        });

        for (int round = 0; round < 5; round++)
        {
            using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(60));
            var seen = new SortedDictionary<string, long>(StringComparer.Ordinal);
            bool isExisting = true;
            int changes = 0;
            await foreach (StoreEvent change in client.Store.WatchAsync(KeyRange.Children("/w"), new WatchOptions { IncludeExisting = true }, patience.Token))
            {
                isExisting &= change.Kind == StoreEventKind.Existing;
                Assert.Equal(isExisting, change.Kind == StoreEventKind.Existing);
                Apply(seen, change, key => HashRangeRouter.CreateEven(2).Route(key.Span));
                if (!isExisting && ++changes == 20) break;
            }

            Assert.NotEmpty(seen);
        }

        await stop.CancelAsync();
        await writer;
    }

    [Fact]
    public async Task A_client_needs_one_address_that_answers()
    {
        await using LiveCluster cluster = await LiveCluster.StartAsync(isTcp: true);
        await using TidemarkClient client = await TidemarkClient.ConnectAsync(["127.0.0.1:1", cluster.Addresses[2]]);
        Assert.Equal(StoreStatus.Ok, (await client.Store.PutAsync("/a", "1"u8.ToArray())).Status);
        ShardUnavailableException nobody = await Assert.ThrowsAsync<ShardUnavailableException>(() =>
            TidemarkClient.ConnectAsync(TidemarkClientOptions.OfAddresses(["127.0.0.1:1"]) with { OperationTimeout = TimeSpan.FromMilliseconds(300) }));
        Assert.Contains("No member", nobody.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task More_at_once_than_may_be_under_way_waits_its_turn()
    {
        await using LiveCluster cluster = await LiveCluster.StartAsync(isTcp: false);
        await using TidemarkClient client = await cluster.ConnectAsync();
        WriteResult[] results = await Task.WhenAll(Enumerable.Range(0, 1_500).Select(i => client.Store.PutAsync($"/k/{i}", new byte[10]).AsTask()));
        Assert.All(results, result => Assert.Equal(StoreStatus.Ok, result.Status));
    }

    private static void Apply(SortedDictionary<string, long> seen, StoreEvent change, Func<StoreKey, long> shardOf)
    {
        string key = change.Key.ToString();
        switch (change.Kind)
        {
            case StoreEventKind.Existing or StoreEventKind.Created:
                Assert.True(seen.TryAdd(key, change.Version), $"{key} comes twice");
                break;
            case StoreEventKind.Modified:
                Assert.True(seen.TryGetValue(key, out long before) && before < change.Version, $"{key} was modified at {change.Version}, and was not known, or at {before}");
                seen[key] = change.Version;
                break;
            case StoreEventKind.Deleted:
                Assert.True(seen.Remove(key, out long deleted) && deleted == change.Version, $"{key} was deleted at {change.Version}, and was not known, or at {deleted}");
                break;
            case StoreEventKind.RangeDeleted:
                EncodedKeyRange range = KeyOrder.Hierarchical.Encode(change.Range!);
                // Of the shard that tells it: another may have been told to, and have records there again, and tell it sooner.
                foreach (string gone in seen.Keys.Where(gone => shardOf(gone) == change.Shard && range.Contains(KeyOrder.Hierarchical.Encode(System.Text.Encoding.UTF8.GetBytes(gone)))).ToList()) seen.Remove(gone);
                break;
        }
    }

    private static async Task<List<string>> KeysAsync(IAsyncEnumerable<StoreRecord> records)
    {
        List<string> keys = [];
        await foreach (StoreRecord record in records) keys.Add(record.Key.ToString());
        return keys;
    }
}

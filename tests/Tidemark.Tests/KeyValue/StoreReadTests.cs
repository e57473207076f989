namespace Tidemark.Tests.KeyValue;

public class StoreReadTests
{
    private static readonly string[] _ascending = ["", "a", "aa", "b", "a/b", "/", "/a", "/a-", "/b", "//", "a/b/c", "/a/", "/a/b", "/a//", "/b/"];

    [Theory]
    [InlineData(1)]
    [InlineData(5)]
    public async Task Scans_over_several_shards_come_in_key_order_both_ways(int shards)
    {
        await using TidemarkStore store = await FillAsync(shards);
        Assert.Equal(_ascending, await StoreWriteTests.Keys(store.ScanAsync(KeyRange.All)));
        Assert.Equal(_ascending.Reverse(), await StoreWriteTests.Keys(store.ScanAsync(KeyRange.All, new ScanOptions { Reverse = true })));
        Assert.Equal(["a", "aa"], await StoreWriteTests.Keys(store.ScanAsync(KeyRange.Between("a", "b"))));
        Assert.Equal(["/a", "/a-", "/b"], (await StoreWriteTests.Keys(store.ScanAsync(KeyRange.Children("")))).Where(key => key.Length > 1));
        Assert.Equal(3, (await StoreWriteTests.Keys(store.ScanAsync(KeyRange.All, new ScanOptions { Limit = 3 }))).Count);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Pages_put_together_are_the_scan(bool reverse)
    {
        await using TidemarkStore store = await FillAsync(3);
        List<string> paged = [];
        string? token = null;
        do
        {
            ScanPage page = await store.ScanPageAsync(KeyRange.All, new ScanOptions { Limit = 4, Reverse = reverse, ContinuationToken = token });
            paged.AddRange(page.Records.Select(record => record.Key.ToString()));
            token = page.ContinuationToken;
        }
        while (token is not null);
        Assert.Equal(reverse ? _ascending.Reverse() : _ascending, paged);
        await Assert.ThrowsAsync<ArgumentException>(async () => await store.ScanPageAsync(KeyRange.All, new ScanOptions { ContinuationToken = "?" }));
    }

    [Theory]
    [InlineData(KeyComparison.Floor, "/a0", "/a-")]
    [InlineData(KeyComparison.Floor, "/a", "/a")]
    [InlineData(KeyComparison.Ceiling, "/a0", "/b")]
    [InlineData(KeyComparison.Ceiling, "/b", "/b")]
    [InlineData(KeyComparison.Lower, "/b", "/a-")]
    [InlineData(KeyComparison.Lower, "", null)]
    [InlineData(KeyComparison.Higher, "/b", "//")]
    [InlineData(KeyComparison.Higher, "/b/", null)]
    [InlineData(KeyComparison.Equal, "/a0", null)]
    public async Task A_get_finds_the_nearest_key_over_all_shards(KeyComparison comparison, string key, string? expected)
    {
        await using TidemarkStore store = await FillAsync(4);
        StoreRecord? found = await store.GetAsync(key, new GetOptions { Comparison = comparison });
        Assert.Equal(expected, found?.Key.ToString());
    }

    [Fact]
    public async Task A_partition_key_keeps_records_together()
    {
        await using TidemarkStore store = TidemarkStore.InMemory(new TidemarkStoreOptions { DefaultNamespace = new NamespaceOptions { ShardCount = 8 } });
        for (int i = 0; i < 50; i++) await store.PutAsync($"k{i:D2}", new byte[1], new PutOptions { PartitionKey = "one" });
        Assert.Equal(50, (await StoreWriteTests.Keys(store.ScanAsync(KeyRange.All, new ScanOptions { PartitionKey = "one" }))).Count);
        StoreRecord record = (await store.GetAsync("k07", new GetOptions { PartitionKey = "one" }))!.Value;
        Assert.Equal("one", record.PartitionKey.ToString());
        TransactionResult done = await store.CommitAsync(new StoreTransaction("one").Require("k07", record.Version).Delete("k07").Put("k99", new byte[2]));
        Assert.True(done.Succeeded);
        await Assert.ThrowsAsync<ArgumentException>(async () => await store.CommitAsync(
            new StoreTransaction().Put("a", default).Put("b", default).Put("c", default).Put("d", default).Put("e", default).Put("f", default)));
    }

    [Fact]
    public async Task A_scan_does_not_see_what_is_written_while_it_runs()
    {
        await using TidemarkStore store = await FillAsync(1);
        List<string> seen = [];
        await foreach (StoreRecord record in store.ScanAsync(KeyRange.All))
        {
            if (seen.Count == 0)
            {
                await store.DeleteRangeAsync(KeyRange.All);
                await store.PutAsync("/zz", default);
            }

            seen.Add(record.Key.ToString());
        }

        Assert.Equal(_ascending, seen);
    }

    [Fact]
    public async Task Namespaces_are_apart_and_each_has_its_own_settings()
    {
        await using TidemarkStore store = TidemarkStore.InMemory();
        KeyValueStore natural = await store.CreateNamespaceAsync("natural", new NamespaceOptions { KeyOrder = KeyOrder.Natural, MaxKeyBytes = 2000 });
        foreach (string key in _ascending) await natural.PutAsync(key, default);
        Assert.Equal(_ascending.Order(StringComparer.Ordinal), await StoreWriteTests.Keys(natural.ScanAsync(KeyRange.All)));
        Assert.True((await natural.PutAsync(new string('x', 2000), default)).Succeeded);
        Assert.Empty(await StoreWriteTests.Keys(store.ScanAsync(KeyRange.All)));
        Assert.Equal(["default", "natural"], store.Namespaces);
        Assert.Equal(2000, store.GetNamespace("natural").Settings.MaxKeyBytes);
        Assert.Throws<ArgumentException>(() => store.GetNamespace("other"));
        await Assert.ThrowsAsync<ArgumentException>(async () => await store.CreateNamespaceAsync("natural"));
        await Assert.ThrowsAsync<ArgumentException>(async () => await natural.ScanAsync(KeyRange.Children("a")).GetAsyncEnumerator().MoveNextAsync());
    }

    private static async Task<TidemarkStore> FillAsync(int shards)
    {
        TidemarkStore store = TidemarkStore.InMemory(new TidemarkStoreOptions { DefaultNamespace = new NamespaceOptions { ShardCount = shards } });
        foreach (string key in _ascending.Reverse()) await store.PutAsync(key, "v"u8.ToArray());
        return store;
    }
}

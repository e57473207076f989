using FsCheck;
using FsCheck.Fluent;

using Tidemark.Core.KeyValue;
using Tidemark.Replication.KeyValue;
using Tidemark.Replication.Wire;

namespace Tidemark.Tests.Client;

/// <summary>What is made of the answers of shards that are kept elsewhere.</summary>
public sealed class RemoteReadTests
{
    /// <summary>Records drawn onto shards, pages of a drawn length: whatever is asked for, it is what one sorted list has.</summary>
    [Fact]
    public void Pages_of_all_shards_are_one_walk_in_order()
    {
        Gen<(int[] Shards, int Page, int Limit, bool IsReverse, bool IsNatural)> drawn =
            from shards in Gen.Choose(0, 3).ArrayOf()
            from page in Gen.Choose(1, 4)
            from limit in Gen.Choose(0, 12)
            from isReverse in Gen.Elements(false, true)
            from isNatural in Gen.Elements(false, true)
            select (shards, page, limit, isReverse, isNatural);
        Prop.ForAll(drawn.ToArbitrary(), given => WalkAsync(given.Shards, given.Page, given.Limit, given.IsReverse, given.IsNatural ? KeyOrder.Natural : KeyOrder.Hierarchical).GetAwaiter().GetResult())
            .QuickCheckThrowOnFailure();
    }

    private static async Task WalkAsync(int[] shardOfRecord, int page, int limit, bool isReverse, KeyOrder order)
    {
        var records = shardOfRecord.Select((shard, i) => (Shard: (long)shard, Key: (StoreKey)(i % 3 == 0 ? $"/k{i:D2}" : $"/k/{i:D2}"))).ToList();
        var shards = new ScriptedShards { Answer = request => Page((ScanRequest)request, records, page, order) };
        ScriptedStore store = shards.Store(4, order);
        StoreKey[] sorted = [.. records.Select(record => record.Key).Order(Comparer<StoreKey>.Create((left, right) => order.Compare(left.Span, right.Span)))];
        if (isReverse) Array.Reverse(sorted);

        List<StoreKey> walked = [];
        await foreach (StoreRecord record in store.ScanAsync(KeyRange.All, new ScanOptions { Reverse = isReverse, Limit = limit })) walked.Add(record.Key);
        Assert.Equal(sorted.Take(limit), walked);

        List<StoreKey> paged = [];
        string? next = null;
        do
        {
            ScanPage found = await store.ScanPageAsync(KeyRange.All, new ScanOptions { Reverse = isReverse, Limit = limit + 1, ContinuationToken = next });
            paged.AddRange(found.Records.Select(record => record.Key));
            next = found.ContinuationToken;
            Assert.True(next is null || found.Records.Count == limit + 1, "a page that is not the last is full");
        }
        while (next is not null);
        Assert.Equal(sorted, paged);
    }

    [Fact]
    public async Task All_shards_are_asked_at_once_and_a_further_page_only_of_the_one_that_is_used_up()
    {
        List<(long Shard, StoreKey Key)> records = [(0, "a"), (0, "b"), (0, "c"), (1, "x"), (1, "y")];
        var gate = new TaskCompletionSource();
        var shards = new ScriptedShards { Answer = request => Page((ScanRequest)request, records, page: 1, KeyOrder.Natural), Gate = gate.Task };
        await using IAsyncEnumerator<StoreRecord> found = shards.Store(2, KeyOrder.Natural).ScanAsync(KeyRange.All).GetAsyncEnumerator();
        ValueTask<bool> first = found.MoveNextAsync();
        Assert.Equal([0L, 1L], shards.Asked.Select(request => request.Shard));
        gate.SetResult();
        Assert.True(await first);
        Assert.True(await found.MoveNextAsync());
        Assert.Equal("b", found.Current.Key.ToString());
        Assert.Equal([0L, 1L, 0L], shards.Asked.Select(request => request.Shard));
    }

    [Fact]
    public async Task A_get_is_asked_of_one_shard_where_a_key_says_which_and_else_of_all_of_which_the_nearest_is_taken()
    {
        string[] keys = ["/b", "/d", "/f"];
        var shards = new ScriptedShards { Answer = request => new PageBody([Record(keys[request.Shard])], null, null) };
        ScriptedStore store = shards.Store(3);
        foreach ((KeyComparison comparison, string expected) in new[] { (KeyComparison.Ceiling, "/b"), (KeyComparison.Higher, "/b"), (KeyComparison.Floor, "/f"), (KeyComparison.Lower, "/f") })
            Assert.Equal(expected, (await store.GetAsync("/x", new GetOptions { Comparison = comparison }))?.Key.ToString());
        Assert.Equal(12, shards.Asked.Count);

        shards.Asked.Clear();
        long shard = HashRangeRouter.CreateEven(3).Route("p"u8);
        await store.GetAsync("/x", new GetOptions { Comparison = KeyComparison.Floor, PartitionKey = "p" });
        await store.GetByIndexAsync("i", "k", new GetOptions { PartitionKey = "p" });
        Assert.Equal([shard, shard], shards.Asked.Select(request => request.Shard));
        shards.Asked.Clear();
        await store.GetAsync("/x");
        Assert.Equal([HashRangeRouter.CreateEven(3).Route("/x"u8)], shards.Asked.Select(request => request.Shard));
    }

    /// <summary>A record may stand in an index several times: it is told as often, each time where its index key has its place.</summary>
    [Fact]
    public async Task Records_of_an_index_come_in_the_order_of_their_index_keys()
    {
        (long Shard, string Index, string Key)[] entries = [(0, "a", "/2"), (1, "a", "/1"), (1, "b", "/1"), (0, "c", "/2"), (1, "c", "/3")];
        var shards = new ScriptedShards
        {
            Answer = request =>
            {
                var own = entries.Where(entry => entry.Shard == request.Shard).ToList();
                if (request is GetRequest) own = own[^1..];
                return new PageBody([.. own.Select(entry => Record(entry.Key))], null, null) { SortKeys = [.. own.Select(entry => (ReadOnlyMemory<byte>)RowKeys.Index("i"u8, System.Text.Encoding.UTF8.GetBytes(entry.Index), KeyOrder.Hierarchical.Encode(((StoreKey)entry.Key).Span)))] };
            },
        };
        List<string> found = [];
        await foreach (StoreRecord record in shards.Store(2).ScanIndexAsync("i")) found.Add(record.Key.ToString());
        Assert.Equal(["/1", "/2", "/1", "/2", "/3"], found);
        Assert.Equal("/3", (await shards.Store(2).GetByIndexAsync("i", "z", new GetOptions { Comparison = KeyComparison.Floor }))?.Key.ToString());
    }

    [Fact]
    public async Task What_one_shard_refuses_the_whole_read_refuses()
    {
        var shards = new ScriptedShards { Answer = request => request.Shard == 1 ? throw new ShardUnavailableException(1, "nobody") : new PageBody([], null, null) };
        ScriptedStore store = shards.Store(3);
        Assert.Equal(1, (await Assert.ThrowsAsync<ShardUnavailableException>(async () => await store.GetAsync("/x", new GetOptions { Comparison = KeyComparison.Floor }))).ShardId);
        await Assert.ThrowsAsync<ShardUnavailableException>(async () => await store.ScanPageAsync(KeyRange.All));
    }

    /// <summary>
    /// Shard 0 shows /a at offset 5 and, on a later page, /c at 9; shard 1 shows /b at offset 3. Of what is told behind the first pages, the change of /c at 8 was on its page already; that of /a at 7 was not.
    /// Each shard's page says something about that shard alone.
    /// </summary>
    [Fact]
    public async Task A_watch_that_begins_with_what_exists_goes_on_behind_it_on_each_shard()
    {
        var shards = new ScriptedShards
        {
            Answer = request => (request.Shard, ((ScanRequest)request).Options.ContinuationToken) switch
            {
                (0, null) => new PageBody([Record("/a")], "AQ", Place(0, 5)),
                (0, _) => new PageBody([Record("/c")], null, Place(0, 9)),
                _ => new PageBody([Record("/b")], null, Place(1, 3)),
            },
        };
        shards.Tell(1, new EventsBody([Change("/b", 1, 4)], Place(1, 4)));
        shards.Tell(0, new EventsBody([Change("/a", 0, 7), Change("/c", 0, 8), Change("/c", 0, 10)], Place(0, 12)));
        List<StoreEvent> told = await FirstAsync(6, shards.Store(2).WatchAsync(KeyRange.All, new WatchOptions { IncludeExisting = true }));
        Assert.Equal(["Existing /a", "Existing /b", "Existing /c", "Modified /b", "Modified /a", "Modified /c"], told.Select(change => $"{change.Kind} {change.Key}"));
        Assert.All(told.Take(3), change => Assert.Equal((5, 3), (change.Token.PlaceOf(0)?.Offset, change.Token.PlaceOf(1)?.Offset)));
        Assert.Equal((10, 4), (told[^1].Token.PlaceOf(0)?.Offset, told[^1].Token.PlaceOf(1)?.Offset));
    }

    [Fact]
    public async Task A_watch_begins_where_each_shard_says_and_resumes_from_a_token_of_all()
    {
        var shards = new ScriptedShards();
        foreach (long shard in (long[])[0, 1]) shards.Tell(shard, new EventsBody([], Place(shard, 40 + shard)));
        shards.Tell(1, new EventsBody([Change("/b", 1, 50)], Place(1, 51)));
        StoreEvent only = Assert.Single(await FirstAsync(1, shards.Store(2).WatchAsync(KeyRange.All)));
        Assert.Equal((40, 50), (only.Token.PlaceOf(0)?.Offset, only.Token.PlaceOf(1)?.Offset));
        Assert.Equal([null, null], shards.Asked.Take(2).Select(request => ((WatchRequest)request).After));

        var resumed = new ScriptedShards();
        resumed.Tell(0, new EventsBody([Change("/a", 0, 41)], Place(0, 41)));
        Assert.Single(await FirstAsync(1, resumed.Store(3).WatchAsync(KeyRange.All, new WatchOptions { ResumeAfter = only.Token })));
        Assert.Equal([(0L, 40L), (1L, 50L), (2L, -1L)], resumed.Asked.Take(3).Select(request => (request.Shard, ((WatchRequest)request).After!.PlaceOf(request.Shard)!.Value.Offset)));
    }

    [Fact]
    public async Task A_watch_ends_when_the_store_is_closed()
    {
        var shards = new ScriptedShards { IsClosed = true, Answer = request => new PageBody([], null, Place(request.Shard, 1)) };
        foreach (WatchOptions options in (WatchOptions[])[new WatchOptions(), new WatchOptions { IncludeExisting = true }, new WatchOptions { ResumeAfter = Place(0, 1) }])
            Assert.Empty(await FirstAsync(1, shards.Store(2).WatchAsync(KeyRange.All, options)));
    }

    private static async Task<List<StoreEvent>> FirstAsync(int count, IAsyncEnumerable<StoreEvent> events)
    {
        List<StoreEvent> told = [];
        await foreach (StoreEvent change in events)
        {
            told.Add(change);
            if (told.Count == count) break;
        }

        return told;
    }

    /// <summary>The page a node would give of a shard's records.</summary>
    private static PageBody Page(ScanRequest request, List<(long Shard, StoreKey Key)> records, int page, KeyOrder order)
    {
        ScanOptions options = request.Options;
        EncodedKeyRange range = ContinuationToken.Apply(order.Encode(request.Range), options);
        var left = records.Where(record => record.Shard == request.Shard && range.Contains(order.Encode(record.Key.Span)))
            .OrderBy(record => record.Key, Comparer<StoreKey>.Create((left, right) => (options.Reverse ? -1 : 1) * order.Compare(left.Span, right.Span))).Select(record => record.Key).ToList();
        int count = Math.Min(page, options.Limit ?? page);
        string? next = left.Count > count ? ContinuationToken.Write(order.Encode(left[count - 1].Span), options.Reverse) : null;
        return new PageBody([.. left.Take(count).Select(key => new StoreRecord(key, default))], next, Place(request.Shard, 1));
    }

    private static StoreRecord Record(string key) => new(key, RecordRow.Write(new RecordFields { Version = 1 }, "v"u8));

    private static WatchToken Place(long shard, long offset) => new(new Dictionary<long, WatchPlace> { [shard] = new(offset, WatchPlace.All) });

    private static StoreEvent Change(string key, long shard, long offset) => new() { Kind = StoreEventKind.Modified, Key = key, Shard = shard, Token = Place(shard, offset) };
}

namespace Tidemark.Tests.KeyValue;

public class StoreWatchTests
{
    [Fact]
    public async Task A_watch_tells_every_change_of_its_range_in_order()
    {
        await using TidemarkStore store = TidemarkStore.InMemory();
        await using IAsyncEnumerator<StoreEvent> watch = store.WatchAsync(KeyRange.Children("/a"), new WatchOptions { IncludeValues = true }).GetAsyncEnumerator();
        WriteResult created = await store.PutAsync("/a/1", "x"u8.ToArray());
        await store.PutAsync("/b/1", default);
        WriteResult modified = await store.PutAsync("/a/1", "y"u8.ToArray());
        await store.CommitAsync(new StoreTransaction().Delete("/a/1").Put("/a/2", default));
        await store.DeleteRangeAsync(KeyRange.Children("/b"));
        await store.DeleteRangeAsync(KeyRange.Between("/a/", "/c/"));
        List<StoreEvent> events = await TakeAsync(watch, 5);
        Assert.Equal(
            [StoreEventKind.Created, StoreEventKind.Modified, StoreEventKind.Deleted, StoreEventKind.Created, StoreEventKind.RangeDeleted],
            events.Select(e => e.Kind));
        Assert.Equal((created.Version, created.Timestamp), (events[0].Version, events[0].Timestamp));
        Assert.Null(events[0].Record);   // A newer version is there.
        Assert.Equal(modified.Version, events[2].Version);
        Assert.NotNull(events[4].Range);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    public async Task A_watch_resumed_anywhere_also_after_a_reopen_has_no_gap_and_repeats_nothing(int shards)
    {
        var disk = new MemoryFileSystem();
        var options = new TidemarkStoreOptions { FileSystem = disk, DefaultNamespace = new NamespaceOptions { ShardCount = shards } };
        List<StoreEvent> all;
        WatchToken start;
        await using (TidemarkStore store = await TidemarkStore.OpenAsync("w", options))
        {
            await store.PutAsync("0", default);
            await using IAsyncEnumerator<StoreEvent> first = store.WatchAsync(KeyRange.All, new WatchOptions { IncludeExisting = true }).GetAsyncEnumerator();
            StoreEvent existing = (await TakeAsync(first, 1))[0];
            Assert.Equal(StoreEventKind.Existing, existing.Kind);
            start = existing.Token;
            for (int i = 1; i <= 20; i++) await store.PutAsync($"{i}", default);
            await store.CommitAsync(new StoreTransaction("p").Put("a", default).Put("b", default).Put("c", default));
            all = await TakeAsync(first, 23);
        }

        await using (TidemarkStore store = await TidemarkStore.OpenAsync("w", options))
        {
            for (int from = 0; from <= all.Count; from++)
            {
                WatchToken token = from == 0 ? start : all[from - 1].Token;
                var resumed = new WatchOptions { ResumeAfter = WatchToken.Parse(token.ToString()) };
                await using IAsyncEnumerator<StoreEvent> watch = store.WatchAsync(KeyRange.All, resumed).GetAsyncEnumerator();
                List<StoreEvent> rest = await TakeAsync(watch, all.Count - from);
                Assert.Equal(all.Skip(from).Select(e => (e.Key, e.Version)).Order(Comparer), rest.Select(e => (e.Key, e.Version)).Order(Comparer));
                if (shards == 1) Assert.Equal(all.Skip(from).Select(e => e.Key), rest.Select(e => e.Key));
            }
        }
    }

    [Fact]
    public async Task A_place_whose_changes_are_gone_is_told_and_the_watch_goes_on_behind_the_gap()
    {
        await using TidemarkStore store = TidemarkStore.InMemory(new TidemarkStoreOptions { DefaultNamespace = new NamespaceOptions { ChangeLogEntries = 16 } });
        await using IAsyncEnumerator<StoreEvent> watch = store.WatchAsync(KeyRange.All).GetAsyncEnumerator();
        await store.PutAsync("first", default);
        StoreEvent first = (await TakeAsync(watch, 1))[0];
        for (int i = 0; i < 100; i++) await store.PutAsync($"{i:D3}", default);
        await using IAsyncEnumerator<StoreEvent> late = store.WatchAsync(KeyRange.All, new WatchOptions { ResumeAfter = first.Token }).GetAsyncEnumerator();
        List<StoreEvent> events = await TakeAsync(late, 2);
        Assert.Equal(StoreEventKind.Compacted, events[0].Kind);
        int next = int.Parse(events[1].Key.ToString());
        Assert.InRange(next, 84, 86);
        List<StoreEvent> rest = await TakeAsync(late, 99 - next);
        Assert.Equal(Enumerable.Range(next + 1, 99 - next).Select(i => $"{i:D3}"), rest.Select(e => e.Key.ToString()));
        // The slow reader that was open all the while is told too.
        Assert.Equal(StoreEventKind.Compacted, (await TakeAsync(watch, 1))[0].Kind);
    }

    [Fact]
    public async Task A_reader_that_wants_the_latest_only_gets_each_key_once()
    {
        await using TidemarkStore store = TidemarkStore.InMemory();
        await using IAsyncEnumerator<StoreEvent> watch = store.WatchAsync(KeyRange.All, new WatchOptions { LatestOnly = true, IncludeValues = true }).GetAsyncEnumerator();
        for (int i = 0; i < 50; i++) await store.PutAsync($"{i % 3}", new byte[] { (byte)i });
        List<StoreEvent> events = await TakeAsync(watch, 3);
        Assert.Equal([47, 48, 49], events.Select(e => (int)e.Record!.Value.Value.Span[0]));
    }

    [Fact]
    public async Task A_sequence_is_watched_by_its_latest_key()
    {
        await using TidemarkStore store = TidemarkStore.InMemory();
        await using IAsyncEnumerator<StoreKey> watch = store.WatchSequenceAsync("s").GetAsyncEnumerator();
        ValueTask<bool> first = watch.MoveNextAsync();
        await store.PutNextAsync("s", default, [1]);
        Assert.True(await first);
        Assert.Equal("s-00000000000000000001", watch.Current.ToString());
        await store.PutNextAsync("s", default, [1]);
        await store.PutNextAsync("s", default, [1]);
        Assert.True(await watch.MoveNextAsync());
        Assert.Equal("s-00000000000000000003", watch.Current.ToString());
    }

    [Fact]
    public async Task A_watch_ends_when_it_is_cancelled_or_the_store_is_closed()
    {
        TidemarkStore store = TidemarkStore.InMemory();
        using var cancellation = new CancellationTokenSource();
        await using IAsyncEnumerator<StoreEvent> cancelled = store.WatchAsync(KeyRange.All, null, cancellation.Token).GetAsyncEnumerator();
        ValueTask<bool> waiting = cancelled.MoveNextAsync();
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await waiting);
        await using IAsyncEnumerator<StoreEvent> open = store.WatchAsync(KeyRange.All).GetAsyncEnumerator();
        waiting = open.MoveNextAsync();
        await store.DisposeAsync();
        Assert.False(await waiting);
        Assert.Throws<ObjectDisposedException>(() => store.WatchAsync(KeyRange.All));
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await store.PutAsync("a", default));
        Assert.Throws<ObjectDisposedException>(() => store.TryGet("a", out _));
    }

    private static Comparer<(StoreKey Key, long Version)> Comparer { get; } =
        Comparer<(StoreKey Key, long Version)>.Create((left, right) => left.Key.Span.SequenceCompareTo(right.Key.Span));

    private static async Task<List<StoreEvent>> TakeAsync(IAsyncEnumerator<StoreEvent> watch, int count)
    {
        List<StoreEvent> events = [];
        while (events.Count < count && await watch.MoveNextAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(30))) events.Add(watch.Current);
        return events;
    }
}

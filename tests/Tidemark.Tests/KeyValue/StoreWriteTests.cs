using System.Text;

namespace Tidemark.Tests.KeyValue;

public class StoreWriteTests
{
    private static readonly byte[] _value = "value"u8.ToArray();

    [Fact]
    public async Task A_record_that_was_put_is_read_with_its_version_and_times()
    {
        await using TidemarkStore store = TidemarkStore.InMemory();
        WriteResult first = await store.PutAsync("a", _value);
        WriteResult second = await store.PutAsync("a", "more"u8.ToArray());
        StoreRecord record = (await store.GetAsync("a"))!.Value;
        Assert.Equal(("more", second.Version, 1L), (record.GetString(), record.Version, record.Modifications));
        Assert.Equal((first.Timestamp, second.Timestamp), (record.Created, record.Modified));
        Assert.True(second.Version > first.Version);
        Assert.True(store.TryGet("a", out StoreRecord same));
        Assert.Equal(record.Version, same.Version);
        Assert.False(store.TryGet("b", out _));
        Assert.Null(await store.GetAsync("b"));
    }

    [Fact]
    public async Task A_version_is_never_given_twice_also_not_after_a_delete()
    {
        await using TidemarkStore store = TidemarkStore.InMemory();
        WriteResult first = await store.PutAsync("a", _value);
        WriteResult deleted = await store.DeleteAsync("a");
        WriteResult again = await store.PutAsync("a", _value, PutOptions.MustNotExist);
        Assert.Equal((StoreStatus.Ok, first.Version, 1L), (deleted.Status, deleted.Version, deleted.Count));
        Assert.True(again.Version > first.Version);
        Assert.Equal(0, (await store.GetAsync("a"))!.Value.Modifications);
    }

    [Fact]
    public async Task A_put_at_the_wrong_version_changes_nothing_and_tells_the_one_found()
    {
        await using TidemarkStore store = TidemarkStore.InMemory();
        WriteResult first = await store.PutAsync("a", _value);
        WriteResult wrong = await store.PutAsync("a", "x"u8.ToArray(), PutOptions.None.AtVersion(first.Version + 7));
        WriteResult exists = await store.PutAsync("a", "x"u8.ToArray(), PutOptions.MustNotExist);
        WriteResult missing = await store.PutAsync("b", "x"u8.ToArray(), PutOptions.None.AtVersion(1));
        Assert.Equal((StoreStatus.VersionMismatch, first.Version), (wrong.Status, wrong.Version));
        Assert.Equal((StoreStatus.VersionMismatch, first.Version), (exists.Status, exists.Version));
        Assert.Equal((StoreStatus.VersionMismatch, 0L), (missing.Status, missing.Version));
        Assert.Throws<WriteRefusedException>(() => wrong.ThrowIfRefused());
        Assert.Equal("value", (await store.GetAsync("a"))!.Value.GetString());
        Assert.Equal(StoreStatus.Ok, (await store.PutAsync("a", _value, PutOptions.None.AtVersion(first.Version))).Status);
        Assert.Equal(StoreStatus.NotFound, (await store.DeleteAsync("nowhere")).Status);
    }

    [Fact]
    public async Task A_transaction_happens_in_order_or_not_at_all()
    {
        await using TidemarkStore store = TidemarkStore.InMemory();
        await store.PutAsync("a", _value);
        TransactionResult done = await store.CommitAsync(new StoreTransaction().Delete("a").Put("a", "new"u8.ToArray()).RequireExists("a").RequireMissing("b").Put("b", _value));
        Assert.True(done.Succeeded);
        Assert.Equal(3, done.Results.Count);
        Assert.Equal("new", (await store.GetAsync("a"))!.Value.GetString());
        Assert.Equal(0, (await store.GetAsync("a"))!.Value.Modifications);

        TransactionResult refused = await store.CommitAsync(new StoreTransaction().Put("c", _value).Delete("a").Put("b", _value, PutOptions.MustNotExist));
        Assert.Equal((StoreStatus.VersionMismatch, 2), (refused.Status, refused.FailedIndex));
        Assert.Null(await store.GetAsync("c"));
        Assert.Equal("new", (await store.GetAsync("a"))!.Value.GetString());
    }

    [Fact]
    public async Task Sequences_count_on_and_refuse_fewer_parts()
    {
        await using TidemarkStore store = TidemarkStore.InMemory();
        Assert.Equal("a-00000000000000000005", (await store.PutNextAsync("a", _value, [5])).Key.ToString());
        Assert.Equal("a-00000000000000000008", (await store.PutNextAsync("a", _value, [3])).Key.ToString());
        Assert.Equal("a-00000000000000000014-00000000000000000009", (await store.PutNextAsync("a", _value, [6, 9])).Key.ToString());
        Assert.Equal(StoreStatus.SequenceTooShort, (await store.PutNextAsync("a", _value, [2])).Status);
        Assert.Equal(StoreStatus.SequenceMalformed, (await store.PutNextAsync("a", _value, [0, 1])).Status);
        Assert.Equal(StoreStatus.SequenceMalformed, (await store.PutNextAsync("a", _value, [long.MaxValue, 1])).Status);
        await store.PutAsync("b-00000000000000000001", _value);
        Assert.Equal(StoreStatus.KeyTaken, (await store.PutNextAsync("b", _value, [1])).Status);
        await store.DeleteAsync("a-00000000000000000014-00000000000000000009");
        Assert.Equal("a-00000000000000000015-00000000000000000009", (await store.PutNextAsync("a", _value, [1, 0])).Key.ToString());
    }

    [Fact]
    public async Task Bad_input_is_refused_by_name_and_the_store_works_on()
    {
        await using TidemarkStore store = TidemarkStore.InMemory(new TidemarkStoreOptions { DefaultNamespace = new NamespaceOptions { MaxValueBytes = 10 } });
        await Assert.ThrowsAsync<LimitExceededException>(async () => await store.PutAsync(new string('k', 481), _value));
        await Assert.ThrowsAsync<LimitExceededException>(async () => await store.PutAsync("k", new byte[11]));
        await Assert.ThrowsAsync<ArgumentException>(async () => await store.PutAsync("__tidemark/x", _value));
        await Assert.ThrowsAsync<ArgumentException>(async () => await store.PutAsync("k", _value, new PutOptions { Indexes = [new IndexEntry("", "x")] }));
        await Assert.ThrowsAsync<LimitExceededException>(async () => await store.PutAsync("k", _value, new PutOptions { Indexes = [new IndexEntry("i", new string('x', 510))] }));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(async () => await store.PutAsync("k", _value, new PutOptions { TimeToLive = TimeSpan.Zero }));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(async () => await store.OpenSessionAsync(new SessionOptions { Timeout = TimeSpan.FromMilliseconds(10) }));
        Assert.True((await store.PutAsync(new string('k', 480), new byte[10])).Succeeded);
        Assert.False(store.TryGet("k", out _));
    }

    [Fact]
    public async Task Ranges_are_deleted_with_their_index_entries()
    {
        await using TidemarkStore store = TidemarkStore.InMemory();
        for (int i = 0; i < 600; i++) await store.PutAsync($"/p/{i:D3}", _value, new PutOptions { Indexes = [new IndexEntry("i", "x")] });
        await store.PutAsync("/q", _value, new PutOptions { Indexes = [new IndexEntry("i", "x")] });
        WriteResult deleted = await store.DeleteRangeAsync(KeyRange.Children("/p"));
        Assert.Equal((StoreStatus.Ok, 600L), (deleted.Status, deleted.Count));
        Assert.Equal(["/q"], await Keys(store.ScanIndexAsync("i")));
        Assert.Equal(StoreStatus.NotFound, (await store.DeleteRangeAsync(KeyRange.Children("/p"))).Status);
    }

    [Fact]
    public async Task An_index_tells_apart_names_and_keys_that_hold_separators()
    {
        await using TidemarkStore store = TidemarkStore.InMemory();
        await store.PutAsync("1", _value, new PutOptions { Indexes = [new IndexEntry("t", "u/e")] });
        await store.PutAsync("2", _value, new PutOptions { Indexes = [new IndexEntry("t/u", "e")] });
        await store.PutAsync("3", _value, new PutOptions { Indexes = [new IndexEntry("t", new byte[] { (byte)'u', 0 }), new IndexEntry("t", "u")] });
        Assert.Equal(["3", "3", "1"], await Keys(store.ScanIndexAsync("t")));
        Assert.Equal(["2"], await Keys(store.ScanIndexAsync("t/u")));
        Assert.Equal("1", (await store.GetByIndexAsync("t", "u", new GetOptions { Comparison = KeyComparison.Higher }) is { } next && next.Key == "3"
            ? (await store.GetByIndexAsync("t", "u/e"))!.Value.Key.ToString() : "none"));
        await store.PutAsync("3", _value);
        Assert.Equal(["1"], await Keys(store.ScanIndexAsync("t")));
    }

    internal static async Task<List<string>> Keys(IAsyncEnumerable<StoreRecord> records)
    {
        List<string> keys = [];
        await foreach (StoreRecord record in records) keys.Add(Encoding.UTF8.GetString(record.Key.Span));
        return keys;
    }
}

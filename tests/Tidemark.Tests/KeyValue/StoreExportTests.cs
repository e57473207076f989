using System.Text;

using FsCheck;
using FsCheck.Fluent;

using Tidemark.Testing;

namespace Tidemark.Tests.KeyValue;

public class StoreExportTests
{
    private static readonly DateTimeOffset Start = new(2026, 11, 21, 3, 45, 46, TimeSpan.Zero);

    private static TidemarkStore New(ManualTimeProvider? time = null, int shards = 1, KeyOrder? order = null) => TidemarkStore.InMemory(new TidemarkStoreOptions
    {
        TimeProvider = time ?? new ManualTimeProvider(Start),
        DefaultNamespace = new NamespaceOptions { ShardCount = shards, KeyOrder = order ?? KeyOrder.Hierarchical },
    });

    [Fact]
    public async Task The_example_of_the_format_page_is_what_is_written()
    {
        await using TidemarkStore store = New();
        await store.PutAsync("a", "1"u8.ToArray());
        await store.PutAsync(new byte[] { 0xFF }, ReadOnlyMemory<byte>.Empty, new PutOptions
        {
            PartitionKey = "p",
            TimeToLive = TimeSpan.FromMinutes(1),
            Indexes = [new IndexEntry("by", new byte[] { 0, 0xFF })],
        });
        string[] page = File.ReadAllLines(RepositoryRoot.At("docs", "format", "export.md"));
        int from = Array.IndexOf(page, "```text", Array.IndexOf(page, "## Example")) + 1;
        string example = string.Concat(page[from..Array.IndexOf(page, "```", from)].Select(line => line + "\n"));
        Assert.Equal(example, Encoding.UTF8.GetString(await ExportAsync(store)));
    }

    [Fact]
    public async Task Whatever_was_exported_comes_back_whatever_shards_and_order_the_other_store_has()
    {
        var time = new ManualTimeProvider(Start);
        await using TidemarkStore store = New(time, shards: 3);
        KeyValueStore second = await store.CreateNamespaceAsync("zweiter Raum \u00e4", new NamespaceOptions { KeyOrder = KeyOrder.Natural, MaxValueBytes = 77, ShardCount = 2 });
        byte[][] keys = [[], [0], [0xFF, 0xFE], "\u00e4\u20ac\U0001F600"u8.ToArray(), "/a/b"u8.ToArray(), "\"\\\n\t\u007f<>&'"u8.ToArray(), [0xED, 0xA0, 0x80]];
        foreach (byte[] key in keys)
        {
            await store.PutAsync(key, key, new PutOptions { Indexes = [new IndexEntry("i", key)], PartitionKey = key.Length % 2 == 0 ? new StoreKey(key) : (StoreKey?)null });
            await second.PutAsync(key, Array.Empty<byte>(), new PutOptions { TimeToLive = TimeSpan.FromSeconds(key.Length + 1) });
        }

        await using (StoreSession session = await store.OpenSessionAsync()) await store.PutAsync("ephemeral", new byte[1], new PutOptions { Session = session });
        byte[] export = await ExportAsync(store);

        await using TidemarkStore other = New(time, shards: 1, KeyOrder.Natural);
        ImportReport report = await other.ImportAsync(new MemoryStream(export));
        Assert.Equal(new ImportReport(2 * keys.Length, 0, 0), report);
        Assert.Equal(second.Settings, other.GetNamespace(second.Name).Settings);
        foreach (byte[] key in keys)
        {
            StoreRecord? record = await other.GetAsync(key);
            Assert.Equal(key, record!.Value.Value.ToArray());
            Assert.Equal(new IndexEntry("i", key), Assert.Single(record.Value.Indexes));
            Assert.Equal(key.Length % 2 == 0 ? new StoreKey(key) : (StoreKey?)null, record.Value.PartitionKey);
            StoreRecord? expiring = await other.GetNamespace(second.Name).GetAsync(key);
            Assert.Equal(Start.AddSeconds(key.Length + 1), expiring!.Value.Expires!.Value.Physical);
        }

        Assert.Null(await other.GetAsync("ephemeral"));
    }

    [Fact]
    public async Task Any_bytes_survive_an_export_and_an_import()
    {
        Arbitrary<byte[]> bytes = Gen.Choose(0, 255).Select(i => (byte)i).ArrayOf().Where(array => array.Length < 200).ToArbitrary();
        var pairs = new Dictionary<StoreKey, byte[]>();
        Prop.ForAll(bytes, bytes, (key, value) =>
        {
            pairs[key] = value;
            return true;
        }).QuickCheckThrowOnFailure();
        await using TidemarkStore store = New();
        foreach ((StoreKey key, byte[] value) in pairs) await store.PutAsync(key, value);
        await using TidemarkStore other = New();
        await other.ImportAsync(new MemoryStream(await ExportAsync(store)));
        Assert.NotEmpty(pairs);
        foreach ((StoreKey key, byte[] value) in pairs) Assert.Equal(value, (await other.GetAsync(key))!.Value.Value.ToArray());
        Assert.Equal(pairs.Count, (await StoreWriteTests.Keys(other.ScanAsync(KeyRange.All))).Count);
    }

    [Fact]
    public async Task Equal_commands_at_equal_times_give_equal_exports_whatever_the_shards_were_opened_with()
    {
        byte[][] exports = new byte[2][];
        for (int i = 0; i < exports.Length; i++)
        {
            await using TidemarkStore store = New(shards: 4);
            await store.CreateNamespaceAsync(i == 0 ? "x" : "b");   // In another order.
            await store.CreateNamespaceAsync(i == 0 ? "b" : "x");
            for (int k = 0; k < 100; k++) await store.PutAsync($"/{k * 37 % 100}", BitConverter.GetBytes(k));
            exports[i] = await ExportAsync(store);
        }

        Assert.Equal(exports[0], exports[1]);
    }

    [Fact]
    public async Task One_namespace_alone_is_exported_and_imported_where_that_is_asked()
    {
        await using TidemarkStore store = New();
        await (await store.CreateNamespaceAsync("b")).PutAsync("k", new byte[1]);
        await store.PutAsync("d", new byte[1]);
        await using TidemarkStore other = New();
        Assert.Equal(new ImportReport(1, 0, 1), await other.ImportAsync(new MemoryStream(await ExportAsync(store)), "b"));
        Assert.Null(await other.GetAsync("d"));
        using var alone = new MemoryStream();
        Assert.Equal(1, (await store.ExportAsync(alone, "b")).Records);
        Assert.DoesNotContain("\"default\"", Encoding.UTF8.GetString(alone.ToArray()), StringComparison.Ordinal);
        await Assert.ThrowsAsync<ArgumentException>(async () => await store.ExportAsync(alone, "none"));
    }

    [Fact]
    public async Task A_record_whose_time_is_over_is_not_imported()
    {
        var time = new ManualTimeProvider(Start);
        await using TidemarkStore store = New(time);
        await store.PutAsync("short", new byte[1], new PutOptions { TimeToLive = TimeSpan.FromSeconds(5) });
        await store.PutAsync("long", new byte[1]);
        byte[] export = await ExportAsync(store);
        await using TidemarkStore other = New(new ManualTimeProvider(Start.AddSeconds(5)));
        Assert.Equal(new ImportReport(1, 1, 0), await other.ImportAsync(new MemoryStream(export)));
        Assert.Null(await other.GetAsync("short"));
    }

    [Theory]
    [InlineData("{\"key\":\"new\",\"value\":\"\"}")]
    [InlineData("{\"key\":\"new\",\"value\":1,\"version\":1,\"modifications\":0,\"created\":\"2026-11-21T03:45:46.000000Z.001\",\"modified\":\"2026-11-21T03:45:46.000000Z.001\"}")]
    [InlineData("{\"key\":\"new\",\"value\":\"\",\"version\":1,\"modifications\":0,\"created\":\"yesterday\",\"modified\":\"2026-11-21T03:45:46.000000Z.001\"}")]
    [InlineData("{\"key\":\"new\",\"value\":\"\",\"version\":1,\"modifications\":0,\"created\":\"2026-11-21T03:45:46.000000Z.001\",\"modified\":\"2026-11-21T03:45:46.000000Z.001\",\"more\":1}")]
    [InlineData("{\"key\":\"__tidemark/x\",\"value\":\"\",\"version\":1,\"modifications\":0,\"created\":\"2026-11-21T03:45:46.000000Z.001\",\"modified\":\"2026-11-21T03:45:46.000000Z.001\"}")]
    [InlineData("{\"key\":{\"base64\":\"?\"},\"value\":\"\"}")]
    [InlineData("{\"key\":\"\\ud800\",\"value\":\"\"}")]
    [InlineData("{\"key\":\"new\",\"key\":\"new\"}")]
    [InlineData("{\"something\":1}")]
    [InlineData("{\"tidemark\":\"export\",\"version\":1}")]
    [InlineData("{\"end\":true,\"records\":7}")]
    [InlineData("{\"namespace\":\"default\"}")]
    [InlineData("{\"key\":\"new\"")]
    [InlineData("{} {}")]
    [InlineData("[1]")]
    [InlineData("")]
    public async Task A_line_that_is_none_is_named_and_nothing_after_it_is_imported(string bad)
    {
        await using TidemarkStore store = New();
        await store.PutAsync("a", new byte[1]);
        await store.PutAsync("b", new byte[1]);
        string[] lines = Encoding.UTF8.GetString(await ExportAsync(store)).Split('\n');
        string broken = string.Join('\n', [.. lines[..3], bad, .. lines[3..]]);
        await using TidemarkStore other = New();
        MalformedDataException error = await Assert.ThrowsAsync<MalformedDataException>(async () => await other.ImportAsync(new MemoryStream(Encoding.UTF8.GetBytes(broken))));
        Assert.Contains("line 4:", error.Message, StringComparison.Ordinal);
        Assert.Equal(["a"], (await StoreWriteTests.Keys(other.ScanAsync(KeyRange.All))));
    }

    [Fact]
    public async Task An_export_that_was_cut_anywhere_is_refused()
    {
        await using TidemarkStore store = New();
        await store.PutAsync("a", "some text"u8.ToArray());
        byte[] export = await ExportAsync(store);
        await using TidemarkStore other = New();
        for (int length = 0; length < export.Length; length++)
            await Assert.ThrowsAsync<MalformedDataException>(async () => await other.ImportAsync(new MemoryStream(export[..length])));
        await Assert.ThrowsAsync<MalformedDataException>(async () => await other.ImportAsync(new MemoryStream([.. export, (byte)'\n'])));
        await other.ImportAsync(new MemoryStream(export));
    }

    [Fact]
    public async Task An_import_waits_for_room_where_the_store_takes_little_at_once_and_the_last_line_of_a_key_wins()
    {
        await using TidemarkStore store = New();
        for (int i = 0; i < 300; i++) await store.PutAsync($"/{i % 100}/{i}", new byte[500]);
        string[] lines = Encoding.UTF8.GetString(await ExportAsync(store)).Split('\n');
        string last = lines[2].Replace("\"value\":\"", "\"value\":\"last", StringComparison.Ordinal);
        string text = string.Join('\n', [.. lines[..^2], last, lines[^2].Replace("300", "301", StringComparison.Ordinal), ""]);
        await using TidemarkStore narrow = TidemarkStore.InMemory(new TidemarkStoreOptions { MaxPendingBytes = 4096 });
        Assert.Equal(301, (await narrow.ImportAsync(new MemoryStream(Encoding.UTF8.GetBytes(text)))).Records);
        List<string> keys = await StoreWriteTests.Keys(narrow.ScanAsync(KeyRange.All));
        Assert.Equal(300, keys.Count);
        Assert.StartsWith("last", (await narrow.GetAsync(keys[0]))!.Value.GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_record_above_the_limits_of_its_namespace_is_named_by_its_line()
    {
        await using TidemarkStore store = New();
        await store.PutAsync("a", new byte[100]);
        await using TidemarkStore small = TidemarkStore.InMemory(new TidemarkStoreOptions { DefaultNamespace = new NamespaceOptions { MaxValueBytes = 99 } });
        byte[] export = await ExportAsync(store);
        LimitExceededException error = await Assert.ThrowsAsync<LimitExceededException>(async () => await small.ImportAsync(new MemoryStream(export)));
        Assert.Contains("line 3", error.Message, StringComparison.Ordinal);
    }

    private static async Task<byte[]> ExportAsync(TidemarkStore store)
    {
        using var output = new MemoryStream();
        ExportReport report = await store.ExportAsync(output);
        Assert.Equal(output.Length, report.Bytes);
        return output.ToArray();
    }
}

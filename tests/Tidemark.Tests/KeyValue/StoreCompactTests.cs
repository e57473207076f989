using Tidemark.Replication.KeyValue;
using Tidemark.Testing;

using static Tidemark.Tests.Eventually;

namespace Tidemark.Tests.KeyValue;

/// <summary>A store whose logs are cut, by hand and unasked, and one whose logs are not: nobody can tell them apart.</summary>
public sealed class StoreCompactTests
{
    private readonly MemoryFileSystem _disk = new();

    [Fact]
    public async Task A_cut_begins_a_generation_on_each_shard_and_where_nothing_was_written_there_is_none()
    {
        await using TidemarkStore store = await OpenAsync(_disk, "d", shards: 2);
        Assert.All(await store.CompactAsync(), cut => Assert.Equal(1, cut.Generation));   // Its settings are an entry.
        for (int i = 0; i < 100; i++) await store.PutAsync($"{i}", "one"u8.ToArray());
        IReadOnlyList<CutResult> first = await store.CompactAsync();
        Assert.Equal([2L, 2L], first.Select(cut => cut.Generation));
        Assert.Equal(first, await store.CompactAsync());
        Assert.Equal(2, first.Select(cut => cut.LogId).Distinct().Count());
        await store.PutAsync("one more", default);
        IReadOnlyList<CutResult> second = await store.CompactAsync();
        Assert.Equal([2L, 3L], second.Select(cut => cut.Generation).Order());
        Assert.All(second.Zip(first), pair => Assert.True(pair.First.Offset >= pair.Second.Offset));
    }

    [Fact]
    public async Task The_log_before_the_previous_generation_goes_and_the_disk_comes_back()
    {
        await using TidemarkStore store = await OpenAsync(_disk, "d");
        for (int round = 0; round < 6; round++)
        {
            for (int i = 0; i < 400; i++) await store.PutAsync($"{i % 10}", new byte[500]);
            await store.CompactAsync();
        }

        // The previous generation of 400 entries and what is left of segments, not six. A cut is answered before the disk comes back.
        await UntilAsync(() => LogBytes() < 400_000, () => $"{LogBytes()}");
        Assert.InRange(LogBytes(), 200_000, 400_000);
    }

    [Fact]
    public async Task It_is_done_unasked_where_the_log_has_grown_by_as_much_as_the_state_was_long()
    {
        await using TidemarkStore store = await OpenAsync(_disk, "d", snapshotLogBytes: 32 * 1024);
        for (int i = 0; i < 1_000; i++) await store.PutAsync($"{i % 10}", new byte[500]);
        long generation = (await store.CompactAsync())[0].Generation;
        Assert.InRange(generation, 5, 40);   // 500 KB of entries.
        await UntilAsync(() => LogBytes() < 250_000, () => $"{LogBytes()}");
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Cut_or_not_a_store_answers_alike_also_over_restarts(int seed)
    {
        var random = new Random(seed);
        TidemarkStore cut = await OpenAsync(_disk, "cut", snapshotLogBytes: 8 * 1024), whole = await OpenAsync(_disk, "whole", snapshotLogBytes: long.MaxValue / 4);
        for (int step = 0; step < 600; step++)
        {
            string key = $"/{random.Next(5)}/{random.Next(20)}";
            int what = random.Next(20);
            byte[] value = new byte[random.Next(300)];
            random.NextBytes(value);
            WriteResult one = await WriteAsync(cut), other = await WriteAsync(whole);
            Assert.Equal((one.Status, one.Version, one.Count), (other.Status, other.Version, other.Count));
            if (random.Next(40) == 0) await cut.CompactAsync();
            if (random.Next(150) == 0)
            {
                await cut.DisposeAsync();
                cut = await OpenAsync(_disk, "cut", snapshotLogBytes: 8 * 1024);
            }

            async Task<WriteResult> WriteAsync(TidemarkStore store) =>
                what == 0 ? await store.DeleteRangeAsync(KeyRange.Children("/1")) : what < 4 ? await store.DeleteAsync(key) : await store.PutAsync(key, value, what < 6 ? PutOptions.MustNotExist : null);
        }

        Assert.True((await cut.CompactAsync())[0].Generation > 10);
        Assert.Equal(await AllAsync(whole), await AllAsync(cut));
        await cut.DisposeAsync();
        await whole.DisposeAsync();
        Assert.True((await TidemarkStore.VerifyAsync("cut", new TidemarkStoreOptions { FileSystem = _disk })).IsWhole);
    }

    [Fact]
    public async Task A_watch_goes_on_over_cuts_and_a_restart()
    {
        WatchToken? place = null;
        var seen = new List<string>();
        for (int opening = 0; opening < 3; opening++)
        {
            await using TidemarkStore store = await OpenAsync(_disk, "d");
            using var enough = new CancellationTokenSource();
            IAsyncEnumerable<StoreEvent> watch = store.WatchAsync(KeyRange.All, new WatchOptions { ResumeAfter = place }, enough.Token);
            for (int i = 0; i < 20; i++)
            {
                await store.PutAsync($"{opening}.{i}", "v"u8.ToArray());
                if (i % 5 == 0) await store.CompactAsync();
            }

            await foreach (StoreEvent change in watch)
            {
                seen.Add(change.Key.ToString());
                place = change.Token;
                if (seen.Count == 20 * (opening + 1)) break;
            }
        }

        Assert.Equal(Enumerable.Range(0, 3).SelectMany(opening => Enumerable.Range(0, 20).Select(i => $"{opening}.{i}")), seen);
    }

    private static async Task<TidemarkStore> OpenAsync(MemoryFileSystem disk, string directory, int shards = 1, long snapshotLogBytes = 1 << 20) => await TidemarkStore.OpenAsync(directory, new TidemarkStoreOptions
    {
        FileSystem = disk,
        SnapshotLogBytes = snapshotLogBytes,
        LogSegmentBytes = 16 * 1024,
        DefaultNamespace = new NamespaceOptions { ShardCount = shards },
    });

    private static async Task<List<(string, long, string)>> AllAsync(TidemarkStore store)
    {
        var all = new List<(string, long, string)>();
        await foreach (StoreRecord record in store.ScanAsync(KeyRange.All)) all.Add((record.Key.ToString(), record.Version, Convert.ToHexString(record.Value.Span)));
        return all;
    }

    private long LogBytes()
    {
        string directory = StoreLayout.Log(Path.GetFullPath("d"), 0);
        return _disk.ListFiles(directory).Where(name => name.EndsWith(".log", StringComparison.Ordinal)).Sum(name =>
        {
            try
            {
                using IFile file = _disk.Open(Path.Combine(directory, name), FileOpenMode.Existing);
                return file.Length;
            }
            catch (FileNotFoundException)
            {
                return 0;   // Trimmed meanwhile.
            }
        });
    }
}

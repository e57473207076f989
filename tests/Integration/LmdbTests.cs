using System.Diagnostics;

using Tidemark.Testing;

namespace Tidemark.Integration;

/// <summary>The engine over a real LMDB library and real files.</summary>
public sealed class LmdbTests
{
    [ExternalFact("liblmdb0")]
    public void The_engine_keeps_the_contract()
    {
        List<string> broken = [];
        foreach (ContractCase<OrderedEngineSubject> rule in OrderedEngineContract.Cases)
        {
            using var folder = new TemporaryDirectory();
            try
            {
                rule.Run(() => new OrderedEngineSubject(() => LmdbEngine.Open(folder.Path), IsDurable: true));
            }
            catch (Exception e)
            {
                broken.Add($"{rule.Name}: {e.Message}");
            }
        }

        Assert.Empty(broken);
    }

    [ExternalFact("liblmdb0")]
    public void A_map_that_is_full_grows_and_waits_for_who_still_reads()
    {
        using var folder = new TemporaryDirectory();
        using LmdbEngine engine = LmdbEngine.Open(folder.Path, new LmdbOptions { MapBytes = 1 << 20, GrowthWait = TimeSpan.Zero });
        engine.Write(Rows(0, 100), 0);
        IEngineSnapshot reader = engine.TakeSnapshot();
        Assert.Throws<StoreFullException>(() => engine.Write(Rows(100, 5000), 1));
        Assert.True(reader.TryGet(Key(7), out _));
        reader.Dispose();
        engine.Write(Rows(100, 5000), 1);
        using IEngineSnapshot now = engine.TakeSnapshot();
        Assert.True(now.TryGet(Key(5099), out _));
        Assert.True(engine.ApproximateBytes > 1 << 20);
    }

    [ExternalFact("liblmdb0")]
    public void A_file_of_another_version_or_of_somebody_else_is_refused_and_not_changed()
    {
        using var folder = new TemporaryDirectory();
        using (LmdbEngine engine = LmdbEngine.Open(folder.Path)) engine.Write(Rows(0, 10), 0);
        string path = Path.Combine(folder.Path, "data.mdb");
        byte[] whole = File.ReadAllBytes(path), newer = [.. whole], garbage = new byte[100];
        newer[20] = 2;
        foreach (byte[] bytes in new[] { newer, garbage, whole[..10] })
        {
            File.WriteAllBytes(path, bytes);
            Assert.Throws<FormatMismatchException>(() => LmdbEngine.Open(folder.Path));
            Assert.Equal(bytes, File.ReadAllBytes(path));
        }
    }

    [Fact]
    public async Task A_missing_library_is_named_with_the_remedy()
    {
        // In a process of its own, because the first library a process loads is the one it has.
        using var folder = new TemporaryDirectory();
        using Lab lab = await Lab.RunAsync("kv-write", folder.Path, "1", "1", "--engine", "lmdb-missing");
        Assert.Equal(2, lab.ExitCode);
        Assert.Contains("liblmdb0", lab.Errors, StringComparison.Ordinal);
        Assert.Contains("LightningDB", lab.Errors, StringComparison.Ordinal);
    }

    [ExternalFact("mdb_dump")]
    public void The_rows_are_what_lmdbs_own_tool_sees()
    {
        using var folder = new TemporaryDirectory();
        using (LmdbEngine engine = LmdbEngine.Open(folder.Path)) engine.Write(new EngineRows([([1, 2], [0xAB]), ([1, 3], [0xCD])]), 5);
        using var dump = Process.Start(new ProcessStartInfo(ExternalProgram.Path("mdb_dump"), ["-s", "rows", folder.Path]) { RedirectStandardOutput = true })!;
        string[] lines = dump.StandardOutput.ReadToEnd().Split('\n', StringSplitOptions.TrimEntries);
        Assert.Equal(["0102", "ab", "0103", "cd"], lines.SkipWhile(line => line != "HEADER=END").Skip(1).TakeWhile(line => line != "DATA=END"));
    }

    [ExternalFact("liblmdb0")]
    public async Task A_store_hands_its_rows_over_in_batches_and_reads_through_all_layers()
    {
        using var folder = new TemporaryDirectory();
        var options = new TidemarkStoreOptions { Engine = StorageEngine.Lmdb(), EngineBatchBytes = 20_000, LogSegmentBytes = 64 * 1024 };
        string directory = Path.Combine(folder.Path, "store");
        for (int round = 0; round < 3; round++)
        {
            await using TidemarkStore store = await TidemarkStore.OpenAsync(directory, options);
            for (int i = 0; i < 500; i++)
            {
                await store.PutAsync($"/r/{i:D4}", BitConverter.GetBytes(round), new PutOptions { Indexes = [new IndexEntry("round", $"{round}")] });
                if (i % 3 == 0) await store.DeleteAsync($"/r/{i:D4}");
                if (i % 50 != 0) continue;
                int seen = 0;
                await foreach (StoreRecord record in store.ScanAsync(KeyRange.Children("/r"), new ScanOptions { Reverse = i % 100 == 0 })) seen += record.Key.Length > 0 ? 1 : 0;
                Assert.Equal(round == 0 ? Enumerable.Range(0, i + 1).Count(n => n % 3 != 0) : 333, seen);
            }

            Assert.Equal(333, await CountAsync(store.ScanIndexAsync("round", $"{round}", $"{round}~")));
            Assert.Contains(store.GetHealth().Shards, shard => shard.LogStart > 0 || round == 0);
        }

        Assert.True((await TidemarkStore.VerifyAsync(directory, options)).IsWhole);
        await using (TidemarkStore store = await TidemarkStore.OpenAsync(directory, options)) Assert.Equal(333, await CountAsync(store.ScanAsync(KeyRange.All)));

        await Assert.ThrowsAsync<FormatMismatchException>(async () => await TidemarkStore.OpenAsync(directory));
    }

    [ExternalFact("liblmdb0")]
    public async Task A_namespace_with_longer_keys_than_the_engine_holds_is_refused_and_the_store_works_on()
    {
        using var folder = new TemporaryDirectory();
        string directory = Path.Combine(folder.Path, "store");
        var options = new TidemarkStoreOptions { Engine = StorageEngine.Lmdb() };
        var longKeys = new NamespaceOptions { MaxKeyBytes = 481 };
        var refusal = await Assert.ThrowsAsync<LimitExceededException>(async () => await TidemarkStore.OpenAsync(directory, options with { DefaultNamespace = longKeys }));
        Assert.Contains(nameof(NamespaceOptions.MaxKeyBytes), refusal.Message, StringComparison.Ordinal);

        await using (TidemarkStore store = await TidemarkStore.OpenAsync(directory, options))
        {
            await store.PutAsync(new string('k', 480), "longest"u8.ToArray());
            await Assert.ThrowsAsync<LimitExceededException>(async () => await store.CreateNamespaceAsync("long", longKeys));
            await store.PutAsync("after", "1"u8.ToArray());
        }

        await using TidemarkStore again = await TidemarkStore.OpenAsync(directory, options);
        Assert.Equal(2, await CountAsync(again.ScanAsync(KeyRange.All)));
        await again.CreateNamespaceAsync("long", new NamespaceOptions { MaxKeyBytes = 480 });
    }

    [ExternalFact("liblmdb0")]
    public async Task An_engine_that_is_disposed_while_somebody_writes_lets_him_finish()
    {
        using var folder = new TemporaryDirectory();
        for (int round = 0; round < 40; round++)
        {
            LmdbEngine engine = LmdbEngine.Open(folder.Path);
            using var begun = new ManualResetEventSlim();
            Task writer = Task.Run(() =>
            {
                for (int i = 0; ; i++)
                {
                    engine.Write(Rows(i * 50, 50), engine.AppliedOffset + 1);
                    begun.Set();
                }
            });
            begun.Wait();
            engine.Dispose();
            await Assert.ThrowsAsync<ObjectDisposedException>(() => writer);
        }
    }

    [ExternalFact("liblmdb0")]
    public void A_directory_that_is_open_here_or_still_read_is_not_opened_again()
    {
        using var folder = new TemporaryDirectory();
        LmdbEngine engine = LmdbEngine.Open(folder.Path);
        Assert.Throws<DirectoryLockedException>(() => LmdbEngine.Open(folder.Path));
        IEngineSnapshot snapshot = engine.TakeSnapshot();
        engine.Dispose();
        Assert.Throws<DirectoryLockedException>(() => LmdbEngine.Open(folder.Path));
        snapshot.Dispose();
        using LmdbEngine again = LmdbEngine.Open(folder.Path);
    }

    private static async Task<int> CountAsync(IAsyncEnumerable<StoreRecord> records)
    {
        int count = 0;
        await foreach (StoreRecord _ in records) count++;
        return count;
    }

    private static byte[] Key(int number) => [1, (byte)(number >> 16), (byte)(number >> 8), (byte)number];

    private static EngineRows Rows(int from, int count) => new(Enumerable.Range(from, count).Select(n => (Key(n), (byte[]?)new byte[400])));
}

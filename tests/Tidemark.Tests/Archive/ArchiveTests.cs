using Tidemark.Testing;

namespace Tidemark.Tests.Archive;

/// <summary>A store is restored from its archive as it was at any moment.</summary>
public sealed class ArchiveTests
{
    private readonly MemoryFileSystem _disk = new();
    private readonly MemoryFileSystem _other = new();
    private readonly ManualTimeProvider _time = new();

    private FolderArchive Folder => new("a", _other);

    private TidemarkStoreOptions Options => new()
    {
        FileSystem = _disk,
        SnapshotLogBytes = 16 * 1024,
        LogSegmentBytes = 16 * 1024,
        Random = new Random(1),
        TimeProvider = _time,
    };

    /// <summary>Writes, deletions, transactions, sequences, cuts and restarts at random; every moment between two of them is restored, and all records are as they were, with versions and times.</summary>
    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 3)]
    [InlineData(3, 2)]
    public async Task Every_moment_comes_back_as_it_was(int seed, int shards)
    {
        var random = new Random(seed);
        List<(HybridTimestamp Moment, string Records)> moments = [];
        HybridTimestamp newest = default;
        TidemarkStoreOptions options = Options with { Archive = By(Folder), DefaultNamespace = new NamespaceOptions { ShardCount = shards } };
        TidemarkStore store = await TidemarkStore.OpenAsync("d", options);
        HybridTimestamp last = default;
        for (int i = 0; i < 400; i++)
        {
            _time.Advance(TimeSpan.FromMilliseconds(1));
            StoreKey key = $"/{random.Next(40)}";
            switch (random.Next(12))
            {
                case 0:
                    await store.DeleteAsync(key);
                    break;
                case 1:
                    last = (await store.PutNextAsync("/n", new byte[100], [1])).Timestamp;
                    break;
                case 2:
                    await store.CommitAsync(new StoreTransaction("p").Put("/t/1", new byte[1]).Put("/t/2", new byte[2]));
                    break;
                case 3 when i % 5 == 0:
                    await store.CompactAsync();
                    break;
                case 4 when i % 3 == 0:
                    newest = await store.ArchiveAsync();
                    break;
                case 5 when i % 7 == 0:
                    await store.DisposeAsync();
                    store = await TidemarkStore.OpenAsync("d", options);
                    break;
                default:
                    last = (await store.PutAsync(key, new byte[random.Next(3000)])).Timestamp;
                    break;
            }

            if (random.Next(10) == 0)
            {
                HybridTimestamp moment = (await store.PutAsync("/now", Array.Empty<byte>())).Timestamp;
                moments.Add((moment, await RecordsAsync(store)));
            }
        }

        newest = await store.ArchiveAsync();
        string end = await RecordsAsync(store);
        await store.DisposeAsync();
        ArchiveRange range = await TidemarkStore.DescribeArchiveAsync(Folder);
        Assert.Equal((store.StoreId, HybridTimestamp.MinValue, newest), (range.StoreId, range.Earliest, range.Newest));
        for (int i = 0; i < moments.Count; i++)
        {
            await TidemarkStore.RestoreAsync(Folder, $"r{i}", moments[i].Moment, Options);
            Assert.Equal(moments[i].Records, await RecordsAsync($"r{i}"));
        }

        BackupReport restored = await TidemarkStore.RestoreAsync(Folder, "all", options: Options);
        Assert.Equal((store.StoreId, shards), (restored.StoreId, restored.Shards.Count));
        Assert.Equal(end, await RecordsAsync("all"));
        await TidemarkStore.RestoreAsync(Folder, "newest", newest, Options);
        Assert.Equal(end, await RecordsAsync("newest"));
        Assert.Contains(_other.ListFiles(Path.GetFullPath("a/shards/000000")), name => name.EndsWith(".entries", StringComparison.Ordinal));
    }

    /// <summary>What one program writes after the other's write was acknowledged is never there without that, whatever the moment.</summary>
    [Fact]
    public async Task A_moment_is_the_same_for_all_shards_also_beside_writers()
    {
        var options = new TidemarkStoreOptions { FileSystem = _disk, Archive = By(Folder), DefaultNamespace = new NamespaceOptions { ShardCount = 3 } };
        List<HybridTimestamp> points = [], between = [];
        await using (TidemarkStore store = await TidemarkStore.OpenAsync("d", options))
        {
            using var stop = new CancellationTokenSource();
            Task writer = Task.Run(async () =>
            {
                for (int i = 0; !stop.IsCancellationRequested; i++)
                {
                    for (int key = 0; key < 6; key++)
                    {
                        WriteResult put = await store.PutAsync($"/{key}", BitConverter.GetBytes(i));
                        if (i % 20 == key) lock (between) between.Add(put.Timestamp);
                    }
                }
            });
            for (int i = 0; i < 10; i++)
            {
                points.Add(await store.ArchiveAsync());
                while (true)
                {
                    lock (between)
                    {
                        if (between.Count > 3 * i) break;
                    }

                    await Task.Yield();
                }
            }

            await stop.CancelAsync();
            await writer;
            points.Add(await store.ArchiveAsync());
            Assert.Equal(points[^1], await store.ArchiveAsync());   // Nothing is new.
        }

        Assert.Equal(points.Order(), points);
        HybridTimestamp[] moments = [.. points, .. between.Take(20)];
        for (int i = 0; i < moments.Length; i++)
        {
            await TidemarkStore.RestoreAsync(Folder, $"r{i}", moments[i], Options with { TimeProvider = TimeProvider.System });
            await using TidemarkStore restored = await TidemarkStore.OpenAsync($"r{i}", Options with { TimeProvider = TimeProvider.System });
            int[] counts = new int[6];
            for (int key = 0; key < 6; key++) counts[key] = (await restored.GetAsync($"/{key}"))?.Value is { } value ? BitConverter.ToInt32(value.Span) : -1;
            Assert.Equal(counts.OrderDescending(), counts);
            Assert.InRange(counts[0] - counts[5], 0, 1);
        }
    }

    [Fact]
    public async Task Nothing_is_written_where_nothing_is_new_and_what_is_new_is_copied_now_and_then()
    {
        await using TidemarkStore store = await TidemarkStore.OpenAsync("d", Options with { Archive = By(Folder) with { Interval = TimeSpan.FromSeconds(10) } });
        Assert.Null(store.GetHealth().Archive!.Newest);
        await store.PutAsync("/a", "1"u8.ToArray());
        await UntilAsync(() => store.GetHealth().Archive!.Newest is not null);
        HybridTimestamp first = store.GetHealth().Archive!.Newest!.Value;
        int objects = Objects();
        HybridTimestamp again = await store.ArchiveAsync();
        Assert.Equal((first, objects), (again, Objects()));
        await store.PutAsync("/a", "2"u8.ToArray());
        await UntilAsync(() => store.GetHealth().Archive!.Newest > first);
        Assert.Equal(objects + 3, Objects());   // Entries, changes, a point.
        Assert.Null(store.GetHealth().Archive!.Failure);
        Assert.Empty(_disk.ListFiles(Path.GetFullPath("d/archive")));
        await store.CreateNamespaceAsync("other");
        Assert.True(await store.ArchiveAsync() > first);
        BackupReport restored = await TidemarkStore.RestoreAsync(Folder, "r", options: Options);
        Assert.Equal(["default", "other"], restored.Shards.Select(shard => shard.Namespace));
    }

    [Fact]
    public async Task A_state_is_copied_when_the_entries_since_the_last_are_as_long_and_what_is_older_than_wanted_goes()
    {
        List<(HybridTimestamp Moment, string Records)> moments = [];
        await using (TidemarkStore store = await TidemarkStore.OpenAsync("d", Options with { Archive = By(Folder) with { KeepFor = TimeSpan.FromHours(10) } }))
        {
            for (int hour = 0; hour < 40; hour++)
            {
                for (int i = 0; i < 6; i++) await store.PutAsync($"/{i}", new byte[50_000]);
                await store.PutAsync("/hour", BitConverter.GetBytes(hour));
                HybridTimestamp moment = (await store.PutAsync("/now", Array.Empty<byte>())).Timestamp;
                moments.Add((moment, await RecordsAsync(store)));
                await store.ArchiveAsync();
                _time.Advance(TimeSpan.FromHours(1));
            }
        }

        string[] kept = [.. _other.ListFiles(Path.GetFullPath("a/shards/000000"))];
        Assert.InRange(kept.Count(name => name.EndsWith(".state", StringComparison.Ordinal)), 2, 6);
        Assert.InRange(kept.Length, 20, 45);
        Assert.InRange(_other.ListFiles(Path.GetFullPath("a/points")).Count, 10, 11);
        ArchiveRange range = await TidemarkStore.DescribeArchiveAsync(Folder);
        Assert.True(range.Earliest > HybridTimestamp.MinValue && range.Earliest <= moments[29].Moment, $"{range}");
        foreach ((HybridTimestamp moment, string records) in moments.Where(then => then.Moment >= range.Earliest))
        {
            await TidemarkStore.RestoreAsync(Folder, $"r{moment.Value}", moment, Options);
            Assert.Equal(records, await RecordsAsync($"r{moment.Value}"));
        }

        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(async () => await TidemarkStore.RestoreAsync(Folder, "early", moments[0].Moment, Options));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(async () => await TidemarkStore.RestoreAsync(Folder, "late", range.Newest.Next(), Options));
        Assert.False(_disk.FileExists(Path.GetFullPath("early/catalog")));
    }

    /// <summary>The archive was away for so long that the log was let go: it goes on with a state, and the time between is refused.</summary>
    [Fact]
    public async Task Where_entries_are_missing_their_time_is_refused_and_what_is_behind_comes_back()
    {
        HybridTimestamp before, lost, after;
        var failing = new FailingArchive(Folder);
        await using (TidemarkStore store = await TidemarkStore.OpenAsync("d", Options with { Archive = By(failing) with { MaxLagBytes = 64 * 1024 } }))
        {
            before = (await store.PutAsync("/a", "before"u8.ToArray())).Timestamp;
            await store.ArchiveAsync();
            failing.Fails = true;
            lost = (await store.PutAsync("/a", "lost"u8.ToArray())).Timestamp;
            await Assert.ThrowsAsync<IOException>(async () => await store.ArchiveAsync());
            Assert.Equal("away", store.GetHealth().Archive!.Failure);
            for (int generation = 0; generation < 3; generation++)
            {
                for (int i = 0; i < 20; i++) await store.PutAsync($"/{i}", new byte[4000]);
                await store.CompactAsync();
            }

            await UntilAsync(() => store.GetHealth().Shards[0].LogStart > 10);
            failing.Fails = false;
            after = (await store.PutAsync("/a", "after"u8.ToArray())).Timestamp;
            await store.ArchiveAsync();
            Assert.Null(store.GetHealth().Archive!.Failure);
        }

        Assert.True((await TidemarkStore.DescribeArchiveAsync(Folder)).Earliest >= after);
        var hole = await Assert.ThrowsAsync<CorruptDataException>(async () => await TidemarkStore.RestoreAsync(Folder, "lost", lost, Options));
        Assert.Contains("hole", hole.Message, StringComparison.Ordinal);
        await TidemarkStore.RestoreAsync(Folder, "before", before, Options);
        await using (TidemarkStore early = await TidemarkStore.OpenAsync("before", Options)) Assert.Equal("before", (await early.GetAsync("/a"))?.GetString());
        await TidemarkStore.RestoreAsync(Folder, "after", null, Options);
        await using TidemarkStore restored = await TidemarkStore.OpenAsync("after", Options);
        Assert.Equal("after", (await restored.GetAsync("/a"))?.GetString());
    }

    /// <summary>Where the archive keeps up, the log waits for it; then it goes.</summary>
    [Fact]
    public async Task The_log_is_kept_until_it_was_copied()
    {
        await using TidemarkStore store = await TidemarkStore.OpenAsync("d", Options with { Archive = By(Folder) });
        for (int round = 0; round < 3; round++)
        {
            for (int generation = 0; generation < 4; generation++)
            {
                for (int i = 0; i < 20; i++) await store.PutAsync($"/{i}", new byte[4000]);
                await store.CompactAsync();
            }

            long before = store.GetHealth().Shards[0].LogStart;
            if (round == 0) Assert.Equal(0, before);
            await store.ArchiveAsync();
            await UntilAsync(() => store.GetHealth().Shards[0].LogStart > before + 20);
        }

        Assert.Equal(HybridTimestamp.MinValue, (await TidemarkStore.DescribeArchiveAsync(Folder)).Earliest);
    }

    [Fact]
    public async Task Much_that_waits_is_copied_before_the_interval_is_over()
    {
        await using TidemarkStore store = await TidemarkStore.OpenAsync("d", Options with { Archive = new ArchiveOptions { Archive = Folder, Interval = TimeSpan.FromHours(1), MaxLagBytes = 512 * 1024 } });
        HybridTimestamp first = await store.ArchiveAsync();
        for (int i = 0; i < 30; i++) await store.PutAsync("/a", new byte[4000]);
        await UntilAsync(() => store.GetHealth().Archive!.Newest > first);
        Assert.True(_time.Elapsed < TimeSpan.FromHours(1));
    }

    [Fact]
    public async Task A_store_takes_no_other_stores_archive_and_one_without_says_so()
    {
        await using (TidemarkStore store = await TidemarkStore.OpenAsync("d", Options with { Archive = By(Folder) }))
        {
            await store.PutAsync("/a", "1"u8.ToArray());
            await store.ArchiveAsync();
        }

        await Assert.ThrowsAsync<FormatMismatchException>(async () => await TidemarkStore.RestoreAsync(new FolderArchive("none", _other), "r", null, Options));
        await Assert.ThrowsAsync<FormatMismatchException>(async () => await TidemarkStore.DescribeArchiveAsync(new FolderArchive("none", _other)));
        await TidemarkStore.RestoreAsync(Folder, "r", null, Options with { Random = new Random(2) });
        await Assert.ThrowsAsync<IOException>(async () => await TidemarkStore.RestoreAsync(Folder, "r", null, Options));
        int objects = Objects();
        await using TidemarkStore restored = await TidemarkStore.OpenAsync("r", Options with { Archive = By(Folder) });
        await Assert.ThrowsAsync<FormatMismatchException>(async () => await restored.ArchiveAsync());
        Assert.Equal(objects, Objects());
        await using TidemarkStore without = TidemarkStore.InMemory();
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await without.ArchiveAsync());
    }

    /// <summary>Every object of an archive in turn is damaged or lost: what is restored is right, or nothing is.</summary>
    [Fact]
    public async Task Damage_is_found_and_named()
    {
        string records;
        await using (TidemarkStore store = await TidemarkStore.OpenAsync("d", Options with { Archive = By(Folder) }))
        {
            for (int i = 0; i < 5; i++)
            {
                for (int n = 0; n < 6; n++) await store.PutAsync($"/{n}", new byte[60_000]);
                await store.ArchiveAsync();
            }

            await store.PutAsync("/last", new byte[10]);
            await store.ArchiveAsync();
            records = await RecordsAsync(store);
        }

        int refused = 0, unneeded = 0;
        foreach (string folder in (string[])["a/points", "a/shards/000000"])
        {
            foreach (string name in _other.ListFiles(Path.GetFullPath(folder)))
            {
                string path = Path.Combine(Path.GetFullPath(folder), name);
                byte[] whole = Bytes(path);
                foreach (bool isLost in (bool[])[true, false])
                {
                    _other.Delete(path);
                    if (!isLost) Write(path, [.. whole[..(whole.Length / 2)], (byte)(whole[whole.Length / 2] ^ 1), .. whole[((whole.Length / 2) + 1)..]]);
                    string target = $"r{refused}-{unneeded}";
                    try
                    {
                        await TidemarkStore.RestoreAsync(Folder, target, null, Options);
                        if (!isLost || folder != "a/points") Assert.Equal(records, await RecordsAsync(target));   // Without the last point, the one before counts.
                        unneeded++;
                    }
                    catch (CorruptDataException)
                    {
                        refused++;
                        if (_disk.FileExists(Path.GetFullPath($"{target}/catalog"))) await Assert.ThrowsAsync<FormatMismatchException>(async () => await TidemarkStore.OpenAsync(target, Options));
                    }

                    _other.Delete(path);
                    Write(path, whole);
                }
            }
        }

        Assert.True(refused >= 4 && unneeded >= 4, $"{refused} refused, {unneeded} not needed");
    }

    /// <summary>What is written while shards are copied comes to the archive behind the moment of that run. The next run, of whichever start, finds nothing new on any shard, and must give a later moment nevertheless.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_was_copied_beside_a_run_is_in_the_moment_of_the_next(bool isRestarted)
    {
        var archive = new FailingArchive(Folder);
        TidemarkStoreOptions options = Options with { Archive = By(archive), DefaultNamespace = new NamespaceOptions { ShardCount = 3 } };
        TidemarkStore store = await TidemarkStore.OpenAsync("d", options);
        StoreKey[] keys = [.. Enumerable.Range(0, 20).Select(i => (StoreKey)$"/{i}")];   // On all shards.
        archive.Before = async () =>
        {
            foreach (StoreKey key in keys) await store.PutAsync(key, new byte[1]);
        };
        await store.ArchiveAsync();
        if (isRestarted)
        {
            await store.DisposeAsync();
            store = await TidemarkStore.OpenAsync("d", options);
        }

        await TidemarkStore.RestoreAsync(Folder, "r", await store.ArchiveAsync(), Options);
        Assert.Equal(await RecordsAsync(store), await RecordsAsync("r"));
        await store.DisposeAsync();
    }

    private static ArchiveOptions By(IArchive archive) => new() { Archive = archive, Interval = Timeout.InfiniteTimeSpan };

    private static async Task<string> RecordsAsync(TidemarkStore store)
    {
        var lines = new List<string>();
        await foreach (StoreRecord record in store.ScanAsync(KeyRange.All)) lines.Add($"{record.Key} {record.Version} {record.Created} {record.Modified} {Convert.ToHexString(record.Value.Span)}");
        return string.Join('\n', lines);
    }

    private async Task<string> RecordsAsync(string directory)
    {
        await using TidemarkStore store = await TidemarkStore.OpenAsync(directory, Options);
        return await RecordsAsync(store);
    }

    private int Objects() => _other.ListFiles(Path.GetFullPath("a/points")).Count + _other.ListFiles(Path.GetFullPath("a/shards/000000")).Count;

    private byte[] Bytes(string path)
    {
        using IFile file = _other.Open(path, FileOpenMode.Existing);
        byte[] bytes = new byte[file.Length];
        file.Read(0, bytes);
        return bytes;
    }

    private void Write(string path, byte[] bytes)
    {
        using IFile file = _other.Open(path, FileOpenMode.New);
        file.Write(0, bytes);
    }

    /// <summary>Time goes on until something has come about.</summary>
    private async Task UntilAsync(Func<bool> isThere)
    {
        for (int i = 0; !isThere(); i++)
        {
            Assert.True(i < 10_000, "it has not come to that");
            _time.Advance(TimeSpan.FromSeconds(1));
            await Task.Delay(1);
        }
    }

    private sealed class FailingArchive(IArchive inner) : IArchive
    {
        internal bool Fails { get; set; }

        /// <summary>What happens before the next object is created.</summary>
        internal Func<ValueTask>? Before { get; set; }

        public ValueTask<IReadOnlyList<ArchiveObject>> ListAsync(string folder, CancellationToken cancellationToken = default) => inner.ListAsync(folder, cancellationToken);

        public ValueTask<Stream?> OpenReadAsync(string name, CancellationToken cancellationToken = default) => inner.OpenReadAsync(name, cancellationToken);

        public async ValueTask<bool> TryCreateAsync(string name, Stream content, CancellationToken cancellationToken = default)
        {
            if (Fails) throw new IOException("away");
            (Func<ValueTask>? before, Before) = (Before, null);
            if (before is not null) await before();
            return await inner.TryCreateAsync(name, content, cancellationToken);
        }

        public ValueTask DeleteAsync(string name, CancellationToken cancellationToken = default) => inner.DeleteAsync(name, cancellationToken);
    }
}

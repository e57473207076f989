using System.Globalization;

using Tidemark.Testing;

namespace Tidemark.Tests.KeyValue;

public class StoreBackupTests
{
    private static readonly string Snapshot = Path.Combine("shards", "000000");

    private readonly MemoryFileSystem _disk = new();

    private TidemarkStoreOptions Options => new()
    {
        FileSystem = _disk,
        SnapshotLogBytes = 16 * 1024,
        LogSegmentBytes = 16 * 1024,
        Random = new Random(1),
        TimeProvider = new ManualTimeProvider(),
    };

    [Fact]
    public async Task A_restored_store_has_every_row_under_a_new_id_and_goes_on_and_opens_again()
    {
        Dictionary<long, StateHash> hashes;
        Guid storeId;
        await using (TidemarkStore store = await TidemarkStore.OpenAsync("d", Options with { DefaultNamespace = new NamespaceOptions { ShardCount = 3 } }))
        {
            storeId = store.StoreId;
            await FillAsync(store, 500);
            KeyValueStore other = await store.CreateNamespaceAsync("other", new NamespaceOptions { KeyOrder = KeyOrder.Natural });
            await other.PutAsync(new byte[] { 0xFF }, Array.Empty<byte>(), new PutOptions { TimeToLive = TimeSpan.FromHours(1), Indexes = [new IndexEntry("i", "k")] });
            BackupReport report = await store.BackupAsync("b");
            Assert.Equal(storeId, report.StoreId);
            Assert.Equal([("default", 0), ("default", 1), ("default", 2), ("other", 3L)], report.Shards.Select(shard => (shard.Namespace, shard.ShardId)));
            hashes = report.Shards.ToDictionary(shard => shard.ShardId, shard => shard.Hash);
        }

        await TidemarkStore.RestoreAsync("b", "r", Options with { Random = new Random(2) });
        await using (TidemarkStore restored = await TidemarkStore.OpenAsync("r", Options))
        {
            Assert.NotEqual(storeId, restored.StoreId);
            foreach (var shard in restored.Local.Shards) Assert.Equal(hashes[shard.Id], shard.Machine.Hash);
            Assert.Equal(500, (await StoreWriteTests.Keys(restored.ScanAsync(KeyRange.All))).Count);
            StoreRecord? expiring = await restored.GetNamespace("other").GetByIndexAsync("i", "k");
            Assert.NotNull(expiring?.Expires);
            StoreRecord? old = await restored.GetAsync("/7");
            WriteResult put = await restored.PutAsync("/7", "again"u8.ToArray(), PutOptions.None.AtVersion(old!.Value.Version));
            Assert.True(put.Version > old.Value.Version && put.Timestamp > old.Value.Modified);
        }

        await using TidemarkStore again = await TidemarkStore.OpenAsync("r", Options);
        Assert.Equal("again", (await again.GetAsync("/7"))!.Value.GetString());
    }

    [Fact]
    public async Task A_backup_beside_writers_holds_what_was_acknowledged_before_and_of_each_writer_a_prefix()
    {
        const int Writers = 4;
        await using TidemarkStore store = await TidemarkStore.OpenAsync("d", Options with { DefaultNamespace = new NamespaceOptions { ShardCount = 2 } });
        using var stop = new CancellationTokenSource();
        int[] acknowledged = new int[Writers];
        var running = new TaskCompletionSource();
        Task[] writers = [.. Enumerable.Range(0, Writers).Select(writer => Task.Run(async () =>
        {
            for (int count = 1; !stop.IsCancellationRequested; count++)
            {
                // Two keys of one shard, always equal: a transaction is in the backup as a whole.
                byte[] value = BitConverter.GetBytes(count);
                await store.CommitAsync(new StoreTransaction($"w{writer}").Put($"/{writer}/a", value).Put($"/{writer}/b", value).Put($"/{writer}/log/{count}", value));
                Volatile.Write(ref acknowledged[writer], count);
                if (count == 50) running.TrySetResult();
            }
        }))];
        await running.Task;
        int[] before = [.. acknowledged];
        await store.BackupAsync("b");
        await stop.CancelAsync();
        await Task.WhenAll(writers);

        await TidemarkStore.RestoreAsync("b", "r", Options);
        await using TidemarkStore restored = await TidemarkStore.OpenAsync("r", Options);
        for (int writer = 0; writer < Writers; writer++)
        {
            var read = new GetOptions { PartitionKey = $"w{writer}" };
            StoreRecord? a = await restored.GetAsync($"/{writer}/a", read), b = await restored.GetAsync($"/{writer}/b", read);
            int count = a is null ? 0 : BitConverter.ToInt32(a.Value.Value.Span);
            Assert.True(count >= before[writer], $"writer {writer}: {before[writer]} acknowledged, {count} there");
            Assert.Equal(count, b is null ? 0 : BitConverter.ToInt32(b.Value.Value.Span));
            List<StoreKey> log = [];
            await foreach (StoreKey key in restored.ListAsync(KeyRange.Children($"/{writer}/log"), new ScanOptions { PartitionKey = $"w{writer}" })) log.Add(key);
            Assert.Equal(
                Enumerable.Range(1, count).Select(i => $"/{writer}/log/{i}").Order(StringComparer.Ordinal),
                log.Select(key => key.ToString()).Order(StringComparer.Ordinal));
        }
    }

    [Fact]
    public async Task A_folder_or_directory_that_holds_files_is_refused_and_stays_as_it_is()
    {
        await using TidemarkStore store = await TidemarkStore.OpenAsync("d", Options);
        await store.BackupAsync("b");
        await Assert.ThrowsAsync<IOException>(async () => await store.BackupAsync("b"));
        await Assert.ThrowsAsync<IOException>(async () => await TidemarkStore.RestoreAsync("b", "b", Options));
        _disk.CreateDirectory(Path.GetFullPath("full"));
        _disk.Open(Path.GetFullPath("full/letter"), FileOpenMode.New).Dispose();
        await Assert.ThrowsAsync<IOException>(async () => await TidemarkStore.RestoreAsync("b", "full", Options));
        Assert.Equal(["letter"], _disk.ListFiles(Path.GetFullPath("full")));
        _disk.CreateDirectory(Path.GetFullPath("empty"));
        await TidemarkStore.RestoreAsync("b", "empty", Options);
        await Assert.ThrowsAsync<IOException>(async () => await TidemarkStore.RestoreAsync("b", "empty", Options));
    }

    [Fact]
    public async Task Every_flipped_byte_of_a_backup_is_found_and_nothing_is_restored_from_it()
    {
        await using (TidemarkStore store = await TidemarkStore.OpenAsync("d", Options))
        {
            await FillAsync(store, 5);
            await store.BackupAsync("b");
        }

        Assert.True((await TidemarkStore.VerifyBackupAsync("b", Options)).IsWhole);
        string directory = Path.GetFullPath("b");
        string snapshot = Path.Combine(directory, Snapshot, _disk.ListFiles(Path.Combine(directory, Snapshot)).Single());
        foreach (string path in (string[])[Path.Combine(directory, "catalog"), snapshot])
        {
            using IFile file = _disk.Open(path, FileOpenMode.Existing);
            byte[] bytes = new byte[file.Length];
            file.Read(0, bytes);
            for (int i = 0; i < bytes.Length; i++)
            {
                file.Write(i, [(byte)(bytes[i] ^ 1)]);
                VerifyReport report = await TidemarkStore.VerifyBackupAsync("b", Options);
                Assert.False(report.IsWhole, $"byte {i} of {path}");
                file.Write(i, [bytes[i]]);
            }
        }

        using (IFile file = _disk.Open(snapshot, FileOpenMode.Existing)) file.SetLength(file.Length - 1);
        await Assert.ThrowsAsync<CorruptDataException>(async () => await TidemarkStore.RestoreAsync("b", "r", Options));
        Assert.Throws<DirectoryNotFoundException>(() => _disk.ListFiles(Path.GetFullPath("r")));
        _disk.Delete(snapshot);
        Assert.IsType<CorruptDataException>((await TidemarkStore.VerifyBackupAsync("b", Options)).Damage.Single());
        _disk.Delete(Path.Combine(directory, "catalog"));
        await Assert.ThrowsAsync<FormatMismatchException>(async () => await TidemarkStore.VerifyBackupAsync("b", Options));
        await Assert.ThrowsAsync<FormatMismatchException>(async () => await TidemarkStore.RestoreAsync("b", "r", Options));
    }

    [Fact]
    public async Task A_backup_is_no_store_and_a_store_no_backup()
    {
        await using (TidemarkStore store = await TidemarkStore.OpenAsync("d", Options)) await store.BackupAsync("b");
        FormatMismatchException refused = await Assert.ThrowsAsync<FormatMismatchException>(async () => await TidemarkStore.OpenAsync("b", Options));
        Assert.Contains("restore it", refused.Message, StringComparison.Ordinal);
        Assert.True((await TidemarkStore.VerifyBackupAsync("b", Options)).IsWhole);
        await Assert.ThrowsAsync<FormatMismatchException>(async () => await TidemarkStore.RestoreAsync("d", "r", Options));
        Assert.True(TidemarkStore.Describe("b", _disk).IsBackup);
        Assert.False(TidemarkStore.Describe("d", _disk).IsBackup);
    }

    [Fact]
    public async Task A_store_in_memory_is_backed_up_to_the_disk()
    {
        using var directory = new TestDirectory();
        await using (TidemarkStore store = TidemarkStore.InMemory())
        {
            await FillAsync(store, 10);
            await store.BackupAsync(directory.At("b"));
        }

        await TidemarkStore.RestoreAsync(directory.At("b"), directory.At("r"));
        await using TidemarkStore restored = await TidemarkStore.OpenAsync(directory.At("r"));
        Assert.Equal(10, (await StoreWriteTests.Keys(restored.ScanAsync(KeyRange.All))).Count);
    }

    [Fact]
    public async Task A_store_that_is_closed_ends_the_backup_under_way()
    {
        TidemarkStore store = await TidemarkStore.OpenAsync("d", Options);
        await FillAsync(store, 2000);
        Task? closing = null;
        var progress = new Progress(_ => closing ??= store.DisposeAsync().AsTask());
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await store.BackupAsync("b", progress));
        await closing!;
        await Assert.ThrowsAsync<FormatMismatchException>(async () => await TidemarkStore.VerifyBackupAsync("b", Options));
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await store.BackupAsync("b2"));
    }

    [Fact]
    public async Task A_cancelled_backup_is_none()
    {
        await using TidemarkStore store = await TidemarkStore.OpenAsync("d", Options);
        await FillAsync(store, 2000);
        using var cancel = new CancellationTokenSource();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await store.BackupAsync("b", new Progress(_ => cancel.Cancel()), cancel.Token));
        await Assert.ThrowsAsync<FormatMismatchException>(async () => await TidemarkStore.VerifyBackupAsync("b", Options));
        await store.PutAsync("after", new byte[1]);
    }

    [Fact]
    public async Task A_store_on_an_engine_of_another_kind_is_restored_from_the_same_backup()
    {
        var kept = new Dictionary<string, MemoryEngine>();
        var elsewhere = StorageEngine.Custom("kept", directory => new KeptEngine(kept.TryGetValue(directory, out MemoryEngine? old) ? old : kept[directory] = new MemoryEngine()));
        using var directory = new TestDirectory();
        await using (TidemarkStore store = TidemarkStore.InMemory())
        {
            await FillAsync(store, 300);
            await store.BackupAsync(directory.At("b"));
        }

        var options = new TidemarkStoreOptions { Engine = elsewhere };
        await TidemarkStore.RestoreAsync(directory.At("b"), directory.At("r"), options);
        Assert.Equal("kept", TidemarkStore.Describe(directory.At("r")).Engine);
        Assert.True((await TidemarkStore.VerifyAsync(directory.At("r"), options)).IsWhole);
        await using (TidemarkStore restored = await TidemarkStore.OpenAsync(directory.At("r"), options))
        {
            Assert.Equal(300, (await StoreWriteTests.Keys(restored.ScanAsync(KeyRange.All))).Count);
            await restored.BackupAsync(directory.At("b2"));
        }

        await TidemarkStore.RestoreAsync(directory.At("b2"), directory.At("back"));
        Assert.True((await TidemarkStore.VerifyAsync(directory.At("back"))).IsWhole);
    }

    internal static async Task FillAsync(TidemarkStore store, int count) => await Task.WhenAll(Enumerable.Range(0, count).Select(i =>
        store.PutAsync("/" + i.ToString(CultureInfo.InvariantCulture), new byte[200]).AsTask()));

    private sealed class Progress(Action<BackupProgress> act) : IProgress<BackupProgress>
    {
        public void Report(BackupProgress value) => act(value);
    }

    /// <summary>An engine in memory that plays one on disk: what it holds outlives it.</summary>
    private sealed class KeptEngine(MemoryEngine inner) : IOrderedEngine
    {
        public string Name => "kept";

        public int MaxKeyBytes => inner.MaxKeyBytes;

        public long AppliedOffset => inner.AppliedOffset;

        public long ApproximateBytes => inner.ApproximateBytes;

        public void Write(IEngineBatch batch, long appliedOffset) => inner.Write(batch, appliedOffset);

        public IEngineSnapshot TakeSnapshot() => inner.TakeSnapshot();

        public void Dispose()
        {
        }
    }
}

namespace Tidemark.Tests.KeyValue;

public class StoreVerifyTests
{
    private readonly MemoryFileSystem _disk = new();

    private TidemarkStoreOptions Options => new() { FileSystem = _disk, SnapshotLogBytes = 8 * 1024, LogSegmentBytes = 8 * 1024 };

    [Fact]
    public async Task A_whole_store_is_whole_and_all_of_it_was_looked_at()
    {
        await MakeAsync();
        VerifyReport report = await TidemarkStore.VerifyAsync("d", Options);
        Assert.True(report.IsWhole);
        Assert.Equal([0L, 1], report.Shards.Select(shard => shard.ShardId));
        Assert.All(report.Shards, shard => Assert.True(shard is { LogRecords: > 0, LogBytes: > 0, Snapshots: > 0, Rows: > 100 }, $"{shard}"));
        await using TidemarkStore store = await TidemarkStore.OpenAsync("d", Options);
        Assert.Equal(400, (await StoreWriteTests.Keys(store.ScanAsync(KeyRange.All))).Count);
    }

    [Fact]
    public async Task A_flipped_byte_in_any_file_is_found_and_named()
    {
        await MakeAsync();
        StoreDescription store = TidemarkStore.Describe("d", _disk);
        string shard = Path.GetFullPath("d/shards/000001");
        string log = _disk.ListFiles(Path.Combine(shard, "log")).First(name => name.EndsWith(".log", StringComparison.Ordinal));
        string[] files =
        [
            Path.GetFullPath("d/catalog"), Path.Combine(shard, "log", "manifest"), Path.Combine(shard, "log", log),
            .. store.Namespaces[0].Shards[1].Snapshots.Select(snapshot => Path.Combine(shard, "state", snapshot.Name)),
        ];
        foreach (string path in files)
        {
            Flip(path, 70);
            VerifyReport report = await TidemarkStore.VerifyAsync("d", Options);
            Assert.True(
                report.Damage.Any(damage => damage is CorruptDataException found && found.File == path),
                $"{path} of [{string.Join(", ", _disk.ListFiles(Path.GetDirectoryName(path)!))}]: {string.Join("; ", report.Damage)}");
            Flip(path, 70);
        }

        Assert.True((await TidemarkStore.VerifyAsync("d", Options)).IsWhole);
    }

    [Fact]
    public async Task What_is_lost_is_damage_and_what_was_never_there_is_none()
    {
        await MakeAsync();
        _disk.Delete(Path.GetFullPath("d/shards/000001/log/manifest"));
        Assert.Single((await TidemarkStore.VerifyAsync("d", Options)).Damage);
        _disk.Delete(Path.GetFullPath("d/catalog"));
        Assert.Single((await TidemarkStore.VerifyAsync("d", Options)).Damage);
        await Assert.ThrowsAsync<DirectoryNotFoundException>(async () => await TidemarkStore.VerifyAsync("nowhere", Options));
        _disk.CreateDirectory(Path.GetFullPath("empty"));
        await Assert.ThrowsAsync<FormatMismatchException>(async () => await TidemarkStore.VerifyAsync("empty", Options));
        Assert.Empty(_disk.ListFiles(Path.GetFullPath("empty")));
    }

    [Fact]
    public async Task A_store_in_use_is_not_verified()
    {
        await using TidemarkStore store = await TidemarkStore.OpenAsync("d", Options);
        await Assert.ThrowsAsync<DirectoryLockedException>(async () => await TidemarkStore.VerifyAsync("d", Options));
    }

    [Fact]
    public async Task A_store_is_described_by_its_files()
    {
        await MakeAsync();
        StoreDescription store = TidemarkStore.Describe("d", _disk);
        Assert.Equal("memory", store.Engine);
        NamespaceDescription space = Assert.Single(store.Namespaces);
        Assert.Equal(("default", 2), (space.Name, space.Settings.ShardCount));
        Assert.All(space.Shards, shard => Assert.True(shard.Log is { IsClosed: true, Segments: > 0 } log && log.End > log.Start));
        Assert.Equal((1L << 32), space.Shards[^1].HashRange.End);
        Assert.Throws<DirectoryNotFoundException>(() => TidemarkStore.Describe("nowhere", _disk));
    }

    private async Task MakeAsync()
    {
        await using TidemarkStore store = await TidemarkStore.OpenAsync("d", Options with { DefaultNamespace = new NamespaceOptions { ShardCount = 2 } });
        await StoreBackupTests.FillAsync(store, 200);
        for (int i = 0; i < 200; i++) await store.PutAsync($"/more/{i}", new byte[100]);
    }

    private void Flip(string path, int at)
    {
        using IFile file = _disk.Open(path, FileOpenMode.Existing);
        byte[] one = new byte[1];
        file.Read(at, one);
        one[0] ^= 0x10;
        file.Write(at, one);
    }
}

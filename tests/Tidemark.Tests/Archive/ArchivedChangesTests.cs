using Tidemark.Core.Rebase;
using Tidemark.Replication.KeyValue;
using Tidemark.Testing;
using Tidemark.Tests.Rebase;

namespace Tidemark.Tests.Archive;

/// <summary>A copy that was away for longer than the shard remembers changes goes on with those of the archive.</summary>
public sealed class ArchivedChangesTests
{
    private readonly MemoryFileSystem _disk = new();
    private readonly MemoryFileSystem _other = new();

    private ArchiveOptions Archive => new() { Archive = new FolderArchive("a", _other), Interval = Timeout.InfiniteTimeSpan };

    private TidemarkStoreOptions Options => new()
    {
        FileSystem = _disk,
        TimeProvider = new ManualTimeProvider(),
        Random = new Random(1),
        DefaultNamespace = new NamespaceOptions { ChangeLogEntries = 30 },
    };

    /// <summary>Copies that pull at any moments, in portions, over restarts: with an archive that was told in time none is ever made anew.</summary>
    [Theory]
    [InlineData(1, true)]
    [InlineData(2, true)]
    [InlineData(3, true)]
    [InlineData(3, false)]
    public async Task A_copy_that_was_away_for_long_is_told_what_has_changed(int seed, bool hasArchive)
    {
        var random = new Random(seed);
        TidemarkStoreOptions options = Options with { Archive = hasArchive ? Archive : null };
        NaiveCopy[] copies = [.. Enumerable.Range(0, 4).Select(_ => new NaiveCopy(Guid.Empty))];
        TidemarkStore store = await TidemarkStore.OpenAsync("d", options);
        for (int i = 0; i < 400; i++)
        {
            string key = $"/{random.Next(60)}";
            switch (random.Next(10))
            {
                case 0:
                    await store.DeleteAsync(key);
                    break;
                case 1 when random.Next(5) == 0:
                    await store.DeleteRangeAsync(KeyRange.Prefix("/1"));
                    break;
                default:
                    await store.PutAsync(key, new byte[random.Next(50)]);
                    break;
            }

            if (i % 20 == 19 && hasArchive) await store.ArchiveAsync();
            if (random.Next(100) == 0)
            {
                await store.DisposeAsync();
                store = await TidemarkStore.OpenAsync("d", options);
            }

            if (random.Next(20) == 0) await copies[random.Next(copies.Length)].PullAsync(store.Local.Shards[0], KeyOrder.Hierarchical, random.Next(2) == 0 ? 0 : 300);
        }

        LocalShard shard = store.Local.Shards[0];
        foreach (NaiveCopy copy in copies)
        {
            while (await copy.PullAsync(shard, KeyOrder.Hierarchical, random.Next(2) == 0 ? 0 : 300) || !copy.IsWhole) continue;
            copy.AssertIs(shard.Machine);
        }

        if (hasArchive) Assert.All(copies, copy => Assert.Equal(0, copy.Downloads));
        else Assert.True(copies.Sum(copy => copy.Downloads) > 0);
        await store.DisposeAsync();
    }

    [Fact]
    public async Task Where_changes_were_let_go_before_they_were_archived_or_the_archive_is_lost_a_copy_is_made_anew()
    {
        await using TidemarkStore store = await TidemarkStore.OpenAsync("d", Options with { Archive = Archive });
        LocalShard shard = store.Local.Shards[0];
        var copy = new NaiveCopy(Guid.Empty);
        while (await copy.PullAsync(shard, KeyOrder.Hierarchical, 0) || !copy.IsWhole) continue;
        await store.ArchiveAsync();
        for (int i = 0; i < 100; i++) await store.PutAsync($"/{i}", new byte[10]);
        await store.ArchiveAsync();
        while (await copy.PullAsync(shard, KeyOrder.Hierarchical, 0) || !copy.IsWhole) continue;
        Assert.Equal((1, SyncResetReason.TooOld), (copy.Downloads, copy.LastReset));
        copy.AssertIs(shard.Machine);

        for (int round = 0; round < 3; round++)
        {
            for (int i = 0; i < 20; i++) await store.PutAsync($"/{i}", new byte[round]);
            await store.ArchiveAsync();
        }

        string folder = Path.GetFullPath("a/shards/000000");
        foreach (string name in _other.ListFiles(folder).Where(name => name.EndsWith(".changes", StringComparison.Ordinal))) _other.Delete(Path.Combine(folder, name));
        while (await copy.PullAsync(shard, KeyOrder.Hierarchical, 0) || !copy.IsWhole) continue;
        Assert.Equal(2, copy.Downloads);
        copy.AssertIs(shard.Machine);
    }

    /// <summary>The whole way: a device that was away.</summary>
    [Fact]
    public async Task A_local_store_that_comes_back_keeps_its_records_while_it_catches_up()
    {
        await using TidemarkStore store = await TidemarkStore.OpenAsync("d", Options with { Archive = Archive, Mutators = TaskMutators.Client });
        await using var local = LocalStore.InMemory(TaskMutators.Client);
        for (int i = 0; i < 50; i++) await store.PutAsync($"/task/{i}", "1"u8.ToArray());
        await using (LocalStoreSync sync = local.SyncWith(store)) await sync.CaughtUpAsync();
        for (int round = 0; round < 10; round++)
        {
            for (int i = 0; i < 20; i++) await store.PutAsync($"/task/{i}", BitConverter.GetBytes(round));
            await store.ArchiveAsync();
        }

        await local.MutateAsync(new PutTask("/task/mine", 1));
        await using (LocalStoreSync sync = local.SyncWith(store)) await sync.PushedAsync();
        Assert.True(local.TryGet("/task/3", out ReadOnlyMemory<byte> value));
        Assert.Equal(9, BitConverter.ToInt32(value.Span));
        Assert.True(local.TryGet("/task/49", out _));
        Assert.NotNull(await store.GetAsync("/task/mine"));
    }
}

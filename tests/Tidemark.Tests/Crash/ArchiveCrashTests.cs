using Tidemark.Testing;

namespace Tidemark.Tests.Crash;

/// <summary>The power is cut at every disk operation of archiving, and every moment that was reported to be archived can be had from what is left.</summary>
public sealed class ArchiveCrashTests
{
    [Fact]
    public async Task What_was_archived_can_be_restored_whatever_a_power_cut_leaves_of_the_archive()
    {
        var disk = new FaultyFileSystem(1);
        var time = new ManualTimeProvider();
        TidemarkStoreOptions On(IFileSystem files) => new() { FileSystem = files, TimeProvider = time, Random = new Random(3), LogSegmentBytes = 4096 };
        var own = new MemoryFileSystem();
        var states = new List<(CrashState State, HybridTimestamp Reached)>();
        HybridTimestamp reached = default;
        Dictionary<HybridTimestamp, int> valueAt = [];
        var archive = new ArchiveOptions { Archive = new FolderArchive("a", disk), Interval = Timeout.InfiniteTimeSpan, KeepFor = TimeSpan.FromSeconds(3) };
        await using (TidemarkStore store = await TidemarkStore.OpenAsync("d", On(own) with { Archive = archive, DefaultNamespace = new NamespaceOptions { ShardCount = 2 } }))
        {
            for (int i = 0; i < 6; i++)
            {
                if (i % 2 == 0) for (int n = 0; n < 2; n++) await store.PutAsync($"/{n}", new byte[600_000]);
                await store.PutAsync("/i", BitConverter.GetBytes(i));
                HybridTimestamp before = reached;
                disk.BeforeOperation = _ => states.AddRange(disk.CrashStates(1).Select(state => (state, before)));
                reached = await store.ArchiveAsync();
                disk.BeforeOperation = null;
                states.AddRange(disk.CrashStates(1).Select(state => (state, reached)));
                valueAt[reached] = i;
                time.Advance(TimeSpan.FromSeconds(2));
            }
        }

        int none = 0, restored = 0;
        foreach ((CrashState state, HybridTimestamp moment) in states)
        {
            var left = new FolderArchive("a", state.Disk);
            if (moment == default)
            {
                none++;
                continue;
            }

            var target = new MemoryFileSystem();
            await TidemarkStore.RestoreAsync(left, "r", moment, On(target));
            await using TidemarkStore back = await TidemarkStore.OpenAsync("r", On(target));
            Assert.Equal(valueAt[moment], BitConverter.ToInt32((await back.GetAsync("/i"))!.Value.Value.Span));
            restored++;
        }

        Assert.True(none > 5 && restored > 50, $"{none} before the first, {restored} restored");
    }

    /// <summary>The store's own disk stops at every operation of a run: what is archived afterwards is whole.</summary>
    [Fact]
    public async Task A_store_that_stops_in_the_middle_goes_on_with_its_archive()
    {
        for (int at = 1; ; at += 3)
        {
            var disk = new FaultyFileSystem(at);
            var other = new MemoryFileSystem();
            var time = new ManualTimeProvider();
            TidemarkStoreOptions On(IFileSystem files) => new()
            {
                FileSystem = files,
                TimeProvider = time,
                Random = new Random(3),
                Archive = new ArchiveOptions { Archive = new FolderArchive("a", other), Interval = Timeout.InfiniteTimeSpan },
            };
            TidemarkStore stopped = await TidemarkStore.OpenAsync("d", On(disk));
            await stopped.PutAsync("/a", "1"u8.ToArray());
            await stopped.ArchiveAsync();
            await stopped.PutAsync("/a", "2"u8.ToArray());
            disk.StopAt(disk.OperationCount + at);
            bool isDone = await Record.ExceptionAsync(async () => await stopped.ArchiveAsync()) is null;
            await Record.ExceptionAsync(async () => await stopped.DisposeAsync());
            if (isDone) break;
            CrashState left = disk.CrashStates(1).First();
            await using (TidemarkStore store = await TidemarkStore.OpenAsync("d", On(left.Disk)))
            {
                await store.PutAsync("/a", "3"u8.ToArray());
                await store.ArchiveAsync();
            }

            await TidemarkStore.RestoreAsync(new FolderArchive("a", other), "r", null, On(new MemoryFileSystem()) with { FileSystem = left.Disk, Archive = null });
            await using TidemarkStore back = await TidemarkStore.OpenAsync("r", On(left.Disk) with { Archive = null });
            Assert.Equal("3", (await back.GetAsync("/a"))?.GetString());
        }
    }
}

using Tidemark.Testing;

namespace Tidemark.Tests.Crash;

public class RestoreCrashTests
{
    [Fact]
    public async Task Whatever_a_power_cut_leaves_of_a_restore_is_all_of_it_or_refused()
    {
        var disk = new FaultyFileSystem(1);
        TidemarkStoreOptions Options(IFileSystem files) => new() { FileSystem = files, Random = new Random(3), LogSegmentBytes = 4096 };
        await using (TidemarkStore store = await TidemarkStore.OpenAsync("d", Options(disk) with { DefaultNamespace = new NamespaceOptions { ShardCount = 2 } }))
        {
            for (int i = 0; i < 20; i++) await store.PutAsync($"/{i}", new byte[10]);
            Topic topic = await store.Topics.CreateAsync("t");
            for (int i = 0; i < 5; i++) await topic.AppendAsync(new TopicMessage(new byte[10]));
            await store.BackupAsync("b");
        }

        var states = new List<CrashState>();
        disk.BeforeOperation = operation => states.AddRange(disk.CrashStates(2));
        await TidemarkStore.RestoreAsync("b", "r", Options(disk));
        disk.BeforeOperation = null;
        states.AddRange(disk.CrashStates(2));

        int whole = 0, refused = 0, nothing = 0;
        foreach (CrashState state in states)
        {
            try
            {
                if (!state.Disk.FileExists(Path.GetFullPath("r/catalog")))
                {
                    // It had not begun: it can be run again.
                    await TidemarkStore.RestoreAsync("b", "r", Options(state.Disk));
                    nothing++;
                }

                await using TidemarkStore store = await TidemarkStore.OpenAsync("r", Options(state.Disk));
                Assert.Equal(20, (await KeyValue.StoreWriteTests.Keys(store.ScanAsync(KeyRange.All))).Count);
                Assert.Equal(5, (await store.Topics.Get("t").DescribeAsync(0)).End);
                whole++;
            }
            catch (FormatMismatchException unfinished) when (unfinished.Message.Contains("restore", StringComparison.Ordinal))
            {
                refused++;
            }
        }

        Assert.True(whole > nothing && refused > 0 && nothing > 0, $"{whole} whole, {refused} refused, {nothing} not begun");
    }
}

using static Tidemark.Tests.LogHarness;

namespace Tidemark.Tests.Unit;

public sealed class LogGroupTests
{
    [Fact]
    public async Task A_directory_is_held_by_one_log_or_group_at_a_time()
    {
        var disk = new MemoryFileSystem();
        await using (SegmentedLog log = await OpenAsync(disk))
        {
            var refused = await Assert.ThrowsAsync<DirectoryLockedException>(async () => await OpenAsync(disk));
            Assert.Equal(Environment.ProcessId, refused.ProcessId);

            // A group on the parent finds the log open.
            await using LogGroup parent = LogGroup.Open("/data", On(disk));
            await Assert.ThrowsAsync<DirectoryLockedException>(async () => await parent.OpenLogAsync("log"));
        }

        await using LogGroup group = LogGroup.Open("/data", On(disk));
        await using SegmentedLog member = await group.OpenLogAsync("log");
        await Assert.ThrowsAsync<DirectoryLockedException>(async () => await group.OpenLogAsync("log"));
        await Assert.ThrowsAsync<DirectoryLockedException>(async () => await OpenAsync(disk));
    }

    /// <summary>A group was here once and left its lock file. Logs opened alone below it look at that file at the same time; looking must not be taking.</summary>
    [Fact]
    public async Task Logs_opened_at_once_below_a_former_groups_directory_do_not_refuse_each_other()
    {
        using var folder = new TestDirectory();
        await LogGroup.Open(folder.Path).DisposeAsync();
        await Task.WhenAll(Enumerable.Range(0, 4).Select(i => Task.Run(async () =>
        {
            for (int round = 0; round < 40; round++) await (await SegmentedLog.OpenAsync(folder.At($"log-{i}"))).DisposeAsync();
        })));
    }

    [Theory]
    [InlineData("..")]
    [InlineData(".hidden")]
    [InlineData("a/b")]
    [InlineData("a\\b")]
    public async Task A_name_that_is_a_path_is_refused(string name)
    {
        await using LogGroup group = LogGroup.Open("/data", On(new MemoryFileSystem()));
        await Assert.ThrowsAsync<ArgumentException>(async () => await group.OpenLogAsync(name));
    }

    [Fact]
    public async Task A_log_of_another_store_or_shard_is_refused_and_left_as_it_is()
    {
        var disk = new MemoryFileSystem();
        var store = new Guid("11111111-2222-3333-4444-555555555555");
        await using (SegmentedLog log = await OpenAsync(disk, new LogOptions { StoreId = store, ShardId = 4 })) await AppendAsync(log, "a");
        await Assert.ThrowsAsync<FormatMismatchException>(async () => await OpenAsync(disk, new LogOptions { StoreId = Guid.Empty, ShardId = 4 }));
        await Assert.ThrowsAsync<FormatMismatchException>(async () => await OpenAsync(disk, new LogOptions { StoreId = store, ShardId = 5 }));
        await using SegmentedLog again = await OpenAsync(disk);
        Assert.Equal((store, 4), (again.StoreId, again.ShardId));
        Assert.Equal(["a"], await AllAsync(again));
    }
}

using Tidemark.Testing;

using static Tidemark.Tests.LogHarness;

namespace Tidemark.Tests.Unit;

/// <summary>A disk that fills up at the moments between appends: after an open, at a trim, at a close, inside a batch.</summary>
public sealed class LogFullDiskTests
{
    private static readonly LogOptions Small = new() { SegmentBytes = 8192 };

    /// <summary>
    /// A log that was closed is opened, and the disk is full. Its first append must first take back the mark of the clean close, which takes a new file.
    /// </summary>
    [Fact]
    public async Task The_first_append_after_an_open_is_refused_by_a_full_disk_and_works_once_there_is_room()
    {
        var disk = new FaultyFileSystem(1);
        await using (SegmentedLog log = await OpenAsync(disk)) await AppendAsync(log, "a");
        await using (SegmentedLog log = await OpenAsync(disk))
        {
            disk.CapacityBytes = 0;
            await Assert.ThrowsAsync<StoreFullException>(async () => await log.AppendAsync(Bytes("refused")));
            Assert.Equal((1, false), (log.End, log.IsFailed));
            disk.CapacityBytes = long.MaxValue;
            Assert.Equal(1, await log.AppendAsync(Bytes("b")));
        }

        await using SegmentedLog again = await OpenAsync(disk);
        Assert.Equal(["a", "b"], await AllAsync(again));
    }

    /// <summary>Trimming is what an operator does to make room. It needs a little itself, and when it cannot have that, the log must live on.</summary>
    [Fact]
    public async Task A_trim_that_a_full_disk_refuses_changes_nothing_and_works_once_there_is_room()
    {
        var disk = new FaultyFileSystem(2);
        await using SegmentedLog log = await OpenAsync(disk, Small);
        string[] texts = [.. Numbered(0, 60, 500)];
        await AppendAsync(log, texts);
        disk.CapacityBytes = 0;
        await Assert.ThrowsAsync<StoreFullException>(() => log.TrimBeforeAsync(40));
        Assert.Equal((0, false), (log.Start, log.IsFailed));
        Assert.Equal(texts, await AllAsync(log));
        disk.CapacityBytes = long.MaxValue;
        Assert.InRange(await log.TrimBeforeAsync(40), 20, 40);
        Assert.Equal(texts[(int)log.Start..], await AllAsync(log));
        Assert.Equal(60, await log.AppendAsync(Bytes("on")));
    }

    [Fact]
    public async Task A_truncation_that_a_full_disk_refuses_changes_nothing_and_works_once_there_is_room()
    {
        var disk = new FaultyFileSystem(3);
        await using SegmentedLog log = await OpenAsync(disk, Small);
        string[] texts = [.. Numbered(0, 60, 500)];
        await AppendAsync(log, texts);
        disk.CapacityBytes = 0;
        await Assert.ThrowsAsync<StoreFullException>(() => log.TruncateAfterAsync(30));
        Assert.Equal((60, false), (log.End, log.IsFailed));
        Assert.Equal(texts, await AllAsync(log));
        disk.CapacityBytes = long.MaxValue;
        await log.TruncateAfterAsync(30);
        Assert.Equal(texts[..31], await AllAsync(log));
        Assert.Equal(31, await log.AppendAsync(Bytes("on")));
    }

    [Fact]
    public async Task A_close_that_a_full_disk_refuses_says_so_and_loses_nothing()
    {
        var disk = new FaultyFileSystem(4);
        SegmentedLog log = await OpenAsync(disk, Small);
        string[] texts = [.. Numbered(0, 30, 500)];
        await AppendAsync(log, texts);
        disk.CapacityBytes = 0;
        await Assert.ThrowsAsync<StoreFullException>(async () => await log.DisposeAsync());
        disk.CapacityBytes = long.MaxValue;
        await using SegmentedLog again = await OpenAsync(disk, Small);
        Assert.False(again.Recovery.WasClosedCleanly);
        Assert.Equal(texts, await AllAsync(again));
    }

    [Fact]
    public async Task A_close_that_the_disk_fails_is_a_failed_store_and_loses_nothing()
    {
        var disk = new FaultyFileSystem(5);
        SegmentedLog log = await OpenAsync(disk, Small);
        await AppendAsync(log, "a", "b");
        disk.Fail(FaultKind.RenameError);
        await Assert.ThrowsAsync<StoreFailedException>(async () => await log.DisposeAsync());
        await using SegmentedLog again = await OpenAsync(disk, Small);
        Assert.Equal(["a", "b"], await AllAsync(again));
    }

    /// <summary>At every capacity a batch may meet, all of it is there or nothing, and the log goes on when there is room.</summary>
    [Fact]
    public async Task A_disk_that_is_full_in_the_middle_of_a_batch_takes_all_of_it_or_nothing()
    {
        int refused = 0, taken = 0;
        for (long room = 0; room < 200_000; room += 3777)
        {
            var disk = new FaultyFileSystem(6);
            await using (SegmentedLog log = await OpenAsync(disk, Small))
            {
                await AppendAsync(log, "before");
                disk.CapacityBytes = Used(disk) + room;
                LogEntry[] batch = [.. Enumerable.Range(0, 30).Select(i => new LogEntry(new byte[2000 + i]))];
                try
                {
                    Assert.Equal(1, await log.AppendBatchAsync(batch));
                    taken++;
                }
                catch (StoreFullException)
                {
                    Assert.Equal((1, false), (log.End, log.IsFailed));
                    refused++;
                }

                disk.CapacityBytes = long.MaxValue;
                long end = log.End;
                Assert.Equal(end, await log.AppendAsync(Bytes("behind")));
                Assert.True(log.Verify().IsWhole);
            }

            await using SegmentedLog again = await OpenAsync(disk, Small);
            Assert.Contains(again.End, (long[])[2, 32]);
        }

        Assert.True(refused > 3 && taken > 3, $"{refused} refused, {taken} taken");
    }

    /// <summary>
    /// A segment nears its end, so a round also prepares the next file, and finds no room. Meanwhile somebody appends into room that is there. The log
    /// pauses, because asking again at once would find no room either; the append must not pause with it.
    /// </summary>
    [Fact]
    public async Task An_append_that_arrives_while_a_round_finds_no_room_ahead_completes_without_another_to_push_it()
    {
        var disk = new FaultyFileSystem(7);
        await using SegmentedLog log = await OpenAsync(disk, new LogOptions { SegmentBytes = 256 * 1024 });
        Task<long>? meanwhile = null;
        disk.BeforeOperation = operation =>
        {
            if (meanwhile is not null || !operation.ToString().Contains("Create /data/log/spare", StringComparison.Ordinal)) return;
            disk.CapacityBytes = 0;
            meanwhile = log.AppendAsync(Bytes("meanwhile")).AsTask();
        };
        for (int i = 0; i < 200 && meanwhile is null; i++) await log.AppendAsync(new byte[4000]);
        Assert.NotNull(meanwhile);
        Assert.True(disk.Counts[FaultKind.DiskFull] > 0);
        await meanwhile.WaitAsync(TimeSpan.FromSeconds(20));
        disk.CapacityBytes = long.MaxValue;
        Assert.Equal(log.End - 1, await meanwhile);
    }

    private static long Used(FaultyFileSystem disk) => disk.ListFiles(LogDirectory).Sum(name =>
    {
        using IFile file = disk.Open(Path.Combine(LogDirectory, name), FileOpenMode.Existing);
        return file.Length;
    });
}

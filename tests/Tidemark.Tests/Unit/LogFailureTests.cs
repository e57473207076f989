using Tidemark.Testing;

using static Tidemark.Tests.LogHarness;

namespace Tidemark.Tests.Unit;

/// <summary>What the callers of a log see when the disk refuses.</summary>
public sealed class LogFailureTests
{
    [Fact]
    public async Task A_failed_flush_fails_the_appends_it_covered_and_every_later_one_until_the_log_is_reopened()
    {
        var disk = new FaultyFileSystem(1);
        await using (SegmentedLog log = await OpenAsync(disk))
        {
            await AppendAsync(log, "a", "b");
            disk.Fail(FaultKind.FlushError);
            var first = await Assert.ThrowsAsync<StoreFailedException>(async () => await log.AppendAsync(Bytes("lost?")));
            Assert.IsAssignableFrom<IOException>(first.InnerException);
            long operations = disk.OperationCount;
            var later = await Assert.ThrowsAsync<StoreFailedException>(async () => await log.AppendAsync(Bytes("later")));
            Assert.Same(first.InnerException, later.InnerException);
            await Assert.ThrowsAsync<StoreFailedException>(() => log.FlushAsync());
            await Assert.ThrowsAsync<StoreFailedException>(() => log.TruncateAfterAsync(0));
            await Assert.ThrowsAsync<StoreFailedException>(async () => await log.WaitForAsync(2));
            Assert.True(operations == disk.OperationCount, disk.Trace);   // Nothing was tried again.
            Assert.True(log.IsFailed);
            Assert.Equal(["a", "b"], await AllAsync(log));
        }

        await using SegmentedLog again = await OpenAsync(disk);
        Assert.False(again.Recovery.WasClosedCleanly);
        Assert.Equal(["a", "b"], (await AllAsync(again))[..2]);
        Assert.InRange(again.End, 2, 3);
        await AppendAsync(again, "c");
    }

    [Fact]
    public async Task All_appends_that_wait_for_a_failing_flush_are_told()
    {
        var disk = new FaultyFileSystem(2);
        await using SegmentedLog log = await OpenAsync(disk);
        await AppendAsync(log, "a");
        disk.FailWithProbability(FaultKind.FlushError, 1);
        Task<long>[] appends = [.. Enumerable.Range(0, 100).Select(i => Task.Run(async () => await log.AppendAsync(Bytes($"r{i}"))))];
        foreach (Task<long> append in appends) await Assert.ThrowsAsync<StoreFailedException>(() => append);
        Assert.Equal(1, log.End);
    }

    [Fact]
    public async Task A_full_disk_refuses_before_an_offset_is_taken_and_the_next_append_works_once_there_is_room()
    {
        var disk = new FaultyFileSystem(3) { CapacityBytes = 256 * 1024 };
        var options = new LogOptions { SegmentBytes = 64 * 1024 };
        await using (SegmentedLog log = await OpenAsync(disk, options))
        {
            long taken = 0;
            StoreFullException? full = null;
            while (full is null)
            {
                try
                {
                    Assert.Equal(taken, await log.AppendBatchAsync([new LogEntry(new byte[3000]), new LogEntry(new byte[3000])]));
                    taken += 2;
                }
                catch (StoreFullException e)
                {
                    full = e;
                }
            }

            Assert.True(full.IsTransient);
            Assert.InRange(taken, 10, 100);
            await Assert.ThrowsAsync<StoreFullException>(async () => await log.AppendAsync(new byte[60_000]));
            Assert.Equal((taken, false), (log.End, log.IsFailed));

            disk.CapacityBytes = 1024 * 1024;
            Assert.Equal(taken, await log.AppendAsync(new byte[60_000]));
            Assert.True(log.Verify().IsWhole);

            // Trimming makes room too.
            disk.CapacityBytes = 0;
            await Assert.ThrowsAsync<StoreFullException>(async () =>
            {
                while (true) await log.AppendAsync(new byte[3000]);
            });
            disk.CapacityBytes = 1024 * 1024;
        }

        await using SegmentedLog again = await OpenAsync(disk, options);
        Assert.True(again.Recovery.WasClosedCleanly);
    }

    [Fact]
    public async Task A_failed_trim_leaves_the_log_readable_and_it_opens_again_with_all_it_owes()
    {
        var disk = new FaultyFileSystem(4);
        var options = new LogOptions { SegmentBytes = 4096 };
        string[] texts = [.. Numbered(0, 100, 100)];
        await using (SegmentedLog log = await OpenAsync(disk, options))
        {
            await AppendAsync(log, texts);
            disk.Fail(FaultKind.RenameError);
            await Assert.ThrowsAsync<StoreFailedException>(() => log.TrimBeforeAsync(60));
            Assert.True(log.IsFailed);
        }

        await using SegmentedLog again = await OpenAsync(disk, options);
        Assert.Equal(texts[(int)again.Start..], await AllAsync(again));
        Assert.InRange(again.Start, 0, 60);
    }

    /// <summary>A round runs on a thread of ours, where an exception that escapes would end the host's process.</summary>
    [Fact]
    public async Task A_clock_of_the_hosts_that_throws_ends_the_log_and_not_the_process()
    {
        var time = new BrittleTime();
        await using SegmentedLog log = await OpenAsync(new MemoryFileSystem(), time: time);
        await AppendAsync(log, "a");
        time.IsBroken = true;
        await Assert.ThrowsAnyAsync<Exception>(async () => await log.AppendAsync(Bytes("b")));
        time.IsBroken = false;
        Assert.Equal(["a"], (await AllAsync(log))[..1]);
    }

    private sealed class BrittleTime : TimeProvider
    {
        private int _calls;

        internal bool IsBroken { get; set; }

        // Works for the caller's own look and breaks in the round.
        public override DateTimeOffset GetUtcNow() =>
            IsBroken && ++_calls > 2 ? throw new InvalidOperationException("The clock is broken.") : DateTimeOffset.UnixEpoch.AddYears(50);
    }
}

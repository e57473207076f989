using Tidemark.Testing;

using static Tidemark.Tests.LogHarness;

namespace Tidemark.Tests.Unit;

public sealed class LogAppendTests
{
    [Fact]
    public async Task A_record_of_the_largest_size_fits_and_one_byte_more_is_refused_before_an_offset_is_taken()
    {
        var disk = new MemoryFileSystem();
        var options = new LogOptions { SegmentBytes = 4096, MaxRecordBytes = 10_000, MaxBatchBytes = 20_000 };
        await using SegmentedLog log = await OpenAsync(disk, options);
        Assert.Equal(0, await log.AppendAsync(new byte[10_000]));
        var refused = await Assert.ThrowsAsync<LimitExceededException>(async () => await log.AppendAsync(new byte[10_001]));
        Assert.Equal((10_001, 10_000), (refused.Actual, refused.Limit));
        Assert.Equal(1, await log.AppendAsync(Array.Empty<byte>()));
        LogEntry large = new(new byte[9_000]);
        await Assert.ThrowsAsync<LimitExceededException>(async () => await log.AppendBatchAsync([large, large, large]));
        Assert.Equal(2, await log.AppendBatchAsync([large, large]));
        Assert.Equal(4, log.End);
        Assert.True(log.Verify().IsWhole);
    }

    [Fact]
    public async Task Timestamps_and_terms_may_be_given_and_must_not_go_back()
    {
        var disk = new MemoryFileSystem();
        await using SegmentedLog log = await OpenAsync(disk);
        var stamp = new HybridTimestamp(1UL << 62);
        await log.AppendAsync(new LogEntry(Bytes("a")) { Term = 3, Kind = 9, Timestamp = stamp });
        await Assert.ThrowsAsync<ArgumentException>(async () => await log.AppendAsync(new LogEntry(Bytes("b")) { Timestamp = stamp }));
        await Assert.ThrowsAsync<ArgumentException>(async () => await log.AppendAsync(new LogEntry(Bytes("b")) { Term = 2 }));
        await Assert.ThrowsAsync<ArgumentException>(async () => await log.AppendBatchAsync([new LogEntry(Bytes("b")), new LogEntry(Bytes("c")) { Timestamp = stamp.Next(5) }]));
        Assert.Equal(1, await log.AppendAsync(Bytes("c")));
        using LogReader reader = log.OpenReader(0);
        Assert.True(reader.TryRead(out LogRecord first));
        Assert.Equal((3, (ushort)9, stamp), (first.Term, first.Kind, first.Timestamp));
        Assert.True(reader.TryRead(out LogRecord second));
        Assert.Equal(3, second.Term);
        Assert.True(second.Timestamp > stamp);
    }

    [Fact]
    public async Task Timestamps_rise_across_reopening_rolling_and_a_wall_clock_that_went_back()
    {
        var disk = new MemoryFileSystem();
        var time = new ManualTimeProvider();
        HybridTimestamp last = default;
        for (int round = 0; round < 4; round++)
        {
            await using SegmentedLog log = await OpenAsync(disk, new LogOptions { SegmentBytes = 4096 }, time);
            await AppendAsync(log, [.. Numbered(0, 50, 100)]);
            await log.TrimBeforeAsync(log.End);
            using LogReader reader = log.OpenReader(log.Start);
            while (reader.TryRead(out LogRecord record))
            {
                Assert.True(record.Timestamp > last || record.Offset < (round * 50));
                last = record.Timestamp;
            }

            time.SetUtcNow(time.GetUtcNow().AddDays(-1));
        }
    }

    [Fact]
    public async Task Appends_that_are_not_awaited_keep_their_order_also_where_the_log_must_make_room_first()
    {
        var disk = new MemoryFileSystem();
        await using SegmentedLog log = await OpenAsync(disk, new LogOptions { SegmentBytes = 256 * 1024 });
        string[] texts = [.. Numbered(0, 5000, 200)];
        List<Task<long>> appends = [];
        foreach (string text in texts) appends.Add(log.AppendAsync(Bytes(text)).AsTask());
        long[] offsets = await Task.WhenAll(appends);
        Assert.Equal(Enumerable.Range(0, 5000).Select(i => (long)i), offsets);
        Assert.Equal(texts, await AllAsync(log));
    }

    [Fact]
    public async Task A_flood_of_appends_that_nobody_awaits_is_refused_and_not_kept_in_memory()
    {
        var disk = new MemoryFileSystem();
        await using SegmentedLog log = await OpenAsync(disk, new LogOptions { MaxPendingBytes = 64 * 1024 });
        List<Task<long>> taken = [];
        int refused = 0;
        for (int i = 0; i < 200; i++)
        {
            try
            {
                taken.Add(log.AppendAsync(new byte[60 * 1024]).AsTask());
            }
            catch (OverloadedException e)
            {
                Assert.True(e.IsTransient);
                refused++;
            }
        }

        await Task.WhenAll(taken);
        Assert.True(refused > 0);
        Assert.Equal(taken.Count, log.End);
    }

    [Fact]
    public async Task Cancelling_ends_the_wait_and_the_log_goes_on()
    {
        var disk = new MemoryFileSystem();
        await using SegmentedLog log = await OpenAsync(disk);
        using var cancelled = new CancellationTokenSource();
        await cancelled.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await log.AppendAsync(Bytes("never"), cancelled.Token));
        Assert.Equal(0, await log.AppendAsync(Bytes("a")));
        for (int i = 0; i < 200; i++)
        {
            using var source = new CancellationTokenSource();
            ValueTask<long> append = log.AppendAsync(Bytes("b"), source.Token);
            await source.CancelAsync();
            try
            {
                await append;
            }
            catch (OperationCanceledException)
            {
                // Either is right: the flush may have been quicker.
            }
        }

        await log.FlushAsync();
        Assert.Equal(201, log.End);
    }

    [Fact]
    public async Task After_dispose_an_append_says_so_and_everything_before_it_is_there()
    {
        var disk = new MemoryFileSystem();
        SegmentedLog log = await OpenAsync(disk);
        List<Task<long>> appends = [.. Enumerable.Range(0, 100).Select(i => log.AppendAsync(Bytes($"r{i}")).AsTask())];
        await log.DisposeAsync();
        await log.DisposeAsync();
        Assert.Equal(99, (await Task.WhenAll(appends)).Max());
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await log.AppendAsync(Bytes("late")));
        await using SegmentedLog again = await OpenAsync(disk);
        Assert.Equal(100, again.End);
    }

    [Fact]
    public async Task Relaxed_durability_completes_before_the_flush_and_flushes_when_asked_or_in_time()
    {
        var disk = new MemoryFileSystem();
        var time = new ManualTimeProvider();
        await using (SegmentedLog buffered = await OpenAsync(disk, new LogOptions { Durability = LogDurability.Buffered }, time))
        {
            await AppendAsync(buffered, "a", "b");
            Assert.Equal((2, 0), (buffered.End, buffered.DurableEnd));
            await buffered.FlushAsync();
            Assert.Equal(2, buffered.DurableEnd);
        }

        await using SegmentedLog interval = await OpenAsync(disk, new LogOptions { Durability = LogDurability.Interval(TimeSpan.FromSeconds(5)) }, time);
        await AppendAsync(interval, "c");
        Assert.Equal((3, 2), (interval.End, interval.DurableEnd));
        time.Advance(TimeSpan.FromSeconds(6));
        while (interval.DurableEnd < 3) await Task.Yield();   // The timer has fired; the flush runs on its thread.
        Assert.Equal(["a", "b", "c"], await AllAsync(interval));
    }
}

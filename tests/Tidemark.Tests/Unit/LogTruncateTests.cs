using static Tidemark.Tests.LogHarness;

namespace Tidemark.Tests.Unit;

public sealed class LogTruncateTests
{
    private static readonly LogOptions Small = new() { SegmentBytes = 4096 };

    [Theory]
    [InlineData(-1)]
    [InlineData(0)]
    [InlineData(57)]
    [InlineData(98)]
    [InlineData(99)]
    [InlineData(1000)]
    public async Task Truncating_keeps_exactly_what_is_at_or_below_the_offset_and_appends_go_on_behind_it(long lastKept)
    {
        var disk = new MemoryFileSystem();
        string[] texts = [.. Numbered(0, 100, 100)];
        int kept = (int)Math.Min(100, lastKept + 1);
        await using (SegmentedLog log = await OpenAsync(disk, Small))
        {
            await AppendAsync(log, texts);
            await log.TruncateAfterAsync(lastKept);
            Assert.Equal(kept, log.End);
            Assert.Equal(texts[..kept], await AllAsync(log));
            Assert.Equal(kept, await log.AppendAsync(Bytes("new")));
            Assert.Equal([.. texts[..kept], "new"], await AllAsync(log));
        }

        await using SegmentedLog again = await OpenAsync(disk, Small);
        Assert.Equal([.. texts[..kept], "new"], await AllAsync(again));
        Assert.True(again.Verify().IsWhole);
    }

    [Fact]
    public async Task A_reader_beyond_the_cut_is_told_and_one_before_it_reads_what_came_instead()
    {
        var disk = new MemoryFileSystem();
        await using SegmentedLog log = await OpenAsync(disk, Small);
        await AppendAsync(log, [.. Numbered(0, 100, 100)]);
        using LogReader beyond = log.OpenReader(90);
        using LogReader before = log.OpenReader(10);
        Assert.True(beyond.TryRead(out _));
        Assert.True(before.TryRead(out _));
        await log.TruncateAfterAsync(10);
        await log.AppendAsync(Bytes("instead"));
        Assert.Throws<OffsetOutOfRangeException>(() => beyond.TryRead(out _));
        Assert.True(before.TryRead(out LogRecord record));
        Assert.Equal("instead", System.Text.Encoding.UTF8.GetString(record.Payload.Span));
        Assert.False(before.TryRead(out _));
    }

    [Fact]
    public async Task A_batch_is_kept_or_cut_as_a_whole()
    {
        var disk = new MemoryFileSystem();
        await using SegmentedLog log = await OpenAsync(disk, Small);
        await log.AppendBatchAsync([new LogEntry(Bytes("a")), new LogEntry(Bytes("b")), new LogEntry(Bytes("c"))]);
        await Assert.ThrowsAsync<ArgumentException>(() => log.TruncateAfterAsync(1));
        Assert.Equal(3, log.End);
        await log.TruncateAfterAsync(-1);
        Assert.Equal(0, log.End);
    }

    [Fact]
    public async Task What_was_trimmed_cannot_be_truncated_to()
    {
        var disk = new MemoryFileSystem();
        await using SegmentedLog log = await OpenAsync(disk, Small);
        await AppendAsync(log, [.. Numbered(0, 100, 100)]);
        long start = await log.TrimBeforeAsync(50);
        await Assert.ThrowsAsync<OffsetOutOfRangeException>(() => log.TruncateAfterAsync(start - 2));
        await log.TruncateAfterAsync(start - 1);
        Assert.Equal((start, start), (log.Start, log.End));
    }

    /// <summary>What a reader finds while the log is cut under its hands looks like damage; it must not be called so.</summary>
    [Fact]
    public async Task Readers_that_race_a_truncation_are_told_of_the_cut_and_never_of_damage()
    {
        var disk = new MemoryFileSystem();
        await using SegmentedLog log = await OpenAsync(disk, Small);
        await AppendAsync(log, [.. Numbered(0, 200, 100)]);
        using var stop = new CancellationTokenSource();
        Task[] readers = [.. Enumerable.Range(0, 2).Select(i => Task.Run(() =>
        {
            var random = new Random(i);
            while (!stop.IsCancellationRequested)
            {
                try
                {
                    using LogReader reader = log.OpenReader(log.End);
                    for (int step = 0; step < 60 && reader.TryReadBack(out _); step++) { }
                    for (int step = 0; step < random.Next(60) && reader.TryRead(out _); step++) { }
                }
                catch (OffsetOutOfRangeException)
                {
                    // The place was cut away.
                }
            }
        }))];
        for (int round = 0; round < 60; round++)
        {
            await log.TruncateAfterAsync(100 + (round % 50));
            await AppendAsync(log, [.. Numbered(round * 1000, 60, 90 + (round % 20))]);
        }

        await stop.CancelAsync();
        await Task.WhenAll(readers);
    }
}

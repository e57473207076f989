using Tidemark.Testing;

using static Tidemark.Tests.LogHarness;

namespace Tidemark.Tests.Unit;

public sealed class LogTrimTests
{
    private static readonly LogOptions Small = new() { SegmentBytes = 4096 };

    [Fact]
    public async Task Trimming_removes_whole_segments_below_the_offset_and_nothing_at_or_above_it()
    {
        var disk = new MemoryFileSystem();
        string[] texts = [.. Numbered(0, 200, 100)];
        await using (SegmentedLog log = await OpenAsync(disk, Small))
        {
            await AppendAsync(log, texts);
            int before = disk.ListFiles(LogDirectory).Count(name => name.EndsWith(".log"));
            long start = await log.TrimBeforeAsync(120);
            Assert.InRange(start, 1, 120);
            Assert.Equal(start, log.Start);
            Assert.Equal(texts[(int)start..], await AllAsync(log));
            Assert.True(disk.ListFiles(LogDirectory).Count(name => name.EndsWith(".log")) < before);
            var error = Assert.Throws<OffsetOutOfRangeException>(() => log.OpenReader(start - 1));
            Assert.Equal(start, error.Start);
        }

        await using SegmentedLog again = await OpenAsync(disk, Small);
        Assert.Equal(texts[(int)again.Start..], await AllAsync(again));
        Assert.Equal(200, await again.AppendAsync(Bytes("next")));
    }

    [Fact]
    public async Task Trimming_beyond_the_end_keeps_the_last_segment()
    {
        var disk = new MemoryFileSystem();
        await using SegmentedLog log = await OpenAsync(disk, Small);
        await AppendAsync(log, [.. Numbered(0, 100, 100)]);
        await log.TrimBeforeAsync(long.MaxValue);
        Assert.Equal(1, log.SegmentCount);
        Assert.Equal(100, log.End);
        Assert.Equal(100, await log.AppendAsync(Bytes("next")));
    }

    [Fact]
    public async Task A_reader_keeps_its_trimmed_segment_readable_and_the_file_goes_when_it_leaves()
    {
        var disk = new MemoryFileSystem();
        await using SegmentedLog log = await OpenAsync(disk, Small);
        await AppendAsync(log, [.. Numbered(0, 100, 100)]);
        string first = Path.Combine(LogDirectory, "00000000000000000000.log");
        long start;
        using (LogReader reader = log.OpenReader(0))
        {
            Assert.True(reader.TryRead(out _));
            start = await log.TrimBeforeAsync(80);
            Assert.True(disk.FileExists(first));
            Assert.True(reader.TryRead(out LogRecord record));
            Assert.Equal(1, record.Offset);
            var gone = Assert.Throws<OffsetOutOfRangeException>(() =>
            {
                while (reader.TryRead(out _)) { }
            });
            Assert.Equal(start, gone.Start);
        }

        await log.FlushAsync();
        await log.TrimBeforeAsync(start);
        Assert.False(disk.FileExists(first));
    }

    [Fact]
    public async Task A_trimmed_file_is_used_again_and_nothing_old_is_in_it()
    {
        var disk = new MemoryFileSystem();
        var options = new LogOptions { SegmentBytes = 256 * 1024 };
        await using (SegmentedLog log = await OpenAsync(disk, options))
        {
            for (int round = 0; round < 12; round++)
            {
                await AppendAsync(log, [.. Numbered(round * 1000, 1000, 200)]);
                await log.TrimBeforeAsync(log.End - 100);
                Assert.True(log.Verify().IsWhole);
            }
        }

        await using SegmentedLog again = await OpenAsync(disk, options);
        Assert.Equal(Numbered((int)again.Start, (int)(12_000 - again.Start), 200), await AllAsync(again));
    }

    [Fact]
    public async Task A_quiet_log_closes_its_segment_by_age_so_that_it_can_be_trimmed()
    {
        var disk = new MemoryFileSystem();
        var time = new ManualTimeProvider();
        await using SegmentedLog log = await OpenAsync(disk, new LogOptions { MaxSegmentAge = TimeSpan.FromHours(1) }, time);
        await AppendAsync(log, "a", "b");
        time.Advance(TimeSpan.FromMinutes(59));
        await log.FlushAsync();
        Assert.Equal(1, log.SegmentCount);
        time.Advance(TimeSpan.FromMinutes(2));
        await log.FlushAsync();
        Assert.Equal(2, log.SegmentCount);
        Assert.Equal(2, await log.TrimBeforeAsync(2));
        time.Advance(TimeSpan.FromDays(1));
        await log.FlushAsync();
        Assert.Equal(1, log.SegmentCount);
        Assert.Equal(2, await log.AppendAsync(Bytes("c")));
    }
}

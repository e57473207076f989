using Tidemark.Testing;

using static Tidemark.Tests.LogHarness;

namespace Tidemark.Tests.Unit;

public sealed class LogReadTests
{
    [Fact]
    public async Task A_time_finds_the_first_record_at_or_after_it()
    {
        var disk = new MemoryFileSystem();
        var time = new ManualTimeProvider();
        await using SegmentedLog log = await OpenAsync(disk, new LogOptions { SegmentBytes = 64 * 1024 }, time);
        List<HybridTimestamp> stamps = [];
        for (int i = 0; i < 2000; i++)
        {
            await log.AppendAsync(new byte[100]);
            if (i % 3 == 0) time.Advance(TimeSpan.FromMilliseconds(1));
        }

        await foreach (LogRecord record in log.ReadAsync(0)) stamps.Add(record.Timestamp);
        Assert.True(log.SegmentCount > 2);
        for (int i = 0; i < stamps.Count; i += 13)
        {
            Assert.Equal(i, log.FindOffset(stamps[i]));
            Assert.Equal(i + 1, log.FindOffset(stamps[i].Next()));
        }

        Assert.Equal(0, log.FindOffset(default));
        Assert.Equal(2000, log.FindOffset(HybridTimestamp.MaxValue));
    }

    [Fact]
    public async Task A_tail_is_woken_by_each_append_and_misses_none()
    {
        var disk = new MemoryFileSystem();
        await using SegmentedLog log = await OpenAsync(disk, new LogOptions { SegmentBytes = 8 * 1024 });
        using var stop = new CancellationTokenSource();
        List<long> seen = [];
        Task reading = Task.Run(async () =>
        {
            await foreach (LogRecord record in log.TailAsync(0, stop.Token))
            {
                seen.Add(record.Offset);
                if (record.Offset == 499) return;
            }
        });
        for (int i = 0; i < 500; i++) await log.AppendAsync(new byte[100]);
        await reading;
        Assert.Equal(Enumerable.Range(0, 500).Select(i => (long)i), seen);
    }

    [Fact]
    public async Task Reading_stops_where_asked_and_walks_both_ways_from_anywhere()
    {
        var disk = new MemoryFileSystem();
        await using SegmentedLog log = await OpenAsync(disk, new LogOptions { SegmentBytes = 8 * 1024 });
        await AppendAsync(log, [.. Numbered(0, 300, 100)]);
        List<long> some = [];
        await foreach (LogRecord record in log.ReadAsync(100, to: 110)) some.Add(record.Offset);
        Assert.Equal(Enumerable.Range(100, 10).Select(i => (long)i), some);

        var random = new Random(5);
        using LogReader reader = log.OpenReader(150);
        long at = 150;
        for (int i = 0; i < 5000; i++)
        {
            bool forward = random.Next(2) == 0;
            bool found = forward ? reader.TryRead(out LogRecord record) : reader.TryReadBack(out record);
            Assert.Equal(forward ? at < 300 : at > 0, found);
            if (!found) continue;
            Assert.Equal(forward ? at : at - 1, record.Offset);
            Assert.StartsWith($"r{record.Offset}.", System.Text.Encoding.UTF8.GetString(record.Payload.Span));
            at += forward ? 1 : -1;
        }
    }

    [Fact]
    public async Task A_lost_or_wrong_index_is_made_again_and_reading_does_not_notice()
    {
        var disk = new MemoryFileSystem();
        var options = new LogOptions { SegmentBytes = 128 * 1024 };
        await using (SegmentedLog log = await OpenAsync(disk, options)) await AppendAsync(log, [.. Numbered(0, 3000, 100)]);
        string[] indexes = [.. disk.ListFiles(LogDirectory).Where(name => name.EndsWith(".index"))];
        Assert.True(indexes.Length >= 3);
        disk.Delete(Path.Combine(LogDirectory, indexes[0]));
        using (IFile torn = disk.Open(Path.Combine(LogDirectory, indexes[1]), FileOpenMode.Existing)) torn.SetLength(50);
        using (IFile flipped = disk.Open(Path.Combine(LogDirectory, indexes[2]), FileOpenMode.Existing)) flipped.Write(60, [0xFF]);

        await using SegmentedLog again = await OpenAsync(disk, options);
        foreach (long offset in (long[])[700, 1500, 2500])
        {
            using LogReader reader = again.OpenReader(offset);
            Assert.True(reader.TryRead(out LogRecord record));
            Assert.Equal(offset, record.Offset);
        }

        Assert.True(disk.FileExists(Path.Combine(LogDirectory, indexes[0])));
    }
}

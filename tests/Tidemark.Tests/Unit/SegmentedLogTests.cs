using static Tidemark.Tests.LogHarness;

namespace Tidemark.Tests.Unit;

public sealed class SegmentedLogTests
{
    private static readonly LogOptions Small = new() { SegmentBytes = 4096 };

    [Fact]
    public async Task What_was_appended_is_read_back_in_order_also_after_reopening()
    {
        var disk = new MemoryFileSystem();
        await using (SegmentedLog log = await OpenAsync(disk))
        {
            Assert.True(log.Recovery.WasCreated);
            Assert.Equal(0, await log.AppendAsync(Bytes("a")));
            Assert.Equal(1, await log.AppendAsync(Bytes("")));
            Assert.Equal(2, await log.AppendAsync(Bytes("ccc")));
            Assert.Equal(["a", "", "ccc"], await AllAsync(log));
            Assert.Equal((0, 3, 3), (log.Start, log.End, log.DurableEnd));
        }

        await using SegmentedLog again = await OpenAsync(disk);
        Assert.True(again.Recovery.WasClosedCleanly);
        Assert.Equal(["a", "", "ccc"], await AllAsync(again));
        Assert.Equal(3, await again.AppendAsync(Bytes("d")));
        Assert.True(again.Verify().IsWhole);
    }

    [Fact]
    public async Task A_full_segment_is_followed_by_the_next_and_readers_cross_the_border_both_ways()
    {
        var disk = new MemoryFileSystem();
        string[] texts = [.. Numbered(0, 300, 100)];
        await using (SegmentedLog log = await OpenAsync(disk, Small)) await AppendAsync(log, texts);

        await using SegmentedLog again = await OpenAsync(disk, Small);
        Assert.True(again.SegmentCount > 10);
        Assert.Equal(texts, await AllAsync(again));
        using LogReader reader = again.OpenReader(again.End);
        List<string> back = [];
        while (reader.TryReadBack(out LogRecord record)) back.Add(System.Text.Encoding.UTF8.GetString(record.Payload.Span));
        Assert.Equal(texts.Reverse(), back);
        Assert.True(reader.TryRead(out LogRecord first));
        Assert.Equal(0, first.Offset);
        LogVerification verified = again.Verify();
        Assert.Empty(verified.Damage);
        Assert.Equal(300, verified.Records);
    }

    [Fact]
    public async Task Every_offset_can_be_the_start_of_a_reading()
    {
        var disk = new MemoryFileSystem();
        await using SegmentedLog log = await OpenAsync(disk, new LogOptions { SegmentBytes = 128 * 1024 });
        string[] texts = [.. Numbered(0, 2000, 150)];
        await AppendAsync(log, texts);
        Assert.True(log.SegmentCount > 2);
        for (int offset = 0; offset <= texts.Length; offset += offset < 1980 ? 37 : 1)
        {
            using LogReader reader = log.OpenReader(offset);
            Assert.Equal(offset < texts.Length, reader.TryRead(out LogRecord record));
            if (offset < texts.Length) Assert.Equal(texts[offset], System.Text.Encoding.UTF8.GetString(record.Payload.Span));
        }

        Assert.Throws<OffsetOutOfRangeException>(() => log.OpenReader(texts.Length + 1));
        Assert.Throws<OffsetOutOfRangeException>(() => log.OpenReader(-1));
    }
}

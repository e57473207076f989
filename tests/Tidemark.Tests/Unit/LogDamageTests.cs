using static Tidemark.Tests.LogHarness;

namespace Tidemark.Tests.Unit;

public sealed class LogDamageTests
{
    /// <summary>
    /// A log is truncated and written anew; then the disk gives back an older sector, as one does that lost a write it had acknowledged. The old
    /// record is valid in its place and carries the right offset. Only the chain tells: the record behind it follows another one.
    /// </summary>
    [Fact]
    public async Task A_stale_record_that_the_disk_gives_back_is_found_by_the_chain()
    {
        var disk = new MemoryFileSystem();
        byte[] stale = new byte[4096];
        string path = Path.Combine(LogDirectory, "00000000000000000000.log");
        await using (SegmentedLog log = await OpenAsync(disk))
        {
            await AppendAsync(log, [.. Numbered(0, 5, 100)]);
            using (IFile file = disk.Open(path, FileOpenMode.Existing)) file.Read(0, stale);
            await log.TruncateAfterAsync(1);
            await AppendAsync(log, [.. Numbered(100, 5, 100)]);
        }

        const int Frame = 48 + 104, Third = 80 + (2 * Frame);
        using (IFile file = disk.Open(path, FileOpenMode.Existing)) file.Write(Third, stale.AsSpan(Third, Frame));
        var damage = await Assert.ThrowsAsync<CorruptDataException>(async () => await OpenAsync(disk));
        Assert.Equal((path, Third + Frame), (damage.File, damage.Position));
    }

    [Fact]
    public async Task A_reader_that_meets_damage_says_where_and_gives_all_that_stands_before_it()
    {
        var disk = new MemoryFileSystem();
        var options = new LogOptions { SegmentBytes = 4096 };
        await using (SegmentedLog log = await OpenAsync(disk, options)) await AppendAsync(log, [.. Numbered(0, 100, 100)]);
        string path = Path.Combine(LogDirectory, "00000000000000000000.log");
        using (IFile file = disk.Open(path, FileOpenMode.Existing)) file.Write(80 + (3 * 152) + 60, "?"u8);

        await using SegmentedLog again = await OpenAsync(disk, options);
        using LogReader reader = again.OpenReader(0);
        for (int i = 0; i < 3; i++) Assert.True(reader.TryRead(out _));
        var damage = Assert.Throws<CorruptDataException>(() => reader.TryRead(out _));
        Assert.Equal((path, 80 + (3 * 152)), (damage.File, damage.Position));
        Assert.Equal(3, reader.Next);

        LogVerification verified = again.Verify();
        Assert.Equal(path, Assert.Single(verified.Damage).File);
        using LogReader behind = again.OpenReader(50);
        Assert.True(behind.TryRead(out LogRecord record));
        Assert.Equal(50, record.Offset);
    }
}

using Tidemark.Testing;

using static Tidemark.Tests.LogHarness;

namespace Tidemark.Tests.Unit;

/// <summary>How a log makes room ahead of use: with zeros where rounds are small, without where they are large.</summary>
public sealed class LogRoomTests
{
    private const int Large = 200 * 1024;

    private readonly FaultyFileSystem _disk = new(1);
    private long _written, _grown;   // Bytes written to files, and times that one was made longer without.

    public LogRoomTests() => _disk.BeforeOperation = operation =>
    {
        if (operation.Kind == DiskOperationKind.Write) _written += operation.Count;
        if (operation.Kind == DiskOperationKind.SetLength && operation.Position > 0) _grown++;
    };

    [Fact]
    public async Task Small_rounds_overwrite_zeros()
    {
        await using SegmentedLog log = await OpenAsync(_disk);
        for (int i = 0; i < 2000; i++) await log.AppendAsync(new byte[1000]);
        Assert.Equal(0, _grown);
        Assert.InRange(_written, 2 * 2_000_000, 3 * 2_000_000);
    }

    [Fact]
    public async Task Large_rounds_write_each_byte_once_in_every_segment()
    {
        await using SegmentedLog log = await OpenAsync(_disk, new LogOptions { SegmentBytes = 1024 * 1024 });
        await log.AppendAsync(new byte[Large]);   // Nothing is known of rounds before the first.
        _written = 0;
        for (int i = 0; i < 50; i++) await log.AppendAsync(new byte[Large]);
        Assert.True(log.Verify().IsWhole);
        Assert.InRange(_grown, 10, 50);
        Assert.InRange(_written, 50 * Large, 51 * Large);
    }

    [Fact]
    public async Task A_log_that_turns_from_large_rounds_to_small_ones_soon_overwrites_zeros_again()
    {
        await using SegmentedLog log = await OpenAsync(_disk);
        for (int i = 0; i < 20; i++) await log.AppendAsync(new byte[Large]);
        for (int i = 0; i < 600; i++) await log.AppendAsync(new byte[1000]);
        (_written, _grown) = (0, 0);
        for (int i = 0; i < 2000; i++) await log.AppendAsync(new byte[1000]);
        Assert.Equal(0, _grown);
        Assert.InRange(_written, 2 * 2_000_000, 3 * 2_000_000);
    }

    /// <summary>Room that is only taken is room: a full disk refuses it before an append has its offset.</summary>
    [Fact]
    public async Task A_large_append_that_finds_no_room_is_refused_and_works_once_there_is_room()
    {
        await using SegmentedLog log = await OpenAsync(_disk);
        for (int i = 0; i < 5; i++) await log.AppendAsync(new byte[Large]);
        _disk.CapacityBytes = 0;
        long end = await AppendUntilRefusedAsync(log);
        Assert.False(log.IsFailed);
        _disk.CapacityBytes = long.MaxValue;
        Assert.Equal(end, await log.AppendAsync(new byte[Large]));
        Assert.True(log.Verify().IsWhole);
    }

    private static async Task<long> AppendUntilRefusedAsync(SegmentedLog log)
    {
        try
        {
            while (log.End < 100) await log.AppendAsync(new byte[Large]);
        }
        catch (StoreFullException)
        {
            return log.End;
        }

        throw new Xunit.Sdk.XunitException("a full disk takes more and more");
    }
}

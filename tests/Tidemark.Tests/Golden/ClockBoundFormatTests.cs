using Tidemark.Tests.Crash;

namespace Tidemark.Tests.Golden;

/// <summary>The example of docs/format/clock-bound.md.</summary>
public sealed class ClockBoundFormatTests
{
    private const string FilePath = "/data/clock.bound";

    private const string Slot =
        "544D434C4B424E44" + "0100010000000000" +
        "00112233445566778899AABBCCDDEEFF" +
        "A3000CF321130C66" + "5B8F6F6C";

    [Fact]
    public void A_bound_has_the_bytes_of_its_format_page_twice()
    {
        var disk = new ClockCrashDisk();
        using var bound = new FileClockBound(disk, FilePath, new Guid("00112233-4455-6677-8899-aabbccddeeff"));
        bound.Persist(HybridTimestamp.Parse("2026-11-21T03:45:46.123456Z.0a3"));

        byte[] bytes = disk[FilePath];
        Assert.Equal(8192, bytes.Length);
        Assert.Equal(Slot, Convert.ToHexString(bytes.AsSpan(0, 44)));
        Assert.Equal(Slot, Convert.ToHexString(bytes.AsSpan(4096, 44)));
        Assert.Equal(-1, bytes.AsSpan(44, 4096 - 44).IndexOfAnyExcept((byte)0));
        Assert.Equal(-1, bytes.AsSpan(4096 + 44).IndexOfAnyExcept((byte)0));
    }
}

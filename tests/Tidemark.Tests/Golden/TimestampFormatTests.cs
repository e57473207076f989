namespace Tidemark.Tests.Golden;

/// <summary>The examples of docs/format/timestamp.md.</summary>
public sealed class TimestampFormatTests
{
    [Fact]
    public void A_hybrid_timestamp_has_the_bytes_of_its_format_page()
    {
        HybridTimestamp time = HybridTimestamp.Parse("2026-11-21T03:45:46.123456Z.0a3");
        byte[] bytes = new byte[HybridTimestamp.SizeInBytes];
        time.WriteTo(bytes);
        Assert.Equal(163, time.Counter);
        Assert.Equal(0x660C1321F30C00A3UL, time.Value);
        Assert.Equal("660C1321F30C00A3", Convert.ToHexString(bytes));
    }

    [Fact]
    public void A_unique_timestamp_has_the_bytes_of_its_format_page()
    {
        UniqueTimestamp time = UniqueTimestamp.Parse("2026-11-21T03:45:46.123456Z.0a3@000000000000002a");
        byte[] bytes = new byte[UniqueTimestamp.SizeInBytes];
        time.WriteTo(bytes);
        Assert.Equal(42UL, time.NodeId);
        Assert.Equal("660C1321F30C00A3000000000000002A", Convert.ToHexString(bytes));
    }
}

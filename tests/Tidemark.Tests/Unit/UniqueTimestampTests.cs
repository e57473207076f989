using System.Text;

namespace Tidemark.Tests.Unit;

public sealed class UniqueTimestampTests
{
    private static readonly UniqueTimestamp _example = new(HybridTimestamp.FromParts(1_795_232_746_123_456, 0xa3), 42);

    [Fact]
    public void Time_decides_first_and_the_node_where_times_are_equal()
    {
        UniqueTimestamp otherNode = _example with { NodeId = 43 };
        UniqueTimestamp later = new(_example.Timestamp.Next(), 0);
        Assert.True(_example < otherNode);
        Assert.True(otherNode < later);
        Assert.True(later > _example);
        Assert.True(_example <= _example with { });
        Assert.True(_example >= _example with { });
        Assert.Equal(_example, _example with { });
    }

    [Fact]
    public void Node_ids_are_compared_without_sign()
        => Assert.True(_example with { NodeId = ulong.MaxValue } > _example with { NodeId = 1 });

    [Fact]
    public void Text_comes_back_and_names_time_and_node()
    {
        string text = _example.ToString();
        Assert.Equal("2026-11-21T03:45:46.123456Z.0a3@000000000000002a", text);
        Assert.Equal(_example, UniqueTimestamp.Parse(text));
        Assert.Equal(_example, UniqueTimestamp.Parse(Encoding.UTF8.GetBytes(text)));
        Assert.Equal(text, $"{_example}");
    }

    [Theory]
    [InlineData("")]
    [InlineData("2026-11-21T03:45:46.123456Z.0a3")]
    [InlineData("2026-11-21T03:45:46.123456Z.0a3@2a")]
    [InlineData("2026-11-21T03:45:46.123456Z.0a3/000000000000002a")]
    [InlineData("2026-11-21T03:45:46.123456Z.0a3@000000000000002A")]
    [InlineData("2026-11-21T03:45:46.123456Z.0A3@000000000000002a")]
    [InlineData("2026-11-21T03:45:46.123456Z.0a3@000000000000002a0")]
    public void Any_other_text_is_refused(string text)
    {
        Assert.False(UniqueTimestamp.TryParse(text, out UniqueTimestamp value));
        Assert.Equal(default, value);
        Assert.Throws<FormatException>(() => UniqueTimestamp.Parse(text));
    }

    [Fact]
    public void Buffers_too_short_take_nothing()
    {
        byte[] bytes = new byte[UniqueTimestamp.SizeInBytes - 1];
        Assert.Throws<ArgumentOutOfRangeException>(() => _example.WriteTo(bytes));
        Assert.All(bytes, b => Assert.Equal(0, b));
        Assert.Throws<ArgumentOutOfRangeException>(() => UniqueTimestamp.ReadFrom(bytes));
        Assert.False(_example.TryFormat(new char[UniqueTimestamp.TextLength - 1], out int written));
        Assert.Equal(0, written);
    }
}

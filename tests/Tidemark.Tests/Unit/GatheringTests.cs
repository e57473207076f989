using Tidemark.Replication.Shards;

namespace Tidemark.Tests.Unit;

/// <summary>Pauses for writers to come back, where they cost little.</summary>
public sealed class GatheringTests
{
    private static readonly TimeSpan _short = TimeSpan.FromMicroseconds(20);
    private static readonly TimeSpan _long = TimeSpan.FromMilliseconds(3);

    private readonly Gathering _gathering = new();

    [Fact]
    public void Short_pauses_are_made_each_time()
    {
        for (int i = 0; i < 100; i++)
        {
            Assert.Equal(0, LeftOut());
            _gathering.Paused(_short);
        }
    }

    [Fact]
    public void After_a_long_one_more_and_more_are_left_out_up_to_a_number()
    {
        int[] leftOut = [.. Enumerable.Range(0, 10).Select(_ =>
        {
            _gathering.Paused(_long);
            return LeftOut();
        })];
        Assert.Equal([8, 16, 32, 64, 128, 256, 512, 1024, 1024, 1024], leftOut);
    }

    /// <summary>Where others compute, one pause in four or so meets them.</summary>
    [Fact]
    public void Many_short_ones_are_needed_to_make_up_for_a_long_one()
    {
        int made = 0;
        for (int flushes = 0; flushes < 20_000; flushes++)
        {
            if (_gathering.IsWorthIt()) _gathering.Paused(++made % 4 == 0 ? _long : _short);
        }

        Assert.InRange(made, 20, 200);
        for (int i = 0; i < 200; i++) _gathering.Paused(_short);
        _gathering.Paused(_long);
        Assert.Equal(8, LeftOut());
    }

    private int LeftOut()
    {
        int count = 0;
        while (!_gathering.IsWorthIt()) count++;
        return count;
    }
}

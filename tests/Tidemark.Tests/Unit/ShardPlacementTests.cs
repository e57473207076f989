using Tidemark.Core.Routing;

namespace Tidemark.Tests.Unit;

public sealed class ShardPlacementTests
{
    [Fact]
    public void Few_shards_are_dealt_out_in_turn_whatever_their_numbers()
    {
        Assert.Equal([0, 1, 2, 3], Place([0, 1, 2, 3], 4));
        Assert.Equal([0, 1, 2, 0, 1], Place([-7, 12, 90, 91, 1L << 40], 3));
    }

    [Fact]
    public void From_eight_shards_an_executor_on_the_hash_decides()
    {
        long[] shards = [.. Enumerable.Range(0, 32).Select(i => (long)i)];
        Assert.Equal(Enumerable.Range(0, 31).Select(i => i % 4), Place(shards[..31], 4));
        Assert.Equal(shards.Select(id => ShardPlacement.PlaceByHash(id, 4)), Place(shards, 4));
    }

    [Fact]
    public void Many_shards_spread_evenly_enough()
    {
        const int Shards = 16_000, Executors = 16;
        int[] load = new int[Executors];
        foreach (int executor in Place([.. Enumerable.Range(0, Shards).Select(i => (long)i)], Executors)) load[executor]++;
        Assert.All(load, count => Assert.InRange(count, 800, 1200));   // Six standard deviations around 1000.
    }

    [Fact]
    public void Unordered_shards_and_impossible_counts_are_refused()
    {
        Assert.Throws<ArgumentException>(() => Place([2, 1], 4));
        Assert.Throws<ArgumentException>(() => Place([1, 1], 4));
        Assert.Throws<ArgumentException>(() => ShardPlacement.Place([1], 1, []));
        Assert.Throws<ArgumentOutOfRangeException>(() => Place([1], 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => Place([1], ShardPlacement.MaxExecutorCount + 1));
    }

    private static int[] Place(long[] shards, int executorCount)
    {
        int[] executors = new int[shards.Length];
        ShardPlacement.Place(shards, executorCount, executors);
        return executors;
    }
}

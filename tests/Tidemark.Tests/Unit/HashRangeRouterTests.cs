namespace Tidemark.Tests.Unit;

public sealed class HashRangeRouterTests
{
    [Fact]
    public void A_hash_belongs_to_the_range_that_holds_it_at_both_ends()
    {
        var router = new HashRangeRouter([new(30, 3000, ShardHashRange.SpaceEnd), new(10, 0, 1), new(20, 1, 3000)]);
        Assert.Equal(3, router.ShardCount);
        Assert.Equal([10, 20, 30], router.Ranges.Select(range => range.ShardId));
        Assert.Equal([10, 20, 20, 30, 30], new uint[] { 0, 1, 2999, 3000, uint.MaxValue }.Select(router.RouteHash));
    }

    [Fact]
    public void The_hash_of_the_key_decides()
    {
        var router = HashRangeRouter.CreateEven(16);
        Assert.Equal(0x0, router.Route(""u8));      // 02cc5d05
        Assert.Equal(0x5, router.Route("a"u8));     // 550d7456
        Assert.Equal(0x3, router.Route("abc"u8));   // 32d153ff
    }

    [Fact]
    public void A_split_leaves_every_other_shard_alone()
    {
        var before = HashRangeRouter.CreateEven(4);
        HashRangeRouter after = before.Split(shardId: 2, newShardId: 9);
        Assert.Equal([0, 1, 2, 9, 3], after.Ranges.Select(range => range.ShardId));
        var chance = new Random(1);
        for (int i = 0; i < 10_000; i++)
        {
            uint hash = (uint)chance.NextInt64(ShardHashRange.SpaceEnd);
            long was = before.RouteHash(hash), now = after.RouteHash(hash);
            Assert.True(was == now || (was == 2 && now == 9), $"hash {hash} went from {was} to {now}");
            Assert.Equal(hash >= 0xA0000000 && hash < 0xC0000000, now == 9);
        }
    }

    [Fact]
    public void A_shard_can_be_split_down_to_single_hashes()
    {
        HashRangeRouter router = HashRangeRouter.CreateEven(1);
        for (int i = 1; i <= 32; i++) router = router.Split(0, i);
        Assert.Equal(new ShardHashRange(0, 0, 1), router.Ranges[0]);
        Assert.Equal(32, router.RouteHash(1));
        Assert.Throws<ArgumentException>(() => router.Split(0, 33));
        Assert.Throws<ArgumentException>(() => router.Split(77, 34));
        Assert.Throws<ArgumentException>(() => router.Split(5, 6));
    }

    [Fact]
    public void Gaps_overlaps_empty_ranges_and_repeated_shards_are_refused()
    {
        const long End = ShardHashRange.SpaceEnd;
        Refused();
        Refused(new ShardHashRange(0, 1, End));
        Refused(new ShardHashRange(0, 0, End - 1));
        Refused(new ShardHashRange(0, 0, End + 1));
        Refused(new ShardHashRange(0, 0, 10), new ShardHashRange(1, 11, End));
        Refused(new ShardHashRange(0, 0, 10), new ShardHashRange(1, 9, End));
        Refused(new ShardHashRange(0, 0, 10), new ShardHashRange(0, 10, End));
        Refused(new ShardHashRange(0, 0, 0), new ShardHashRange(1, 0, End));
        Refused(new ShardHashRange(0, -5, End));
        Assert.Throws<ArgumentOutOfRangeException>(() => HashRangeRouter.CreateEven(0));

        static void Refused(params ShardHashRange[] ranges) => Assert.Throws<ArgumentException>(() => new HashRangeRouter(ranges));
    }
}

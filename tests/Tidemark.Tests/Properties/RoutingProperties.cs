using FsCheck;
using FsCheck.Fluent;
using Tidemark.Core.Hashing;

namespace Tidemark.Tests.Properties;

public sealed class RoutingProperties
{
    [Fact]
    public void Even_ranges_cover_every_hash_once_and_differ_by_at_most_one()
        => Prop.ForAll(Gen.Choose(1, 3000).ToArbitrary(), count =>
        {
            IReadOnlyList<ShardHashRange> ranges = HashRangeRouter.CreateEven(count).Ranges;
            bool whole = ranges[0].Start == 0 && ranges[^1].End == ShardHashRange.SpaceEnd;
            bool gapless = ranges.Zip(ranges.Skip(1)).All(pair => pair.First.End == pair.Second.Start);
            return whole && gapless && ranges.Max(range => range.Length) - ranges.Min(range => range.Length) <= 1;
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void Binary_search_finds_what_a_walk_over_the_ranges_finds()
        => Prop.ForAll(Gen.Choose(1, 200).ToArbitrary(), ArbMap.Default.ArbFor<byte[]>(), (count, key) =>
        {
            var router = HashRangeRouter.CreateEven(count);
            uint hash = XxHash32.HashToUInt32(key);
            return router.Route(key) == router.Ranges.Single(range => range.Start <= hash && hash < range.End).ShardId;
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void Growing_a_jump_router_moves_keys_only_to_the_new_shard()
        => Prop.ForAll(Gen.Choose(1, 500).ToArbitrary(), ArbMap.Default.ArbFor<byte[]>(), (count, key) =>
        {
            long before = new JumpHashRouter(count).Route(key), after = new JumpHashRouter(count + 1).Route(key);
            return before >= 0 && before < count && (after == before || after == count);
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void Growing_a_jump_router_moves_about_one_key_in_n_plus_one()
    {
        const int Keys = 100_000;
        foreach (int count in new[] { 1, 2, 3, 7, 16, 50 })
        {
            var before = new JumpHashRouter(count);
            var after = new JumpHashRouter(count + 1);
            int moved = Enumerable.Range(0, Keys).Select(BitConverter.GetBytes).Count(key => before.Route(key) != after.Route(key));
            double expected = Keys / (count + 1.0);
            Assert.InRange(moved, 0.9 * expected, 1.1 * expected);
        }
    }

    [Fact]
    public void Both_routers_spread_keys_evenly()
    {
        const int Keys = 100_000, Shards = 10;
        foreach (IShardRouter router in new IShardRouter[] { HashRangeRouter.CreateEven(Shards), new JumpHashRouter(Shards) })
        {
            int[] load = new int[Shards];
            for (int i = 0; i < Keys; i++) load[router.Route(System.Text.Encoding.UTF8.GetBytes($"/users/{i}"))]++;
            Assert.All(load, count => Assert.InRange(count, 9_000, 11_000));
        }
    }

    [Fact]
    public void Routing_allocates_nothing()
    {
        IShardRouter[] routers = [HashRangeRouter.CreateEven(10), new JumpHashRouter(10)];
        byte[] key = new byte[40];
        long sink = Route(routers, key);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1000; i++) sink += Route(routers, key);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.True(sink > 0);

        static long Route(IShardRouter[] routers, byte[] key)
        {
            long sum = 0;
            key[0]++;
            foreach (IShardRouter router in routers) sum += router.Route(key);
            return sum;
        }
    }
}

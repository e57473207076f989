using Tidemark.Core.Replication;
using Tidemark.Replication.Nodes;

namespace Tidemark.Tests.Replication;

/// <summary>Who gives a shard away, to whom, and when it is enough.</summary>
public sealed class LeaderBalanceTests
{
    private static readonly int[] _nodes = [0, 1, 2];

    private DateTimeOffset _now = DateTimeOffset.UnixEpoch;

    /// <summary>Whoever leads what at first, and in whatever order the nodes look: in the end none leads two more than another, and then nothing moves any more.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(7)]
    [InlineData(32)]
    public void All_come_to_lead_about_as_many(int shards)
    {
        var random = new Random(shards);
        for (int round = 0; round < 50; round++)
        {
            Dictionary<long, ShardStatus> status = Enumerable.Range(0, shards).ToDictionary(shard => (long)shard, _ => LedBy(random.Next(3)));
            LeaderBalance[] balances = [.. _nodes.Select(node => new LeaderBalance(node))];
            int quiet = 0;
            for (int moves = 0; quiet < 100; _now += TimeSpan.FromSeconds(1))
            {
                int node = random.Next(3);
                if (balances[node].Next(status, static _ => true, _now) is not { } gift)
                {
                    quiet++;
                    continue;
                }

                Assert.Equal(node, status[gift.Shard].Leader);
                status[gift.Shard] = LedBy(gift.Heir);
                quiet = 0;
                Assert.True(++moves <= shards, "no shard moves twice");
            }

            int[] counts = [.. _nodes.Select(node => status.Values.Count(found => found.Leader == node))];
            Assert.True(counts.Max() - counts.Min() <= 1, $"{string.Join(", ", counts)} of {shards}");
        }
    }

    [Fact]
    public void Only_to_who_is_up_keeps_the_shard_and_while_its_ensemble_rests()
    {
        var balance = new LeaderBalance(0);
        Dictionary<long, ShardStatus> status = Enumerable.Range(0, 4).ToDictionary(shard => (long)shard, _ => LedBy(0));
        Assert.Null(balance.Next(status, static _ => false, _now));
        Assert.Equal(2, balance.Next(status, static node => node == 2, _now)?.Heir);
        Dictionary<long, ShardStatus> alone = status.ToDictionary(shard => shard.Key, shard => shard.Value with { Ensemble = [0] });
        Assert.Null(new LeaderBalance(0).Next(alone, static _ => true, _now));
        Dictionary<long, ShardStatus> changing = status.ToDictionary(shard => shard.Key, shard => shard.Value with { Next = [0, 1] });
        Assert.Null(new LeaderBalance(0).Next(changing, static _ => true, _now));
        Dictionary<long, ShardStatus> joining = status.ToDictionary(shard => shard.Key, shard => shard.Value with { Observer = 3 });
        Assert.Null(new LeaderBalance(0).Next(joining, static _ => true, _now));
    }

    /// <summary>One that was to lead and does not, because its clock is wrong for example, costs the writers a moment only now and then.</summary>
    [Fact]
    public void Who_does_not_take_it_is_left_alone_for_a_while()
    {
        var balance = new LeaderBalance(0);
        Dictionary<long, ShardStatus> status = Enumerable.Range(0, 4).ToDictionary(shard => (long)shard, _ => LedBy(0));
        Assert.Equal(1, balance.Next(status, static _ => true, _now)?.Heir);
        Assert.Equal(2, balance.Next(status, static _ => true, _now)?.Heir);
        Assert.Null(balance.Next(status, static _ => true, _now));
        Assert.Null(balance.Next(status, static _ => true, _now + TimeSpan.FromSeconds(29)));
        Assert.Equal(1, balance.Next(status, static _ => true, _now + TimeSpan.FromSeconds(30))?.Heir);
        status[0] = LedBy(2);
        Assert.Equal((1, 1), ((int, int)?)balance.Next(status, static node => node == 1, _now + TimeSpan.FromSeconds(60)));
    }

    [Fact]
    public void Who_has_no_room_gives_a_shard_to_each_of_the_others_in_turn()
    {
        var balance = new LeaderBalance(1);
        List<int?> heirs = [];
        for (int i = 0; i < 4; i++) heirs.Add(balance.Relief(LedBy(1), static _ => true, _now += TimeSpan.FromSeconds(1)));
        Assert.Equal([0, 2, 0, 2], heirs);
        Assert.Equal(2, balance.Relief(LedBy(1), static node => node == 2, _now));
        Assert.Null(balance.Relief(LedBy(1), static _ => false, _now));
    }

    private static ShardStatus LedBy(int node) => new(1, node, _nodes, null, "");
}

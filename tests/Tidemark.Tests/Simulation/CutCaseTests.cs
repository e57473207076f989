using System.Buffers;
using System.Text;

using Tidemark.Core.KeyValue;
using Tidemark.Core.State;
using Tidemark.Testing;

namespace Tidemark.Tests.Simulation;

/// <summary>What can go wrong where the log of a shard is cut, case by case, on a whole cluster: the table in docs/testing.md. While it runs, every state is compared with what the entries give.</summary>
public sealed class CutCaseTests
{
    private static readonly TimeSpan _long = TimeSpan.FromSeconds(10);

    /// <summary>Its place is in the generation before the newest.</summary>
    [Fact]
    public async Task A_replica_that_was_away_over_a_cut_goes_on_with_entries()
    {
        using var cluster = TestCluster.Start();
        await PutAsync(cluster, 20, bytes: 1_000);
        await CutAsync(cluster);
        await PutAsync(cluster, 5);
        int away = (cluster.Leader + 1) % 3;
        await cluster.CrashAsync(away);
        await PutAsync(cluster, 25, bytes: 2_000);   // Whole files, which could go.
        Generation begun = await CutAsync(cluster);
        await PutAsync(cluster, 5);
        await cluster.StartAsync(away);
        IStateMachine own = cluster.MachineOf(away)!;
        await cluster.AdvanceAsync(_long);
        Assert.Same(own, cluster.MachineOf(away));   // It was given no state in the place of its own.
        Assert.Equal((2L, begun), (begun.Number, GenerationOf(cluster, away)));
        cluster.Check();
    }

    [Theory]
    [InlineData(2)]
    [InlineData(12)]
    public async Task A_replica_that_was_away_over_more_cuts_is_given_the_state_and_goes_on_in_the_newest_generation(int cuts)
    {
        using var cluster = TestCluster.Start();
        await PutAsync(cluster, 20);
        int away = (cluster.Leader + 1) % 3;
        await cluster.CrashAsync(away);
        for (int i = 0; i < cuts; i++)
        {
            await PutAsync(cluster, 20, bytes: 2_000);
            await CutAsync(cluster);
        }

        await cluster.StartAsync(away);
        IStateMachine own = cluster.MachineOf(away)!;
        await cluster.AdvanceAsync(_long);
        Assert.NotSame(own, cluster.MachineOf(away));
        Assert.Equal(Machine(cluster, cluster.Leader).Generations, Machine(cluster, away).Generations);
        Assert.Equal(cuts, GenerationOf(cluster, away).Number);
        cluster.Check();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_replica_whose_state_is_another_at_the_mark_is_given_up_and_goes_on_with_a_copy_in_the_new_generation(bool isLeader)
    {
        using var cluster = TestCluster.Start();
        await PutAsync(cluster, 20);
        int node = isLeader ? cluster.Leader : (cluster.Leader + 1) % 3;
        cluster.Stray(node);
        StateHash wrong = cluster.MachineOf(node)!.Hash;
        await CutAsync(cluster);
        await cluster.AdvanceAsync(_long);
        Assert.Contains($"The state of shard 0 on node {node} behind entry", cluster.Replay);
        for (int each = 0; each < 3; each++) Assert.Equal((1L, GenerationOf(cluster, (node + 1) % 3)), (GenerationOf(cluster, each).Number, GenerationOf(cluster, each)));
        Assert.NotEqual(wrong, GenerationOf(cluster, node).Hash);
        cluster.Check();
    }

    [Fact]
    public async Task Where_no_majority_has_one_state_at_the_mark_there_is_no_cut_and_the_shard_stops()
    {
        using var cluster = TestCluster.Start();
        await PutAsync(cluster, 20);
        int leader = cluster.Leader;
        cluster.Stray((leader + 1) % 3);
        cluster.Stray((leader + 2) % 3);
        await WishAsync(cluster);
        for (int waits = 0; !cluster.Replay.Contains("no majority has the same", StringComparison.Ordinal); waits++)
        {
            Assert.True(waits < 1_000, "nobody notices");
            await cluster.AdvanceAsync(TimeSpan.FromMilliseconds(10));
        }

        Assert.Contains($"node {leader} says: Shard 0 failed", cluster.Replay);
        for (int node = 0; node < 3; node++) Assert.Equal(0, (cluster.MachineOf(node) as KvMachine)?.Generation.Number ?? 0);
    }

    /// <summary>Before the mark, behind it, before the end of log is committed and behind it: the wish is in the state, and the next leader's first entry is a mark.</summary>
    [Fact]
    public async Task Wherever_in_a_cut_the_leader_dies_the_next_one_ends_it_and_there_is_one_generation()
    {
        int begunBefore = 0, begunAfter = 0;
        for (int i = 0; i < 30; i++)
        {
            using var cluster = TestCluster.Start(new TestClusterOptions { Seed = i });
            await PutAsync(cluster, 5);
            await WishAsync(cluster);
            int leader = cluster.Leader;
            await cluster.AdvanceAsync(TimeSpan.FromMilliseconds(i * 5.0));
            if (GenerationOf(cluster, leader).Number == 1) begunBefore++;
            else begunAfter++;
            await cluster.CrashAsync(leader);
            await cluster.AdvanceAsync(_long);
            Assert.NotEqual(leader, cluster.Leader);
            Generation begun = GenerationOf(cluster, cluster.Leader);
            Assert.Equal(1, begun.Number);
            Assert.Null(Machine(cluster, cluster.Leader).Cuts.Wish);
            await cluster.StartAsync(leader);
            cluster.Check();
            for (int node = 0; node < 3; node++) Assert.Equal(begun, GenerationOf(cluster, node));
        }

        Assert.True(begunBefore > 3 && begunAfter > 3, $"{begunBefore} leaders died behind the cut, {begunAfter} in it");
    }

    /// <summary>Two who take themselves for leaders: the one without a majority begins nothing, and when it hears of the other it has that one's generation.</summary>
    [Fact]
    public async Task A_leader_that_was_cut_off_begins_no_generation_and_takes_over_that_of_the_next()
    {
        int apart = 0;
        for (int i = 0; i < 20; i++)
        {
            using var cluster = TestCluster.Start(new TestClusterOptions { Seed = 100 + i });
            await PutAsync(cluster, 5);
            await WishAsync(cluster);
            int old = cluster.Leader;
            await cluster.AdvanceAsync(TimeSpan.FromMilliseconds(i * 5.0));
            long before = GenerationOf(cluster, old).Number;
            cluster.Partition(old);
            await cluster.AdvanceAsync(_long);
            await PutAsync(cluster, 5);
            Generation begun = await CutAsync(cluster);
            Assert.NotEqual(old, cluster.Leader);
            Assert.Equal(before, GenerationOf(cluster, old).Number);   // What it had in its log and not on a majority is no cut.
            if (before == 0) apart++;
            cluster.Heal();
            cluster.Check();
            for (int node = 0; node < 3; node++) Assert.Equal(begun, GenerationOf(cluster, node));
        }

        Assert.True(apart > 2, $"only {apart} leaders were cut off before the generation began");
    }

    [Fact]
    public async Task A_replica_that_is_given_the_state_gets_it_whole_although_the_log_is_cut_under_it()
    {
        using var cluster = TestCluster.Start();
        await PutAsync(cluster, 100, bytes: 4_000);
        await CutAsync(cluster);
        int empty = (cluster.Leader + 1) % 3;
        await cluster.WipeAsync(empty);
        await cluster.StartAsync(empty);
        long before = GenerationOf(cluster, cluster.Leader).Number;
        long during = before;
        for (int cuts = 0; cuts < 40; cuts++)
        {
            await PutAsync(cluster, 1, bytes: 4_000);
            await WishAsync(cluster);
            await cluster.AdvanceAsync(TimeSpan.FromMilliseconds(5));
            if ((cluster.MachineOf(empty) as KvMachine)?.Position.Offset < Machine(cluster, cluster.Leader).Generation.Base.Offset) during = GenerationOf(cluster, cluster.Leader).Number;
        }

        Assert.True(during > before + 1, $"there were {during - before} cuts before it had caught up");
        cluster.Check();
        Assert.Equal(GenerationOf(cluster, cluster.Leader), GenerationOf(cluster, empty));
    }

    /// <summary>Several records, so that each cut has something before it.</summary>
    private static async Task PutAsync(TestCluster cluster, int records, int bytes = 10)
    {
        for (int i = 0; i < records; i++) Assert.Equal(StoreStatus.Ok, (await cluster.Store.PutAsync($"/{i}", Encoding.UTF8.GetBytes(new string('v', bytes)))).Status);
    }

    /// <summary>The wish is committed; what follows is up to the leader.</summary>
    private static async Task WishAsync(TestCluster cluster)
    {
        var wish = new ArrayBufferWriter<byte>();
        new CutCommand(Before: null).Write(wish);
        Assert.Equal(StoreStatus.Ok, CutAnswer.Read((await cluster.ProposeAsync((ushort)KvCommand.Cut, wish.WrittenMemory)).Span).Status);
    }

    /// <returns>The generation that begins.</returns>
    private static async Task<Generation> CutAsync(TestCluster cluster)
    {
        await WishAsync(cluster);
        await cluster.AdvanceAsync(TimeSpan.FromSeconds(1));
        return GenerationOf(cluster, cluster.Leader);
    }

    private static KvMachine Machine(TestCluster cluster, int node) => (KvMachine)cluster.MachineOf(node)!;

    private static Generation GenerationOf(TestCluster cluster, int node) => Machine(cluster, node).Generation;
}

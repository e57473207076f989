using Tidemark.Testing;

namespace Tidemark.Tests.Rebase;

/// <summary>Local stores and the real parts of a shard: what clients come to is the shard's state, and each mutation took effect once, however the shard's log is cut.</summary>
public sealed class ShardSyncProperties
{
    private const int Seeds = 60;
    private const int Commands = 120;

    [Fact]
    public void Clients_of_a_real_shard_come_to_its_state_and_each_mutation_takes_effect_once()
    {
        for (int seed = 1; seed <= Soak.Times(Seeds); seed++) Live(seed);
        ShardSyncRun.Hits.Require(
            "mutation", "mutation rejected", "poison decided", "two versions pending", "message lost", "message twice", "crash", "crash at an operation", "power cut", "connection", "server writes", "leader changed",
            "upgrade", "client upgraded", "changes let go", "corruption", "server restored", "copy cannot go on", "cut", "cut begun", "part of a copy");
    }

    /// <summary>
    /// The same run twice, once with cuts. What is different by design: entries of cuts have places in the server's log, so offsets are others, and where a server was restored to an earlier state, whether a client's old
    /// position lies behind its end or in its midst. From there on the two runs go their own ways.
    /// </summary>
    [Fact]
    public void Whether_the_servers_log_is_cut_no_client_shows_or_asks_anything_else()
    {
        (long generations, int compared) = (0, 0);
        for (int seed = 1_001; seed <= 1_000 + Soak.Times(Seeds / 2); seed++)
        {
            using ShardSyncRun whole = new(seed, isCut: false), cut = new(seed, isCut: true);
            for (int i = 0; i < Commands; i++)
            {
                whole.Next();
                cut.Next();
                if (cut.IsRestored) continue;
                Compare(whole.Shown(), cut.Shown(), $"Seed {seed}, after command {i}");
                compared++;
            }

            whole.End();
            cut.End();
            if (!cut.IsRestored) Compare(whole.Shown(), cut.Shown(), $"Seed {seed}, at the end");
            Assert.Equal(0, whole.Generation);
            generations = Math.Max(generations, cut.Generation);
        }

        Assert.True(generations > 8 && compared > Commands * Seeds / 4, $"{generations} generations at most, {compared} comparisons");
    }

    [Fact]
    public void A_harness_shows_in_a_few_lines_how_mutators_of_yours_converge()
    {
        var harness = new SyncHarness(TaskMutators.Client, TaskMutators.NewServer, new SyncHarnessOptions { Clients = 2, Loss = 0.2 });
        harness.PutOnServer("/task/0", "server"u8.ToArray());
        harness.SetConnected(1, false);
        harness.Mutate(0, new AppendTask("/task/1", 1));
        harness.Mutate(1, new AppendTask("/task/1", 2));
        harness.RunUntilQuiet();
        harness.CutOnServer();
        harness.CutPower(1);
        harness.SetConnected(1, true);
        harness.RunUntilQuiet();
        harness.AssertConverged();
        Assert.True(harness.TryGet(1, "/task/1", out ReadOnlyMemory<byte> both) && both.Span.SequenceEqual("+1+2"u8));
        Assert.True(harness.TryGet(0, "/task/0", out _));
    }

    private static void Compare(string whole, string cut, string when)
    {
        if (whole == cut) return;
        string[] without = whole.Split('\n'), with = cut.Split('\n');
        int at = without.Zip(with).TakeWhile(pair => pair.First == pair.Second).Count();
        Assert.Fail($"{when}: without cuts\n{string.Join('\n', without.Skip(at).Take(5))}\nand with cuts\n{string.Join('\n', with.Skip(at).Take(5))}");
    }

    [Fact]
    public void What_a_harness_writes_on_its_server_all_clients_show_with_whatever_seed()
    {
        for (int seed = 1; seed <= 20; seed++)
        {
            var harness = new SyncHarness(TaskMutators.Client, options: new SyncHarnessOptions { Seed = seed });
            harness.PutOnServer("/task/0", "server"u8.ToArray());
            harness.RunUntilQuiet();
            Assert.True(harness.TryGet(1, "/task/0", out _), $"seed {seed}");
        }
    }

    internal static void Live(int seed)
    {
        using var run = new ShardSyncRun(seed, isCut: true);
        try
        {
            for (int i = 0; i < Commands; i++) run.Next();
            run.End();
        }
        catch (Exception e)
        {
            throw new InvalidOperationException($"Seed {seed}: {e.Message}", e);
        }
    }
}

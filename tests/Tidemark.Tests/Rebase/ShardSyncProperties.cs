using Tidemark.Core.KeyValue;
using Tidemark.Core.Rebase;
using Tidemark.Testing;
using Tidemark.Testing.Sync;

namespace Tidemark.Tests.Rebase;

/// <summary>Local stores and the real parts of a shard: what clients come to is the shard's state, and each mutation took effect once.</summary>
public sealed class ShardSyncProperties
{
    private const int Seeds = 60;

    [Fact]
    public void Clients_of_a_real_shard_come_to_its_state_and_each_mutation_takes_effect_once()
    {
        int resets = 0, restores = 0;
        for (int seed = 1; seed <= Soak.Times(Seeds); seed++)
        {
            try
            {
                (int reset, int restored) = Live(seed);
                resets += reset;
                restores += restored;
            }
            catch (Exception e)
            {
                throw new InvalidOperationException($"Seed {seed}: {e.Message}", e);
            }
        }

        Assert.True(resets > 0 && restores > 0, $"{resets} copies could not go on, {restores} times the shard was restored");
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
        harness.CutPower(1);
        harness.SetConnected(1, true);
        harness.RunUntilQuiet();
        harness.AssertConverged();
        Assert.True(harness.TryGet(1, "/task/1", out ReadOnlyMemory<byte> both) && both.Span.SequenceEqual("+1+2"u8));
        Assert.True(harness.TryGet(0, "/task/0", out _));
    }

    private static void Write(SyncHarnessServer server, Random random)
    {
        byte[] key = System.Text.Encoding.UTF8.GetBytes($"/task/{random.Next(12)}");
        int what = random.Next(5);
        server.Write(output =>
        {
            if (what == 0) CommandWriter.WriteDeleteRange(output, null, KeyRange.Between("/task/3", "/task/7"));
            else if (what == 1) CommandWriter.WriteDelete(output, null, key, null);
            else CommandWriter.WritePut(output, null, key, "server"u8, default);
        });
    }

    private static (int Resets, int Restores) Live(int seed)
    {
        var random = new Random(seed);
        var settings = new NamespaceOptions { ChangeLogEntries = random.Next(4) == 0 ? 12 : 400, MaxClients = random.Next(3) == 0 ? 2 : 100 };
        using var server = new SyncHarnessServer(SeededChance.For(seed, 1), TaskMutators.NewServer, settings);
        var harness = new SyncHarness(TaskMutators.Client, server, new SyncHarnessOptions { Clients = random.Next(1, 4), Seed = seed, Loss = random.Next(3) * 0.1, Repetition = random.Next(3) * 0.1 });
        Dictionary<(SyncHarnessClient Client, long Mutation), int> pending = [];
        Dictionary<int, TimelineFate> fates = [];
        bool isExact = true;
        foreach (SyncHarnessClient client in harness.Clients)
        {
            client.Settled = move =>
            {
                if (move.Fate == TimelineFate.Called || !pending.Remove((client, move.Mutation), out int tag)) return;
                if (move.Fate == TimelineFate.Renumbered) pending[(client, move.NewNumber)] = tag;
                else fates[tag] = move.Fate;
            };
        }

        Action? restore = null;
        int lastTag = 0, restores = 0;
        for (int i = 0; i < 120; i++)
        {
            SyncHarnessClient client = harness.Clients[random.Next(harness.Clients.Count)];
            switch (random.Next(40))
            {
                case < 18:
                    Mutate(client);
                    break;
                case < 30:
                    for (int steps = random.Next(1, 30); steps > 0; steps--) harness.Step();
                    break;
                case < 34:
                    Write(server, random);
                    break;
                case 34:
                    client.Crash();
                    break;
                case < 37:
                    client.SetConnected(!client.IsConnected);
                    break;
                case 37:
                    server.ChangeLeader();
                    break;
                case 38:
                    restore = server.Save();
                    break;
                default:
                    if (restore is null || random.Next(3) > 0) break;
                    restore();
                    restores++;
                    isExact = false;   // What it had decided since is decided once more, or lost with it.
                    break;
            }
        }

        (harness.Network.Loss, harness.Network.Repetition) = (0, 0);
        foreach (SyncHarnessClient client in harness.Clients) client.SetConnected(true);
        for (int rounds = 0; rounds < 20; rounds++)
        {
            harness.RunUntilQuiet();
            foreach (SyncHarnessClient client in harness.Clients)
            {
                if (client.Fields.IsEnded) client.Run(LocalCommand.Retry, LocalCommands.Retry());
                if (client.Fields.Question == LocalStoreQuestion.None) continue;
                isExact = false;
                client.Run(LocalCommand.Decide, LocalCommands.Decide(LocalStoreAnswer.PushAgain, client.NewClientId()));
            }
        }

        server.ChangeLeader();
        harness.RunUntilQuiet();
        harness.AssertConverged();
        Assert.Equal(server.Machine.ComputeHash(), server.Machine.Hash);
        foreach (SyncHarnessClient client in harness.Clients) Assert.Equal(server.Machine.ContentHash, client.Fields.Content);
        if (isExact) CheckOnce();
        return (server.Resets, restores);

        void Mutate(SyncHarnessClient client)
        {
            int tag = ++lastTag;
            string key = $"/task/{random.Next(12)}";
            try
            {
                pending[(client, random.Next(7) switch
                {
                    < 2 => client.Mutate(new AppendTask(key, tag)),
                    2 => client.Mutate(new ClaimTask(key, tag)),
                    3 => client.Mutate(new DropTask(key, tag)),
                    4 => client.Mutate(new SumTasks(key, tag)),
                    5 => client.Mutate(new PoisonTask(key, tag)),
                    _ => client.Mutate(new PutTask(key, tag)),
                })] = tag;
            }
            catch (MutationRejectedException)
            {
                fates[tag] = TimelineFate.Rejected;
            }
        }

        void CheckOnce()
        {
            for (int tag = 1; tag <= lastTag; tag++)
            {
                bool isThere = harness.TryGet(0, TaskMutators.TagKey(tag), out ReadOnlyMemory<byte> count);
                Assert.True(!isThere || count.Span[0] == 1, $"mutation {tag} took effect {(isThere ? count.Span[0] : 0)} times");
                Assert.True(fates.TryGetValue(tag, out TimelineFate fate), $"nobody was told what became of mutation {tag}");
                Assert.True(isThere == (fate == TimelineFate.Applied), $"mutation {tag} is {fate} and {(isThere ? "took" : "did not take")} effect");
            }
        }
    }
}

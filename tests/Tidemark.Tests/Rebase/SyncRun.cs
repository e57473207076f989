using Tidemark.Core.Rebase;
using Tidemark.Core.State;
using Tidemark.Testing;
using Tidemark.Testing.Sync;

namespace Tidemark.Tests.Rebase;

/// <summary>A run of clients and a naive server through whatever chance draws, with the laws checked after every command.</summary>
internal sealed class SyncRun
{
    private readonly Random _random;
    private readonly SyncLaws _laws = new();
    private readonly CalledTasks _called;
    private readonly HashSet<SyncHarnessClient> _diverged = [];
    private bool _hasCopied, _hasForgotten;
    private Action? _restore;
    private bool _isExact = true;   // Whether each mutation takes effect exactly once: not after a restored server, nor where somebody chose to push again or to discard.

    internal SyncRun(int seed)
    {
        _random = new Random(seed);
        Server = new NaiveServer(TaskMutators.OldServer, KeyOrder.Hierarchical) { PageRows = _random.Next(1, 9), AnswersInParts = _random.Next(4) == 0 };
        var options = new SyncHarnessOptions { Clients = _random.Next(1, 4), Seed = seed, Loss = _random.Next(3) * 0.1, Repetition = _random.Next(3) * 0.1 };
        Harness = new SyncHarness(TaskMutators.Client, Server, options) { TellsOfChanges = _random.Next(4) > 0 };
        _called = new CalledTasks(_random);
        foreach (SyncHarnessClient client in Harness.Clients) _called.Watch(client);
    }

    internal NaiveServer Server { get; }

    internal SyncHarness Harness { get; }

    /// <summary>What was done, in order.</summary>
    internal List<string> Story { get; } = [];

    /// <summary>How often each thing happened, over all runs.</summary>
    internal static RunHits Hits { get; } = new();

    internal void Run(int commands)
    {
        for (int i = 0; i < commands; i++)
        {
            string what = Command();
            Story.Add(what);
            Hits.Add(what);
            Hits.AddStateOf(Harness);
            foreach (SyncHarnessClient client in Harness.Clients) _laws.Check(client, $"after command {i}, {what}");
        }

        Heal();
        Harness.RunUntilQuiet();
        foreach (SyncHarnessClient client in Harness.Clients)
        {
            _laws.Check(client, "at the end");
            SyncLaws.CheckConverged(client, Server, "at the end");
        }

        Harness.AssertConverged();
        CheckOnce();
        Hits.AddEndOf(Harness);
        Hits.Add("poison decided", Server.Decided.Count(decided => decided.Run.End == MutationEnd.Faulted));
    }

    private string Command()
    {
        SyncHarnessClient client = Harness.Clients[_random.Next(Harness.Clients.Count)];
        Story.Add($"client {client.Number} {client.Fields.Client} {client.Fields.IsPushed} {client.Fields.First}..{client.Fields.Next}, {Harness.Elapsed}:");
        switch (_random.Next(104))
        {
            case < 42:
                return _called.Call(client);
            case < 70:
                for (int steps = _random.Next(1, 30); steps > 0; steps--) Harness.Step();
                return "time";
            case < 74:
                client.Disk.StopAt(client.Disk.OperationCount + _random.Next(1, 20), _random.Next(2) == 0 ? StopMoment.Before : StopMoment.Halfway);
                return "crash at an operation";
            case < 76:
                client.Crash();
                return "power cut";
            case < 78:
                client.Restart();
                return "restart";
            case < 83:
                client.SetConnected(!client.IsConnected);
                return "connection";
            case < 86:
                Server.Put($"/task/{_random.Next(12)}", _random.Next(3) == 0 ? null : [(byte)_random.Next(256)]);
                return "server writes";
            case < 88:
                Server.Put("/trouble", _random.Next(2) == 0 ? null : [1]);
                return "trouble";
            case < 90:
                Server.Trim();
                return "trim";
            case < 91:
                Server.Mutators = TaskMutators.NewServer;
                return "upgrade";
            case < 93 when client.Fields.Position is not null && !_diverged.Contains(client):
                return Corrupt(client);
            case < 94:
                Server.Forget(client.Fields.Client);
                _hasForgotten = true;
                _isExact &= !_hasCopied;   // What two copies have that never pushed, both push under new ids once the old one is forgotten: neither can know.
                return "client forgotten";
            case < 95 when Harness.Clients.Count < 5 && client.Fields.Order is not null:
                _hasCopied = true;
                _isExact &= !_hasForgotten;
                _called.Watch(Harness.Add(client.Mutators, client.CopyDisk()), client);
                return "directory copied";
            case < 96:
                _restore = Server.Save();
                return "server saved";
            case < 97 when _restore is not null:
                _restore();
                _isExact = false;
                return "server restored";
            case < 100:
                return Answer(client);
            case < 102:
                Server.Cut();
                return "cut";
            default:
                client.Mutators = TaskMutators.NewClient;
                client.Restart();
                return "client upgraded";
        }
    }

    private string Corrupt(SyncHarnessClient client)
    {
        if (Rot(client) is not { } key) return "nothing to corrupt";
        _laws.Corrupted(client);
        _diverged.Add(client);
        Server.Put(key, [42]);   // Whoever meets the row again notices.
        return "corruption";
    }

    /// <summary>Changes a byte of one of the records under /task in a client's base, behind its back.</summary>
    /// <returns>Of which; null where there is none.</returns>
    internal static StoreKey? Rot(SyncHarnessClient client)
    {
        LocalMachine machine = client.Replica.Machine;
        using RowCursor cursor = machine.Table.OpenCursor();
        byte table = LocalRows.Records(machine.Fields.Tables);
        EncodedKeyRange tasks = KeyOrder.Hierarchical.Encode(KeyRange.Children("/task"));
        if (!cursor.SeekAtOrAfter(RecordRows.Start(table, tasks)) || cursor.Key.SequenceCompareTo(RecordRows.End(table, tasks)) >= 0) return null;
        (byte[] key, byte[] row) = (cursor.Key.ToArray(), cursor.Value.ToArray());
        row[0] ^= 1;
        machine.Table.Set(key, row);
        return machine.Fields.Order!.Decode(key.AsSpan(1));
    }

    private string Answer(SyncHarnessClient client)
    {
        if (client.Fields.IsEnded)
        {
            client.Run(LocalCommand.Retry, LocalCommands.Retry());
            return "retry";
        }

        if (client.Fields.Question == LocalStoreQuestion.None) return "no question";
        _isExact = false;
        LocalStoreAnswer answer = _random.Next(2) == 0 ? LocalStoreAnswer.PushAgain : LocalStoreAnswer.Discard;
        try
        {
            client.Run(LocalCommand.Decide, LocalCommands.Decide(answer, client.NewClientId()));
        }
        catch (Exception e) when (e is SimulatedCrashException or StoreFailedException or OutcomeUnknownException)
        {
            return "crash in an answer";
        }

        return $"answer {answer}";
    }

    /// <summary>Everything works from now on, and whoever is asked answers.</summary>
    private void Heal()
    {
        (Harness.Network.Loss, Harness.Network.Repetition, Server.Mutators) = (0, 0, TaskMutators.NewServer);
        foreach (SyncHarnessClient client in Harness.Clients)
        {
            client.Disk.StopAt(0);
            client.SetConnected(true);
        }

        for (int rounds = 0; rounds < 20; rounds++)
        {
            Harness.RunUntilQuiet();
            foreach (SyncHarnessClient client in Harness.Clients) Story.Add($"client {client.Number} {client.Fields.Client} {client.Fields.Question}: {Answer(client)}");
        }
    }

    private void CheckOnce()
    {
        foreach ((Guid client, TimelineEntry mutation, MutationRun run) in Server.Decided.Where(decided => decided.Run.End != MutationEnd.Done)) Assert.Empty(run.Writes);
        foreach (IGrouping<Guid, (Guid, TimelineEntry Mutation, MutationRun)> one in Server.Decided.GroupBy(decided => decided.Client))
            Assert.Equal(Enumerable.Range(1, one.Count()).Select(i => (long)i), one.Select(decided => decided.Mutation.Id));
        _called.Check(Harness, _isExact, Decisions);
    }

    private string Decisions(int tag) => string.Join(", ", Server.Decided.Where(decided => System.Text.Encoding.UTF8.GetString(decided.Mutation.Arguments.Span).StartsWith($"{tag} ", StringComparison.Ordinal))
        .Select((decided, at) => $"{decided.Client} #{decided.Mutation.Id} {decided.Run.End}"));
}

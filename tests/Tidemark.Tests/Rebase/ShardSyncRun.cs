using System.Text;

using Tidemark.Core.Engines;
using Tidemark.Core.KeyValue;
using Tidemark.Core.Rebase;
using Tidemark.Testing;
using Tidemark.Testing.Sync;

namespace Tidemark.Tests.Rebase;

/// <summary>A run of clients and the real parts of a shard through whatever chance draws, with the laws checked after every command. When the shard's log is cut is drawn apart, so that the same run can be had without.</summary>
internal sealed class ShardSyncRun : IDisposable
{
    private const double CutChance = 0.15;

    private readonly Random _random;
    private readonly SeededChance? _cuts;
    private readonly SyncHarnessServer _server;
    private readonly SyncHarness _harness;
    private readonly SyncLaws _laws = new();
    private readonly CalledTasks _called;
    private readonly HashSet<SyncHarnessClient> _diverged = [];
    private readonly Dictionary<SyncHarnessClient, LocalView> _shown = [];
    private Action? _restore;
    private bool _hasAsked;   // What a client pushed again may take effect twice.

    internal ShardSyncRun(int seed, bool isCut)
    {
        _random = new Random(seed);
        _cuts = isCut ? SeededChance.For(seed, 2) : null;
        var settings = new NamespaceOptions { ChangeLogEntries = _random.Next(4) == 0 ? 12 : 400, MaxClients = _random.Next(3) == 0 ? 2 : 100 };
        _server = new SyncHarnessServer(SeededChance.For(seed, 1), TaskMutators.OldServer, settings);
        _harness = new SyncHarness(TaskMutators.Client, _server, new SyncHarnessOptions { Clients = _random.Next(1, 4), Seed = seed, Loss = _random.Next(3) * 0.1, Repetition = _random.Next(3) * 0.1 });
        _called = new CalledTasks(_random);
        foreach (SyncHarnessClient client in _harness.Clients) _called.Watch(client);
    }

    /// <summary>How often each thing happened, over all runs.</summary>
    internal static RunHits Hits { get; } = new();

    /// <summary>The generation of the server's log that goes on.</summary>
    internal long Generation => _server.Machine.Generation.Number;

    /// <summary>Whether the server was restored to an earlier state: not each mutation takes effect exactly once any more.</summary>
    internal bool IsRestored { get; private set; }

    /// <summary>Does what is drawn next.</summary>
    internal void Next()
    {
        string what = Command();
        Hits.Add(what);
        Cut();
        Hits.AddStateOf(_harness);
        foreach (SyncHarnessClient client in _harness.Clients) _laws.Check(client, $"after {what}");
    }

    /// <summary>Everything works from now on: all clients come to the shard's state, and each mutation took effect once.</summary>
    internal void End()
    {
        (_harness.Network.Loss, _harness.Network.Repetition) = (0, 0);
        Upgrade();
        foreach (SyncHarnessClient client in _harness.Clients)
        {
            client.Disk.StopAt(0);
            client.SetConnected(true);
        }

        for (int rounds = 0; rounds < 20; rounds++)
        {
            _harness.RunUntilQuiet();
            Cut();
            foreach (SyncHarnessClient client in _harness.Clients)
            {
                if (client.Fields.IsEnded) client.Run(LocalCommand.Retry, LocalCommands.Retry());
                if (client.Fields.Question == LocalStoreQuestion.None) continue;
                _hasAsked = true;
                client.Run(LocalCommand.Decide, LocalCommands.Decide(LocalStoreAnswer.PushAgain, client.NewClientId()));
            }
        }

        _server.ChangeLeader();
        _harness.RunUntilQuiet();
        _harness.AssertConverged();
        Assert.Equal(_server.Machine.ComputeHash(), _server.Machine.Hash);
        foreach (SyncHarnessClient client in _harness.Clients) Assert.Equal(_server.Machine.ContentHash, client.Fields.Content);
        _called.Check(_harness, isExact: !IsRestored && !_hasAsked, _ => "");
        Hits.AddEndOf(_harness);
        Hits.Add("copy cannot go on", _server.Resets);
        Hits.Add("poison decided", _harness.Clients.Sum(client => client.View.Rejections().Count(rejected => rejected.Rejection.Code == "poison")));
    }

    /// <summary>All that programs and networks see of the clients, and what was told to watches since this was asked last. Offsets of the server's log are left out: its cuts take some.</summary>
    internal string Shown()
    {
        var text = new StringBuilder();
        foreach (SyncHarnessClient client in _harness.Clients)
        {
            (LocalView view, SyncClient sync) = (client.View, client.Replica.Leader.Sync!);
            LocalFields fields = client.Fields;
            text.AppendLine($"client {client.Number}: {fields.Client} {fields.IsPushed} {fields.Question} {fields.IsEnded}, pending {fields.First}..{fields.Next} {fields.Before} {fields.Last}, {sync.Status}");
            text.AppendLine($"  log {fields.Position?.LogId} {fields.Timestamp} {fields.Content} {fields.Download?.Content} {Convert.ToHexString(fields.Download?.Bound ?? [])}, asked {sync.Requests}, sent {sync.MutationsSent}");
            foreach ((byte[] key, byte[] row) in RecordRows.Rows(view.Base.OpenCursor(), LocalRows.Records(view.Fields.Tables), default, isReverse: false)) text.AppendLine($"  {Convert.ToHexString(key)} {Convert.ToHexString(row)}");
            foreach ((StoreKey key, ReadOnlyMemory<byte> value) in view.Scan(isConfirmed: false, default, isReverse: false)) text.AppendLine($"  {key} = {Convert.ToHexString(value.Span)}");
            foreach ((Guid _, SyncRejection rejection, TimelineEntry mutation) in view.Rejections()) text.AppendLine($"  {mutation.Name} {rejection}");
            foreach (RowChange change in _shown.TryGetValue(client, out LocalView? before) ? view.ChangesSince(before, default) : [])
                text.AppendLine($"  told {Convert.ToHexString(change.Key)} {Convert.ToHexString(change.Before ?? [])} {Convert.ToHexString(change.After ?? [])}");
            _shown[client] = view;
        }

        foreach ((int tag, TimelineFate fate) in _called.Fates.OrderBy(fate => fate.Key)) text.Append($"{tag} {fate}; ");
        return text.ToString();
    }

    public void Dispose() => _server.Dispose();

    private string Command()
    {
        SyncHarnessClient client = _harness.Clients[_random.Next(_harness.Clients.Count)];
        switch (_random.Next(80))
        {
            case < 34:
                return _called.Call(client);
            case < 57:
                for (int steps = _random.Next(1, 30); steps > 0; steps--) _harness.Step();
                return "time";
            case < 63:
                Write();
                return "server writes";
            case 63:
                client.Crash();
                return "power cut";
            case < 66:
                client.Disk.StopAt(client.Disk.OperationCount + _random.Next(1, 20), _random.Next(2) == 0 ? StopMoment.Before : StopMoment.Halfway);
                return "crash at an operation";
            case < 71:
                client.SetConnected(!client.IsConnected);
                return "connection";
            case 71:
                _server.ChangeLeader();
                return "leader changed";
            case 72:
                Upgrade();
                return "upgrade";
            case 73:
                client.Mutators = TaskMutators.NewClient;
                client.Restart();
                return "client upgraded";
            case 74:
                _server.LetChangesGo();
                return "changes let go";
            case 75 when client.Fields.Position is not null && !_diverged.Contains(client):
                return Corrupt(client);
            case < 78:
                _restore = _server.Save();
                return "server saved";
            default:
                if (_restore is null || _random.Next(3) > 0) return "nothing";
                _restore();
                IsRestored = true;   // What it had decided since is decided once more, or lost with it.
                return "server restored";
        }
    }

    private void Cut()
    {
        if (_cuts is null || !_cuts.Hits(CutChance)) return;
        long before = Generation;
        _harness.CutOnServer();
        Hits.Add(Generation > before ? "cut" : "cut begun");   // Behind what is under way, or for nothing.
    }

    /// <summary>The server's program is replaced by a newer one.</summary>
    private void Upgrade()
    {
        _server.Mutators = TaskMutators.NewServer;
        _server.ChangeLeader();
    }

    private void Write()
    {
        byte[] key = Encoding.UTF8.GetBytes($"/task/{_random.Next(12)}");
        int what = _random.Next(5);
        _server.Write(output =>
        {
            if (what == 0) CommandWriter.WriteDeleteRange(output, null, KeyRange.Between("/task/3", "/task/7"));
            else if (what == 1) CommandWriter.WriteDelete(output, null, key, null);
            else CommandWriter.WritePut(output, null, key, "server"u8, default);
        });
    }

    private string Corrupt(SyncHarnessClient client)
    {
        if (SyncRun.Rot(client) is not { } key) return "nothing to corrupt";
        _laws.Corrupted(client);
        _diverged.Add(client);
        _server.Write(output => CommandWriter.WritePut(output, null, key.Span, "server"u8, default));   // Whoever meets the row again notices.
        return "corruption";
    }
}

using System.Text;

using Tidemark.Core.Hashing;
using Tidemark.Core.Replication;

namespace Tidemark.Tests.Replication;

/// <summary>How far the explorer goes.</summary>
/// <param name="Terms">The highest term.</param>
/// <param name="Values">How many entries are proposed.</param>
/// <param name="Crashes">How often each node is killed and started again.</param>
/// <param name="Doubles">How many messages come twice.</param>
/// <param name="Ticks">How many heartbeats pass at leaders and elections.</param>
/// <param name="Elections">How many work on the shard at once.</param>
internal sealed record ExploredScope(int Terms, int Values, int Crashes, int Doubles, int Ticks, int Elections = 1);

/// <summary>A replica of the explored cluster: core, log, and a disk a crash cuts back to.</summary>
internal sealed class ExploredNode
{
    internal required ReplicaCore Core;
    internal List<SimEntry> Log = [];
    internal (long Term, bool IsLost) Disk;
    internal (long Term, bool IsLost)? Saving;
    internal long Flushing;
    internal int Crashes;

    internal ExploredNode Copy() => new() { Core = Core.Copy(), Log = [.. Log], Disk = Disk, Saving = Saving, Flushing = Flushing, Crashes = Crashes };
}

/// <summary>One state of everything: cores, disks, messages on their way, the status; and all steps that may come next.</summary>
internal sealed class ExploredCluster
{
    private const int Nodes = 3;

    private readonly ExploredScope _scope;
    private readonly ExploredNode[] _nodes;
    private readonly ElectionCore[] _elections;
    private readonly List<SimMessage> _network;      // Each once: what is the same is one.
    private readonly List<(int Election, ElectionEffect Order)> _storeCalls;
    private readonly List<SimEntry> _committed;
    private readonly SortedDictionary<long, int> _leaders;
    private ShardStatus _status;
    private long _version;
    private int _values, _doubles, _ticks;

    internal ExploredCluster(ExploredScope scope)
    {
        _scope = scope;
        _status = new ShardStatus(0, ShardStatus.Nobody, [.. Enumerable.Range(0, Nodes)], null, "first");
        _nodes = [.. Enumerable.Range(0, Nodes).Select(node => new ExploredNode { Core = Start(node, 1, [], default) })];
        _elections = [.. Enumerable.Range(0, scope.Elections).Select(number => new ElectionCore($"e{number}", new ElectionLimits(Grace: 0, Patience: 2)))];
        (_network, _storeCalls, _committed, _leaders) = ([], [], [], []);
    }

    private ExploredCluster(ExploredCluster other)
    {
        (_scope, _status, _version) = (other._scope, other._status, other._version);
        (_values, _doubles, _ticks) = (other._values, other._doubles, other._ticks);
        _nodes = Array.ConvertAll(other._nodes, node => node.Copy());
        _elections = Array.ConvertAll(other._elections, core => core.Copy());
        (_network, _storeCalls, _committed, _leaders) = ([.. other._network], [.. other._storeCalls], [.. other._committed], new SortedDictionary<long, int>(other._leaders));
    }

    /// <summary>The state after a number of steps of a schedule without faults: a leader of the first term, which all follow.</summary>
    internal static ExploredCluster WithLeader(ExploredScope scope)
    {
        var cluster = new ExploredCluster(scope);
        for (int tick = 0; tick < 8 && !cluster._nodes.Any(node => node.Core.IsServing); tick++)
        {
            cluster.Elect(0, core => core.Tick(cluster.Orders));
            while (cluster.Calm() is { } next) next(cluster);
        }

        Assert.Contains(cluster._nodes, node => node.Core.IsServing);
        return cluster;
    }

    private List<Effect> Effects { get; } = [];

    private List<ElectionEffect> Orders { get; } = [];

    /// <summary>What tells this state from all others.</summary>
    internal UInt128 Fingerprint()
    {
        var text = new StringBuilder(1024);
        foreach (ExploredNode node in _nodes) text.Append(node.Core).Append('|').AppendJoin(',', node.Log.Select(entry => entry.Value)).Append('|').Append(node.Disk).Append(node.Saving).Append(node.Flushing).Append(node.Crashes).Append('\n');
        foreach (ElectionCore core in _elections) text.Append(core).Append('\n');
        foreach (string message in _network.Select(message => message.Text).Order(StringComparer.Ordinal)) text.Append(message).Append('\n');
        foreach (string call in _storeCalls.Select(call => call.ToString()).Order(StringComparer.Ordinal)) text.Append(call).Append('\n');
        text.AppendJoin(',', _committed).AppendJoin(',', _leaders).Append(_status).Append(_status.Nonce).Append(_version).Append('/').Append(_values).Append('/').Append(_doubles).Append('/').Append(_ticks);
        (ulong high, ulong low) = MurmurHash3X64.Hash(Encoding.Unicode.GetBytes(text.ToString()), 1, 2);
        return new UInt128(high, low);
    }

    /// <summary>All that may happen next, each from a copy of this.</summary>
    internal IEnumerable<(string What, ExploredCluster Next)> Steps()
    {
        // Where no crash comes between any more, a disk that waits longer gives nothing that a message that waits longer does not give too.
        int busy = Array.FindIndex(_nodes, node => node.Crashes >= _scope.Crashes && (node.Saving is not null || node.Flushing > 0));
        if (busy >= 0)
        {
            if (_nodes[busy].Saving is not null) yield return Take($"{busy} saved", next => next.Save(busy));
            else yield return Take($"{busy} flushed", next => next.Flush(busy));
            yield break;
        }

        for (int i = 0; i < _network.Count; i++)
        {
            int at = i;
            yield return Take($"{_network[at]}", next => next.Deliver(at, again: false));
            if (_doubles < _scope.Doubles) yield return Take($"{_network[at]}, which comes again", next => next.Deliver(at, again: true));
        }

        for (int i = 0; i < _storeCalls.Count; i++)
        {
            int at = i;
            yield return Take($"store: {_storeCalls[at]}", next => next.AnswerStore(at));
        }

        for (int i = 0; i < Nodes; i++)
        {
            int at = i;
            ExploredNode node = _nodes[at];
            if (node.Flushing > 0) yield return Take($"{at} flushed", next => next.Flush(at));
            if (node.Saving is not null) yield return Take($"{at} saved", next => next.Save(at));
            if (node.Core.IsServing && _values < _scope.Values) yield return Take($"{at} proposes", next => next.Propose(at));
            if (node.Core.Role == ReplicaRole.Leader && _ticks < _scope.Ticks) yield return Take($"{at} ticks", next => next.Tick(at));
            if (node.Crashes >= _scope.Crashes) continue;
            foreach (bool keepsLog in (bool[])[true, false])
            {
                foreach (bool keepsTerm in (bool[])[true, false])
                {
                    bool isSame = (keepsLog && node.Core.Durable == node.Log.Count) || (keepsTerm && node.Saving is null);
                    if (!isSame) yield return Take($"{at} crashes{(keepsLog ? ", its log stays" : "")}{(keepsTerm ? ", its term stays" : "")}", next => next.Crash(at, keepsLog, keepsTerm));
                }
            }
        }

        for (int i = 0; i < _elections.Length; i++)
        {
            int at = i;
            if (_status.Term < _scope.Terms && _storeCalls.Count == 0) yield return Take($"election {at} suspects {_status.Leader}", next => next.Elect(at, core => core.Suspect(next._status.Leader, next.Orders)));
            if (_ticks < _scope.Ticks) yield return Take($"election {at} ticks", next => next.TickElection(at));
        }
    }

    public override string ToString() => string.Join('\n', _nodes.Select(node => node.Core.ToString()).Concat(_elections.Select(core => core.ToString())));

    private static ReplicaCore Start(int node, long run, IReadOnlyList<SimEntry> log, (long Term, bool IsLost) disk)
    {
        var terms = new LogTerms(LogHead.None);
        foreach (SimEntry entry in log) terms.Append(entry.Term, 1);
        return new ReplicaCore(new ReplicaStart(node, run, disk.Term, disk.IsLost, terms, Applied: 0), new ReplicaLimits(Window: 8, Batch: 8));
    }

    private (string, ExploredCluster) Take(string what, Action<ExploredCluster> step)
    {
        var next = new ExploredCluster(this);
        try
        {
            step(next);
            next.Forget();
        }
        catch (Exception e)
        {
            throw new InvalidOperationException($"{what}: {e.Message}", e);
        }

        return (what, next);
    }

    /// <summary>The first thing there is to do where nothing fails.</summary>
    private Action<ExploredCluster>? Calm()
    {
        if (_network.Count > 0) return next => next.Deliver(0, again: false);
        if (_storeCalls.Count > 0) return next => next.AnswerStore(0);
        int busy = Array.FindIndex(_nodes, node => node.Saving is not null);
        if (busy >= 0) return next => next.Save(busy);
        busy = Array.FindIndex(_nodes, node => node.Flushing > 0);
        return busy >= 0 ? next => next.Flush(busy) : null;
    }

    /// <summary>Messages that nobody will listen to any more are none.</summary>
    private void Forget() => _network.RemoveAll(message =>
    {
        if (message.IsForElection) return message.Message.Term < _status.Term && _elections.Length == 1;
        ExploredNode node = _nodes[message.To];
        if (message.Message.Term < node.Disk.Term) return true;
        return message.Message switch
        {
            Ack or Truncated or Restored or AddFollower or Settle => node.Core.Role != ReplicaRole.Leader && node.Core.Term == message.Message.Term && message.Message is not AddFollower,
            NewTerm => node.Core.Role != ReplicaRole.Fenced && node.Core.Term == message.Message.Term && node.Crashes >= _scope.Crashes,
            _ => false,
        };
    });

    private void Deliver(int at, bool again)
    {
        SimMessage message = _network[at];
        if (again) _doubles++;
        else _network.RemoveAt(at);
        if (message.IsForElection) Elect(message.To, core => core.Step(message.From, message.Message, Orders));
        else Do(message.To, core => core.Step(message.From, message.Message, Effects), message);
    }

    private void Flush(int at)
    {
        long end = Math.Min(_nodes[at].Flushing, _nodes[at].Core.Log.End);
        _nodes[at].Flushing = 0;
        Do(at, core => core.Flushed(Math.Max(end, core.Durable), Effects));
    }

    private void Save(int at)
    {
        ExploredNode node = _nodes[at];
        node.Disk = node.Saving!.Value;
        node.Saving = null;
        Do(at, core => core.Saved(node.Disk.Term, node.Disk.IsLost, Effects));
    }

    private void Propose(int at)
    {
        int value = ++_values;
        Do(at, core => core.Propose(Effects), value: value);
    }

    private void Tick(int at)
    {
        _ticks++;
        Do(at, core => core.Tick(Effects));
    }

    private void Crash(int at, bool keepsLog, bool keepsTerm)
    {
        ExploredNode node = _nodes[at];
        if (!keepsLog) node.Log.RemoveRange((int)node.Core.Durable, node.Log.Count - (int)node.Core.Durable);
        if (keepsTerm && node.Saving is { } saving) node.Disk = saving;
        (node.Saving, node.Flushing) = (null, 0);
        node.Crashes++;
        node.Core = Start(at, node.Core.Run + 1, node.Log, node.Disk);
    }

    private void TickElection(int at)
    {
        _ticks++;
        Elect(at, core => core.Tick(Orders));
    }

    private void AnswerStore(int at)
    {
        (int election, ElectionEffect order) = _storeCalls[at];
        _storeCalls.RemoveAt(at);
        if (order.Write is not { } status)
        {
            Elect(election, core => core.Read(_status, _version, Orders));
            return;
        }

        bool isDone = order.Over == _version && status.Term <= _scope.Terms;
        if (isDone) (_status, _version) = (status, _version + 1);
        Elect(election, core =>
        {
            if (isDone) core.Written(status.Nonce, _version, Orders);
            else core.NotWritten(status.Nonce, isUnknown: false, Orders);
        });
    }

    private void Elect(int number, Action<ElectionCore> step)
    {
        Orders.Clear();
        step(_elections[number]);
        foreach (ElectionEffect effect in Orders)
        {
            if (effect.Message is { } message) Send(new SimMessage(number, effect.Node, IsForElection: false, message, []));
            else if (!_storeCalls.Contains((number, effect))) _storeCalls.Add((number, effect));
        }
    }

    private void Send(SimMessage message)
    {
        if (!_network.Exists(other => other.Text == message.Text)) _network.Add(message);
    }

    private void Do(int at, Action<ReplicaCore> step, SimMessage? message = null, long value = 0)
    {
        ExploredNode node = _nodes[at];
        Effects.Clear();
        step(node.Core);
        node.Core.EndTurn(Effects);
        foreach (Effect effect in Effects) CarryOut(at, node, effect, message, value);
        Assert.True(node.Core.Applied <= node.Core.Durable, $"the state of {at} is ahead of its log");
        Assert.Equal(node.Core.Log.End, node.Log.Count);
    }

    private void CarryOut(int at, ExploredNode node, Effect effect, SimMessage? message, long value)
    {
        switch (effect.Kind)
        {
            case EffectKind.BeginTerm:
                Assert.True(_leaders.TryAdd(node.Core.Term, at), $"both {_leaders.GetValueOrDefault(node.Core.Term)} and {at} lead term {node.Core.Term}");
                node.Log.Add(new SimEntry(node.Core.Term, -node.Core.Term));
                break;
            case EffectKind.Persist when effect.Message is Append append:
                for (long offset = effect.From; offset < effect.To; offset++) node.Log.Add(message!.Entries[(int)(offset - append.Before.Offset - 1)]);
                break;
            case EffectKind.Persist:
                node.Log.Add(new SimEntry(node.Core.Term, value));
                break;
            case EffectKind.Flush:
                node.Flushing = effect.To;
                break;
            case EffectKind.Save:
                node.Saving = (node.Core.Term, node.Core.IsLost);
                break;
            case EffectKind.Truncate:
                node.Log.RemoveRange((int)effect.From, node.Log.Count - (int)effect.From);
                node.Flushing = 0;
                break;
            case EffectKind.Send:
                SimEntry[] entries = effect.Message is Append sent ? [.. node.Log.Skip((int)sent.Before.Offset + 1).Take((int)(sent.To - sent.Before.Offset - 1))] : [];
                Send(new SimMessage(at, effect.Node, effect.Message is { IsForElection: true }, effect.Message!, entries));
                break;
            case EffectKind.Apply:
                for (long offset = effect.From; offset < effect.To; offset++) Commit(at, offset, node.Log[(int)offset]);
                break;
            case EffectKind.Serve:
                for (int offset = 0; offset < _committed.Count; offset++)
                    Assert.True(_committed[offset].Term > node.Core.Term || (offset < node.Log.Count && node.Log[offset] == _committed[offset]), $"{at} serves term {node.Core.Term} without {_committed[offset]}, committed at {offset}");
                break;
            case EffectKind.Stop:
                Assert.Fail($"{at} stopped");
                break;
        }
    }

    private void Commit(int at, long offset, SimEntry entry)
    {
        if (offset < _committed.Count) Assert.True(_committed[(int)offset] == entry, $"{at} has {entry} committed at {offset}, and another has {_committed[(int)offset]}");
        else _committed.Add(entry);
    }
}

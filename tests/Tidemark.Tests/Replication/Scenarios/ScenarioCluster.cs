using Tidemark.Core.Replication;

namespace Tidemark.Tests.Replication.Scenarios;

/// <summary>Nodes, elections, the ways between them and the status, each of which does something only when it is told to, and says what.</summary>
/// <remarks>Without time and chance: messages wait in the order in which they were sent, calls of the status in the order in which they came.</remarks>
internal sealed class ScenarioCluster
{
    private const int Endless = 2000;   // Steps of one command: it would never end.

    private readonly List<ScenarioNode> _nodes = [];
    private readonly SortedDictionary<string, ElectionCore> _elections = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int> _electionRuns = [];
    private readonly List<ScenarioMessage> _network = [];
    private readonly List<ScenarioMessage> _held = [];
    private readonly List<ScenarioWay> _holds = [];
    private readonly List<ScenarioWay> _cuts = [];
    private readonly List<(string Election, ElectionEffect Order)> _calls = [];
    private readonly List<string> _said = [];
    private ShardStatus _status = new(0, ShardStatus.Nobody, [0], null, "first");
    private long _version = 1;
    private int _depth;

    internal IReadOnlyList<ScenarioNode> Nodes => _nodes;

    internal long Term => _status.Term;

    internal void Say(string line) => _said.Add($"{new string(' ', 2 * _depth)}{line}");

    /// <summary>What was said since it was asked for the last time.</summary>
    internal string[] Said()
    {
        string[] said = [.. _said];
        _said.Clear();
        return said;
    }

    internal void AddNodes(int count, ReplicaLimits limits)
    {
        for (int i = 0; i < count; i++)
        {
            _nodes.Add(new ScenarioNode(_nodes.Count, limits, this));
            _nodes[^1].Start();
        }

        Said();   // It is always the same.
    }

    internal void SetEnsemble(int[] ensemble) => _status = _status with { Ensemble = ensemble };

    /// <summary>Begins an election, or begins it again: then it has forgotten everything.</summary>
    internal void AddElection(string name, ElectionLimits limits)
    {
        _electionRuns[name] = _electionRuns.GetValueOrDefault(name) + 1;
        _calls.RemoveAll(call => call.Election == name && call.Order.IsRead);
        _elections[name] = new ElectionCore($"{name}.{_electionRuns[name]}", limits);
    }

    internal void Elect(string name, Action<ElectionCore, List<ElectionEffect>> step)
    {
        List<ElectionEffect> effects = [];
        step(Election(name), effects);
        if (effects.Count == 0) Say("nothing");
        foreach (ElectionEffect effect in effects)
        {
            if (effect.Message is { } message)
            {
                Send(new ScenarioMessage(name, $"{effect.Node}", message, []));
                continue;
            }

            Say(ScenarioText.Of(effect));
            _calls.Add((name, effect));
        }
    }

    /// <summary>Ticks an election until it writes a higher term, and lets everything come to rest.</summary>
    internal void ElectAnew(string name)
    {
        for (int i = 0; !_calls.Any(call => call.Election == name && call.Order.Write is not null); i++)
        {
            if (i == Endless) throw new InvalidOperationException($"{name} raises no term.");
            if (_calls.Any(call => call.Election == name)) Under($"store answer {name}", () => Answer(name, isDone: true, isAnswered: true));
            else Under($"tick {name}", () => Elect(name, (core, effects) => core.Tick(effects)));
        }

        Settle();
    }

    internal void Send(ScenarioMessage message)
    {
        bool isCut = _cuts.Exists(way => way.Has(message));
        bool isHeld = _holds.Exists(way => way.Has(message));
        Say($"Send {message}{(isCut ? " (lost)" : isHeld ? " (held)" : "")}");
        if (isCut) return;
        (isHeld ? _held : _network).Add(message);
    }

    /// <summary>Delivers the oldest message on some ways, and what is sent there meanwhile; or only one.</summary>
    internal void Deliver(ScenarioWay way, bool isOne)
    {
        int count = 0;
        while (_network.Find(way.Has) is { } message && !(isOne && count > 0))
        {
            if (++count > Endless) throw new InvalidOperationException("The network does not come to rest.");
            _network.Remove(message);
            ScenarioNode? node = message.To.StartsWith('e') ? null : _nodes[int.Parse(message.To)];
            if (node is { Core: null })
            {
                Say($"{message} (it is down)");
                continue;
            }

            Under($"{message}", () =>
            {
                if (node is not null) node.Deliver(message);
                else Elect(message.To, (core, effects) => core.Step(int.Parse(message.From), message.Message, effects));
            });
        }

        if (count == 0) Say("no messages");
    }

    internal void Drop(ScenarioWay way, bool isOne) => Take(_network, way, isOne).ForEach(message => Say($"{message} (lost)"));

    internal void Duplicate(ScenarioWay way)
    {
        List<ScenarioMessage> doubled = _network.FindAll(way.Has);
        doubled.ForEach(message => Say($"{message} (twice)"));
        _network.AddRange(doubled);
    }

    /// <summary>Keeps messages back until they are released: those on the way, and those still to come.</summary>
    internal void Hold(ScenarioWay way, bool isNowOnly)
    {
        if (!isNowOnly) _holds.Add(way);
        List<ScenarioMessage> held = Take(_network, way, isOne: false);
        held.ForEach(message => Say($"{message} (held)"));
        _held.AddRange(held);
    }

    internal void Release(ScenarioWay way)
    {
        _holds.Remove(way);
        List<ScenarioMessage> released = Take(_held, way, isOne: false);
        released.ForEach(message => Say($"{message} (on its way)"));
        _network.AddRange(released);
    }

    /// <summary>Loses messages, those on the way and those still to come, until it is healed.</summary>
    internal void Cut(ScenarioWay way)
    {
        _cuts.Add(way);
        Drop(way, isOne: false);
    }

    internal void Heal() => _cuts.Clear();

    /// <summary>Does all that is there to be done, except that time passes: messages, then disks, then the status.</summary>
    internal void Settle()
    {
        int count = 0;
        while (SettleOne())
        {
            if (++count > Endless) throw new InvalidOperationException("It does not come to rest.");
        }

        if (count == 0) Say("nothing");
    }

    /// <summary>The status does the oldest of the calls, of one election or of all.</summary>
    /// <param name="election">Whose; null for whoever called first.</param>
    /// <param name="isDone">Whether the call reaches it.</param>
    /// <param name="isAnswered">Whether its answer reaches the election.</param>
    internal void Answer(string? election, bool isDone, bool isAnswered)
    {
        int at = _calls.FindIndex(call => election is null || call.Election == election);
        if (at < 0)
        {
            Say("no calls");
            return;
        }

        (string name, ElectionEffect order) = _calls[at];
        _calls.RemoveAt(at);
        bool isWritten = isDone && order.Write is not null && order.Over == _version;
        if (isWritten) (_status, _version) = (order.Write!, _version + 1);
        string outcome = !isDone ? "never came" : order.IsRead ? $"v{_version}: {ScenarioText.Of(_status)}" : isWritten ? $"done, v{_version}" : $"refused, there is v{_version}";
        Say($"{name} {ScenarioText.Of(order)}: {outcome}{(isDone && !isAnswered ? ", answer lost" : "")}");
        if (!isAnswered) return;
        long version = _version;
        ShardStatus status = _status;
        Elect(name, (core, effects) =>
        {
            if (order.Write is not { } write) core.Read(status, version, effects);
            else if (isWritten) core.Written(write.Nonce, version, effects);
            else core.NotWritten(write.Nonce, isUnknown: false, effects);
        });
    }

    /// <summary>The oldest call of an election is under way for longer than its others.</summary>
    internal void Delay(string election)
    {
        (string Election, ElectionEffect Order) call = _calls.Find(call => call.Election == election);
        _calls.Remove(call);
        _calls.Add(call);
        Say($"{election} {ScenarioText.Of(call.Order)}: later");
    }

    internal void ShowStatus()
    {
        Say($"v{_version}: {ScenarioText.Of(_status)}");
        foreach ((string election, ElectionEffect order) in _calls) Say($"waits: {election} {ScenarioText.Of(order)}");
    }

    internal void ShowNetwork()
    {
        if (_network.Count + _held.Count == 0) Say("no messages");
        _network.ForEach(message => Say($"{message}"));
        _held.ForEach(message => Say($"{message} (held)"));
    }

    /// <summary>Who a name stands for, in one line.</summary>
    internal void Show(string name) => Say(name.StartsWith('e') ? $"{Election(name)}".TrimEnd() : _nodes[int.Parse(name)].Core?.ToString() ?? $"{name} down");

    private bool SettleOne()
    {
        if (_network.Count > 0) Deliver(ScenarioWay.Everywhere, isOne: true);
        else if (_nodes.FindIndex(node => node.CanSave) is int save and >= 0) Under($"save {save}", _nodes[save].Save);
        else if (_nodes.FindIndex(node => node.CanFlush) is int flush and >= 0) Under($"flush {flush}", _nodes[flush].Flush);
        else if (_nodes.FindIndex(node => node.CanFetch) is int fetch and >= 0) Under($"fetch {fetch}", _nodes[fetch].Fetch);
        else if (_calls.Count > 0) Under($"store answer {_calls[0].Election}", () => Answer(null, isDone: true, isAnswered: true));
        else return false;
        return true;
    }

    private ElectionCore Election(string name) => _elections.TryGetValue(name, out ElectionCore? election) ? election : throw new InvalidOperationException($"There is no election {name}.");

    private static List<ScenarioMessage> Take(List<ScenarioMessage> from, ScenarioWay way, bool isOne)
    {
        List<ScenarioMessage> taken = [.. from.Where(way.Has).Take(isOne ? 1 : int.MaxValue)];
        foreach (ScenarioMessage message in taken) from.Remove(message);
        return taken;
    }

    private void Under(string what, Action act)
    {
        Say(what);
        _depth++;
        act();
        _depth--;
    }
}

using Tidemark.Core.Replication;

namespace Tidemark.Tests.Replication;

/// <summary>Cores of a shard and its elections, with a network that loses, doubles, delays and reorders, and a status store whose answers are lost.</summary>
internal sealed class SimCluster
{
    private readonly Random _random;
    private readonly List<SimMessage> _network = [];
    private readonly List<SimMessage> _late = [];   // Held back for long: a term later, or two.
    private readonly List<(int Election, ElectionEffect Order)> _storeCalls = [];
    private readonly List<ElectionEffect> _effects = [];
    private readonly List<string> _story = [];
    private readonly int _electionCount;
    private ShardStatus _status;
    private long _version = 1;
    private int _electionRuns;
    private long _values;
    private double _fault;       // How often faults happen: drawn for each seed, 0 at the end.

    internal SimCluster(int seed, int nodes, IReadOnlyList<int> ensemble, int elections)
    {
        _random = new Random(seed);
        _fault = _random.Next(3) switch { 0 => 1, 1 => 0.3, _ => 0.05 };
        _electionCount = elections;
        _status = new ShardStatus(0, ShardStatus.Nobody, ensemble, null, "first");
        Nodes = [.. Enumerable.Range(0, nodes).Select(node => new SimNode(node, this))];
        foreach (SimNode node in Nodes) node.Start();
        Elections = [.. Enumerable.Range(0, elections).Select(NewElection)];
    }

    internal SimChecks Checks { get; } = new();

    internal SimNode[] Nodes { get; }

    internal ElectionCore[] Elections { get; }

    internal int Crashes { get; private set; }

    internal int Wipes { get; private set; }

    internal int Changes { get; private set; }

    internal long Steps { get; private set; }

    internal IReadOnlyList<string> Story => _story;

    internal void Send(SimMessage message) => _network.Add(message);

    /// <summary>Does something, drawn.</summary>
    internal void Step()
    {
        Steps++;
        int what = _random.Next(1000);
        int node = _random.Next(Nodes.Length), election = _random.Next(_electionCount);
        if (what < 520) Deliver();
        else if (what < 660) Disk(Nodes[node]);
        else if (what < 720) StoreAnswers();
        else if (what < 800) Note($"tick {node}", Nodes[node].Tick);
        else if (what < 860) Elect($"tick election {election}", election, core => core.Tick(_effects));
        else if (what < 940) Note($"propose at {node}", () => Nodes[node].Propose(++_values));
        else if (what < 965) Note($"read at {node}", Nodes[node].Read);
        else if (what < 975 && Nodes[node].CanTrim) Note($"trim {node}", () => Nodes[node].Trim(_random));
        else if (_random.NextDouble() < _fault) Fault(node, election);
    }

    /// <summary>From now on nothing fails: whatever is down comes up, and what is lost is sent again.</summary>
    internal void Heal()
    {
        _fault = 0;
        foreach (SimNode node in Nodes.Where(node => !node.IsUp)) node.Start();
    }

    private void Deliver()
    {
        if (_late.Count > 0 && _random.Next(60) == 0)
        {
            int late = _random.Next(_late.Count);
            _network.Add(_late[late]);
            _late.RemoveAt(late);
        }

        if (_network.Count == 0) return;
        int at = _random.Next(_network.Count);
        SimMessage message = _network[at];
        double fate = _random.NextDouble();
        if (fate >= 0.1 * _fault || _network.Count > 200) _network.RemoveAt(at);   // Else it comes again.
        if (fate > 1 - (0.1 * _fault))
        {
            if (_random.Next(2) == 0 && _late.Count < 50) _late.Add(message);
            return;   // Lost, or so it seems.
        }

        Note(message.ToString(), () =>
        {
            if (message.IsForElection) Elect("", message.To, core => core.Step(message.From, message.Message, _effects));
            else Nodes[message.To].Deliver(message);
        });
    }

    private void Disk(SimNode node)
    {
        if (node.CanFetch && _random.Next(4) == 0) Note($"fetched at {node.Node}", node.Fetch);
        else if (node.CanSave && (_random.Next(2) == 0 || !node.CanFlush)) Note($"saved at {node.Node}", node.Save);
        else if (node.CanFlush) Note($"flushed at {node.Node}", node.Flush);
    }

    private void StoreAnswers()
    {
        if (_storeCalls.Count == 0) return;
        int at = _random.Next(_storeCalls.Count);
        (int election, ElectionEffect order) = _storeCalls[at];
        _storeCalls.RemoveAt(at);
        if (order.Write is not { } status)
        {
            if (_random.NextDouble() < 0.9 || _fault == 0) Elect($"status {_status} to {election}", election, core => core.Read(_status, _version, _effects));
            return;
        }

        bool isDone = order.Over == _version;
        if (isDone) (_status, _version) = (status, _version + 1);
        double fate = _random.NextDouble();
        if (fate < 0.1 * _fault) return;   // The answer is lost: it waits for it in vain.
        bool isUnknown = fate < 0.2 * _fault;
        Elect($"write by {election}: {status} {(isUnknown ? "unknown" : isDone ? "done" : "refused")}", election, core =>
        {
            if (isUnknown || !isDone) core.NotWritten(status.Nonce, isUnknown, _effects);
            else core.Written(status.Nonce, _version, _effects);
        });
    }

    private void Fault(int number, int election)
    {
        SimNode node = Nodes[number];
        switch (_random.Next(8))
        {
            case 0 or 1 when node.IsUp:
                Crashes++;
                Note($"crash {number}", () => node.Crash(_random));
                break;
            case 2 or 3 when !node.IsUp:
                // Never so many that no majority has all: that is more than any protocol can bear.
                bool isWiped = _random.Next(4) == 0 && _status.Quorum.Holds(member => member != number && !Nodes[member].IsLost);
                if (isWiped)
                {
                    Wipes++;
                    node.Wipe(_status.Term);
                }

                Note($"start {number}{(isWiped ? " wiped" : "")}", () => node.Start(isWiped));
                break;
            case 4:
                Note($"election {election} starts again", () => Elections[election] = NewElection(election));
                break;
            case 5:
                Elect($"{election} suspects {_status.Leader}", election, core => core.Suspect(_status.Leader, _effects));
                break;
            case 6:
                int[] ensemble = _status.Ensemble.Contains(number) ? [.. _status.Ensemble.Where(member => member != number)] : [.. _status.Ensemble, number];
                if (ensemble.Length < 3) break;
                Elect($"{election} changes to {string.Join(',', ensemble)}", election, core =>
                {
                    if (core.Change(ensemble, _effects)) Changes++;
                });
                break;
            case 7:
                _network.RemoveAll(message => (message.From == number || message.To == number) && _random.Next(2) == 0);
                break;
        }
    }

    private ElectionCore NewElection(int number) => new($"e{number}.{++_electionRuns}", new ElectionLimits(Grace: 1, Patience: 4 + (number * 3)));

    private void Elect(string what, int number, Action<ElectionCore> step) => Note(what, () =>
    {
        _effects.Clear();
        step(Elections[number]);
        foreach (ElectionEffect effect in _effects.ToArray())
        {
            if (effect.Message is { } message) Send(new SimMessage(number, effect.Node, IsForElection: false, message, []));
            else _storeCalls.Add((number, effect));
        }
    });

    private void Note(string what, Action act)
    {
        if (what.Length > 0) _story.Add(what);
        act();
    }
}

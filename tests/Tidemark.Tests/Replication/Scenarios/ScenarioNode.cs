using Tidemark.Core.Replication;

namespace Tidemark.Tests.Replication.Scenarios;

/// <summary>A replica core with a disk, which works only when it is told to: a crash leaves what was flushed and saved by then.</summary>
internal sealed class ScenarioNode(int node, ReplicaLimits limits, ScenarioCluster cluster)
{
    private readonly List<ScenarioEntry> _log = [];   // From offset 0, those in the state too: the core's begins at _start.
    private readonly SortedDictionary<long, string> _proposed = [];   // By offset, not answered yet.
    private readonly SortedSet<long> _reads = [];
    private readonly Queue<string> _values = new();
    private (long Term, bool IsLost) _disk;
    private (long Term, bool IsLost)? _saving;
    private (ScenarioMessage Offer, Install Install)? _fetching;
    private long _flushing;   // The end of the flush under way; 0 for none.
    private long _start;      // Entries below are trimmed.
    private long _stateEnd;   // Entries below are in the state on the disk.
    private long _run;

    internal ReplicaCore? Core { get; private set; }

    internal bool CanFlush => Core is not null && _flushing > 0;

    internal bool CanSave => Core is not null && _saving is not null;

    internal bool CanFetch => Core is not null && _fetching is not null;

    internal void Start()
    {
        if (Core is not null) throw new InvalidOperationException($"Node {node} is up.");
        var terms = new LogTerms(_start > 0 ? new LogHead(_log[(int)_start - 1].Term, _start - 1) : LogHead.None);
        foreach (ScenarioEntry entry in _log.Skip((int)_start)) terms.Append(entry.Term, 1);
        Core = new ReplicaCore(new ReplicaStart(node, ++_run, _disk.Term, _disk.IsLost, terms, _stateEnd), limits);
        cluster.Say(Core.ToString());
    }

    /// <summary>Stops it at once.</summary>
    /// <param name="isKept">Whether the disk happens to have what it was told to write, though it never said so.</param>
    internal void Crash(bool isKept)
    {
        if (isKept && _saving is { } saving) _disk = saving;
        int kept = isKept ? _log.Count : (int)Running.Durable;
        cluster.Say(kept < _log.Count ? $"gone: {string.Join(' ', _log.Skip(kept))}" : "nothing gone from the log");
        _log.RemoveRange(kept, _log.Count - kept);
        GiveUp("");
        (Core, _saving, _flushing, _fetching) = (null, null, 0, null);
    }

    /// <summary>Everything on the disk is gone.</summary>
    /// <param name="term">That of the status, where the loss is noticed; else null.</param>
    internal void Wipe(long? term)
    {
        if (Core is not null) throw new InvalidOperationException($"Node {node} is up.");
        _log.Clear();
        _start = _stateEnd = 0;
        _disk = (term ?? 0, term is not null);
        cluster.Say(term is null ? "nobody notices" : $"lost, in t{term} of the status");
    }

    internal void Trim(long start)
    {
        _stateEnd = Running.Applied;
        _start = start;
        Running.Trimmed(start);
        cluster.Say($"state up to {_stateEnd}, log from {_start}");
    }

    internal void Deliver(ScenarioMessage message) => Do(effects => Running.Step(int.Parse(message.From.TrimStart('e')), message.Message, effects), message);

    internal void Tick() => Do(Running.Tick);

    internal void Flush()
    {
        if (!CanFlush)
        {
            cluster.Say("nothing to flush");
            return;
        }

        long end = Math.Max(Math.Min(_flushing, Running.Log.End), Running.Durable);
        _flushing = 0;
        Do(effects => Running.Flushed(end, effects));
    }

    internal void Save()
    {
        if (_saving is not { } saved)
        {
            cluster.Say("nothing to save");
            return;
        }

        (_disk, _saving) = (saved, null);
        Do(effects => Running.Saved(saved.Term, saved.IsLost, effects));
    }

    internal void Fetch()
    {
        if (_fetching is not { } fetched)
        {
            cluster.Say("nothing to fetch");
            return;
        }

        _fetching = null;
        Do(effects => Running.Fetched(int.Parse(fetched.Offer.From), fetched.Install, effects), fetched.Offer);
    }

    /// <summary>Proposes all of the values in one turn.</summary>
    internal void Propose(IEnumerable<string> values)
    {
        if (!Running.IsServing)
        {
            cluster.Say("refused: it does not serve");
            return;
        }

        Do(effects =>
        {
            foreach (string value in values)
            {
                _proposed.Add(Running.Log.End, value);
                _values.Enqueue(value);
                Running.Propose(effects);
            }
        });
    }

    /// <summary>Reads so many times in one turn.</summary>
    internal void Read(int count)
    {
        if (!Running.IsServing)
        {
            cluster.Say("refused: it does not serve");
            return;
        }

        Do(_ =>
        {
            for (int i = 0; i < count; i++) _reads.Add(Running.Read());
        });
    }

    /// <summary>The entries, one by one; those that are trimmed as the state they are in.</summary>
    internal string Entries() => $"{node}: {(_start > 0 ? $"state ({ScenarioText.Values(_log.Take((int)_start))}) " : "")}{string.Join(' ', _log.Skip((int)_start))}".TrimEnd();

    private ReplicaCore Running => Core ?? throw new InvalidOperationException($"Node {node} is down.");

    private void Do(Action<List<Effect>> step, ScenarioMessage? message = null)
    {
        List<Effect> effects = [];
        step(effects);
        Running.EndTurn(effects);
        if (effects.Count == 0) cluster.Say("nothing");
        foreach (Effect effect in effects) CarryOut(effect, message);
        if (Running.Log.End != _log.Count) throw new InvalidOperationException($"Node {node} knows of a log up to {Running.Log.End}, and has one up to {_log.Count}.");
    }

    private void CarryOut(Effect effect, ScenarioMessage? message)
    {
        switch (effect.Kind)
        {
            case EffectKind.Send:
                Send(effect);
                return;
            case EffectKind.Persist or EffectKind.BeginTerm:
                for (long offset = effect.From; offset < effect.To; offset++) _log.Add(New(effect, offset, message));
                break;
            case EffectKind.Flush:
                cluster.Say($"{effect} to {effect.To}{(_flushing == effect.To ? " (under way)" : "")}");
                _flushing = effect.To;
                return;
            case EffectKind.Save:
                _saving = (Running.Term, Running.IsLost);
                cluster.Say($"{effect} t{Running.Term}{(Running.IsLost ? " lost" : "")}");
                return;
            case EffectKind.Truncate:
                cluster.Say($"{effect}, gone: {string.Join(' ', _log.Skip((int)effect.From))}");
                _log.RemoveRange((int)effect.From, _log.Count - (int)effect.From);
                _flushing = 0;
                return;
            case EffectKind.Fetch:
                _fetching = (message!, (Install)effect.Message!);
                cluster.Say($"Fetch from {effect.Node} the state up to {((Install)effect.Message!).Last}");
                return;
            case EffectKind.Replace:
                _log.Clear();
                _log.AddRange(message!.Entries);
                (_start, _stateEnd, _flushing) = (effect.From, effect.From, 0);
                cluster.Say($"{effect} by the state ({ScenarioText.Values(_log)})");
                return;
            case EffectKind.Answer:
                string answered = string.Join(' ', _proposed.Where(proposed => proposed.Key < effect.To).Select(proposed => proposed.Value));
                for (long offset = effect.From; offset < effect.To; offset++) _proposed.Remove(offset);
                cluster.Say(answered.Length > 0 ? $"{effect}: {answered}" : $"{effect}");
                return;
            case EffectKind.AnswerReads:
                string seen = ScenarioText.Values(_log.Take((int)Running.Applied));
                foreach (long ticket in _reads.Where(ticket => ticket < effect.To).ToArray())
                {
                    _reads.Remove(ticket);
                    cluster.Say($"AnswerReads: read {ticket} sees ({seen})");
                }

                return;
            case EffectKind.Abandon:
                GiveUp("Abandon");
                return;
            case EffectKind.Stop:
                cluster.Say("Stop, with an alarm");
                return;
        }

        cluster.Say(effect.To > effect.From ? $"{effect}: {string.Join(' ', _log.Skip((int)effect.From).Take((int)(effect.To - effect.From)))}" : $"{effect}");
    }

    private ScenarioEntry New(Effect effect, long offset, ScenarioMessage? message) => effect switch
    {
        { Kind: EffectKind.BeginTerm } => new ScenarioEntry(Running.Term, offset, ScenarioEntry.Begin),
        { Message: Append } => message!.Entries.Single(entry => entry.Offset == offset),
        _ => new ScenarioEntry(Running.Term, offset, _values.Dequeue()),
    };

    private void Send(Effect effect)
    {
        IEnumerable<ScenarioEntry> beside = effect.Message switch
        {
            Install install => _log.Take((int)install.Last.Offset + 1),
            Append append => _log.Skip((int)append.Before.Offset + 1).Take((int)(append.To - append.Before.Offset - 1)),
            _ => [],
        };
        string to = effect.Message is { IsForElection: true } ? $"e{effect.Node}" : $"{effect.Node}";
        cluster.Send(new ScenarioMessage($"{node}", to, effect.Message!, [.. beside]));
    }

    /// <summary>Nobody will know what came of what is under way.</summary>
    private void GiveUp(string why)
    {
        string[] unknown = [.. _proposed.Values, .. _reads.Select(ticket => $"read {ticket}")];
        if (unknown.Length > 0) cluster.Say($"{why}{(why.Length > 0 ? ": " : "")}ends as unknown: {string.Join(", ", unknown)}");
        else if (why.Length > 0) cluster.Say(why);
        _proposed.Clear();
        _reads.Clear();
    }
}

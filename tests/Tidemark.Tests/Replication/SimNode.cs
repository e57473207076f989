using Tidemark.Core.Replication;

namespace Tidemark.Tests.Replication;

/// <summary>A value in a log: who is asked for an offset answers with this, and it must be the same everywhere.</summary>
/// <param name="Term">The entry's term.</param>
/// <param name="Value">Drawn once for each proposal; minus the term for the entry that begins it.</param>
internal readonly record struct SimEntry(long Term, long Value);

/// <summary>A message on its way, with the entries that travel beside it.</summary>
internal sealed record SimMessage(int From, int To, bool IsForElection, ReplicaMessage Message, IReadOnlyList<SimEntry> Entries)
{
    private string? _text;

    /// <summary>All of it, made once.</summary>
    internal string Text => _text ??= $"{this} {string.Join(',', Entries.Select(entry => entry.Value))}";

    public override string ToString() => $"{From}>{To}{(IsForElection ? "e" : "")} {Message}";
}

/// <summary>A replica core with what a host keeps for it: a disk that a crash cuts back to what was flushed, a log in memory, a state.</summary>
internal sealed class SimNode(int node, SimCluster cluster)
{
    private readonly List<SimEntry> _log = [];       // From offset 0, to compare: the core's begins at _start.
    private readonly List<Effect> _effects = [];
    private readonly Dictionary<long, long> _reads = [];   // Ticket to the offset that must be visible.
    private (long Term, bool IsLost) _disk;
    private (long Term, bool IsLost)? _saving;
    private long _start;                             // Entries below are trimmed.
    private long _stateEnd;                          // Entries below are in the state on the disk.
    private (SimMessage Offer, Install Install)? _fetching;
    private long _flushing;                          // The end of the flush under way; 0 for none.
    private long _run = 1;
    private bool _isBusy;

    internal ReplicaCore? Core { get; private set; }

    internal int Node => node;

    internal bool IsUp => Core is not null;

    /// <summary>Whether its disk says that it is lost.</summary>
    internal bool IsLost => _disk.IsLost;

    internal bool CanFlush => IsUp && _flushing > 0;

    internal bool CanFetch => IsUp && _fetching is not null;

    internal bool CanTrim => IsUp && Core!.Applied > _start;

    internal bool CanSave => IsUp && _saving is not null;

    internal IReadOnlyList<SimEntry> Log => _log;

    internal void Start(bool isLost = false)
    {
        var terms = new LogTerms(_start > 0 ? new LogHead(_log[(int)_start - 1].Term, _start - 1) : LogHead.None);
        foreach (SimEntry entry in _log.Skip((int)_start)) terms.Append(entry.Term, 1);
        _disk = (_disk.Term, _disk.IsLost || isLost);
        Core = new ReplicaCore(new ReplicaStart(node, _run++, _disk.Term, _disk.IsLost, terms, _stateEnd), new ReplicaLimits(Window: 4, Batch: 2));
        Assert.True(Core.Term >= cluster.Checks.TermOf(node), "a term went back");
    }

    /// <summary>Stops it; of what was not flushed a part remains.</summary>
    internal void Crash(Random random)
    {
        long durable = Core!.Durable;
        long kept = durable + random.NextInt64(_log.Count - durable + 1);
        _log.RemoveRange((int)kept, _log.Count - (int)kept);
        if (_saving is { } saving && random.Next(2) == 0) _disk = saving;
        (Core, _saving, _flushing, _fetching) = (null, null, 0, null);
        _reads.Clear();
    }

    /// <summary>Everything on the disk is gone. That is noticed, since the number of the run is not kept there alone, and the term is read from the status.</summary>
    internal void Wipe(long term)
    {
        _log.Clear();
        _start = _stateEnd = 0;
        _disk = (term, true);
    }

    internal void Deliver(SimMessage message) => Do(effects => Core!.Step(message.From, message.Message, effects), message);

    internal void Tick() => Do(effects => Core!.Tick(effects));

    internal void Flush()
    {
        long end = Math.Min(_flushing, Core!.Log.End);
        _flushing = 0;
        Do(effects => Core.Flushed(Math.Max(end, Core.Durable), effects));
    }

    /// <summary>Writes the state, and trims the log somewhere below it.</summary>
    internal void Trim(Random random)
    {
        _stateEnd = Core!.Applied;
        _start = random.NextInt64(_start, _stateEnd + 1);
        Core.Trimmed(_start);
    }

    internal void Fetch()
    {
        (SimMessage offer, Install install) = _fetching!.Value;
        _fetching = null;
        Do(effects => Core!.Fetched(offer.From, install, effects), offer);
    }

    internal void Save()
    {
        (long term, bool isLost) = _disk = _saving!.Value;
        _saving = null;
        cluster.Checks.Keeps(node, term);
        Do(effects => Core!.Saved(term, isLost, effects));
    }

    internal bool Propose(long value)
    {
        bool isTaken = false;
        Do(effects =>
        {
            isTaken = Core!.Propose(effects);
            if (isTaken) cluster.Checks.Proposed(value, node, Core.Log.End - 1, Core.Term);
        }, value: value);
        return isTaken;
    }

    internal void Read() => Do(_ =>
    {
        long ticket = Core!.Read();
        if (ticket >= 0) _reads.Add(ticket, cluster.Checks.Acknowledged);
    });

    private void Do(Action<List<Effect>> step, SimMessage? message = null, long value = 0)
    {
        if (Core is not { } core) return;
        Assert.False(_isBusy);
        _isBusy = true;
        _effects.Clear();
        step(_effects);
        core.EndTurn(_effects);
        foreach (Effect effect in _effects.ToArray()) CarryOut(core, effect, message, value);
        cluster.Checks.Look(this, _log);
        _isBusy = false;
    }

    private void CarryOut(ReplicaCore core, Effect effect, SimMessage? message, long value)
    {
        switch (effect.Kind)
        {
            case EffectKind.BeginTerm:
                cluster.Checks.Leads(node, core.Term);
                _log.Add(new SimEntry(core.Term, -core.Term));
                break;
            case EffectKind.Persist when effect.Message is Append append:
                long first = append.Before.Offset + 1;
                for (long offset = effect.From; offset < effect.To; offset++) _log.Add(message!.Entries[(int)(offset - first)]);
                break;
            case EffectKind.Persist:
                _log.Add(new SimEntry(core.Term, value));
                break;
            case EffectKind.Flush:
                _flushing = effect.To;
                break;
            case EffectKind.Save:
                _saving = (core.Term, core.IsLost);
                break;
            case EffectKind.Truncate:
                _log.RemoveRange((int)effect.From, _log.Count - (int)effect.From);
                _flushing = 0;
                break;
            case EffectKind.Fetch:
                _fetching = (message!, (Install)effect.Message!);
                break;
            case EffectKind.Replace:
                _log.Clear();
                _log.AddRange(message!.Entries);
                (_start, _stateEnd, _flushing) = (effect.From, effect.From, 0);
                for (int offset = 0; offset < _log.Count; offset++) cluster.Checks.Committed(node, offset, _log[offset]);
                cluster.Checks.Replaced++;
                break;
            case EffectKind.Send:
                SimEntry[] entries = effect.Message is Install state ? [.. _log.Take((int)state.Last.Offset + 1)] : effect.Message is Append sent ? [.. _log.Skip((int)sent.Before.Offset + 1).Take((int)(sent.To - sent.Before.Offset - 1))] : [];
                bool isForElection = effect.Message is { IsForElection: true };
                cluster.Send(new SimMessage(node, effect.Node, isForElection, effect.Message!, entries));
                break;
            case EffectKind.Apply:
                for (long offset = effect.From; offset < effect.To; offset++) cluster.Checks.Committed(node, offset, _log[(int)offset]);
                break;
            case EffectKind.Answer:
                cluster.Checks.Answered(effect.From, effect.To, _log);
                break;
            case EffectKind.AnswerReads:
                foreach (long ticket in _reads.Keys.Where(ticket => ticket < effect.To).ToArray())
                {
                    Assert.True(core.Applied > _reads[ticket], $"node {node} answers a read with what is older than {_reads[ticket]}");
                    _reads.Remove(ticket);
                    cluster.Checks.ReadsAnswered++;
                }

                break;
            case EffectKind.Serve:
                cluster.Checks.Serves(node, core.Term, _log);
                break;
            case EffectKind.Abandon:
                _reads.Clear();
                break;
            case EffectKind.Stop:
                Assert.Fail($"node {node} stopped: {core}");
                break;
        }
    }
}

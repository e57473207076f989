using System.Diagnostics;

using Tidemark.Core.Diagnostics;

namespace Tidemark.Core.Replication;

/// <summary>What a replica has when it is started.</summary>
/// <param name="Node">Which node it is on.</param>
/// <param name="Run">How many times it was started.</param>
/// <param name="Term">The highest term it was fenced to, from the disk.</param>
/// <param name="IsLost">Whether it may have acknowledged what it no longer has.</param>
/// <param name="Log">Its log, all of it durable.</param>
/// <param name="Applied">The offset after the last entry in its state.</param>
internal sealed record ReplicaStart(int Node, long Run, long Term, bool IsLost, LogTerms Log, long Applied);

/// <summary>How much a leader has under way to one follower.</summary>
/// <param name="Window">Entries sent and not acknowledged.</param>
/// <param name="Batch">Entries in one message.</param>
internal sealed record ReplicaLimits(int Window, int Batch)
{
    internal static ReplicaLimits Default { get; } = new(Window: 8192, Batch: 1024);
}

/// <summary>Decides what a replica does next: the same steps in the same order give the same effects. Protocol: docs/protocol.md.</summary>
/// <remarks>
/// Not thread-safe. One host steps it, carries out the effects in order, and ends each of its turns with <see cref="EndTurn"/>. It knows entries by term and offset
/// alone. An entry is applied only once it is committed, and answered only once it is applied.
/// </remarks>
internal sealed class ReplicaCore
{
    private readonly ReplicaLimits _limits;
    private readonly List<int> _askers = [];   // Elections that wait for our head.
    private LeaderTerm? _leading;
    private int _leader;             // Whom we follow.
    private (long Term, bool IsLost) _saved;
    private bool _mayLead;           // Raised to the term in this run: who restarts in a term may have lost what others have from it.
    private bool _isAckDue;
    private bool _isRestoredDue;
    private long _round;             // The newest the leader told of.
    private long _heardCommit;       // What the leader says is committed.

    internal ReplicaCore(ReplicaStart start, ReplicaLimits? limits = null)
    {
        Debug.Assert(start.Applied <= start.Log.End && start.Applied >= start.Log.Start, "the state is never ahead of the log, nor behind its start");
        _limits = limits ?? ReplicaLimits.Default;
        (Node, Run, Term, IsLost, Log) = (start.Node, start.Run, start.Term, start.IsLost, start.Log);
        _saved = (Term, IsLost);
        Durable = Log.End;
        Applied = start.Applied;
    }

    private ReplicaCore(ReplicaCore other)
        : this(new ReplicaStart(other.Node, other.Run, other.Term, other.IsLost, other.Log.Copy(), other.Applied), other._limits)
    {
        (Role, IsFit, Durable, _saved, _leader, _mayLead) = (other.Role, other.IsFit, other.Durable, other._saved, other._leader, other._mayLead);
        (_isAckDue, _isRestoredDue, _round, _heardCommit) = (other._isAckDue, other._isRestoredDue, other._round, other._heardCommit);
        _askers.AddRange(other._askers);
        _leading = other._leading?.Copy(this);
    }

    internal int Node { get; }

    internal long Run { get; }

    internal long Term { get; private set; }

    internal bool IsLost { get; private set; }

    internal ReplicaRole Role { get; private set; }

    /// <summary>Whether the node's clock may stamp entries. Its host says so; who is not fit is no candidate.</summary>
    internal bool IsFit { get; set; } = true;

    internal LogTerms Log { get; }

    /// <summary>Entries below are on our stable storage.</summary>
    internal long Durable { get; private set; }

    /// <summary>Entries below are applied, or ordered to be; all of them are committed.</summary>
    internal long Applied { get; private set; }

    /// <summary>Entries below are known to be committed; some of them may still be on their way here.</summary>
    internal long Committed => Math.Max(Applied, _heardCommit);

    /// <summary>Whether it takes proposals and reads.</summary>
    internal bool IsServing => _leading is { IsServing: true };

    /// <summary>The node it follows, or itself where it leads; else <see cref="ShardStatus.Nobody"/>.</summary>
    internal int Leader => Role switch { ReplicaRole.Leader => Node, ReplicaRole.Follower => _leader, _ => ShardStatus.Nobody };

    /// <summary>The leader's newest round, and the newest that a majority has answered. 0 elsewhere.</summary>
    internal (long Begun, long Answered) Rounds => _leading?.Rounds ?? default;

    /// <summary>Whether this is the leader, and it has compared its state with that of all who follow it, behind the newest mark there is.</summary>
    internal bool HasCompared => _leading is { HasCompared: true };

    /// <summary>The newest mark behind which a majority is known to have one state; null where this does not lead, or there is none.</summary>
    internal (long Mark, StateHash Hash)? Agreed => _leading?.Agreed;

    /// <summary>Whether this is the leader, and a follower has all entries on its disk.</summary>
    internal bool HasAll(int follower) => _leading is { IsServing: true } leading && leading.HasAll(follower);

    /// <summary>Whether this is the leader, and a follower takes its entries and counts.</summary>
    internal bool Follows(int follower) => _leading is { IsServing: true } leading && leading.Follows(follower);

    /// <summary>A replica that is an ensemble of its own, leads it, and always has.</summary>
    /// <param name="end">The offset after the last entry of the recovered log, which the recovered state has.</param>
    internal static ReplicaCore Alone(long end)
    {
        const long Only = 1;
        var log = new LogTerms(end > 0 ? new LogHead(Only, end - 1) : LogHead.None);
        var core = new ReplicaCore(new ReplicaStart(0, 1, Only, IsLost: false, log, end));
        core.Role = ReplicaRole.Leader;
        core._leading = LeaderTerm.Alone(core);
        return core;
    }

    /// <summary>Another that will answer the same steps with the same effects: for whoever looks at all that may come.</summary>
    internal ReplicaCore Copy() => new(this);

    /// <summary>A message came.</summary>
    internal void Step(int from, ReplicaMessage message, List<Effect> effects)
    {
        if (Role == ReplicaRole.Stopped) return;
        if (message is NewTerm)
        {
            Fence(message.Term, from, effects);
            return;
        }

        if (message.Term != Term && !(Planted.Is(PlantedBug.NoTermCheckOnAcks) && message is Ack)) return;
        switch (message)
        {
            case BecomeLeader order: Lead(order, from, effects); break;
            case Truncate order: OnTruncate(order, from, effects); break;
            case Append append: OnAppend(append, from, effects); break;
            case Install install: OnInstall(install, from, effects); break;
            case Restore restore: OnRestore(restore, from, effects); break;
            case Quarantine order: OnQuarantine(order, from, effects); break;
            default: _leading?.Step(from, message, effects); break;
        }
    }

    /// <summary>Somebody wants an entry in the log.</summary>
    /// <returns>Whether there is one now: only a leader that serves takes it.</returns>
    internal bool Propose(List<Effect> effects)
    {
        if (!IsServing) return false;
        effects.Add(new Effect(EffectKind.Persist, Log.End, Log.End + 1));
        Log.Append(Term, 1);
        return true;
    }

    /// <summary>Entries at an offset and above could not be appended: they never were. Of a leader, only the one proposed last in this turn.</summary>
    internal void Withdraw(long end)
    {
        Debug.Assert(end >= Durable && end <= Log.End, "what is durable is not withdrawn");
        Debug.Assert(Role != ReplicaRole.Leader || end >= Log.End - 1, "what was sent is not withdrawn");
        Log.Truncate(end);
    }

    /// <summary>Somebody wants to read what is committed now.</summary>
    /// <returns>A ticket, which <see cref="EffectKind.AnswerReads"/> names; -1 where this is no leader that serves.</returns>
    internal long Read() => _leading is { IsServing: true } leading ? leading.Read() : -1;

    /// <summary>No more comes for now: what was appended becomes durable, and goes to others.</summary>
    internal void EndTurn(List<Effect> effects)
    {
        if (Role == ReplicaRole.Stopped) return;
        if (Log.End > Durable) effects.Add(new Effect(EffectKind.Flush, Durable, Log.End));
        _leading?.Send(effects);
        if (_isAckDue) effects.Add(new Effect(EffectKind.Send, Node: _leader, Message: new Ack(Term, Run, Planted.Is(PlantedBug.AckBeforeFlush) ? Log.End : Durable, IsLost || _saved.IsLost, _round)));
        _isAckDue = false;
    }

    /// <summary>A heartbeat's time has passed: what was not answered is said again.</summary>
    internal void Tick(List<Effect> effects) => _leading?.Tick(effects);

    /// <summary>Entries below an offset are on stable storage.</summary>
    internal void Flushed(long end, List<Effect> effects)
    {
        Debug.Assert(end >= Durable && end <= Log.End, "only what was appended becomes durable, and nothing ceases to be");
        if (Role == ReplicaRole.Stopped) return;
        _isAckDue |= end > Durable && Role == ReplicaRole.Follower;
        Durable = end;
        AnswerElections(effects);
        _leading?.Advance(effects);
        ApplyHeard(effects);
    }

    /// <summary>Term and lostness, as they were when this was ordered, are on stable storage.</summary>
    internal void Saved(long term, bool isLost, List<Effect> effects)
    {
        if (Role == ReplicaRole.Stopped) return;
        _saved = (term, isLost);
        AnswerElections(effects);
        if (!_isRestoredDue || isLost) return;
        _isRestoredDue = false;
        if (Role == ReplicaRole.Follower) effects.Add(new Effect(EffectKind.Send, Node: _leader, Message: new Restored(Term, Run)));
    }

    /// <summary>A mark was applied: behind it, all states are equal or somebody's is wrong.</summary>
    internal void Marked(long mark, StateHash hash, List<Effect> effects)
    {
        if (_leading is { } leading) leading.Compare(Node, mark, hash, effects);
        else if (Role == ReplicaRole.Follower) effects.Add(new Effect(EffectKind.Send, Node: _leader, Message: new StateAtMark(Term, Run, mark, hash)));
    }

    /// <summary>Entries below an offset are gone from the log; the state has them, durably.</summary>
    internal void Trimmed(long start)
    {
        Debug.Assert(start <= Applied, "only what is applied is trimmed");
        Log.Trim(start);
    }

    /// <summary>The state that was to be fetched is here, and checked.</summary>
    internal void Fetched(int from, Install install, List<Effect> effects)
    {
        // Meanwhile there may be another term, or the log has come further than the state.
        if (!IsWanted(install)) return;
        effects.Add(new Effect(EffectKind.Replace, install.Last.Offset + 1, install.Last.Offset + 1, from, install));
        Log.Reset(install.Last);
        Durable = Applied = Log.End;
        Role = ReplicaRole.Follower;
        _leader = from;
        _askers.Clear();
        _isAckDue = true;
    }

    /// <summary>The leader's: entries below are committed. They are applied and answered.</summary>
    internal void CommitTo(long end, List<Effect> effects)
    {
        effects.Add(new Effect(EffectKind.Commit, Applied, end));
        effects.Add(new Effect(EffectKind.Apply, Applied, end));
        if (_leading is not null) effects.Add(new Effect(EffectKind.Answer, Applied, end));
        Applied = end;
    }

    /// <summary>Adds all that decides about what comes next: two that add the same answer the same steps with the same effects.</summary>
    /// <param name="numbers">What it is added to.</param>
    /// <param name="isReadToCome">False where nobody ever reads: then the numbers of rounds decide nothing.</param>
    /// <param name="isJoinToCome">False where no node ever joins: then what was applied at the last heartbeat decides nothing.</param>
    internal void AddDeciding(List<long> numbers, bool isReadToCome = true, bool isJoinToCome = true)
    {
        long flags = (IsLost ? 1 : 0) | (IsFit ? 2 : 0) | (_saved.IsLost ? 4 : 0) | (_mayLead ? 8 : 0) | (_isAckDue ? 16 : 0) | (_isRestoredDue ? 32 : 0);
        numbers.AddRange([Node, Run, (long)Role, Term, flags, _saved.Term, Durable, Applied, Role == ReplicaRole.Follower ? _leader : 0, isReadToCome ? _round : 0, _heardCommit, _askers.Count]);
        foreach (int election in _askers) numbers.Add(election);
        Log.AddDeciding(numbers);
        _leading?.AddDeciding(numbers, isReadToCome, isJoinToCome);
    }

    /// <summary>Most of what decides about what comes next, in one line.</summary>
    public override string ToString()
    {
        string own = $"{Node}r{Run} {Role} t{Term}{(IsLost ? " lost" : "")}{(IsFit ? "" : " unfit")} {Log} durable {Durable} applied {Applied}";
        string rest = $"{(_saved == (Term, IsLost) ? "" : $" saved {_saved.Term}{(_saved.IsLost ? " lost" : "")}")}{(_mayLead ? " may-lead" : "")}{(_askers.Count > 0 ? $" asked by {string.Join(',', _askers)}" : "")}";
        return Role == ReplicaRole.Follower ? $"{own}{rest} of {_leader} heard {_heardCommit} round {_round}" : $"{own}{rest}{_leading}";
    }

    private void Fence(long term, int election, List<Effect> effects)
    {
        if (term < Term || (term == Term && Role != ReplicaRole.Fenced)) return;
        if (term > Term)
        {
            if (Role == ReplicaRole.Leader) effects.Add(new Effect(EffectKind.Abandon));
            Term = term;
            Role = ReplicaRole.Fenced;
            _leading = null;
            _mayLead = true;
            _isAckDue = _isRestoredDue = false;
            _round = _heardCommit = 0;
            _askers.Clear();
            effects.Add(new Effect(EffectKind.Save));
        }

        if (!_askers.Contains(election)) _askers.Add(election);
        AnswerElections(effects);
    }

    private void AnswerElections(List<Effect> effects)
    {
        if (_askers.Count == 0 || Role != ReplicaRole.Fenced || (_saved.Term != Term && !Planted.Is(PlantedBug.TermAnsweredBeforeSaved)) || Durable != Log.End) return;
        foreach (int election in _askers) effects.Add(new Effect(EffectKind.Send, Node: election, Message: new TermAnswer(Term, new MemberHead(Node, Run, Log.Head, IsLost || _saved.IsLost, _mayLead, IsFit))));
        _askers.Clear();
    }

    private void Lead(BecomeLeader order, int election, List<Effect> effects)
    {
        _leading?.SayReady(election, effects);
        if (Role != ReplicaRole.Fenced || (!_mayLead && !Planted.Is(PlantedBug.RestartedLeads)) || IsLost || _saved.Term != Term || Durable != Log.End || !order.Quorum.Members.Contains(Node)) return;
        Role = ReplicaRole.Leader;
        _askers.Clear();
        effects.Add(new Effect(EffectKind.BeginTerm, Log.End, Log.End + 1));
        _leading = new LeaderTerm(this, _limits, order, election, effects);
        Log.Append(Term, 1);
    }

    private void OnTruncate(Truncate order, int from, List<Effect> effects)
    {
        if (Role != ReplicaRole.Fenced || _saved.Term != Term || Durable != Log.End) return;
        if (order.Found > Log.Head) effects.Add(new Effect(EffectKind.Send, Node: from, Message: new Truncated(Term, Run, Log.Head)));   // It was cut, and the answer was lost.
        if (order.Found != Log.Head) return;
        if (Log.LastUpTo(order.To) is not { } kept || kept.Offset + 1 < Applied)
        {
            Stop(effects);   // What is applied is committed, and the leader has all that is: one of the two is wrong.
            return;
        }

        if (kept != Log.Head)
        {
            effects.Add(new Effect(EffectKind.Truncate, kept.Offset + 1, Log.End));
            Log.Truncate(kept.Offset + 1);
            Durable = Log.End;
        }

        effects.Add(new Effect(EffectKind.Send, Node: from, Message: new Truncated(Term, Run, Log.Head)));
    }

    private void OnAppend(Append append, int from, List<Effect> effects)
    {
        if (Role == ReplicaRole.Leader || _saved.Term != Term) return;
        if (Role == ReplicaRole.Fenced)
        {
            if (append.Before != Log.Head || Durable != Log.End) return;   // Another place may be where the logs differ.
            Role = ReplicaRole.Follower;
            _leader = from;
            _askers.Clear();
        }

        _round = Math.Max(_round, append.Round);
        _isAckDue = true;
        if (append.Before.Offset >= Log.End)
        {
            if (Planted.Is(PlantedBug.GapTakenForDuplicate)) effects.Add(new Effect(EffectKind.Send, Node: from, Message: new Ack(Term, Run, append.To, IsLost, append.Round)));
            return;   // Something between was lost on the way.
        }

        if (append.To > Log.End)
        {
            effects.Add(new Effect(EffectKind.Persist, Log.End, append.To, from, append));
            foreach (TermRun run in append.Entries)
            {
                if (run.To > Log.End) Log.Append(run.Term, run.To - Log.End);
            }
        }

        _heardCommit = Math.Max(_heardCommit, append.Commit);
        ApplyHeard(effects);
    }

    private void OnInstall(Install install, int from, List<Effect> effects)
    {
        if (IsWanted(install)) effects.Add(new Effect(EffectKind.Fetch, Node: from, Message: install));
        else _isAckDue |= Role == ReplicaRole.Follower && from == _leader && Log.Contains(install.Last);   // It has the state already, and the answer was lost.
    }

    private bool IsWanted(Install install) =>
        Role is ReplicaRole.Fenced or ReplicaRole.Follower && install.Term == Term && install.Run == Run
        && _saved.Term == Term && Durable == Log.End && install.Last.Offset >= Applied && !Log.Contains(install.Last);

    private void ApplyHeard(List<Effect> effects)
    {
        long end = Math.Min(_heardCommit, Durable);
        if (Role == ReplicaRole.Follower && end > Applied) CommitTo(end, effects);
    }

    private void OnRestore(Restore restore, int from, List<Effect> effects)
    {
        if (Role != ReplicaRole.Follower || restore.Run != Run) return;
        if (!IsLost && !_saved.IsLost)
        {
            effects.Add(new Effect(EffectKind.Send, Node: from, Message: new Restored(Term, Run)));
            return;
        }

        IsLost = false;
        _isRestoredDue = true;
        effects.Add(new Effect(EffectKind.Save));
    }

    private void OnQuarantine(Quarantine order, int from, List<Effect> effects)
    {
        if (Role != ReplicaRole.Follower || from != _leader || order.Run != Run) return;
        Role = ReplicaRole.Stopped;
        effects.Add(new Effect(EffectKind.Quarantine, order.Mark));
    }

    private void Stop(List<Effect> effects)
    {
        Role = ReplicaRole.Stopped;
        effects.Add(new Effect(EffectKind.Stop));
    }
}

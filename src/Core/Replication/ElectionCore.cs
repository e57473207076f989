using Tidemark.Core.Diagnostics;

namespace Tidemark.Core.Replication;

/// <summary>What the status document holds about a shard. Every change of it is a compare-and-swap.</summary>
/// <param name="Term">The highest term there is.</param>
/// <param name="Leader">The node that leads it, or <see cref="Nobody"/>.</param>
/// <param name="Ensemble">The nodes that keep the shard.</param>
/// <param name="Next">Those that will, while that changes; else null.</param>
/// <param name="Nonce">Who wrote it, to know one's own writing again where the answer was lost.</param>
/// <param name="Observer">The node that is given everything, to join the ensemble then; or <see cref="Nobody"/>.</param>
internal sealed record ShardStatus(long Term, int Leader, IReadOnlyList<int> Ensemble, IReadOnlyList<int>? Next, string Nonce, int Observer = ShardStatus.Nobody)
{
    internal const int Nobody = -1;

    /// <summary>Whether nobody has led it yet: there is nothing that a replica could have acknowledged.</summary>
    internal bool IsNew { get; init; }

    internal Quorum Quorum => new(Ensemble, Next);

    /// <summary>Whether other nodes are to keep the shard, and do not yet.</summary>
    internal bool IsChanging => Next is not null || Observer != Nobody;

    /// <summary>Whether a node keeps the shard: a member, or one that is to be.</summary>
    internal bool IsKeptBy(int node) => node == Observer || IsMember(node);

    /// <summary>Whether a node keeps the shard and counts, now or once the change is done.</summary>
    internal bool IsMember(int node) => Ensemble.Contains(node) || Next?.Contains(node) == true;

    public override string ToString() => $"t{Term} {(Leader == Nobody ? "nobody" : Leader)} {Quorum}{(Observer == Nobody ? "" : $"+{Observer}")}";
}

/// <summary>What an election asks its host to do.</summary>
/// <param name="Node">Where the message goes.</param>
/// <param name="Message">A message to send, or null.</param>
/// <param name="Write">The status to write over the version below, or null. With neither, the status is to be read.</param>
/// <param name="Over">The version that must still be there.</param>
internal sealed record ElectionEffect(int Node = -1, ReplicaMessage? Message = null, ShardStatus? Write = null, long Over = 0)
{
    internal bool IsRead => Message is null && Write is null;

    public override string ToString() => IsRead ? "Read" : Message is not null ? $"Send to {Node}: {Message}" : $"Write over {Over}: {Write}";
}

/// <summary>How long an election waits, in heartbeats.</summary>
/// <param name="Grace">For the others, once a majority has answered. 0 for not at all.</param>
/// <param name="Patience">For anything else before it raises the term; at least 1. Differs from election to election, so that two do not go on defeating each other.</param>
internal sealed record ElectionLimits(int Grace, int Patience);

/// <summary>Finds a shard its leader, and followers for the leader. Protocol: docs/protocol.md.</summary>
/// <remarks>Not thread-safe. Any number may work on one shard at once: what keeps them from doing harm is that each step is a compare-and-swap of the status.</remarks>
internal sealed class ElectionCore
{
    private readonly string _name;
    private readonly ElectionLimits _limits;
    private readonly SortedDictionary<int, MemberHead> _answers = [];
    private State _state;
    private ShardStatus? _status;   // As read, or as written by us.
    private long _version;
    private ShardStatus? _writing;
    private int _nonces;
    private int _waited;
    private bool _isSettled;
    private int _heir = ShardStatus.Nobody;   // Whom the last leader would have lead next.

    /// <param name="name">Tells this election's writing from that of all others, ever.</param>
    /// <param name="limits">How long it waits.</param>
    internal ElectionCore(string name, ElectionLimits limits) => (_name, _limits) = (name, limits);

    private ElectionCore(ElectionCore other)
        : this(other._name, other._limits)
    {
        (_state, _status, _version, _writing) = (other._state, other._status, other._version, other._writing);
        (_nonces, _waited, _isSettled, _heir) = (other._nonces, other._waited, other._isSettled, other._heir);
        foreach ((int node, MemberHead answer) in other._answers) _answers.Add(node, answer);
    }

    private enum State : byte
    {
        /// <summary>Waits for the status.</summary>
        Reading,

        /// <summary>Somebody else may be electing.</summary>
        Waiting,

        /// <summary>Waits for a write of the status.</summary>
        Writing,

        /// <summary>Asks replicas what they have.</summary>
        Asking,

        /// <summary>Waits for the leader to be ready.</summary>
        Installing,

        /// <summary>There is a leader.</summary>
        Steady,
    }

    /// <summary>The status as it was last read, or written.</summary>
    internal ShardStatus? Status => _status;

    /// <summary>Whether a leader is in the status and is to be told, or was.</summary>
    internal bool HasLeader => _state is State.Installing or State.Steady;

    /// <summary>Whether <see cref="Change"/> would begin a change: there is a leader, which knows that none is under way.</summary>
    internal bool CanChange => _state == State.Steady && _status is { Next: null } && _isSettled;

    /// <summary>Another that will answer the same steps with the same effects: for whoever looks at all that may come.</summary>
    internal ElectionCore Copy() => new(this);

    /// <summary>The status was read, or is known to have changed.</summary>
    internal void Read(ShardStatus status, long version, List<ElectionEffect> effects)
    {
        if (_state != State.Reading && version <= _version) return;
        if (_writing is { } ours && ours.Nonce == status.Nonce)
        {
            Written(ours.Nonce, version, effects);
            return;
        }

        (_status, _version, _writing) = (status, version, null);
        _answers.Clear();
        _isSettled = false;   // Whether the leader knows is not written there.
        Enter(status.Leader == ShardStatus.Nobody ? State.Waiting : status.Next is null ? State.Steady : State.Installing);   // Of a change under way somebody must ask whether the leader is ready.
    }

    /// <summary>The write that was ordered has been done.</summary>
    internal void Written(string nonce, long version, List<ElectionEffect> effects)
    {
        if (_writing is not { } written || written.Nonce != nonce) return;
        ShardStatus? before = _status;
        (_status, _version, _writing) = (written, version, null);
        if (before is null || written.Term > before.Term)
        {
            _answers.Clear();
            _isSettled = written.Next is null;
            Enter(State.Asking);
            foreach (int node in written.Quorum.Members) Send(node, new NewTerm(written.Term), effects);
        }
        else if (before.Leader == ShardStatus.Nobody)
        {
            Enter(State.Installing);
            Install(effects);
        }
        else
        {
            Enter(State.Steady);
            if (!_isSettled && written.Next is null) Send(written.Leader, new Settle(written.Term), effects);
        }
    }

    /// <summary>The write that was ordered was not done, or nobody knows.</summary>
    internal void NotWritten(string nonce, bool isUnknown, List<ElectionEffect> effects)
    {
        if (_writing?.Nonce != nonce) return;
        if (!isUnknown) _writing = null;
        Enter(State.Reading);
        effects.Add(new ElectionEffect());
    }

    /// <summary>A replica said something.</summary>
    internal void Step(int from, ReplicaMessage message, List<ElectionEffect> effects)
    {
        if (_status is not { } status || message.Term != status.Term) return;
        switch (message)
        {
            case TermAnswer { Member: { } member } when member.Node == from:
                OnAnswer(member, status, effects);
                break;
            case LeaderReady ready when from == status.Leader && _state is State.Installing or State.Steady:
                _isSettled |= ready.IsSettled && status.Next is null;
                Enter(State.Steady);
                if (status.Next is { } next) Write(status with { Ensemble = next, Next = null }, effects);
                break;
            case Joined joined when from == status.Leader && _state == State.Steady && _isSettled && joined.Node == status.Observer:
                Raise(status with { Next = [.. status.Ensemble, joined.Node], Observer = ShardStatus.Nobody }, effects);
                break;
            case Resign resign when from == status.Leader && _state is State.Installing or State.Steady:
                Raise(status, effects);
                _heir = resign.Heir;
                break;
        }
    }

    /// <summary>A node is believed to be gone.</summary>
    internal void Suspect(int node, List<ElectionEffect> effects)
    {
        if (_status is { } status && status.Leader == node && _state is State.Installing or State.Steady) Raise(status, effects);
    }

    /// <summary>Another set of nodes shall keep the shard: one more, which joins once it has everything; or one less. The same as now: nobody shall join any more.</summary>
    /// <returns>Whether it is begun: not while there is no leader, or another change is under way.</returns>
    internal bool Change(IReadOnlyList<int> ensemble, List<ElectionEffect> effects)
    {
        if (!CanChange || _status is not { } status || ensemble.Count == 0) return false;
        int[] more = [.. ensemble.Except(status.Ensemble)];
        bool isFewer = ensemble.Count < status.Ensemble.Count;
        if (Math.Abs(ensemble.Count - status.Ensemble.Count) > 1 || more.Length != Math.Max(0, ensemble.Count - status.Ensemble.Count)) return false;
        if (isFewer) Raise(status with { Next = ensemble }, effects);
        else Write(status with { Observer = more.Length > 0 ? more[0] : ShardStatus.Nobody }, effects);
        return true;
    }

    /// <summary>A heartbeat's time has passed.</summary>
    internal void Tick(List<ElectionEffect> effects)
    {
        if (_status is not { } status)
        {
            effects.Add(new ElectionEffect());
            return;
        }

        _waited++;
        switch (_state)
        {
            case State.Reading:
                effects.Add(new ElectionEffect());
                break;
            case State.Writing:
                if (_waited > _limits.Patience) NotWritten(_writing!.Nonce, isUnknown: true, effects);
                break;
            case State.Waiting:
                if (_waited <= _limits.Patience) break;
                if (Planted.Is(PlantedBug.SecondLeaderInTerm) && status.Term > 0) Enter(State.Asking);
                else Raise(status, effects);
                break;
            case State.Asking:
                foreach (int node in status.Quorum.Members.Where(node => !_answers.ContainsKey(node))) Send(node, new NewTerm(status.Term), effects);
                if (HasMajority(status) && _waited > _limits.Grace) Choose(status, effects);
                else if (_waited > _limits.Patience) GiveUp(status, effects);
                break;
            case State.Installing:
                if (_waited > _limits.Patience) Raise(status, effects);
                else Install(effects);
                break;
            case State.Steady when (_isSettled || _waited > _limits.Patience) && !status.Ensemble.Contains(status.Leader):
                Raise(status, effects);   // It led the change that took it out, and has done its part.
                break;
            case State.Steady:
                // A replica that was started again is fenced, and only such a one answers.
                foreach (int node in status.Quorum.Members.Append(status.Leader).Distinct()) Send(node, new NewTerm(status.Term), effects);
                if (status.Observer != ShardStatus.Nobody)
                {
                    Send(status.Observer, new NewTerm(status.Term), effects);
                    Send(status.Leader, new Join(status.Term, status.Observer), effects);
                }

                if (!_isSettled && status.Next is null) Send(status.Leader, new Settle(status.Term), effects);
                if (_waited % _limits.Patience == 0) effects.Add(new ElectionEffect());   // Another may have elected since.
                break;
        }
    }

    /// <summary>Adds all that decides about what comes next: two that add the same answer the same steps with the same effects.</summary>
    internal void AddDeciding(List<long> numbers)
    {
        int most = Math.Max(_limits.Patience, _limits.Grace) + 1;   // Waiting longer than for anything changes nothing; a leader is waited for in turns of patience.
        numbers.AddRange([(long)_state, _version, _nonces, _state == State.Steady ? _waited % _limits.Patience : Math.Min(_waited, most), _isSettled ? 1 : 0, _heir]);
        AddDeciding(_status, numbers);
        AddDeciding(_writing, numbers);
        foreach (MemberHead head in _answers.Values)
            numbers.AddRange([head.Node, head.Run, head.Head.Term, head.Head.Offset, (head.IsLost ? 1 : 0) | (head.MayLead ? 2 : 0) | (head.IsFit ? 4 : 0)]);
    }

    /// <summary>Everything that decides about what comes next, in one line.</summary>
    public override string ToString() =>
        $"{_name} {_state} {_status} v{_version} waited {_waited}{(_isSettled ? "" : " unsettled")}{(_heir == ShardStatus.Nobody ? "" : $" heir {_heir}")}{(_writing is null ? "" : $" writing {_writing} {_writing.Nonce}")} {string.Join("; ", _answers.Values)}";

    private static void AddDeciding(ShardStatus? status, List<long> numbers)
    {
        numbers.Add(status is null ? 0 : 1);
        if (status is null) return;
        numbers.AddRange([status.Term, status.Leader, status.Observer, status.Nonce.Length]);
        foreach (char letter in status.Nonce) numbers.Add(letter);
        status.Quorum.AddDeciding(numbers);
    }

    private void OnAnswer(MemberHead member, ShardStatus status, List<ElectionEffect> effects)
    {
        if (!status.Quorum.Members.Contains(member.Node))
        {
            if (member.Node == status.Observer && _state == State.Steady) Send(status.Leader, new AddFollower(status.Term, member), effects);
            return;   // Any other was told that it keeps the shard no more.
        }

        if (_answers.TryGetValue(member.Node, out MemberHead? before) && before.Run > member.Run) return;
        switch (_state)
        {
            case State.Asking:
                bool hadMajority = HasMajority(status);
                _answers[member.Node] = member;
                if (!HasMajority(status)) return;
                if (!hadMajority) _waited = 0;   // The grace for the others begins.
                if (_limits.Grace == 0 || status.Quorum.Members.All(_answers.ContainsKey)) Choose(status, effects);
                break;
            case State.Writing when _writing?.Term == status.Term && member.Node != status.Leader:
                _answers[member.Node] = member;   // Too late to be chosen, in time to be told to the leader.
                break;
            case State.Installing or State.Steady when member.Node == status.Leader:
                // Whom we told may not have heard yet. Whom another told, or who was started again, does not lead any more.
                if (before?.Run != member.Run) Raise(status, effects);
                break;
            case State.Installing or State.Steady:
                Send(status.Leader, new AddFollower(status.Term, member), effects);
                break;
        }
    }

    private bool HasMajority(ShardStatus status) => status.Quorum.Holds(Counts);

    private bool Counts(int node) => _answers.TryGetValue(node, out MemberHead? member) && member.IsFit && (!member.IsLost || Planted.Is(PlantedBug.AmnesiacVotes));

    /// <summary>Too few have answered.</summary>
    private void GiveUp(ShardStatus status, List<ElectionEffect> effects)
    {
        // The old ensemble can do without the new: whatever both have, a majority of the old one has.
        if (status.Next is not null && new Quorum(status.Ensemble).Holds(Counts)) Raise(status with { Next = null }, effects);
        else Enter(State.Reading);   // Perhaps they have heard of a higher term.
    }

    private void Choose(ShardStatus status, List<ElectionEffect> effects)
    {
        MemberHead best = _answers.Values.Where(member => Counts(member.Node)).MaxBy(member => (member.Head, member.MayLead, member.Node == _heir))!;
        _heir = ShardStatus.Nobody;
        if (Planted.Is(PlantedBug.SecondLeaderInTerm))
        {
            _status = status with { Leader = best.Node };
            Enter(State.Installing);
            Install(effects);
        }
        else if (best.MayLead || Planted.Is(PlantedBug.RestartedLeads)) Write(status with { Leader = best.Node, IsNew = false }, effects);
        else Raise(status, effects);   // It was started again since it was raised; nobody else is sure to have what it has.
    }

    private void Install(List<ElectionEffect> effects) =>
        Send(_status!.Leader, new BecomeLeader(_status.Term, _status.Quorum, [.. _answers.Values]), effects);

    private void Raise(ShardStatus status, List<ElectionEffect> effects) => Write(status with { Term = status.Term + 1, Leader = ShardStatus.Nobody }, effects);

    private void Write(ShardStatus status, List<ElectionEffect> effects)
    {
        _writing = status with { Nonce = FormattableString.Invariant($"{_name}/{++_nonces}") };
        Enter(State.Writing);
        effects.Add(new ElectionEffect(Write: _writing, Over: _version));
    }

    private void Enter(State state) => (_state, _waited) = (state, 0);

    private static void Send(int node, ReplicaMessage message, List<ElectionEffect> effects) => effects.Add(new ElectionEffect(node, message));
}

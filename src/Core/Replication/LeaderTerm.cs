using System.Diagnostics;

using Tidemark.Core.Diagnostics;

namespace Tidemark.Core.Replication;

/// <summary>What a replica knows while it leads one term: how far each follower is, what is committed, which reads wait.</summary>
internal sealed class LeaderTerm
{
    private readonly ReplicaCore _core;
    private readonly ReplicaLimits _limits;
    private readonly int _election;
    private readonly long _begin;   // The entry that began the term.
    private readonly List<Peer> _peers = [];
    private readonly Queue<(long Round, long Tickets)> _reads = new();
    private readonly Func<int, long> _durable, _rounds;
    private readonly Func<int, bool> _counts;
    private StateComparison _comparison = new();
    private Quorum _quorum;
    private long _round;
    private long _answered;     // The newest round that a majority has answered.
    private long _appliedBefore;   // At the last heartbeat.
    private long _tickets;      // Given out.
    private long _asked;        // Of them, those a round was begun for.

    internal LeaderTerm(ReplicaCore core, ReplicaLimits limits, BecomeLeader order, int election, List<Effect> effects)
        : this(core, limits, order.Quorum, election, core.Log.End)
    {
        foreach (MemberHead head in order.Heads)
        {
            if (Find(head.Node) is { } peer) Attach(peer, head, effects);
        }

        if (!Planted.Is(PlantedBug.ServesBeforeOwnEntry)) return;
        IsServing = true;
        effects.Add(new Effect(EffectKind.Serve));
        SayReady(_election, effects);
    }

    private LeaderTerm(ReplicaCore core, ReplicaLimits limits, Quorum quorum, int election, long begin)
    {
        (_core, _limits, _quorum, _election, _begin) = (core, limits, quorum, election, begin);
        foreach (int node in quorum.Members)
        {
            if (node != core.Node) _peers.Add(new Peer(node));
        }

        _counts = node => node == _core.Node || Find(node) is { IsCounted: true };
        _durable = node => node == _core.Node ? _core.Durable : Find(node) is { IsCounted: true } peer ? peer.Durable : 0;
        _rounds = node => node == _core.Node ? _round : Find(node) is { IsCounted: true } peer ? peer.Round : 0;
    }

    private LeaderTerm(ReplicaCore core, LeaderTerm other)
        : this(core, other._limits, other._quorum, other._election, other._begin)
    {
        (_round, _answered, _tickets, _asked, IsServing) = (other._round, other._answered, other._tickets, other._asked, other.IsServing);
        _appliedBefore = other._appliedBefore;
        _comparison = other._comparison.Copy();
        _peers.Clear();
        foreach (Peer peer in other._peers) _peers.Add(peer.Copy());
        foreach ((long, long) read in other._reads) _reads.Enqueue(read);
    }

    private enum PeerState : byte
    {
        /// <summary>It has not answered in this term, or not since it was started again.</summary>
        Unknown,

        /// <summary>Its head is not in our log.</summary>
        Truncating,

        /// <summary>Its log is the beginning of ours.</summary>
        Attached,

        /// <summary>It lacks what we have trimmed.</summary>
        Behind,
    }

    internal bool IsServing { get; private set; }

    internal (long Begun, long Answered) Rounds => (_round, _answered);

    internal bool HasCompared => _comparison.HasNewest(_core.Node) && _peers.TrueForAll(peer => peer.State != PeerState.Attached || _comparison.HasNewest(peer.Node));

    internal (long Mark, StateHash Hash)? Agreed => _comparison.NewestAgreed(Planted.Is(PlantedBug.CutBeforeAgreement) ? new Quorum([_core.Node]) : _quorum, _counts);

    internal bool Follows(int node) => Find(node) is { State: PeerState.Attached, IsCounted: true };

    internal bool HasAll(int node) => Find(node) is { State: PeerState.Attached, IsCounted: true } peer && peer.Durable == _core.Log.End;

    /// <summary>Of an ensemble of one that never had another: nothing begins its term, and it serves at once.</summary>
    internal static LeaderTerm Alone(ReplicaCore core) =>
        new(core, ReplicaLimits.Default, new Quorum([core.Node]), core.Node, begin: 0) { IsServing = true };

    internal LeaderTerm Copy(ReplicaCore core) => new(core, this);

    internal void Step(int from, ReplicaMessage message, List<Effect> effects)
    {
        switch (message)
        {
            case Settle:
                if (!IsServing) return;
                if (_quorum.Next is { } ensemble) _quorum = new Quorum(ensemble);
                _peers.RemoveAll(peer => !peer.IsObserver && !_quorum.Members.Contains(peer.Node));
                SayReady(from, effects);
                Advance(effects);
                break;
            case Join join:
                OnJoin(join, from, effects);
                break;
            case AddFollower { Member: { } member } when Find(member.Node) is { } peer && member.Run > peer.Run:
                Attach(peer, member, effects);
                break;
            case Truncated left when Find(from) is { State: PeerState.Truncating } peer && left.Run == peer.Run && left.Head < peer.Found:
                Attach(peer, new MemberHead(from, left.Run, left.Head, IsLost: !peer.IsCounted), effects);
                break;
            case Ack ack when Find(from) is { } peer && ack.Run >= peer.Run:
                Debug.Assert(ack.Durable <= _core.Log.End, "nobody has what was not sent");
                if (ack.Run > peer.Run || peer.State != PeerState.Attached) Attached(peer, ack.Run, ack.Durable, ack.IsLost, effects);   // It found itself that it continues our log.
                peer.Durable = Math.Max(peer.Durable, ack.Durable);
                peer.Next = Math.Max(peer.Next, peer.Durable);
                peer.Round = Math.Max(peer.Round, ack.Round);
                Advance(effects);
                AskToRestore(peer, effects);
                break;
            case Restored restored when Find(from) is { State: PeerState.Attached } peer && restored.Run == peer.Run:
                peer.IsCounted = true;
                Advance(effects);
                break;
            case StateAtMark own when Find(from) is { State: PeerState.Attached } peer && own.Run == peer.Run:
                Compare(from, own.Mark, own.Hash, effects);
                break;
        }
    }

    /// <summary>What a replica's state was behind a mark. The minority is quarantined, also where this leader is of it.</summary>
    internal void Compare(int node, long mark, StateHash hash, List<Effect> effects)
    {
        _comparison.Take(node, mark, hash);
        (ComparisonResult result, StateHash agreed) = _comparison.Judge(mark, _quorum, _counts);
        if (result == ComparisonResult.Open || Planted.Is(PlantedBug.StatesNeverCompared)) return;
        if (result == ComparisonResult.Divided)
        {
            effects.Add(new Effect(EffectKind.StopDivided, mark));
            return;
        }

        foreach (int other in _comparison.Others(mark, agreed))
        {
            if (other == _core.Node) effects.Add(new Effect(EffectKind.Quarantine, mark));
            else if (Find(other) is { State: PeerState.Attached } peer) effects.Add(new Effect(EffectKind.Send, Node: other, Message: new Quarantine(_core.Term, peer.Run, mark)));
        }
    }

    /// <summary>A ticket for a read that came now.</summary>
    internal long Read() => _tickets++;

    /// <summary>Tells an election, if an entry of the term is committed.</summary>
    internal void SayReady(int election, List<Effect> effects)
    {
        if (IsServing) effects.Add(new Effect(EffectKind.Send, Node: election, Message: new LeaderReady(_core.Term, _quorum.Next is null)));
    }

    /// <summary>Commits and answers what a majority allows.</summary>
    internal void Advance(List<Effect> effects)
    {
        long agreed = Planted.Is(PlantedBug.AckBeforeQuorum) ? _core.Durable : Math.Min(_quorum.Agreed(_durable), _core.Durable);   // What is applied is in our own log too: a state is never ahead of it.
        if ((agreed > _begin || Planted.Is(PlantedBug.CommitWithoutOwnTerm)) && agreed > _core.Applied)
        {
            _core.CommitTo(agreed, effects);
            if (!IsServing)
            {
                IsServing = true;
                effects.Add(new Effect(EffectKind.Serve));
                SayReady(_election, effects);
            }
        }

        _answered = Planted.Is(PlantedBug.ReadWithoutRound) ? _round : _quorum.Agreed(_rounds);
        long tickets = -1;
        while (_reads.TryPeek(out (long Round, long Tickets) read) && read.Round <= _answered) tickets = _reads.Dequeue().Tickets;
        if (tickets >= 0) effects.Add(new Effect(EffectKind.AnswerReads, To: tickets));
    }

    /// <summary>Sends what followers lack, and begins a round where reads wait for one.</summary>
    internal void Send(List<Effect> effects)
    {
        bool isRoundDue = _tickets > _asked;
        if (isRoundDue)
        {
            _reads.Enqueue((++_round, _tickets));
            _asked = _tickets;
        }

        foreach (Peer peer in _peers)
        {
            if (peer.State != PeerState.Attached) continue;
            bool isSent = false;
            while (HasWhatFollows(peer, effects) && peer.Next < _core.Log.End && peer.Next - peer.Durable < _limits.Window)
            {
                SendTo(peer, Math.Min(_core.Log.End, peer.Next + Math.Min(_limits.Batch, _limits.Window - (peer.Next - peer.Durable))), effects);
                isSent = true;
            }

            if (isRoundDue && !isSent && peer.State == PeerState.Attached) SendTo(peer, peer.Next, effects);
        }

        if (isRoundDue) Advance(effects);   // Of one, it is a majority itself.
    }

    /// <summary>Says again what was not answered since the last time, and that it is still there.</summary>
    internal void Tick(List<Effect> effects)
    {
        if (_peers.Count > 0) _round++;
        _appliedBefore = _core.Applied;
        foreach (Peer peer in _peers)
        {
            switch (peer.State)
            {
                case PeerState.Truncating:
                    effects.Add(new Effect(EffectKind.Send, Node: peer.Node, Message: peer.Order));
                    break;
                case PeerState.Behind:
                    OfferState(peer, effects);
                    break;
                case PeerState.Attached:
                    if (peer.Durable == peer.DurableBefore) peer.Next = peer.Durable;   // Lost on the way, or slow: then what comes twice is skipped there.
                    peer.DurableBefore = peer.Durable;
                    if (!HasWhatFollows(peer, effects)) break;
                    SendTo(peer, peer.Next - peer.Durable < _limits.Window ? Math.Min(_core.Log.End, peer.Next + _limits.Batch) : peer.Next, effects);
                    AskToRestore(peer, effects);
                    break;
            }
        }
    }

    /// <summary>Adds all that decides.</summary>
    internal void AddDeciding(List<long> numbers, bool isReadToCome, bool isJoinToCome)
    {
        _quorum.AddDeciding(numbers);
        numbers.AddRange([_election, _begin, IsServing ? 1 : 0, _tickets, _asked, _reads.Count, isJoinToCome ? _appliedBefore : 0, _peers.Count]);
        if (isReadToCome) numbers.AddRange([_round, _answered]);
        foreach ((long round, long tickets) in _reads) numbers.AddRange([round, tickets]);
        foreach (Peer peer in _peers) peer.AddDeciding(numbers, isReadToCome);
        _comparison.AddDeciding(numbers);
    }

    public override string ToString() =>
        $" of {_quorum} from {_begin}{(IsServing ? " serving" : "")} round {_round} reads {_asked}/{_tickets}[{string.Join(',', _reads)}] {string.Join("; ", _peers)}";

    private void OnJoin(Join join, int from, List<Effect> effects)
    {
        if (!IsServing) return;
        Peer? peer = Find(join.Node);
        if (peer is null) _peers.Add(peer = new Peer(join.Node) { IsObserver = true });
        if (peer.State == PeerState.Unknown)
        {
            // One that was a member in this very term follows still, and says so; any other answers the election.
            peer.Next = _core.Log.End;
            SendTo(peer, peer.Next, effects);
        }
        else if (peer is { State: PeerState.Attached, IsCounted: true } && peer.Durable >= _appliedBefore) effects.Add(new Effect(EffectKind.Send, Node: from, Message: new Joined(join.Term, join.Node)));
    }

    private void Attach(Peer peer, MemberHead member, List<Effect> effects)
    {
        LogTerms log = _core.Log;
        Meet(peer, member.Run, member.IsLost);
        peer.Found = member.Head;
        if (Planted.Is(PlantedBug.TruncateByCommit) && member.Head.Offset >= _core.Applied && _core.Applied > log.Start)
        {
            peer.State = PeerState.Truncating;
            peer.Order = new Truncate(_core.Term, member.Head, new LogHead(log.TermAt(_core.Applied - 1), _core.Applied - 1));
            effects.Add(new Effect(EffectKind.Send, Node: peer.Node, Message: peer.Order));
        }
        else if (log.Contains(member.Head))
        {
            Attached(peer, member.Run, member.Head.Offset + 1, member.IsLost, effects);
        }
        else if (log.LastUpTo(member.Head) is { } kept)
        {
            peer.State = PeerState.Truncating;
            peer.Order = new Truncate(_core.Term, member.Head, kept);
            effects.Add(new Effect(EffectKind.Send, Node: peer.Node, Message: peer.Order));
        }
        else
        {
            OfferState(peer, effects);   // Where the two logs part, ours is trimmed.
        }
    }

    private void Attached(Peer peer, long run, long durable, bool isLost, List<Effect> effects)
    {
        Meet(peer, run, isLost);
        peer.State = PeerState.Attached;
        peer.Durable = peer.DurableBefore = peer.Next = durable;
        peer.Whole = Math.Max(_core.Applied, _begin + 1);
        HasWhatFollows(peer, effects);
    }

    private void Meet(Peer peer, long run, bool isLost)
    {
        if (run > peer.Run) _comparison.Forget(peer.Node);   // What an earlier run's state was is mended by now, or was never wrong.
        (peer.Run, peer.IsCounted) = (run, !isLost);
    }

    /// <summary>Whether the log still has what comes next for a follower; else it is given the state.</summary>
    private bool HasWhatFollows(Peer peer, List<Effect> effects)
    {
        if (peer.State == PeerState.Attached && peer.Next > _core.Log.Before.Offset) return true;
        if (peer.State == PeerState.Attached) OfferState(peer, effects);
        return false;
    }

    private void OfferState(Peer peer, List<Effect> effects)
    {
        peer.State = PeerState.Behind;
        var last = new LogHead(_core.Log.TermAt(_core.Applied - 1), _core.Applied - 1);
        effects.Add(new Effect(EffectKind.Send, Node: peer.Node, Message: new Install(_core.Term, peer.Run, last)));
    }

    private void SendTo(Peer peer, long to, List<Effect> effects)
    {
        LogTerms log = _core.Log;
        var before = new LogHead(log.TermAt(peer.Next - 1), peer.Next - 1);
        effects.Add(new Effect(EffectKind.Send, peer.Next, to, peer.Node, new Append(_core.Term, before, log.Slice(peer.Next, to), _core.Applied, _round)));
        peer.Next = to;
    }

    private void AskToRestore(Peer peer, List<Effect> effects)
    {
        if (!peer.IsCounted && IsServing && peer.Durable >= peer.Whole) effects.Add(new Effect(EffectKind.Send, Node: peer.Node, Message: new Restore(_core.Term, peer.Run)));
    }

    private Peer? Find(int node)
    {
        foreach (Peer peer in _peers)
        {
            if (peer.Node == node) return peer;
        }

        return null;
    }

    /// <summary>Another member of the ensemble, as its leader knows it.</summary>
    private sealed class Peer(int node)
    {
        internal int Node => node;

        internal long Run { get; set; }

        internal PeerState State { get; set; }

        /// <summary>Whether it counts in a majority: not while it is lost.</summary>
        internal bool IsCounted { get; set; }

        /// <summary>Whether it is no member, and only given everything.</summary>
        internal bool IsObserver { get; init; }

        /// <summary>What was committed with the help of its earlier runs is below: what it acknowledged then is not counted any more.</summary>
        internal long Whole { get; set; }

        /// <summary>Entries below are durable there.</summary>
        internal long Durable { get; set; }

        /// <summary>What it was at the last heartbeat.</summary>
        internal long DurableBefore { get; set; }

        /// <summary>The entry to be sent next.</summary>
        internal long Next { get; set; }

        /// <summary>The newest round it has answered.</summary>
        internal long Round { get; set; }

        /// <summary>The head it answered with.</summary>
        internal LogHead Found { get; set; }

        /// <summary>What it was told to cut.</summary>
        internal Truncate? Order { get; set; }

        internal void AddDeciding(List<long> numbers, bool isReadToCome)
        {
            bool isAttached = State == PeerState.Attached, isTruncating = State == PeerState.Truncating;
            long flags = (IsCounted ? 1 : 0) | (IsObserver ? 2 : 0) | (isAttached && DurableBefore == Durable ? 4 : 0);   // How far it was decides nothing, but whether it has come further since.
            numbers.AddRange([node, Run, (long)State, flags, Durable, isReadToCome ? Round : 0, isAttached ? Next : 0, IsCounted ? 0 : Whole]);
            if (isTruncating) numbers.AddRange([Found.Term, Found.Offset, Order!.To.Term, Order.To.Offset]);
        }

        internal Peer Copy() => (Peer)MemberwiseClone();

        public override string ToString() =>
            State == PeerState.Unknown ? $"{node} unknown" : $"{node}r{Run} {State}{(IsCounted ? "" : State == PeerState.Attached ? $" lost until {Whole}" : " lost")} {(State == PeerState.Attached ? $"durable {Durable} next {Next} round {Round}" : $"{Found}")}";
    }
}

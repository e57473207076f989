namespace Tidemark.Core.Replication;

/// <summary>What replicas of a shard and its election say to each other. Meaning, order and rules: docs/protocol.md.</summary>
/// <param name="Term">The term it belongs to.</param>
internal abstract record ReplicaMessage(long Term)
{
    /// <summary>Whether an election takes it, not a replica.</summary>
    internal bool IsForElection => this is TermAnswer or LeaderReady or Joined or Resign;
}

/// <summary>A replica as it answered a new term.</summary>
/// <param name="Node">Which it is.</param>
/// <param name="Run">Which of its runs answered.</param>
/// <param name="Head">Its durable head.</param>
/// <param name="IsLost">Whether it may have acknowledged what it no longer has.</param>
/// <param name="MayLead">Whether it was raised to the term in this run.</param>
/// <param name="IsFit">Whether its clock may stamp entries.</param>
internal sealed record MemberHead(int Node, long Run, LogHead Head, bool IsLost = false, bool MayLead = true, bool IsFit = true)
{
    public override string ToString() => $"{Node}r{Run}={Head}{(IsLost ? " lost" : "")}{(MayLead ? "" : " may-not-lead")}{(IsFit ? "" : " unfit")}";
}

/// <summary>Election to replica: be fenced, and say what you have.</summary>
internal sealed record NewTerm(long Term) : ReplicaMessage(Term);

/// <summary>Replica to election: what it has, durably.</summary>
internal sealed record TermAnswer(long Term, MemberHead Member) : ReplicaMessage(Term);

/// <summary>Election to replica: lead.</summary>
internal sealed record BecomeLeader(long Term, Quorum Quorum, IReadOnlyList<MemberHead> Heads) : ReplicaMessage(Term)
{
    public override string ToString() => $"BecomeLeader {{ Term = {Term}, {Quorum}, {string.Join(' ', Heads)} }}";
}

/// <summary>Leader to election: an entry of the term is committed, by whom the quorum says.</summary>
internal sealed record LeaderReady(long Term, bool IsSettled) : ReplicaMessage(Term);

/// <summary>Election to leader: the change of the ensemble is done, the new one alone counts.</summary>
internal sealed record Settle(long Term) : ReplicaMessage(Term);

/// <summary>Election to leader: one more has answered.</summary>
internal sealed record AddFollower(long Term, MemberHead Member) : ReplicaMessage(Term);

/// <summary>Election to leader: a node is to be given everything, without counting, and I wait for it to have it.</summary>
internal sealed record Join(long Term, int Node) : ReplicaMessage(Term);

/// <summary>Leader to election: the node has everything.</summary>
internal sealed record Joined(long Term, int Node) : ReplicaMessage(Term);

/// <summary>Leader to replica: your head is not in my log.</summary>
/// <param name="Term">The term.</param>
/// <param name="Found">The head that was answered; with another it is of no use any more.</param>
/// <param name="To">Cut what is behind your last entry up to this one.</param>
internal sealed record Truncate(long Term, LogHead Found, LogHead To) : ReplicaMessage(Term);

/// <summary>Replica to leader: what is left.</summary>
internal sealed record Truncated(long Term, long Run, LogHead Head) : ReplicaMessage(Term);

/// <summary>Leader to replica: the log no longer has what you lack, take the state instead. Its bytes travel beside.</summary>
/// <param name="Term">The term.</param>
/// <param name="Run">The run of the replica it is for.</param>
/// <param name="Last">The last entry that is in the state.</param>
internal sealed record Install(long Term, long Run, LogHead Last) : ReplicaMessage(Term);

/// <summary>Leader to follower: entries, or none.</summary>
/// <param name="Term">The term.</param>
/// <param name="Before">The entry they follow.</param>
/// <param name="Entries">Their terms; the bytes travel beside.</param>
/// <param name="Commit">Entries below are committed.</param>
/// <param name="Round">The leader's newest round.</param>
internal sealed record Append(long Term, LogHead Before, IReadOnlyList<TermRun> Entries, long Commit, long Round) : ReplicaMessage(Term)
{
    /// <summary>The offset after the last entry.</summary>
    internal long To => Entries.Count > 0 ? Entries[^1].To : Before.Offset + 1;

    public override string ToString() => $"Append {{ Term = {Term}, after {Before} [{string.Join(' ', Entries)}], commit {Commit}, round {Round} }}";
}

/// <summary>Follower to leader: entries below an offset are durable here.</summary>
internal sealed record Ack(long Term, long Run, long Durable, bool IsLost, long Round) : ReplicaMessage(Term);

/// <summary>Leader to lost follower: it has all that is committed.</summary>
internal sealed record Restore(long Term, long Run) : ReplicaMessage(Term);

/// <summary>Follower to leader: it has written down that it is lost no more.</summary>
internal sealed record Restored(long Term, long Run) : ReplicaMessage(Term);

/// <summary>Leader to election: it gives the term up, because it cannot lead, or hands it over.</summary>
/// <param name="Term">The term.</param>
/// <param name="Heir">The node that has all it has and should lead next, or <see cref="ShardStatus.Nobody"/>.</param>
internal sealed record Resign(long Term, int Heir) : ReplicaMessage(Term);

/// <summary>Replica to leader: send the next part of the state that was offered.</summary>
/// <param name="Term">The term.</param>
/// <param name="Last">The last entry that is in the state.</param>
/// <param name="Part">The part's number, from 0.</param>
internal sealed record StateRequest(long Term, LogHead Last, long Part) : ReplicaMessage(Term);

/// <summary>Leader to replica: a part of the state. Its bytes travel beside.</summary>
/// <param name="Term">The term.</param>
/// <param name="Position">The last entry that is in the state.</param>
/// <param name="Hash">The state's hash.</param>
/// <param name="Part">The part's number; behind the last comes one that is empty.</param>
/// <param name="IsEnd">Whether it is the empty one behind the last.</param>
internal sealed record StatePart(long Term, StatePosition Position, StateHash Hash, long Part, bool IsEnd) : ReplicaMessage(Term)
{
    internal LogHead Last => new(Position.Term, Position.Offset);
}

/// <summary>Follower to leader: what its state was behind a mark.</summary>
/// <param name="Term">The term.</param>
/// <param name="Run">The follower's run.</param>
/// <param name="Mark">The mark's offset.</param>
/// <param name="Hash">The hash of the state that has all entries up to the mark.</param>
internal sealed record StateAtMark(long Term, long Run, long Mark, StateHash Hash) : ReplicaMessage(Term);

/// <summary>Leader to follower: your state behind a mark was another than that of a majority.</summary>
internal sealed record Quarantine(long Term, long Run, long Mark) : ReplicaMessage(Term);

/// <summary>Node to node: it lives, and what time it is there. Of no shard and no term.</summary>
/// <param name="Run">How many times it was started.</param>
/// <param name="Time">Its wall clock, in UTC ticks.</param>
/// <param name="EchoTime">The time that the receiver said last; 0 where it was not heard yet.</param>
/// <param name="EchoAge">How long ago that came, in ticks.</param>
internal sealed record Hello(long Run, long Time, long EchoTime, long EchoAge) : ReplicaMessage(0);

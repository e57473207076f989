using System.Runtime.InteropServices;

using Tidemark.Core.Hashing;
using Tidemark.Core.Replication;

namespace Tidemark.Tests.Replication;

/// <summary>All that an explored cluster is made of, by number, and what each step of a part comes to. A step of a core is taken once, however many states it is a step of.</summary>
/// <remarks>A node's step depends on that node and what came to it alone, so its outcome is looked up in every other state in which the two meet. That is what makes millions of states cheap.</remarks>
internal sealed class ExploredParts(ExploredScope scope)
{
    internal ExploredScope Scope => scope;

    internal Numbered<ExploredNode> Nodes { get; } = new();

    internal Numbered<ElectionCore> Elections { get; } = new();

    internal Numbered<SimMessage> Messages { get; } = new();

    internal Numbered<ElectionEffect> Orders { get; } = new();

    internal Numbered<ExploredStatus> Statuses { get; } = new();

    internal Numbered<SimEntry[]> Committed { get; } = new();

    internal static UInt128 Hash<T>(ReadOnlySpan<T> numbers)
        where T : unmanaged
    {
        (ulong high, ulong low) = MurmurHash3X64.Hash(MemoryMarshal.AsBytes(numbers), 1, 2);
        return new UInt128(high, low);
    }

    internal int Add(ExploredNode node)
    {
        var numbers = new List<long>(64);
        node.AddDeciding(numbers, scope.IsJoinToCome);
        return Nodes.Add(Hash<long>(CollectionsMarshal.AsSpan(numbers)), node);
    }

    internal int Add(ElectionCore core)
    {
        var numbers = new List<long>(64);
        core.AddDeciding(numbers);
        return Elections.Add(Hash<long>(CollectionsMarshal.AsSpan(numbers)), core);
    }

    internal int Add(SimMessage message) => Messages.Add(Hash<char>(message.Text), message);

    internal int Add(ElectionEffect order) => Orders.Add(Hash<char>($"{order} {order.Write?.Nonce}"), order);

    internal int Add(ExploredStatus status) => Statuses.Add(Hash<char>(status.ToString()), status);

    internal int Add(SimEntry[] committed) => Committed.Add(Hash<SimEntry>(committed), committed);

    /// <summary>What a step of a node comes to.</summary>
    internal ExploredOutcome OfNode(int number, ExploredKind kind, int detail)
    {
        ExploredNode node = Nodes[number];
        var outcome = new ExploredOutcome();
        var sends = new List<SimMessage>();
        ExploredNode next = kind switch
        {
            ExploredKind.Deliver => node.Deliver(Messages[detail], outcome, sends),
            ExploredKind.Flush => node.Flush(outcome, sends),
            ExploredKind.Save => node.Save(outcome, sends),
            ExploredKind.Propose => node.Propose(detail, outcome, sends),
            ExploredKind.Tick => node.Tick(outcome, sends),
            ExploredKind.LastCrash => node.WithLastCrash(scope.Crashes),
            _ => node.Crash((detail & 1) != 0, (detail & 2) != 0),
        };
        outcome.Next = Add(next);
        outcome.Sends = [.. sends.Select(Add).Distinct()];
        outcome.Judge(number);
        if (kind == ExploredKind.Deliver) outcome.IsDead = IsDead(node, Messages[detail], outcome.IsPure, outcome.Sends.Length);
        return outcome;
    }

    /// <summary>What a step of an election comes to.</summary>
    internal ExploredOutcome OfElection(int at, int number, Action<ElectionCore, List<ElectionEffect>> step, SimMessage? message = null)
    {
        ElectionCore core = Elections[number].Copy();
        var outcome = new ExploredOutcome();
        var effects = new List<ElectionEffect>();
        try
        {
            step(core, effects);
        }
        catch (Exception e)
        {
            outcome.Broken = e.Message;
        }

        outcome.Next = Add(core);
        outcome.Sends = [.. effects.Where(effect => effect.Message is not null).Select(effect => Add(new SimMessage(at, effect.Node, IsForElection: false, effect.Message!, []))).Distinct()];
        outcome.Calls = [.. effects.Where(effect => effect.Message is null).Select(effect => (Add(effect) << 1) | at).Distinct()];
        outcome.Judge(number);
        if (message is not null) outcome.IsDead = IsDead(Elections[number], message, outcome.IsPure);
        return outcome;
    }

    /// <summary>An election that has just read the status.</summary>
    internal int Anew(int number)
    {
        ExploredStatus now = Statuses[number];
        var core = new ElectionCore($"e{now.Version}", new ElectionLimits(Grace: 0, Patience: 1));
        core.Read(now.Status, now.Version, []);
        return Add(core);
    }

    /// <summary>Whether a message to a replica can have no effect any more: neither now nor after any other steps.</summary>
    private bool IsDead(ExploredNode node, SimMessage message, bool isPure, int sends)
    {
        ReplicaCore core = node.Core;
        bool isLast = node.Crashes >= scope.Crashes;   // Then it only ever goes up: terms, and in a term from fenced to following or leading.
        long term = message.Message.Term;
        if (term < node.Disk.Term || (isLast && term < core.Term)) return true;   // It starts again in the term of its disk, at least.
        if (term != core.Term) return false;
        bool leads = core.Role == ReplicaRole.Leader, follows = core.Role == ReplicaRole.Follower;
        bool canLead = leads || (core.Role == ReplicaRole.Fenced && core.Term > node.StartTerm);   // In this term: not who follows, or was started in it.
        switch (message.Message)
        {
            case NewTerm:
                return isLast && (leads || follows);
            case BecomeLeader:
                // A leader says that it is ready by itself, once; and only to the election that made it one.
                return !canLead || (leads && scope.Elections == 1 && scope.Change is null);
            case Ack:
                // What a leader knows of a follower in one run only rises.
                return !canLead || (leads && isPure && sends == 0 && scope.Ensemble.Contains(message.From));
            case AddFollower add:
                return !canLead || (leads && isPure && sends == 0 && scope.Ensemble.Contains(add.Member.Node));
            case Truncated or Restored or Settle or Join:
                return !canLead;
            case Append append:
                // It has all that is in it, and has said so.
                return isLast && follows && isPure && append.To <= core.Log.End;
            case Truncate:
                return isLast && follows;
            default:
                return false;
        }
    }

    /// <summary>The same of a message to the election.</summary>
    private bool IsDead(ElectionCore core, SimMessage message, bool isPure)
    {
        if (core.Status is not { } status || scope.Elections > 1) return false;   // Who does not write alone may read again what is old to the other.
        if (message.Message.Term != status.Term) return message.Message.Term < status.Term;

        if (message.Message is LeaderReady) return scope.IsSimple;   // It ends the waiting, which makes no difference.

        // An answer in a term with a leader goes to that leader, and what does not come there is there still. An answer of the leader's own makes it raise the term, if at all, as a suspicion would.
        return message.Message is TermAnswer && scope.Change is null && core.HasLeader && (isPure || (scope.IsSimple && message.From == status.Leader));
    }
}

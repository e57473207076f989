using Tidemark.Core.Replication;

namespace Tidemark.Tests.Replication;

/// <summary>How far the explorer goes. Messages may be lost, late, reordered and doubled, and heartbeats pass, any number of times: there is nothing to bound.</summary>
/// <param name="Terms">The highest term; the first has a leader from the start.</param>
/// <param name="Values">How many entries are proposed.</param>
/// <param name="Crashes">How often each node is killed and started again, at any moment.</param>
/// <param name="Waits">How often an election loses its patience: each time two of its heartbeats pass, and that is all the patience it has.</param>
internal sealed record ExploredScope(int Terms, int Values, int Crashes, int Waits = 0)
{
    /// <summary>How many crashes there are in all.</summary>
    internal int CrashesInAll { get; init; } = int.MaxValue;

    /// <summary>How many elections work on the shard at once, 1 or 2.</summary>
    internal int Elections { get; init; } = 1;

    /// <summary>The ensemble that is asked for once, at any moment; null for none.</summary>
    internal int[]? Change { get; init; }

    /// <summary>False to visit also what the reductions show to be without consequence.</summary>
    internal bool IsReduced { get; init; } = true;

    internal int[] Ensemble { get; } = [0, 1, 2];

    internal int Nodes => Math.Max(3, (Change?.Max() ?? 0) + 1);

    /// <summary>Whether the election is alone, has all the patience in the world, and nothing to change: then all there is to see of it is when it raises the term, and whom it chooses.</summary>
    internal bool IsSimple => Elections == 1 && Waits == 0 && Change is null;

    internal bool IsJoinToCome => Nodes > Ensemble.Length;

    /// <summary>As build/soak.sh --explore takes it.</summary>
    public override string ToString() => $"{Terms}/{Values}/{Crashes}{(CrashesInAll == int.MaxValue ? "" : $":{CrashesInAll}")}/{Waits}{(Change is null ? "" : IsJoinToCome ? "+" : "-")}{(IsReduced ? "" : ", nothing left out")}";
}

/// <summary>What may happen next.</summary>
internal enum ExploredKind : byte
{
    Deliver, Flush, Save, Propose, Tick, Crash, LastCrash, Suspect, Wait, Change, AnswerStore,
}

/// <summary>One thing that may happen next.</summary>
/// <param name="Kind">What.</param>
/// <param name="At">The node or the election.</param>
/// <param name="Detail">The message, the value, the kind of crash, the call.</param>
internal readonly record struct ExploredStep(ExploredKind Kind, int At, int Detail = 0);

/// <summary>The status document in the store.</summary>
internal sealed record ExploredStatus(ShardStatus Status, long Version)
{
    public override string ToString() => $"{Status} {Status.Nonce} v{Version}";
}

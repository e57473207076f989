using System.Diagnostics;

namespace Tidemark.Core.Replication;

/// <summary>Decides what a replica does next: the same steps in the same order give the same effects.</summary>
/// <remarks>
/// Not thread-safe. One host steps it and carries out the effects in order. This is a shard with one replica, which is its own majority: what is
/// durable here is committed. An entry is applied only once it is committed, and answered only once it is applied.
/// </remarks>
internal sealed class ReplicaCore
{
    private long _end;       // The offset the next entry takes.
    private long _durable;   // Entries below are on our stable storage.

    /// <param name="end">The offset after the last entry of the recovered log, all of which is durable.</param>
    /// <param name="applied">The offset after the last entry in the recovered state.</param>
    internal ReplicaCore(long end, long applied)
    {
        Debug.Assert(applied <= end, "the state is never ahead of the log");
        _end = _durable = end;
        Applied = applied;
    }

    /// <summary>Entries below are committed.</summary>
    internal long Committed => _durable;

    /// <summary>Entries below are applied, or ordered to be.</summary>
    internal long Applied { get; private set; }

    /// <summary>Entries below are durable or on the way there.</summary>
    internal long End => _end;

    /// <summary>What was recovered but not applied is ordered to be.</summary>
    internal void Recover(List<Effect> effects) => Commit(effects);

    /// <summary>Somebody wants an entry in the log.</summary>
    internal void Propose(List<Effect> effects)
    {
        effects.Add(new Effect(EffectKind.Persist, _end, _end + 1));
        _end++;
    }

    /// <summary>The entry ordered last could not be appended: it never was.</summary>
    internal void Withdraw()
    {
        _end--;
        Debug.Assert(_end >= _durable, "what is durable is not withdrawn");
    }

    /// <summary>No more entries come for now: those there are become durable.</summary>
    internal void EndTurn(List<Effect> effects)
    {
        if (_end > _durable) effects.Add(new Effect(EffectKind.Flush, _durable, _end));
    }

    /// <summary>Entries below an offset are on stable storage.</summary>
    internal void Flushed(long end, List<Effect> effects)
    {
        Debug.Assert(end >= _durable && end <= _end, "only what was appended becomes durable, and nothing ceases to be");
        _durable = end;
        Commit(effects);
    }

    private void Commit(List<Effect> effects)
    {
        if (Applied == _durable) return;
        effects.Add(new Effect(EffectKind.Commit, Applied, _durable));
        effects.Add(new Effect(EffectKind.Apply, Applied, _durable));
        effects.Add(new Effect(EffectKind.Answer, Applied, _durable));
        Applied = _durable;
    }
}

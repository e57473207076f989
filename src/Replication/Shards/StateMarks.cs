using Tidemark.Core.Replication;
using Tidemark.Core.State;

namespace Tidemark.Replication.Shards;

/// <summary>The marks that a replica has applied, and the generations that begin behind some of them: when the leader's next mark is due, and whether the state here was what a generation begins with.</summary>
/// <remarks>Belongs to the shard's thread.</remarks>
internal sealed class StateMarks
{
    private const int Kept = 8;

    private static readonly TimeSpan _pause = TimeSpan.FromSeconds(1);

    private readonly TimeSpan? _interval;
    private readonly Queue<(StatePosition At, StateHash Hash)> _newest = new();   // What the state was behind each.
    private DateTimeOffset _dueAt;
    private long _last = -1;
    private long _agreed = -1;        // The newest that the leader's part was told a majority agrees on.
    private bool _isUnderWay;
    private long _generation;         // The newest that was looked at.
    private long _generationBytes;    // Applied since it began.
    private bool _isCut;              // Its beginning may let something of the log go.

    /// <param name="state">The state as it was opened.</param>
    /// <param name="interval">How often replicas compare theirs; null where there is but one.</param>
    internal StateMarks(ShardState state, TimeSpan? interval)
    {
        _interval = interval;
        Follow(state);
    }

    /// <summary>A mark that is wanted waits until then: one found no room.</summary>
    internal DateTimeOffset WantedAt { get; private set; }

    /// <summary>Another state takes the place of the one that was.</summary>
    internal void Follow(ShardState state)
    {
        Generation? newest = (state.Machine as ICutsLog)?.Newest;
        (_generation, _generationBytes) = (newest?.Number ?? 0, state.Log.BytesFrom(newest?.Base.Offset + 1 ?? 0));
        _newest.Clear();
    }

    /// <summary>An entry was applied.</summary>
    internal void Count(long bytes) => _generationBytes += bytes;

    /// <summary>A mark was applied.</summary>
    internal void Add(in StatePosition at, in StateHash hash)
    {
        _last = at.Offset;
        _newest.Enqueue((at, hash));
        if (_newest.Count > Kept) _newest.Dequeue();
    }

    /// <summary>What is applied so far was in the log at a start: no leader was told of its marks, so a cut that waits for one waits for another.</summary>
    internal void Started() => _last = -1;

    /// <summary>A term begins here, with a mark.</summary>
    internal void BeginTerm(DateTimeOffset now) => WaitFrom(now);

    /// <summary>Whether the leader's part waits for a mark that is not on its way.</summary>
    internal bool IsWanted(ILeaderRole? leader) => leader is not null && leader.MarkWanted > _last && !_isUnderWay;

    /// <summary>Whether it is time for a mark: one is waited for; or entries came since the last, or somebody who follows has not said what its state was behind it.</summary>
    internal bool TakeDue(ILeaderRole? leader, ReplicaCore core, DateTimeOffset now)
    {
        bool isDue = _interval is not null && now >= _dueAt && !(core.Applied == _last + 1 && core.HasCompared);
        if (!isDue && !(IsWanted(leader) && now >= WantedAt)) return false;
        WaitFrom(now);
        return _isUnderWay = true;
    }

    /// <summary>A mark was applied, or got no place, and then the next waits a while.</summary>
    internal void Ended(bool isApplied, DateTimeOffset now)
    {
        _isUnderWay = false;
        if (!isApplied) WantedAt = now + _pause;
    }

    /// <summary>The replica does not lead any more.</summary>
    internal void Abandon() => (_agreed, _isUnderWay) = (-1, false);

    /// <summary>Tells the leader's part what bears on cutting the log.</summary>
    internal void Inform(ILeaderRole leader, ReplicaCore core, long stateBytes)
    {
        leader.Weigh(_generationBytes, stateBytes);
        if (leader.MarkWanted < 0 || core.Agreed is not { } agreed || agreed.Mark == _agreed) return;
        foreach ((StatePosition at, StateHash hash) in _newest)
        {
            if (at.Offset != agreed.Mark || hash != agreed.Hash) continue;
            _agreed = agreed.Mark;
            leader.Agreed(at, hash);
        }
    }

    /// <summary>Looks whether generations have begun, and compares what each begins with with what the state was here. Who was started since the mark does not know.</summary>
    /// <param name="machine">The state.</param>
    /// <param name="newest">The generation that goes on.</param>
    /// <param name="stray">The first that begins with another state, and what it was here; null for none.</param>
    internal bool TryTakeBegun(IStateMachine machine, out Generation newest, out (Generation Begun, StateHash Own)? stray)
    {
        (newest, stray) = (default, null);
        if (machine is not ICutsLog { Newest: { } last } cuts || last.Number == _generation) return false;
        newest = last;
        foreach (Generation begun in cuts.Generations.Where(begun => begun.Number > _generation))
        {
            (StatePosition at, StateHash hash) = _newest.FirstOrDefault(mark => mark.At.Offset == begun.Base.Offset);
            if (at.Offset != begun.Base.Offset || hash == begun.Hash) continue;
            stray = (begun, hash);
            return true;
        }

        (_generation, _generationBytes, _isCut) = (newest.Number, 0, true);
        return true;
    }

    /// <summary>Whether a generation was begun since this was asked last, so that some of the log may be needed no more.</summary>
    internal bool TakeCut()
    {
        bool was = _isCut;
        _isCut = false;
        return was;
    }

    private void WaitFrom(DateTimeOffset now) => _dueAt = now + (_interval ?? TimeSpan.Zero);
}

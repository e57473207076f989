using Tidemark.Core.Rebase;

namespace Tidemark.Replication.Rebase;

/// <summary>The mutations of a timeline as objects that programs hold, each told what came of it.</summary>
internal sealed class MutationRegistry(Func<LocalView> view)
{
    private readonly Lock _gate = new();
    private readonly SortedDictionary<long, Mutation> _pending = [];         // By number.
    private readonly Dictionary<long, Mutation> _called = [];                // By the entry that called it, until its caller has it.
    private readonly Dictionary<long, Exception> _thrown = [];               // As well.

    internal int Count
    {
        get
        {
            lock (_gate) return _pending.Count;
        }
    }

    internal IReadOnlyList<Mutation> All
    {
        get
        {
            lock (_gate) return [.. _pending.Values];
        }
    }

    internal Mutation? Oldest
    {
        get
        {
            lock (_gate) return _pending.Count == 0 ? null : _pending.First().Value;
        }
    }

    /// <summary>Takes up what a store holds that was opened.</summary>
    internal void Open()
    {
        lock (_gate)
        {
            foreach (TimelineEntry mutation in view().Timeline()) _pending[mutation.Id] = new Mutation(mutation.Id, mutation, view);
        }
    }

    /// <summary>The shard's thread: takes note of what happened, in its order.</summary>
    internal void Take(IReadOnlyList<TimelineMove> moves)
    {
        lock (_gate)
        {
            foreach (TimelineMove move in moves) Take(move);
        }
    }

    /// <summary>The shard's thread: what a call's mutator threw.</summary>
    internal void Threw(long offset, Exception exception)
    {
        lock (_gate) _thrown[offset] = exception;
    }

    /// <summary>The mutation that an entry called: its caller's, once.</summary>
    internal Mutation Claim(long offset)
    {
        lock (_gate) return _called.Remove(offset, out Mutation? mutation) ? mutation : throw new InvalidOperationException($"Entry {offset} called no mutation.");
    }

    /// <summary>What the mutator threw of a call that was refused.</summary>
    internal Exception? ClaimThrown(long offset)
    {
        lock (_gate) return _thrown.Remove(offset, out Exception? thrown) ? thrown : null;
    }

    private void Take(in TimelineMove move)
    {
        if (move.Fate == TimelineFate.Called)
        {
            _called[move.Offset] = _pending[move.Mutation] = new Mutation(move.Mutation, move.Entry!, view);
            return;
        }

        if (!_pending.Remove(move.Mutation, out Mutation? mutation)) return;
        switch (move.Fate)
        {
            case TimelineFate.Renumbered:
                mutation.Renumber(move.NewNumber);
                _pending[move.NewNumber] = mutation;   // Never above the number it had: it takes nobody's place.
                break;
            case TimelineFate.Rejected:
                mutation.Settle(new MutationOutcome(MutationFate.Rejected, move.Rejection?.Code, move.Rejection?.Text));
                break;
            default:
                mutation.Settle(new MutationOutcome(move.Fate == TimelineFate.Applied ? MutationFate.Applied : MutationFate.Unknown));
                break;
        }
    }
}

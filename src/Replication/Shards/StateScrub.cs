using Tidemark.Core.State;

namespace Tidemark.Replication.Shards;

/// <summary>Reads all rows of a shard's state again now and then, beside the shard's own work, and compares their sum with the running one.</summary>
/// <remarks>Belongs to the shard's thread; only the reading itself runs elsewhere. It reads one look at the state: what is written meanwhile does not wait, and shows the next time.</remarks>
internal sealed class StateScrub(Action<Action<DateTimeOffset>> post, TimeProvider time, TimeSpan? interval)
{
    private readonly List<Action<ScrubbedState>> _waiting = [];
    private Reading? _reading;
    private long _dueAt = interval is { } pause ? (time.GetUtcNow() + pause).UtcTicks : long.MaxValue;

    /// <summary>Takes note of what a reading has found, before anybody who waits for it.</summary>
    internal required Action<ScrubbedState> Ended { get; init; }

    /// <summary>What to read with; null for here and now.</summary>
    internal Action<Action>? Runner { get; set; }

    /// <summary>When the next reading begins, in UTC ticks.</summary>
    internal long NextDue => _reading is null ? _dueAt : long.MaxValue;

    /// <summary>Has the state read: now, or once the reading that is under way has ended.</summary>
    internal void Ask(Action<ScrubbedState> done)
    {
        _waiting.Add(done);
        _dueAt = 0;
    }

    /// <summary>Begins a reading where one is due. Of a state that has no rows there is nothing to read.</summary>
    internal void BeginIfDue(IStateMachine machine, DateTimeOffset now)
    {
        if (now.UtcTicks < NextDue) return;
        _dueAt = interval is { } pause ? (now + pause).UtcTicks : long.MaxValue;
        Action<ScrubbedState>[] asked = [.. _waiting];
        _waiting.Clear();
        IStateSnapshot snapshot = machine.TakeSnapshot();
        if (snapshot is not RowSnapshot rows)
        {
            snapshot.Dispose();
            foreach (Action<ScrubbedState> done in asked) done(new ScrubbedState(machine.Position, machine.Hash, machine.Hash, null));
            return;
        }

        var reading = new Reading(rows, found => post(_ => End(found, asked)));
        _reading = reading;
        if (Runner is { } elsewhere) elsewhere(reading.Run);
        else reading.Run();
    }

    /// <summary>Ends a reading that is under way. Then nothing looks at the state any more.</summary>
    internal void Cancel() => _reading?.Cancel();

    private void End(ScrubbedState found, Action<ScrubbedState>[] asked)
    {
        _reading = null;
        if (found.Failure is not OperationCanceledException) Ended(found);
        foreach (Action<ScrubbedState> done in asked) done(found);
    }

    /// <summary>One reading, which may wait for others to end before it begins.</summary>
    private sealed class Reading(RowSnapshot rows, Action<ScrubbedState> ended)
    {
        private readonly object _gate = new();   // Waited on, so not a Lock.
        private volatile bool _isCanceled;
        private bool _isRunning;
        private bool _isOver;

        internal void Run()
        {
            lock (_gate)
            {
                if (_isOver) return;
                _isRunning = true;
            }

            StateHash hash = default;
            Exception? failure = null;
            try
            {
                hash = rows.Recount(() => _isCanceled);
            }
            catch (Exception e)
            {
                failure = e;
            }

            rows.Dispose();
            lock (_gate)
            {
                (_isRunning, _isOver) = (false, true);
                Monitor.PulseAll(_gate);
            }

            ended(new ScrubbedState(rows.Position, rows.RowsHash, hash, failure));
        }

        internal void Cancel()
        {
            _isCanceled = true;
            lock (_gate)
            {
                while (_isRunning) Monitor.Wait(_gate);
                if (_isOver) return;
                _isOver = true;
            }

            rows.Dispose();
            ended(new ScrubbedState(rows.Position, rows.RowsHash, default, new OperationCanceledException()));
        }
    }
}

/// <summary>What a reading of a state has found.</summary>
/// <param name="Position">Behind which entry it was.</param>
/// <param name="Expected">The running sum there.</param>
/// <param name="Found">The sum over the rows that were read.</param>
/// <param name="Failure">Why it could not be read, or null.</param>
internal readonly record struct ScrubbedState(StatePosition Position, StateHash Expected, StateHash Found, Exception? Failure);

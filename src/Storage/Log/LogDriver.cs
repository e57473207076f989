using Microsoft.Extensions.Logging;

using Tidemark.Storage.Files;

namespace Tidemark.Storage.Log;

/// <summary>The threads around a <see cref="LogEngine"/>: callers append under a gate, flush threads run rounds, waiters are answered. Decides nothing.</summary>
internal sealed class LogDriver : IDiskWork
{
    private static readonly TimeSpan NoRoomPause = TimeSpan.FromSeconds(1);

    private readonly string _directory;
    private readonly ILogger _logger;
    private readonly AppendWaiters _waiters = new();
    private readonly BlockedAppends _blocked;
    private readonly Queue<Action> _commands = new();
    private readonly List<AppendWaiter> _reached = [];   // Used by the running round alone.
    private readonly Func<FlushRound?> _begin;

    private TaskCompletionSource? _changed;   // Completed when the readable end moves; null while nobody waits.
    private ITimer? _timer;
    private Task? _disposal;
    private bool _isScheduled;
    private bool _pausedForRoom;   // The last round found no room: wait for an append or the timer before trying again.
    private bool _isDisposed;

    internal LogDriver(LogGroup group, string directory, LogOptions options, LogEngine engine, ILogger logger)
    {
        Group = group;
        Engine = engine;
        _directory = directory;
        _logger = logger;
        _blocked = new BlockedAppends(options.MaxPendingBytes);
        _begin = () => Engine.Begin(Group.Now);
    }

    internal Lock Gate => Engine.Gate;

    internal LogEngine Engine { get; }

    internal LogGroup Group { get; }

    internal ValueTask<long> Append(ReadOnlySpan<LogEntry> entries, CancellationToken cancellationToken)
    {
        lock (Gate)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, typeof(SegmentedLog));
            AppendWaiter waiter;
            ValueTask<long> task;
            if (_blocked.IsEmpty && Engine.TryAppend(entries, Group.Now, out long first))
            {
                waiter = _waiters.Rent();
                task = waiter.Start(cancellationToken);
                waiter.SetRange(first, first + entries.Length);
                _waiters.Add(waiter);
            }
            else
            {
                _blocked.ThrowIfFull(entries);
                waiter = _waiters.Rent();
                task = waiter.Start(cancellationToken);
                _blocked.Add(entries, waiter);
            }

            Schedule();
            return task;
        }
    }

    internal Task FlushAsync() => Command(() =>
    {
        lock (Gate) Engine.Flush(Group.Now);
    });

    internal Task TrimBeforeAsync(long offset) => Command(() =>
    {
        StoreFullException? noRoom = RunRound(() => Engine.BeginTrim(offset, Group.Now));
        lock (Gate) Engine.ThrowIfFailed();
        if (noRoom is not null) throw noRoom;
        RunRound(_begin);   // The files go.
    });

    internal Task TruncateAfterAsync(long lastKept) => Command(() =>
    {
        lock (Gate)
        {
            Engine.Flush(Group.Now);
            Engine.TruncateAfter(lastKept);
        }
    });

    internal async ValueTask WaitForAsync(long offset, CancellationToken cancellationToken)
    {
        while (true)
        {
            Task changed;
            lock (Gate)
            {
                if (Engine.Readable.Offset > offset) return;
                ObjectDisposedException.ThrowIf(_isDisposed, typeof(SegmentedLog));
                Engine.ThrowIfFailed();
                changed = (_changed ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
            }

            await changed.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Completes what was appended and closes the engine. Calls after the first wait for the same end.</summary>
    internal Task DisposeAsync()
    {
        lock (Gate)
        {
            if (_disposal is null)
            {
                _isDisposed = true;
                _disposal = EndAsync(Enqueue(Close));
            }

            return _disposal;
        }
    }

    void IDiskWork.Run()
    {
        bool again;
        try
        {
            Action? command;
            lock (Gate) _commands.TryDequeue(out command);
            if (command is not null) command();
            else RunRound(_begin);

            lock (Gate)
            {
                bool isPaused = _pausedForRoom && !Engine.HasBytes;   // What has its room already does not wait for more.
                again = _commands.Count > 0 || (!isPaused && Engine.HasWork(Group.Now));
                _isScheduled = again;
                if (!again) ArmTimer();
            }
        }
        catch (Exception e)
        {
            // Not the disk: our own mistake, or a clock or logger of the host's that throws. It ends this log, not the process.
            lock (Gate)
            {
                Engine.Fail(e);
                again = _commands.Count > 0;
                _isScheduled = again;
            }

            Answer(noRoom: null);
        }

        if (again) Group.Threads.Enqueue(this);
    }

    /// <summary>Under the gate: sees to it that a round is run.</summary>
    internal void Schedule()
    {
        if (_isScheduled) return;
        _isScheduled = true;
        _pausedForRoom = false;
        Group.Threads.Enqueue(this);
    }

    /// <summary>One round: decided under the gate, done without it, concluded under it; then the appends it completed are answered.</summary>
    /// <returns>Why there was no room for something, or null.</returns>
    private StoreFullException? RunRound(Func<FlushRound?> begin)
    {
        FlushRound? round;
        lock (Gate) round = Engine.Failure is null ? begin() : null;   // A log that failed touches the disk no more.
        if (round is null)
        {
            Answer(noRoom: null);
            return null;
        }

        long started = Group.TimeProvider.GetTimestamp();
        Engine.Execute(round);
        LogMetrics.Flushed(round, Group.TimeProvider.GetElapsedTime(started));
        StoreFullException? noRoom = round.NoRoom;
        lock (Gate)
        {
            Engine.Complete(round);
            if (Engine.Failure is { } first) LogMessages.Failed(_logger, _directory, first);
            if (noRoom is not null && !_pausedForRoom) LogMessages.NoRoom(_logger, _directory, noRoom);
            _pausedForRoom = noRoom is not null;
        }

        Answer(noRoom);
        return noRoom;
    }

    /// <summary>Answers the appends that are complete, or all of them after a failure, and lets blocked ones try again.</summary>
    private void Answer(StoreFullException? noRoom)
    {
        StoreFailedException? failure;
        lock (Gate)
        {
            failure = Engine.Failure is { } first ? Engine.Failed(first) : null;
            _waiters.TakeReached(failure is null ? Engine.Readable.Offset : long.MaxValue, _reached);
            while (!_blocked.IsEmpty && TryUnblock((Exception?)failure ?? noRoom))
            {
            }

            _changed?.TrySetResult();
            _changed = null;
        }

        foreach (AppendWaiter waiter in _reached) waiter.Finish(failure);
        _reached.Clear();
    }

    /// <summary>Appends or refuses the first blocked append; false where it still finds no room.</summary>
    private bool TryUnblock(Exception? refusal)
    {
        (LogEntry[] entries, AppendWaiter waiter) = _blocked.Peek();
        try
        {
            if (refusal is null)
            {
                if (!Engine.TryAppend(entries, Group.Now, out long first)) return false;
                waiter.SetRange(first, first + entries.Length);
                _waiters.Add(waiter);
            }
        }
        catch (Exception e)
        {
            refusal = e;   // Whatever it is, it is an answer to this append.
        }

        _blocked.Remove();
        if (refusal is not null) waiter.Finish(refusal);
        return true;
    }

    private Task Command(Action action)
    {
        lock (Gate)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, typeof(SegmentedLog));
            return Enqueue(action);
        }
    }

    /// <summary>Under the gate: queues work that must have the disk to itself.</summary>
    private Task Enqueue(Action action)
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _commands.Enqueue(() =>
        {
            Exception? failure = null;
            try
            {
                action();
            }
            catch (Exception e)
            {
                failure = e;
            }

            Answer(noRoom: null);   // The command's own flushes completed appends too.
            if (failure is null) done.SetResult();
            else done.SetException(failure);
        });
        Schedule();
        return done.Task;
    }

    private void Close()
    {
        bool isBlocked;
        do
        {
            RunRound(_begin);   // With no room, blocked appends are refused here.
            lock (Gate) isBlocked = !_blocked.IsEmpty;
        }
        while (isBlocked);

        lock (Gate)
        {
            try
            {
                if (Engine.Failure is null) Engine.Flush(Group.Now);
            }
            finally
            {
                Engine.Close();
            }
        }
    }

    private async Task EndAsync(Task closed)
    {
        try
        {
            await closed.ConfigureAwait(false);
        }
        finally
        {
            if (_timer is { } timer) await timer.DisposeAsync().ConfigureAwait(false);
            await Group.ReleaseAsync(this).ConfigureAwait(false);
        }
    }

    private void ArmTimer()
    {
        long due = Engine.NextDue;
        if (due == long.MaxValue || _isDisposed || Engine.Failure is not null) return;
        TimeSpan wait = TimeSpan.FromTicks(Math.Max(0, due - Group.Now.UtcTicks));
        if (_pausedForRoom && wait < NoRoomPause) wait = NoRoomPause;
        _timer ??= Group.TimeProvider.CreateTimer(static driver => ((LogDriver)driver!).OnTimer(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        _timer.Change(wait, Timeout.InfiniteTimeSpan);
    }

    private void OnTimer()
    {
        lock (Gate)
        {
            if (!_isDisposed) Schedule();
        }
    }
}

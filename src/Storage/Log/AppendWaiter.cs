using System.Diagnostics;
using System.Threading.Tasks.Sources;

namespace Tidemark.Storage.Log;

/// <summary>One append that waits for its round, as the source of the task its caller awaits. Pooled: an append allocates nothing.</summary>
/// <remarks>Two hold it: the caller until it has taken the result, and the log until the round is over. Whoever lets go last returns it.</remarks>
internal sealed class AppendWaiter : IValueTaskSource<long>
{
    private readonly AppendWaiters _home;
    private ManualResetValueTaskSourceCore<long> _core = new() { RunContinuationsAsynchronously = true };
    private CancellationTokenRegistration _cancellation;
    private int _holders;
    private int _isDone;

    internal AppendWaiter(AppendWaiters home) => _home = home;

    /// <summary>The next waiter that rests.</summary>
    internal AppendWaiter? Below { get; set; }

    /// <summary>The append is complete once the log reaches this offset.</summary>
    internal long EndOffset { get; private set; }

    private long Result { get; set; }

    /// <summary>Readies the waiter for one append and gives the task for its caller.</summary>
    internal ValueTask<long> Start(CancellationToken cancellationToken)
    {
        _holders = 2;
        _isDone = 0;
        var task = new ValueTask<long>(this, _core.Version);
        if (cancellationToken.CanBeCanceled)
            _cancellation = cancellationToken.UnsafeRegister(static (self, token) => ((AppendWaiter)self!).TryCancel(token), this);
        return task;
    }

    internal void SetRange(long result, long endOffset)
    {
        Result = result;
        EndOffset = endOffset;
    }

    /// <summary>The log's last word: the append is complete, or failed.</summary>
    internal void Finish(Exception? failure)
    {
        if (Interlocked.Exchange(ref _isDone, 1) == 0)
        {
            if (failure is null) _core.SetResult(Result);
            else _core.SetException(failure);
        }

        LetGo();
    }

    private void TryCancel(CancellationToken token)
    {
        if (Interlocked.Exchange(ref _isDone, 1) == 0) _core.SetException(new OperationCanceledException(token));
    }

    long IValueTaskSource<long>.GetResult(short token)
    {
        try
        {
            return _core.GetResult(token);
        }
        finally
        {
            _cancellation.Dispose();
            _cancellation = default;
            LetGo();
        }
    }

    ValueTaskSourceStatus IValueTaskSource<long>.GetStatus(short token) => _core.GetStatus(token);

    void IValueTaskSource<long>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _core.OnCompleted(continuation, state, token, flags);

    private void LetGo()
    {
        int left = Interlocked.Decrement(ref _holders);
        Debug.Assert(left >= 0, "a waiter is let go twice at most");
        if (left > 0) return;
        _core.Reset();
        _home.Return(this);
    }
}

/// <summary>The appends of one log that wait for a round, in offset order, and the waiters that rest.</summary>
/// <remarks>Guarded by the log's gate, but for <see cref="Return"/>.</remarks>
internal sealed class AppendWaiters
{
    private const int MostResting = 256;

    private readonly Queue<AppendWaiter> _waiting = new();
    private readonly Lock _restingGate = new();
    private AppendWaiter? _top;
    private int _restingCount;

    internal bool IsEmpty => _waiting.Count == 0;

    internal AppendWaiter Rent()
    {
        lock (_restingGate)
        {
            if (_top is not { } waiter) return new AppendWaiter(this);
            _top = waiter.Below;
            waiter.Below = null;
            _restingCount--;
            return waiter;
        }
    }

    internal void Return(AppendWaiter waiter)
    {
        lock (_restingGate)
        {
            if (_restingCount >= MostResting) return;
            waiter.Below = _top;
            _top = waiter;
            _restingCount++;
        }
    }

    internal void Add(AppendWaiter waiter) => _waiting.Enqueue(waiter);

    /// <summary>Moves the waiters whose appends end at or below an offset to a list, to be finished outside the gate.</summary>
    internal void TakeReached(long offset, List<AppendWaiter> reached)
    {
        while (_waiting.TryPeek(out AppendWaiter? first) && first.EndOffset <= offset) reached.Add(_waiting.Dequeue());
    }
}

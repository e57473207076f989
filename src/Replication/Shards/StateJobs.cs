using Tidemark.Storage.Files;
using Tidemark.Storage.State;

namespace Tidemark.Replication.Shards;

/// <summary>Has a shard's state remembered beside the shard's own work, one job at a time, and waits a while after one that failed.</summary>
/// <remarks>Belongs to the shard's thread; only the job itself runs elsewhere.</remarks>
internal sealed class StateJobs(Action<Action<DateTimeOffset>> post, TimeProvider time)
{
    private readonly object _gate = new();   // Waited on, so not a Lock.
    private bool _isRunning;
    private StateJob? _job;
    private Pace? _pace;   // Of the job that is under way; null where it runs here and now.

    /// <summary>Takes note of how a job went.</summary>
    internal required Action<IStateKeeper, StateJob, DateTimeOffset> Ended { get; init; }

    /// <summary>What to run a job with; null for here and now.</summary>
    internal Action<Action>? Runner { get; set; }

    /// <summary>When one that failed is tried again, in UTC ticks; 0 for none that did.</summary>
    internal long RetryAt { get; private set; }

    internal bool IsDue(DateTimeOffset now) => _job is null && now.UtcTicks >= RetryAt;

    /// <summary>Begins a job where the keeper finds that it is time.</summary>
    /// <returns>Whether it was begun.</returns>
    internal bool TryBegin(IStateKeeper keeper, long logBytes, bool isClosing)
    {
        if (_job is not null) return false;
        RetryAt = 0;
        if (keeper.Begin(logBytes, isClosing) is not { } job) return false;
        Pace? pace = Runner is null ? null : new Pace(time);
        (_job, _pace) = (job, pace);
        lock (_gate) _isRunning = true;
        if (Runner is { } elsewhere) elsewhere(() => Run(keeper, job, pace));
        else Run(keeper, job, pace);
        return true;
    }

    /// <summary>Has the job that is under way rest no more where so much was applied since it began that it is waited for, or where the disk is full: with it, some of the log may go.</summary>
    internal void HurryIfDue(long logBytes, bool isFull)
    {
        if (_job is { } job && (isFull || logBytes > job.Patience)) Hurry();
    }

    /// <summary>Has the job that is under way rest no more.</summary>
    internal void Hurry() => _pace?.Hurry();

    /// <summary>A job has the state and the engine in its hands until it ends.</summary>
    internal void Wait()
    {
        Hurry();
        lock (_gate)
        {
            while (_isRunning) Monitor.Wait(_gate);
        }
    }

    private void Run(IStateKeeper keeper, StateJob job, Pace? pace)
    {
        long started = time.GetTimestamp();
        job.Run(pace);
        ShardMetrics.Remembered(time.GetElapsedTime(started));
        post(now => End(keeper, job, now));
        lock (_gate)
        {
            _isRunning = false;
            Monitor.Pulse(_gate);
        }
    }

    private void End(IStateKeeper keeper, StateJob job, DateTimeOffset now)
    {
        (_job, _pace) = (null, null);
        RetryAt = job.Failure is null ? 0 : now.UtcTicks + TimeSpan.TicksPerSecond;
        Ended(keeper, job, now);
    }
}

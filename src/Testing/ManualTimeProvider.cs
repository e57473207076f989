namespace Tidemark.Testing;

/// <summary>Time that stands still until a test moves it. Timers fire inside <see cref="Advance"/>, in the order they are due.</summary>
/// <remarks>
/// It keeps two clocks, as a machine does: elapsed time (<see cref="GetTimestamp"/> and timers), which only <see cref="Advance"/> moves,
/// and wall time, which <see cref="SetUtcNow"/> can also set ahead or back. Safe for concurrent calls; callbacks run on the caller of
/// <see cref="Advance"/>, outside the lock, one after the other.
/// </remarks>
public sealed class ManualTimeProvider : TimeProvider
{
    private readonly Lock _gate = new();
    private readonly List<ManualTimer> _armed = [];
    private DateTimeOffset _zero;   // Wall time when no time had elapsed.
    private TimeSpan _elapsed;
    private long _armings;          // Timers due at the same time fire in the order they were armed.

    /// <summary>Starts at a time, or at 2030-01-01T00:00:00Z.</summary>
    public ManualTimeProvider(DateTimeOffset? start = null)
        => _zero = start?.ToUniversalTime() ?? new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero);

    /// <summary>UTC: a test does not depend on where it runs.</summary>
    public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

    /// <summary>Ticks of 100 ns, as in <see cref="TimeSpan"/>.</summary>
    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    /// <summary>How much time has passed by <see cref="Advance"/>.</summary>
    public TimeSpan Elapsed
    {
        get { lock (_gate) return _elapsed; }
    }

    /// <inheritdoc/>
    public override DateTimeOffset GetUtcNow()
    {
        lock (_gate) return _zero + _elapsed;
    }

    /// <inheritdoc/>
    public override long GetTimestamp() => Elapsed.Ticks;

    /// <summary>Sets the wall clock, ahead or back, as an operator or time synchronization does. No time passes and no timer fires.</summary>
    public void SetUtcNow(DateTimeOffset wall)
    {
        lock (_gate) _zero = wall.ToUniversalTime() - _elapsed;
    }

    /// <summary>Lets time pass. Each timer due on the way fires once per period, and sees the time it was due at.</summary>
    /// <param name="delta">0 or more. With 0, only timers that are due already fire.</param>
    public void Advance(TimeSpan delta)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(delta, TimeSpan.Zero);
        TimeSpan target;
        lock (_gate) target = _elapsed + delta;
        while (TakeDue(target) is { } due) due.Fire();
    }

    /// <inheritdoc/>
    /// <remarks>A timer due at once fires at the next <see cref="Advance"/>, also by 0.</remarks>
    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        ArgumentNullException.ThrowIfNull(callback);
        var timer = new ManualTimer(this, callback, state);
        timer.Change(dueTime, period);
        return timer;
    }

    /// <summary>Moves time to the first timer due up to the target and takes it, or moves time to the target and gives null.</summary>
    private ManualTimer? TakeDue(TimeSpan target)
    {
        lock (_gate)
        {
            ManualTimer? due = null;
            foreach (ManualTimer timer in _armed)
                if (timer.Due <= target && (due is null || timer.IsBefore(due))) due = timer;

            TimeSpan reached = due is null ? target : due.Due;
            if (reached > _elapsed) _elapsed = reached;   // A callback may have advanced further already.
            if (due is null) return null;
            if (due.Period > TimeSpan.Zero) Arm(due, due.Period);
            else _armed.Remove(due);
            return due;
        }
    }

    private void Arm(ManualTimer timer, TimeSpan wait)
    {
        if (!_armed.Contains(timer)) _armed.Add(timer);
        timer.Due = _elapsed + wait;
        timer.Arming = _armings++;
    }

    private sealed class ManualTimer(ManualTimeProvider time, TimerCallback callback, object? state) : ITimer
    {
        private bool _disposed;

        public TimeSpan Due { get; set; }

        public TimeSpan Period { get; private set; }

        public long Arming { get; set; }

        public bool IsBefore(ManualTimer other) => Due < other.Due || (Due == other.Due && Arming < other.Arming);

        public void Fire() => callback(state);

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            RequireWait(dueTime);
            RequireWait(period);
            lock (time._gate)
            {
                if (_disposed) return false;
                Period = period;
                if (dueTime == Timeout.InfiniteTimeSpan) time._armed.Remove(this);
                else time.Arm(this, dueTime);
                return true;
            }
        }

        public void Dispose()
        {
            lock (time._gate)
            {
                _disposed = true;
                time._armed.Remove(this);
            }
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }

        private static void RequireWait(TimeSpan wait)
        {
            if (wait != Timeout.InfiniteTimeSpan) ArgumentOutOfRangeException.ThrowIfLessThan(wait, TimeSpan.Zero);
        }
    }
}

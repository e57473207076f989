using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Tidemark;

/// <summary>Keeps a clock's persisted bound ahead of it, in the background.</summary>
/// <remarks>
/// It looks four times per step on a timer, so that a clock nobody asks stays usable, and at once when the clock runs low. Disk errors are
/// logged and tried again; meanwhile the clock goes on to the bound it has and then refuses with <see cref="ClockBoundException"/>.
/// Cost while all is well: one <see cref="IClockBound.Persist"/> per half step, 8 a second with the default drift.
/// </remarks>
public sealed partial class ClockBoundExtender : IAsyncDisposable
{
    private readonly HybridClock _clock;
    private readonly ILogger _logger;
    private readonly ITimer _timer;
    private readonly TimeSpan _period;
    private int _woken;                // 1 from a wake-up to the extension it asked for: one wake-up is enough.
    private Exception? _lastFailure;   // Not null while failing: logged once, and tried again at the timer's pace only.

    /// <summary>Starts to keep a clock's bound ahead.</summary>
    /// <param name="clock">A clock made with an <see cref="IClockBound"/>. Dispose this before what the bound is kept in.</param>
    /// <param name="time">Where timers come from; its callbacks block on the disk for the length of a flush.</param>
    /// <param name="logger">Where disk errors are reported, or null.</param>
    public ClockBoundExtender(HybridClock clock, TimeProvider time, ILogger? logger = null)
    {
        ArgumentNullException.ThrowIfNull(clock);
        ArgumentNullException.ThrowIfNull(time);
        _clock = clock;
        _logger = logger ?? NullLogger.Instance;
        _period = clock.BoundStep / 4;
        _timer = time.CreateTimer(static self => ((ClockBoundExtender)self!).Look(), this, _period, _period);
        _clock.BoundRunsLow += Wake;
    }

    /// <summary>Why the last extension failed, or null where it did not.</summary>
    public Exception? LastFailure => Volatile.Read(ref _lastFailure);

    /// <summary>Stops, once an extension under way has ended. The clock goes on up to the bound it has.</summary>
    public ValueTask DisposeAsync()
    {
        _clock.BoundRunsLow -= Wake;
        return _timer.DisposeAsync();
    }

    private void Wake(object? sender, EventArgs e)
    {
        if (LastFailure is not null) return;
        if (Interlocked.Exchange(ref _woken, 1) == 0) _timer.Change(TimeSpan.Zero, _period);
    }

    private void Look()
    {
        Volatile.Write(ref _woken, 0);
        try
        {
            if (!_clock.BoundNeedsExtension) return;
            _clock.ExtendBound();
            if (Interlocked.Exchange(ref _lastFailure, null) is not null) LogRecovered(_logger, _clock.Bound);
        }
        catch (Exception failure)
        {
            if (Interlocked.Exchange(ref _lastFailure, failure) is null) LogFailed(_logger, failure, _clock.Bound);
        }
    }

    [LoggerMessage(50, LogLevel.Error, "The clock's bound could not be extended; timestamps will be refused beyond {Bound}. Trying again.")]
    private static partial void LogFailed(ILogger logger, Exception failure, HybridTimestamp bound);

    [LoggerMessage(51, LogLevel.Information, "The clock's bound is extended again, to {Bound}.")]
    private static partial void LogRecovered(ILogger logger, HybridTimestamp bound);
}

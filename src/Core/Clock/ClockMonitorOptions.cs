namespace Tidemark;

/// <summary>Settings of a <see cref="ClockMonitor"/>. The defaults suit the default <see cref="HybridClockOptions.MaxDrift"/> of 500 ms.</summary>
public sealed record ClockMonitorOptions
{
    /// <summary>How far a peer's clock may be off and still count as agreeing. Default 400 ms: below the drift at which timestamps are refused.</summary>
    public TimeSpan Tolerance { get; init; } = TimeSpan.FromMilliseconds(400);

    /// <summary>How long a measured offset counts, and how long a sharper one stands against blurred ones. Default 10 s.</summary>
    public TimeSpan OffsetLifetime { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>The smallest gain of wall time over elapsed time that is a jump forward. Default 250 ms.</summary>
    public TimeSpan ForwardJump { get; init; } = TimeSpan.FromMilliseconds(250);

    /// <summary>The smallest loss of wall time against elapsed time that is a jump backward. Default 50 ms.</summary>
    public TimeSpan BackwardJump { get; init; } = TimeSpan.FromMilliseconds(50);

    internal void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(Tolerance, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(OffsetLifetime, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(ForwardJump, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(BackwardJump, TimeSpan.Zero);
    }
}

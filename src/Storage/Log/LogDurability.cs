namespace Tidemark;

/// <summary>When an append to a <see cref="SegmentedLog"/> completes.</summary>
/// <remarks>Whatever is chosen, a crash leaves a prefix of what was appended: batches whole, in order, without holes.</remarks>
public readonly record struct LogDurability
{
    private LogDurability(LogDurabilityKind kind, TimeSpan flushInterval)
    {
        Kind = kind;
        FlushInterval = flushInterval;
    }

    /// <summary>An append completes when its bytes are on stable storage. The default. Survives a power cut.</summary>
    public static LogDurability Durable => default;

    /// <summary>An append completes when the operating system has its bytes; they are flushed when the log is closed or asked to flush.</summary>
    /// <remarks>Survives the end of the process, however sudden. A power cut may take everything since the last flush.</remarks>
    public static LogDurability Buffered { get; } = new(LogDurabilityKind.Buffered, TimeSpan.Zero);

    /// <summary>The level.</summary>
    public LogDurabilityKind Kind { get; }

    /// <summary>For <see cref="LogDurabilityKind.Interval"/>: the longest time from an append to its flush. Else zero.</summary>
    public TimeSpan FlushInterval { get; }

    /// <summary>As <see cref="Buffered"/>, and flushed within an interval. A power cut takes at most that interval's appends.</summary>
    /// <param name="interval">The longest time from an append to its flush; above zero.</param>
    public static LogDurability Interval(TimeSpan interval)
    {
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(interval, TimeSpan.Zero);
        return new LogDurability(LogDurabilityKind.Interval, interval);
    }

    /// <inheritdoc/>
    public override string ToString() => Kind == LogDurabilityKind.Interval ? $"Interval({FlushInterval})" : Kind.ToString();
}

/// <summary>The levels of <see cref="LogDurability"/>.</summary>
public enum LogDurabilityKind
{
    /// <summary>An append completes when it is on stable storage.</summary>
    Durable = 0,

    /// <summary>An append completes when the operating system has it; flushed within an interval.</summary>
    Interval = 1,

    /// <summary>An append completes when the operating system has it; flushed at close or when asked.</summary>
    Buffered = 2,
}

namespace Tidemark;

/// <summary>When a consumer stores how far it has read.</summary>
/// <remarks>
/// What is stored is what was done: a message is done when its handler has returned or, where messages are read one after another, when the next one is asked for. So each message is handled at
/// least once, and after a crash those again that were done and not stored. When a partition is given up, and when the consumer is disposed, what was done is stored, whatever the policy but <see cref="Manual"/>.
/// </remarks>
public readonly record struct OffsetPolicy
{
    private OffsetPolicy(int every, TimeSpan interval) => (Count, Period) = (every, interval);

    /// <summary>So many messages of a partition; 0 where it is a time, or by hand.</summary>
    internal int Count { get; }

    internal TimeSpan Period { get; }

    internal bool IsManual => this == Manual;

    /// <summary>Only <see cref="ConsumedMessage.StoreAsync"/> and <see cref="MessageConsumer.StoreOffsetAsync"/> store.</summary>
    public static OffsetPolicy Manual => default;

    /// <summary>After each message, before the next is handed out. One write for each.</summary>
    public static OffsetPolicy EachMessage { get; } = new(1, default);

    /// <summary>After so many messages of a partition.</summary>
    /// <param name="count">1 or more.</param>
    public static OffsetPolicy Every(int count)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        return new OffsetPolicy(count, default);
    }

    /// <summary>After a message where so much time has passed since the last store, and then also while no message comes.</summary>
    /// <param name="period">1 ms to 1 day.</param>
    public static OffsetPolicy Every(TimeSpan period)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(period, TimeSpan.FromMilliseconds(1));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(period, TimeSpan.FromDays(1));
        return new OffsetPolicy(0, period);
    }
}

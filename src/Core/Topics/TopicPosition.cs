namespace Tidemark;

/// <summary>A place in a partition to read from.</summary>
public readonly record struct TopicPosition
{
    private TopicPosition(TopicPositionKind kind, long number) => (Kind, Number) = (kind, number);

    internal TopicPositionKind Kind { get; }

    /// <summary>The offset, the timestamp's value, or how many.</summary>
    internal long Number { get; }

    /// <summary>The first message that is kept. The default.</summary>
    public static TopicPosition First => default;

    /// <summary>Behind the last message there is.</summary>
    public static TopicPosition End { get; } = new(TopicPositionKind.End, 0);

    /// <summary>A message's offset.</summary>
    /// <param name="offset">0 or more. Whether it is there, the reading says.</param>
    public static TopicPosition At(long offset)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        return new TopicPosition(TopicPositionKind.Offset, offset);
    }

    /// <summary>The first message that was appended at or after a time; the end, where there is none.</summary>
    public static TopicPosition AtTime(HybridTimestamp time) => new(TopicPositionKind.Time, unchecked((long)time.Value));

    /// <summary>The first message that was appended at or after a time; the end, where there is none.</summary>
    public static TopicPosition AtTime(DateTimeOffset time) => AtTime(HybridTimestamp.FromDateTimeOffset(time));

    /// <summary>So many messages before the end; the first, where there are fewer.</summary>
    /// <param name="count">0 or more.</param>
    public static TopicPosition Last(long count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        return new TopicPosition(TopicPositionKind.Last, count);
    }
}

/// <summary>What a position means.</summary>
internal enum TopicPositionKind : byte
{
    First = 0,
    Offset = 1,
    Time = 2,
    Last = 3,
    End = 4,
}

/// <summary>What a reading does that asks for an offset which is not there.</summary>
public enum OutOfRangePolicy
{
    /// <summary>It throws an <see cref="OffsetOutOfRangeException"/>.</summary>
    Throw = 0,

    /// <summary>It goes on from the first message that is kept.</summary>
    First = 1,

    /// <summary>It goes on from the end.</summary>
    End = 2,
}

/// <summary>How to read messages.</summary>
public sealed record TopicReadOptions
{
    /// <summary>The most messages of a page. 1 or more; default 1,000.</summary>
    public int MaxMessages { get; init; } = 1_000;

    /// <summary>How many bytes of messages are enough for a page. 1 or more; default 1 MiB. A page has at least one message, however long, and whole batches are read from the disk.</summary>
    public int MaxBytes { get; init; } = 1024 * 1024;

    /// <summary>Backwards: the messages before the position, the nearest first.</summary>
    public bool Reverse { get; init; }

    /// <summary>What to do where the offset is not there.</summary>
    public OutOfRangePolicy OutOfRange { get; init; }

    /// <summary>How fresh the reading must be, where the topic is replicated.</summary>
    public ReadLevel Level { get; init; }

    internal static TopicReadOptions Default { get; } = new();

    internal void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxMessages, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxBytes, 1);
        if (!Enum.IsDefined(OutOfRange)) throw new ArgumentOutOfRangeException(nameof(OutOfRange), OutOfRange, "There is no such policy.");
    }
}

/// <summary>Messages that were read at once.</summary>
/// <param name="Messages">The messages, in the order of the reading.</param>
/// <param name="Next">Where to read on: at this offset forwards, before it backwards.</param>
/// <param name="Start">The first offset that is kept.</param>
/// <param name="End">The offset that the next message gets.</param>
public sealed record TopicPage(IReadOnlyList<StoredMessage> Messages, long Next, long Start, long End);

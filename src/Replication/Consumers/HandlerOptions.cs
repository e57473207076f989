namespace Tidemark;

/// <summary>What happens when a handler fails at a message.</summary>
public sealed record HandlerOptions
{
    /// <summary>How often a message is tried. 1 to 1,000,000; default 5.</summary>
    public int MaxAttempts { get; init; } = 5;

    /// <summary>How long to wait after the first failure; twice as long after each further one. 0 to 1 hour; default 100 ms.</summary>
    public TimeSpan FirstDelay { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>The longest wait. At least <see cref="FirstDelay"/>, at most 1 day; default 30 s.</summary>
    public TimeSpan LongestDelay { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Where a message is put at which all attempts failed, with <see cref="DeadLetterHeaders"/>; it is done then. Null, the default: the last error ends the handling.</summary>
    public Topic? DeadLetters { get; init; }

    internal void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxAttempts, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(MaxAttempts, 1_000_000);
        ArgumentOutOfRangeException.ThrowIfLessThan(FirstDelay, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(FirstDelay, TimeSpan.FromHours(1));
        ArgumentOutOfRangeException.ThrowIfLessThan(LongestDelay, FirstDelay);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(LongestDelay, TimeSpan.FromDays(1));
    }

    /// <summary>How long to wait after so many failures.</summary>
    internal TimeSpan DelayAfter(int failures)
    {
        double ticks = FirstDelay.Ticks * Math.Pow(2, failures - 1);
        return ticks < LongestDelay.Ticks ? TimeSpan.FromTicks((long)ticks) : LongestDelay;
    }
}

/// <summary>The names of the headers that a dead letter has besides those of the message: where it is from, and why it is one. All values are UTF-8.</summary>
public static class DeadLetterHeaders
{
    /// <summary>The topic's name.</summary>
    public const string Topic = "tidemark-dead-letter-topic";

    /// <summary>The partition's number.</summary>
    public const string Partition = "tidemark-dead-letter-partition";

    /// <summary>The message's offset.</summary>
    public const string Offset = "tidemark-dead-letter-offset";

    /// <summary>The consumer's, or group's, name.</summary>
    public const string Consumer = "tidemark-dead-letter-consumer";

    /// <summary>How often it was tried.</summary>
    public const string Attempts = "tidemark-dead-letter-attempts";

    /// <summary>The last error: its type, and up to 1,000 characters of its message.</summary>
    public const string Error = "tidemark-dead-letter-error";
}

using Microsoft.Extensions.Logging;

namespace Tidemark;

/// <summary>How a consumer reads.</summary>
public record ConsumerOptions
{
    /// <summary>Where a partition is begun of which no offset is stored. Default: <see cref="TopicPosition.First"/>. What it comes to is stored at once.</summary>
    public TopicPosition Start { get; init; }

    /// <summary>When offsets are stored. Default: every second.</summary>
    public OffsetPolicy Store { get; init; } = OffsetPolicy.Every(TimeSpan.FromSeconds(1));

    /// <summary>How partitions are read, and what happens where the next message is kept no more: by default an <see cref="OffsetOutOfRangeException"/>. Never backwards.</summary>
    public TopicReadOptions Reading { get; init; } = TopicReadOptions.Default;

    /// <summary>How many messages of all partitions together are read ahead. 1 to 100,000; default 256.</summary>
    public int Prefetch { get; init; } = 256;

    /// <summary>How often it is looked whether partitions were added, and the measured lag is renewed. 10 ms to 1 hour; default 10 s.</summary>
    public TimeSpan CheckInterval { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Where time comes from.</summary>
    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;

    /// <summary>Where events are reported; null for nowhere.</summary>
    public ILoggerFactory? LoggerFactory { get; init; }

    /// <summary>Whether who waits goes on at once, on the thread of who ends the wait: so a simulation is the same every time.</summary>
    internal bool ContinuesInline { get; init; }

    internal virtual void Validate()
    {
        ArgumentNullException.ThrowIfNull(Reading);
        ArgumentNullException.ThrowIfNull(TimeProvider);
        Reading.Validate();
        if (Reading.Reverse) throw new ArgumentException("A consumer does not read backwards.", nameof(Reading));
        Require(Prefetch is >= 1 and <= 100_000, Prefetch, nameof(Prefetch), "1 to 100,000");
        Require(CheckInterval >= TimeSpan.FromMilliseconds(10) && CheckInterval <= TimeSpan.FromHours(1), CheckInterval, nameof(CheckInterval), "10 ms to 1 hour");
    }

    private protected static void Require(bool holds, object value, string name, string range)
    {
        if (!holds) throw new ArgumentOutOfRangeException(name, value, $"{name} must be {range}.");
    }
}

/// <summary>How a member of a group reads.</summary>
public sealed record GroupOptions : ConsumerOptions
{
    /// <summary>How long the member's session outlives its last keep-alive; so long its partitions wait when it dies. 1 s to 5 min; default 15 s.</summary>
    public TimeSpan SessionTimeout { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>How long a partition that is to go to another member waits for the message of it that is in hand. 0 to 1 hour; default 30 s. After that it goes, and the message is given to the other member too.</summary>
    public TimeSpan RevocationTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Who the member is, for others to read; up to 256 bytes of UTF-8. Default: nobody says.</summary>
    public string? Identity { get; init; }

    /// <summary>Told which partitions the member reads from now on. Like the others it is called one at a time, and holds up the member while it runs.</summary>
    public Action<IReadOnlyList<int>>? Assigned { get; init; }

    /// <summary>Told which partitions the member has given up: what was done of them is stored.</summary>
    public Action<IReadOnlyList<int>>? Revoked { get; init; }

    /// <summary>Told which partitions were lost, because the member's session ended or somebody took them: nothing more of them can be stored.</summary>
    public Action<IReadOnlyList<int>>? Lost { get; init; }

    internal override void Validate()
    {
        base.Validate();
        Require(RevocationTimeout >= TimeSpan.Zero && RevocationTimeout <= TimeSpan.FromHours(1), RevocationTimeout, nameof(RevocationTimeout), "0 to 1 hour");
    }
}

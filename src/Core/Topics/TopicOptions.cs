using System.Runtime.CompilerServices;

namespace Tidemark;

/// <summary>The settings of a topic. They are kept with it, and may be changed; partitions are only added.</summary>
public sealed record TopicOptions
{
    /// <summary>The largest value of <see cref="Partitions"/>.</summary>
    public const int LargestPartitionCount = 1024;

    /// <summary>The largest value of <see cref="MaxMessageBytes"/>: 64 MiB.</summary>
    public const int LargestMessageBytes = 64 * 1024 * 1024;

    /// <summary>The largest value of <see cref="MaxBatchBytes"/>: 128 MiB.</summary>
    public const int LargestBatchBytes = 128 * 1024 * 1024;

    /// <summary>The largest value of <see cref="DeduplicationIds"/>.</summary>
    public const int LargestDeduplicationIds = 1_000_000;

    /// <summary>The longest command that a log must take, whatever the settings become while it is open.</summary>
    internal const int LargestCommandBytes = LargestBatchBytes + NamespaceOptions.CommandRoom;

    private const long SmallestSegmentBytes = 64 * 1024;
    private const long LargestSegmentBytes = 1024 * 1024 * 1024;

    private static readonly TimeSpan _shortestAge = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan _longestAge = TimeSpan.FromDays(36_500);
    private static readonly TimeSpan _longestIdle = TimeSpan.FromDays(365);

    /// <summary>How many partitions there are. 1 to <see cref="LargestPartitionCount"/>; default 1.</summary>
    public int Partitions { get; init; } = 1;

    /// <summary>The longest message: id, key, headers and payload together, in bytes. 1 to <see cref="LargestMessageBytes"/>; default 1 MiB.</summary>
    public int MaxMessageBytes { get; init; } = 1024 * 1024;

    /// <summary>The longest batch of several messages, in bytes as it is stored: up to 32 more for each message, and 10 for each header. At least <see cref="MaxMessageBytes"/>, at most <see cref="LargestBatchBytes"/>; default 4 MiB.</summary>
    public int MaxBatchBytes { get; init; } = 4 * 1024 * 1024;

    /// <summary>How long a message is kept at least; null, the default, for ever. 1 second to 100 years, in whole milliseconds.</summary>
    public TimeSpan? RetentionAge { get; init; }

    /// <summary>How many bytes of each partition's log are kept at least; null, the default, for all. Above zero.</summary>
    public long? RetentionBytes { get; init; }

    /// <summary>A consumer, or group, that must have stored an offset behind a message before the message goes; null, the default, for none.</summary>
    public string? RetentionConsumer { get; init; }

    /// <summary>The length of a segment file. 64 KiB to 1 GiB; default 64 MiB.</summary>
    public long SegmentBytes { get; init; } = 64L * 1024 * 1024;

    /// <summary>How long a segment takes messages; null for a tenth of <see cref="RetentionAge"/>, or for ever where that is null. 1 second to 100 years, in whole milliseconds.</summary>
    public TimeSpan? SegmentAge { get; init; }

    /// <summary>How many message ids each partition remembers, to leave out what comes again. 0, the default, for none, to <see cref="LargestDeduplicationIds"/>. About 150 bytes of memory each.</summary>
    public int DeduplicationIds { get; init; }

    /// <summary>How long without an append a producer stays known. 1 second to 365 days, in whole milliseconds; default 1 hour.</summary>
    public TimeSpan ProducerIdleTimeout { get; init; } = TimeSpan.FromHours(1);

    /// <summary>How many producers each partition knows at once. 1 to 1,000,000; default 10,000.</summary>
    public int MaxProducers { get; init; } = 10_000;

    /// <summary>How long a segment takes messages, in effect.</summary>
    internal TimeSpan? EffectiveSegmentAge => SegmentAge ?? (RetentionAge is { } age ? TimeSpan.FromTicks(Math.Max(age.Ticks / 10, _shortestAge.Ticks)) : null);

    /// <summary>Throws where a setting is outside its limits.</summary>
    /// <exception cref="ArgumentOutOfRangeException">One is. The message names it.</exception>
    internal void Validate()
    {
        Require(Partitions is >= 1 and <= LargestPartitionCount, Partitions, $"1 to {LargestPartitionCount}");
        Require(MaxMessageBytes is >= 1 and <= LargestMessageBytes, MaxMessageBytes, $"1 to {LargestMessageBytes}");
        Require(MaxBatchBytes >= MaxMessageBytes && MaxBatchBytes <= LargestBatchBytes, MaxBatchBytes, $"MaxMessageBytes to {LargestBatchBytes}");
        Require(IsTime(RetentionAge, _longestAge), RetentionAge, "1 second to 100 years, in whole milliseconds");
        Require(RetentionBytes is null or > 0, RetentionBytes, "above zero");
        Require(RetentionConsumer is null or { Length: >= 1 and <= 128 }, RetentionConsumer, "1 to 128 characters");
        Require(SegmentBytes is >= SmallestSegmentBytes and <= LargestSegmentBytes, SegmentBytes, "64 KiB to 1 GiB");
        Require(IsTime(SegmentAge, _longestAge), SegmentAge, "1 second to 100 years, in whole milliseconds");
        Require(DeduplicationIds is >= 0 and <= LargestDeduplicationIds, DeduplicationIds, $"0 to {LargestDeduplicationIds}");
        Require(IsTime(ProducerIdleTimeout, _longestIdle), ProducerIdleTimeout, "1 second to 365 days, in whole milliseconds");
        Require(MaxProducers is >= 1 and <= 1_000_000, MaxProducers, "1 to 1,000,000");
    }

    private static bool IsTime(TimeSpan? time, TimeSpan longest) =>
        time is not { } span || (span >= _shortestAge && span <= longest && span.Ticks % TimeSpan.TicksPerMillisecond == 0);

    private static void Require<T>(bool holds, T value, string range, [CallerArgumentExpression(nameof(value))] string name = "")
    {
        if (!holds) throw new ArgumentOutOfRangeException(name, value, $"{name} must be {range}.");
    }
}

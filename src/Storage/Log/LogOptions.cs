namespace Tidemark;

/// <summary>The settings of one <see cref="SegmentedLog"/>. Checked and frozen when it is opened.</summary>
public sealed record LogOptions
{
    /// <summary>The largest value of <see cref="MaxBatchBytes"/>: 256 MiB.</summary>
    public const int LargestBatchBytes = 256 * 1024 * 1024;

    /// <summary>When an append completes. Default: <see cref="LogDurability.Durable"/>.</summary>
    public LogDurability Durability { get; init; } = LogDurability.Durable;

    /// <summary>A segment is closed and the next begun when the next batch would take it beyond this. 4 KiB to 1 GiB; default 64 MiB.</summary>
    /// <remarks>A single batch larger than this gets a segment of its own, as long as it needs.</remarks>
    public long SegmentBytes { get; init; } = 64L * 1024 * 1024;

    /// <summary>A segment that holds records is closed once its first one is this old, so that quiet logs can be trimmed too. Default: never.</summary>
    public TimeSpan? MaxSegmentAge { get; init; }

    /// <summary>The largest payload of one record, in bytes. Default 8 MiB.</summary>
    public int MaxRecordBytes { get; init; } = 8 * 1024 * 1024;

    /// <summary>The largest batch, headers (48 bytes each) included, in bytes. At most <see cref="LargestBatchBytes"/>; default 16 MiB.</summary>
    public int MaxBatchBytes { get; init; } = 16 * 1024 * 1024;

    /// <summary>How many encoded bytes may wait for the disk before appends wait too. Default 16 MiB.</summary>
    /// <remarks>Appends that wait are held up to the same amount again; beyond it they fail with <see cref="OverloadedException"/>.</remarks>
    public int MaxPendingBytes { get; init; } = 16 * 1024 * 1024;

    /// <summary>The store the log belongs to. Null: a new log draws one, an old log keeps its own. A log of another store is refused.</summary>
    public Guid? StoreId { get; init; }

    /// <summary>The shard the log belongs to. Null: 0 for a new log, an old log keeps its own. A log of another shard is refused.</summary>
    public long? ShardId { get; init; }

    /// <summary>The offset of the first record, where the log is created. Default 0. Ignored where it exists.</summary>
    public long FirstOffset { get; init; }

    /// <summary>The entry before the first record, where the log is created behind a state that has it; else nothing is known of one.</summary>
    internal StatePosition? Before { get; init; }

    /// <summary>Stamps records that come without a timestamp. Null: a clock of the log's own.</summary>
    public HybridClock? Clock { get; init; }

    internal void Validate()
    {
        Between(SegmentBytes, 4 * 1024, 1024L * 1024 * 1024, nameof(SegmentBytes));
        Between(MaxBatchBytes, 1024, LargestBatchBytes, nameof(MaxBatchBytes));
        Between(MaxRecordBytes, 0, MaxBatchBytes - Storage.Log.FrameHeader.Size - Storage.Log.FrameHeader.Alignment, nameof(MaxRecordBytes));
        Between(MaxPendingBytes, 1024, 1024 * 1024 * 1024, nameof(MaxPendingBytes));
        Between(FirstOffset, 0, long.MaxValue / 2, nameof(FirstOffset));
        if (MaxSegmentAge is { } age) ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(age, TimeSpan.Zero, nameof(MaxSegmentAge));
    }

    private static void Between(long value, long least, long most, string name)
    {
        if (value < least || value > most) throw new ArgumentOutOfRangeException(name, value, $"{name} must lie between {least} and {most}.");
    }
}

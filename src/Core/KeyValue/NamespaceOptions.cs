using System.Runtime.CompilerServices;

namespace Tidemark;

/// <summary>The settings of a namespace. They are chosen when it is created and kept with the store: all replicas decide by them.</summary>
/// <remarks>A limit is checked before a write is proposed, and in the same way when it is applied. Keys and values count as the user gave them.</remarks>
public sealed record NamespaceOptions
{
    /// <summary>The largest value of <see cref="ShardCount"/>.</summary>
    public const int LargestShardCount = 4096;

    /// <summary>The largest value of <see cref="MaxKeyBytes"/>. Engines may hold less: LMDB's keys end at 511 encoded bytes.</summary>
    public const int LargestKeyBytes = 60_000;

    /// <summary>The largest value of <see cref="MaxValueBytes"/>: 64 MiB.</summary>
    public const int LargestValueBytes = 64 * 1024 * 1024;

    /// <summary>The largest value of <see cref="MaxBatchBytes"/>: 128 MiB.</summary>
    public const int LargestBatchBytes = 128 * 1024 * 1024;

    /// <summary>The largest value of <see cref="ChangeLogEntries"/>.</summary>
    public const int LargestChangeLogEntries = 16 * 1024 * 1024;

    /// <summary>The largest value of <see cref="ChangeLogBytes"/>: 64 GiB.</summary>
    public const long LargestChangeLogBytes = 64L * 1024 * 1024 * 1024;

    /// <summary>The largest value of <see cref="MaxClients"/> and of <see cref="MaxSessions"/>.</summary>
    public const int LargestTableCount = 10_000_000;

    /// <summary>What a log takes whatever the settings are.</summary>
    internal const int LeastCommandBytes = 8 * 1024 * 1024;

    /// <summary>What a command, or a message, holds beside the longest batch.</summary>
    internal const int CommandRoom = 64 * 1024;

    private const int SmallestBatchBytes = 1024;
    private const long SmallestChangeLogBytes = 1024;

    private static readonly TimeSpan _shortestIdle = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan _longestIdle = TimeSpan.FromDays(365);

    /// <summary>How keys sort. Default: <see cref="KeyOrder.Hierarchical"/>.</summary>
    public KeyOrder KeyOrder { get; init; } = KeyOrder.Hierarchical;

    /// <summary>How many shards the keys are spread over, evenly by hash. 1 to <see cref="LargestShardCount"/>; default 1.</summary>
    /// <remarks>Each has a log and a writer of its own. What one shard holds is changed in one order; there is none across shards.</remarks>
    public int ShardCount { get; init; } = 1;

    /// <summary>The longest key, in bytes. 1 to <see cref="LargestKeyBytes"/>; default 480, which every engine holds.</summary>
    public int MaxKeyBytes { get; init; } = 480;

    /// <summary>The longest value, in bytes. 0 to <see cref="LargestValueBytes"/>; default 1 MiB.</summary>
    public int MaxValueBytes { get; init; } = 1024 * 1024;

    /// <summary>The largest batch, in bytes as it is written to the log. 1 KiB to <see cref="LargestBatchBytes"/>; default 4 MiB.</summary>
    public int MaxBatchBytes { get; init; } = 4 * 1024 * 1024;

    /// <summary>The longest command that a log must take: as long as the longest batch, and a little more that is about it.</summary>
    internal int MaxCommandBytes => Math.Max(LeastCommandBytes, MaxBatchBytes + CommandRoom);

    /// <summary>How many changes each shard keeps for watches that resume. 1 to <see cref="LargestChangeLogEntries"/>; default 32,768.</summary>
    public int ChangeLogEntries { get; init; } = 32_768;

    /// <summary>How many bytes those changes may take, per shard. 1 KiB to <see cref="LargestChangeLogBytes"/>; default 8 MiB.</summary>
    public long ChangeLogBytes { get; init; } = 8 * 1024 * 1024;

    /// <summary>How long without a write a client stays registered. 1 second to 365 days, in whole milliseconds; default 1 hour.</summary>
    /// <remarks>A write that is repeated later than this is refused, never taken for a new one.</remarks>
    public TimeSpan ClientIdleTimeout { get; init; } = TimeSpan.FromHours(1);

    /// <summary>How many clients may be registered at once, per shard. 1 to <see cref="LargestTableCount"/>; default 10,000.</summary>
    public int MaxClients { get; init; } = 10_000;

    /// <summary>How many sessions may live at once, per shard. 1 to <see cref="LargestTableCount"/>; default 100,000.</summary>
    public int MaxSessions { get; init; } = 100_000;

    /// <summary>Throws where a setting is outside its limits.</summary>
    internal void Validate()
    {
        ArgumentNullException.ThrowIfNull(KeyOrder);
        Between(ShardCount, 1, LargestShardCount);
        Between(MaxKeyBytes, 1, LargestKeyBytes);
        Between(MaxValueBytes, 0, LargestValueBytes);
        Between(MaxBatchBytes, SmallestBatchBytes, LargestBatchBytes);
        Between(ChangeLogEntries, 1, LargestChangeLogEntries);
        Between(ChangeLogBytes, SmallestChangeLogBytes, LargestChangeLogBytes);
        Between(ClientIdleTimeout, _shortestIdle, _longestIdle);
        if (ClientIdleTimeout.Ticks % TimeSpan.TicksPerMillisecond != 0)
            throw new ArgumentOutOfRangeException(nameof(ClientIdleTimeout), ClientIdleTimeout, "The timeout is stored in whole milliseconds.");
        Between(MaxClients, 1, LargestTableCount);
        Between(MaxSessions, 1, LargestTableCount);
    }

    private static void Between<T>(T value, T least, T most, [CallerArgumentExpression(nameof(value))] string? setting = null)
        where T : IComparable<T>
    {
        if (value.CompareTo(least) < 0 || value.CompareTo(most) > 0)
            throw new ArgumentOutOfRangeException(setting, value, $"{setting} is from {least} to {most}.");
    }
}

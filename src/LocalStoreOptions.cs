using Microsoft.Extensions.Logging;

namespace Tidemark;

/// <summary>How a <see cref="LocalStore"/> is opened. Checked and frozen then.</summary>
public sealed record LocalStoreOptions
{
    /// <summary>The order of the keys: that of the namespace it syncs with. Never changes. Default: hierarchical.</summary>
    public KeyOrder KeyOrder { get; init; } = KeyOrder.Hierarchical;

    /// <summary>The disk. Default: <see cref="DiskFileSystem"/>.</summary>
    public IFileSystem FileSystem { get; init; } = DiskFileSystem.Instance;

    /// <summary>The clock behind timestamps and pauses. Default: the system's.</summary>
    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;

    /// <summary>Where to report. Default: nowhere.</summary>
    public ILoggerFactory? LoggerFactory { get; init; }

    /// <summary>How many bytes of calls may wait before more are refused with <see cref="OverloadedException"/>. Default 64 MiB.</summary>
    public long MaxPendingBytes { get; init; } = 64L * 1024 * 1024;

    /// <summary>How long the arguments of a call may be, in bytes. Default 1 MiB; at most 16 MiB.</summary>
    public int MaxArgumentBytes { get; init; } = 1024 * 1024;

    /// <summary>The least log between two snapshot files. Default 16 MiB.</summary>
    public long SnapshotLogBytes { get; init; } = 16L * 1024 * 1024;

    /// <summary>The log's segment size. See <see cref="LogOptions.SegmentBytes"/>. Default 16 MiB.</summary>
    public long LogSegmentBytes { get; init; } = 16L * 1024 * 1024;

    /// <summary>Where salts and jitter come from. Null: an unpredictable seed.</summary>
    public Random? Random { get; init; }

    internal Mutators Mutators { get; init; } = Mutators.Empty;

    internal void Validate()
    {
        ArgumentNullException.ThrowIfNull(KeyOrder);
        ArgumentNullException.ThrowIfNull(FileSystem);
        ArgumentNullException.ThrowIfNull(TimeProvider);
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxPendingBytes, 1024);
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxArgumentBytes, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(MaxArgumentBytes, 16 * 1024 * 1024);
        ArgumentOutOfRangeException.ThrowIfLessThan(SnapshotLogBytes, 1024);
        ArgumentOutOfRangeException.ThrowIfLessThan(LogSegmentBytes, 4 * 1024);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(LogSegmentBytes, 1024L * 1024 * 1024);
    }
}

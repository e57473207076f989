using Microsoft.Extensions.Logging;

namespace Tidemark;

/// <summary>What the logs of a <see cref="LogGroup"/> share. Checked and frozen when it is opened.</summary>
public sealed record LogGroupOptions
{
    /// <summary>The disk. Default: <see cref="DiskFileSystem"/>.</summary>
    public IFileSystem FileSystem { get; init; } = DiskFileSystem.Instance;

    /// <summary>The clock behind ages, intervals and stamps. Default: the system's.</summary>
    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;

    /// <summary>Where to report. Default: nowhere.</summary>
    public ILoggerFactory? LoggerFactory { get; init; }

    /// <summary>How many logs may be flushed side by side, 1 to 64. Threads are started when needed. Default 4.</summary>
    public int FlushThreads { get; init; } = 4;

    /// <summary>How many files may stay open while nothing uses them, 1 or more. Default 64.</summary>
    public int MaxIdleFiles { get; init; } = 64;

    /// <summary>Where the salts of new files come from. Null: an unpredictable seed. Give a seeded one to repeat a run exactly.</summary>
    public Random? Random { get; init; }

    internal void Validate()
    {
        ArgumentNullException.ThrowIfNull(FileSystem);
        ArgumentNullException.ThrowIfNull(TimeProvider);
        ArgumentOutOfRangeException.ThrowIfLessThan(FlushThreads, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(FlushThreads, 64);
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxIdleFiles, 1);
    }
}

using Microsoft.Extensions.Logging;

namespace Tidemark;

/// <summary>How a <see cref="TidemarkStore"/> is opened. Checked and frozen then.</summary>
public sealed record TidemarkStoreOptions
{
    /// <summary>What the rows are kept in. Must be the one the store was created with. Default: <see cref="StorageEngine.Memory"/>.</summary>
    public StorageEngine Engine { get; init; } = StorageEngine.Memory;

    /// <summary>Settings of the default namespace. Null: those it has, or the defaults where the store is new. Key order and shard count never change.</summary>
    public NamespaceOptions? DefaultNamespace { get; init; }

    /// <summary>The disk. Default: <see cref="DiskFileSystem"/>. Engines on disk need that one.</summary>
    public IFileSystem FileSystem { get; init; } = DiskFileSystem.Instance;

    /// <summary>The clock behind timestamps, sessions and times to live. Default: the system's.</summary>
    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;

    /// <summary>Where to report. Default: nowhere.</summary>
    public ILoggerFactory? LoggerFactory { get; init; }

    /// <summary>How many shards may take their turns at once, 1 to 64: each is given to one executor for good, which flushes up to four logs side by side. Default: one for each processor, at most 8.</summary>
    public int Executors { get; init; } = Math.Min(8, Environment.ProcessorCount);

    /// <summary>How many bytes of commands may wait on one shard before more are refused with <see cref="OverloadedException"/>. Default 64 MiB.</summary>
    public long MaxPendingBytes { get; init; } = 64L * 1024 * 1024;

    /// <summary>Engines on disk: how many bytes of rows gather in memory before they are handed over in one batch. Default 32 MiB; up to four times as much may gather while one is under way.</summary>
    public long EngineBatchBytes { get; init; } = 32L * 1024 * 1024;

    /// <summary>The engine in memory: the least log between two snapshot files. Default 64 MiB. A snapshot is written when as much log has gathered as the last one was long, and at least this.</summary>
    public long SnapshotLogBytes { get; init; } = 64L * 1024 * 1024;

    /// <summary>A log's segment size. See <see cref="LogOptions.SegmentBytes"/>. Default 64 MiB.</summary>
    public long LogSegmentBytes { get; init; } = 64L * 1024 * 1024;

    /// <summary>How often each state is read as a whole and compared with its running hash, to find what bad memory or a bad disk has changed. Null: never. At least 1 s; default 1 day.</summary>
    /// <remarks>Where they differ the shard fails, and takes no more writes. One state after the other, on a thread of its own. docs/operations.md.</remarks>
    public TimeSpan? ScrubInterval { get; init; } = TimeSpan.FromDays(1);

    /// <summary>What clients that sync may call, of every namespace. Null: nothing. docs/rebase.md.</summary>
    /// <remarks>They run on the shards' threads. Where there are any, each write of a shard costs a copy of its bytes more.</remarks>
    public Mutators? Mutators { get; init; }

    /// <summary>Copies of its history outside its own disk, to restore it as it was at any moment. Null: none. docs/archive.md.</summary>
    public ArchiveOptions? Archive { get; init; }

    /// <summary>Where ids and salts come from. Null: an unpredictable seed. Give a seeded one to repeat a run exactly.</summary>
    public Random? Random { get; init; }

    internal void Validate()
    {
        ArgumentNullException.ThrowIfNull(Engine);
        ArgumentNullException.ThrowIfNull(FileSystem);
        ArgumentNullException.ThrowIfNull(TimeProvider);
        ArgumentOutOfRangeException.ThrowIfLessThan(Executors, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(Executors, 64);
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxPendingBytes, 1024);
        ArgumentOutOfRangeException.ThrowIfLessThan(EngineBatchBytes, 1024);
        ArgumentOutOfRangeException.ThrowIfLessThan(SnapshotLogBytes, 1024);
        ArgumentOutOfRangeException.ThrowIfLessThan(LogSegmentBytes, 4 * 1024);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(LogSegmentBytes, 1024L * 1024 * 1024);
        if (ScrubInterval is { } scrub) ArgumentOutOfRangeException.ThrowIfLessThan(scrub, TimeSpan.FromSeconds(1), nameof(ScrubInterval));
        DefaultNamespace?.Validate();
        Archive?.Validate();
        Engine.RequireDisk(FileSystem, nameof(FileSystem));
    }
}

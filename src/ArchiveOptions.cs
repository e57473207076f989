namespace Tidemark;

/// <summary>How a store, or a cluster, keeps copies of its history outside its own disks. docs/archive.md.</summary>
public sealed record ArchiveOptions
{
    /// <summary>Where they go. Of one store alone; of a cluster, the same on all nodes.</summary>
    public required IArchive Archive { get; init; }

    /// <summary>How often what is new is copied: what a lost disk costs at most. Where nothing is new, nothing is written. <see cref="Timeout.InfiniteTimeSpan"/>: only when <see cref="TidemarkStore.ArchiveAsync"/>, or <see cref="TidemarkNode.ArchiveAsync"/>, is called. At least 100 ms; default 1 minute.</summary>
    public TimeSpan Interval { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>How far back a restore can go at least; what is of no use for that is deleted. Null: nothing is. Default null.</summary>
    public TimeSpan? KeepFor { get; init; }

    /// <summary>How much log of each shard is kept for the archive at most, in bytes, beside what the store needs itself. Where an eighth of it waits, it is copied at once. At least 1024; default 1 GiB.</summary>
    /// <remarks>What is let go before it was copied is missing in the archive: the store cannot be restored to that time.</remarks>
    public long MaxLagBytes { get; init; } = 1024L * 1024 * 1024;

    /// <summary>How much log of a shard may wait before it is copied at once.</summary>
    internal long LateBytes => MaxLagBytes / 8;

    internal void Validate()
    {
        ArgumentNullException.ThrowIfNull(Archive);
        if (Interval != Timeout.InfiniteTimeSpan) ArgumentOutOfRangeException.ThrowIfLessThan(Interval, TimeSpan.FromMilliseconds(100), nameof(Interval));
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxLagBytes, 1024);
        if (KeepFor is { } kept) ArgumentOutOfRangeException.ThrowIfLessThan(kept, TimeSpan.Zero, nameof(KeepFor));
    }
}

/// <summary>How far an archive goes.</summary>
/// <param name="StoreId">The store whose archive it is.</param>
/// <param name="Earliest">The earliest moment the store can be restored to.</param>
/// <param name="Newest">The newest one. All that was written up to it, on all shards, is in the archive.</param>
public sealed record ArchiveRange(Guid StoreId, HybridTimestamp Earliest, HybridTimestamp Newest);

/// <summary>What the archiving of a store, or of a node's cluster, has come to.</summary>
/// <param name="Newest">The newest moment that can be restored; null where there is none yet, or nobody has looked. Of a node: as far as it knows.</param>
/// <param name="Bytes">What was copied from here since the store was opened, or the node was started.</param>
/// <param name="Failure">Why it went wrong here the last time; null where it did not. It is tried again.</param>
public sealed record ArchiveHealth(HybridTimestamp? Newest, long Bytes, string? Failure);

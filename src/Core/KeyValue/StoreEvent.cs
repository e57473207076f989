namespace Tidemark;

/// <summary>What a <see cref="StoreEvent"/> tells.</summary>
public enum StoreEventKind
{
    /// <summary>A record was there when the watch began. Only where existing records were asked for, and before all changes.</summary>
    Existing = 0,

    /// <summary>A record was created.</summary>
    Created = 1,

    /// <summary>A record was written again.</summary>
    Modified = 2,

    /// <summary>A record was deleted, or its session or time to live ended.</summary>
    Deleted = 3,

    /// <summary>All records of <see cref="StoreEvent.Range"/> on one shard were deleted. Each shard tells its own, so where there are several, read the range again.</summary>
    RangeDeleted = 4,

    /// <summary>Changes between the place to resume at and the next event are no longer kept: read again what matters.</summary>
    Compacted = 5,
}

/// <summary>One thing a watch tells.</summary>
public sealed record StoreEvent
{
    /// <summary>What happened.</summary>
    public required StoreEventKind Kind { get; init; }

    /// <summary>The record's key; empty where the event is about no single one.</summary>
    public StoreKey Key { get; init; }

    /// <summary>For <see cref="StoreEventKind.RangeDeleted"/>: the range that was deleted, which overlaps the one watched; else null.</summary>
    public KeyRange? Range { get; init; }

    /// <summary>The version written, or the one deleted.</summary>
    public long Version { get; init; }

    /// <summary>When the entry that did it was written.</summary>
    public HybridTimestamp Timestamp { get; init; }

    /// <summary>The record, where values were asked for and this version is still the current one; later events tell of the newer one.</summary>
    public StoreRecord? Record { get; init; }

    /// <summary>Where to resume so that neither this event nor any before it comes again, and none after it is missed.</summary>
    public required WatchToken Token { get; init; }

    /// <summary>The shard it happened on; 0 for a record that existed.</summary>
    internal long Shard { get; init; }
}

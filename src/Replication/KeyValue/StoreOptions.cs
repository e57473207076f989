using Tidemark.Core.KeyValue;

namespace Tidemark;

/// <summary>What a put asks for besides key and value.</summary>
public sealed record PutOptions
{
    /// <summary>Nothing.</summary>
    public static PutOptions None { get; } = new();

    /// <summary>The record must not exist yet.</summary>
    public static PutOptions MustNotExist { get; } = new() { ExpectedVersion = 0 };

    /// <summary>The version the record must be at; 0: it must not exist. Null: whatever it is.</summary>
    public long? ExpectedVersion { get; init; }

    /// <summary>The record is ephemeral: it goes when this session ends. Null: it stays.</summary>
    public StoreSession? Session { get; init; }

    /// <summary>What routes the record to a shard instead of its key. Whoever reads it must give the same.</summary>
    public StoreKey? PartitionKey { get; init; }

    /// <summary>How long the record lives unless it is written again; above zero, at most ten years. Null: for ever.</summary>
    public TimeSpan? TimeToLive { get; init; }

    /// <summary>Entries under which indexes hold the record, up to 64. They replace those of the write before.</summary>
    public IReadOnlyList<IndexEntry> Indexes { get; init; } = [];

    /// <summary>The same with an expected version.</summary>
    public PutOptions AtVersion(long version) => this with { ExpectedVersion = version };

    internal PutArguments ToArguments(StoreKey? partitionKey, IReadOnlyList<long>? steps) => new(
        ExpectedVersion, Session?.Id, partitionKey, TimeToLive is { } time ? (long)Math.Ceiling(time.TotalMilliseconds) : null, Indexes, steps);
}

/// <summary>What a delete asks for besides the key.</summary>
public sealed record DeleteOptions
{
    /// <summary>The version the record must be at; 0: it must not exist. Null: whatever it is.</summary>
    public long? ExpectedVersion { get; init; }

    /// <summary>What the record was routed by, where that is not its key.</summary>
    public StoreKey? PartitionKey { get; init; }
}

/// <summary>What a get asks for besides the key.</summary>
public sealed record GetOptions
{
    /// <summary>Which record, seen from the key. Default: the one with that key.</summary>
    public KeyComparison Comparison { get; init; }

    /// <summary>What the record was routed by, where that is not its key.</summary>
    /// <remarks>Without it, a get that compares otherwise than by equality looks at every shard.</remarks>
    public StoreKey? PartitionKey { get; init; }

    /// <summary>How fresh the answer must be.</summary>
    public ReadLevel Level { get; init; }

    /// <summary>The key that says which shard a get is about; null for all.</summary>
    internal static StoreKey? RoutingKey(StoreKey key, GetOptions? options) =>
        options?.PartitionKey ?? (options is null || options.Comparison == KeyComparison.Equal ? key : (StoreKey?)null);
}

/// <summary>What a scan or list asks for besides the range.</summary>
public sealed record ScanOptions
{
    /// <summary>The most records to give. Default: all; for a page, 1,000.</summary>
    public int? Limit { get; init; }

    /// <summary>From the end of the range to its start.</summary>
    public bool Reverse { get; init; }

    /// <summary>Only the shard that this key routes to.</summary>
    public StoreKey? PartitionKey { get; init; }

    /// <summary>Where an earlier page ended. It belongs to the same range and direction.</summary>
    public string? ContinuationToken { get; init; }

    /// <summary>How fresh the answer must be.</summary>
    public ReadLevel Level { get; init; }

    /// <exception cref="ArgumentException">They are none for a scan of an index, or the index has no name.</exception>
    internal static void CheckIndexScan(StoreKey index, ScanOptions options)
    {
        if (index.IsEmpty) throw new ArgumentException("An index has a name.", nameof(index));
        if (options.ContinuationToken is not null) throw new ArgumentException("Index scans give no continuation tokens.", nameof(options));
    }
}

/// <summary>Some records of a scan, and where it goes on.</summary>
/// <param name="Records">The records, in order.</param>
/// <param name="ContinuationToken">For the next page; null at the end.</param>
public sealed record ScanPage(IReadOnlyList<StoreRecord> Records, string? ContinuationToken);

/// <summary>What a watch asks for besides the range.</summary>
public sealed record WatchOptions
{
    /// <summary>Where to begin: behind an event of an earlier watch. Null: with what happens from now on.</summary>
    public WatchToken? ResumeAfter { get; init; }

    /// <summary>First give the records that exist, as <see cref="StoreEventKind.Existing"/>, then what happens after. Not together with <see cref="ResumeAfter"/>.</summary>
    public bool IncludeExisting { get; init; }

    /// <summary>Give each event's record, where its version is still the current one.</summary>
    public bool IncludeValues { get; init; }

    /// <summary>A reader that falls behind gets only the last of several changes to a key.</summary>
    public bool LatestOnly { get; init; }

    /// <exception cref="ArgumentException">They contradict each other.</exception>
    internal static void Check(WatchOptions options)
    {
        if (options.IncludeExisting && options.ResumeAfter is not null)
            throw new ArgumentException("A watch begins with what exists or at an earlier place, not with both.", nameof(options));
    }
}

/// <summary>How a session is opened.</summary>
public sealed record SessionOptions
{
    /// <summary>How long it outlives the last keep-alive. 1 s to 5 min; default 15 s.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>Who opens it, for others to read on its records; up to 256 bytes of UTF-8. Default: nobody says.</summary>
    public string? Identity { get; init; }
}

namespace Tidemark.Storage.Log;

/// <summary>One turn of disk work for a log: what to do, decided under the gate, and how it went, told under the gate.</summary>
internal sealed class FlushRound
{
    /// <summary>What to write, or null.</summary>
    internal FlushBatch? Batch { get; set; }

    /// <summary>Whether to flush all that was written, in this round or before.</summary>
    internal bool Flush { get; set; }

    /// <summary>Whether the manifest must be written first: it still says that the log is closed, or an earlier start. Unset where there was no room for it.</summary>
    internal bool OpensManifest { get; set; }

    /// <summary>Whether segments before <see cref="Start"/> go once the manifest says so.</summary>
    internal bool Trims { get; set; }

    /// <summary>The log's first offset, for the manifest.</summary>
    internal long Start { get; set; }

    /// <summary>Up to where the log is flushed before the round, for the manifest.</summary>
    internal LogPoint Flushed { get; set; }

    /// <summary>When the round was decided, in UTC ticks.</summary>
    internal long Now { get; set; }

    /// <summary>Trimmed segments that nobody reads: their files go.</summary>
    internal List<Segment> Garbage { get; } = [];

    /// <summary>The segment to make longer ahead of use, or null, and up to where.</summary>
    internal Segment? Extend { get; set; }

    internal long ExtendTo { get; set; }

    /// <summary>Whether room ahead is written as zeros; else it is only taken.</summary>
    internal bool WritesZeros { get; set; }

    /// <summary>How many bytes a new spare starts with; 0 for no new spare.</summary>
    internal long SpareBytes { get; set; }

    /// <summary>The spare that was made, or null.</summary>
    internal Segment? Spare { get; set; }

    /// <summary>Why there is no more room, or null.</summary>
    internal StoreFullException? NoRoom { get; set; }

    /// <summary>Why the log can no longer be written, or null.</summary>
    internal Exception? Failure { get; set; }

    internal void Clear()
    {
        Batch = null;
        Flush = false;
        OpensManifest = false;
        Trims = false;
        Garbage.Clear();
        Extend = null;
        ExtendTo = 0;
        WritesZeros = false;
        SpareBytes = 0;
        Spare = null;
        NoRoom = null;
        Failure = null;
    }
}

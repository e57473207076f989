namespace Tidemark;

/// <summary>A place in a shard's log: what has been applied up to, and including, an entry.</summary>
/// <param name="Term">The leadership number of the entry; 0 before the first.</param>
/// <param name="Offset">The entry's offset; -1 before the first.</param>
/// <param name="Timestamp">The entry's timestamp.</param>
public readonly record struct StatePosition(long Term, long Offset, HybridTimestamp Timestamp)
{
    /// <summary>Before the first entry of a log.</summary>
    public static StatePosition Start { get; } = new(0, -1, HybridTimestamp.MinValue);
}

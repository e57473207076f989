using Tidemark.Core.Hashing;

namespace Tidemark;

/// <summary>The default router: each shard owns a range of the 32-bit XxHash32 of the key, so one shard can be split without moving any other.</summary>
/// <remarks>The ranges cover the whole space and never overlap. Immutable. A route is one hash and a binary search; it allocates nothing.</remarks>
public sealed class HashRangeRouter : IShardRouter
{
    private readonly ShardHashRange[] _ranges;   // By Start, without gap.
    private readonly uint[] _starts;

    /// <summary>Takes the ranges as they are, in any order.</summary>
    /// <exception cref="ArgumentException">There is a gap or an overlap, an empty range, or a shard that appears twice.</exception>
    public HashRangeRouter(IEnumerable<ShardHashRange> ranges)
    {
        ArgumentNullException.ThrowIfNull(ranges);
        _ranges = [.. ranges.OrderBy(static range => range.Start)];
        long covered = 0;
        var shards = new HashSet<long>();
        foreach (ShardHashRange range in _ranges)
        {
            if (range.Start != covered)
                throw new ArgumentException($"Shard {range.ShardId} starts at hash {range.Start}; the range before it ends at {covered}.", nameof(ranges));
            if (range.End <= range.Start || range.End > ShardHashRange.SpaceEnd)
                throw new ArgumentException($"Shard {range.ShardId} has the range [{range.Start}, {range.End}), which is empty or ends beyond 2^32.", nameof(ranges));
            if (!shards.Add(range.ShardId)) throw new ArgumentException($"Shard {range.ShardId} has two ranges.", nameof(ranges));
            covered = range.End;
        }

        if (covered != ShardHashRange.SpaceEnd) throw new ArgumentException($"No shard owns the hashes from {covered} on.", nameof(ranges));
        _starts = Array.ConvertAll(_ranges, static range => (uint)range.Start);
    }

    /// <summary>The ranges, ascending.</summary>
    public IReadOnlyList<ShardHashRange> Ranges => Array.AsReadOnly(_ranges);

    /// <inheritdoc/>
    public int ShardCount => _ranges.Length;

    /// <summary>Spreads the space evenly over the shards 0 to <paramref name="shardCount"/> - 1. Lengths differ by at most one hash.</summary>
    /// <param name="shardCount">1 or more.</param>
    public static HashRangeRouter CreateEven(int shardCount)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(shardCount);
        return new HashRangeRouter(Enumerable.Range(0, shardCount).Select(i => new ShardHashRange(i, Border(i), Border(i + 1))));

        long Border(long index) => (index * ShardHashRange.SpaceEnd) / shardCount;
    }

    /// <inheritdoc/>
    public long Route(ReadOnlySpan<byte> routingKey) => RouteHash(XxHash32.HashToUInt32(routingKey));

    /// <summary>A router in which the shard keeps the lower half of its range and a new shard owns the upper half.</summary>
    /// <param name="shardId">A shard of this router that owns at least two hashes.</param>
    /// <param name="newShardId">An id that no shard of this router has.</param>
    /// <returns>A new router. Keys of all other shards stay where they were.</returns>
    public HashRangeRouter Split(long shardId, long newShardId)
    {
        int index = Array.FindIndex(_ranges, range => range.ShardId == shardId);
        if (index < 0) throw new ArgumentException($"No range belongs to shard {shardId}.", nameof(shardId));
        ShardHashRange whole = _ranges[index];
        if (whole.Length < 2) throw new ArgumentException($"Shard {shardId} owns one hash: it cannot be split.", nameof(shardId));
        if (Array.Exists(_ranges, range => range.ShardId == newShardId))
            throw new ArgumentException($"Shard {newShardId} has a range already.", nameof(newShardId));
        long middle = whole.Start + (whole.Length / 2);
        return new HashRangeRouter(
            [.. _ranges[..index], whole with { End = middle }, new ShardHashRange(newShardId, middle, whole.End), .. _ranges[(index + 1)..]]);
    }

    /// <summary>The owner of a hash: the last range that starts at or below it.</summary>
    internal long RouteHash(uint hash)
    {
        int found = _starts.AsSpan().BinarySearch(hash);
        return _ranges[found >= 0 ? found : ~found - 1].ShardId;
    }
}

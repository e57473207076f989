namespace Tidemark;

/// <summary>The part of the 32-bit hash space one shard owns: the hashes from <paramref name="Start"/> up to, not including, <paramref name="End"/>.</summary>
/// <param name="ShardId">The shard.</param>
/// <param name="Start">The first hash, 0 or more.</param>
/// <param name="End">The hash after the last, at most <see cref="SpaceEnd"/>.</param>
public readonly record struct ShardHashRange(long ShardId, long Start, long End)
{
    /// <summary>The end of the hash space, 2^32.</summary>
    public const long SpaceEnd = 1L << 32;

    /// <summary>The number of hashes in the range.</summary>
    public long Length => End - Start;
}

using Tidemark.Replication.Wire;

namespace Tidemark.Replication.Remote;

/// <summary>Asks for a partition's messages whoever keeps its shard.</summary>
/// <remarks>Safe for concurrent calls.</remarks>
internal sealed class PartitionCalls(long shard, int partition, IShardReads reads)
{
    internal async Task<TopicPage> ReadAsync(TopicPosition from, TopicReadOptions options, CancellationToken cancellationToken)
    {
        MessagesBody found = await reads.ReadAsync(new MessagesRequest(shard, partition, from, options), cancellationToken).ConfigureAwait(false);
        return found.OutOfRange is { } offset ? throw new OffsetOutOfRangeException(offset, found.Page.Start, found.Page.End, partition) : found.Page;
    }

    /// <summary>Completes when the partition ended behind an offset, or after a while.</summary>
    /// <returns>Whether it did.</returns>
    /// <exception cref="ObjectDisposedException">Nothing is asked any more.</exception>
    internal async Task<bool> WaitAsync(long offset, CancellationToken cancellationToken)
    {
        BoundsBody? found = await reads.WatchAsync(new BoundsRequest(shard, offset, ReadLevel.Local), cancellationToken).ConfigureAwait(false);
        return (found ?? throw new ObjectDisposedException(nameof(Topic))).End > offset;
    }

    internal async Task<PartitionInfo> DescribeAsync(ReadLevel level, CancellationToken cancellationToken)
    {
        BoundsBody found = await reads.ReadAsync(new BoundsRequest(shard, null, level), cancellationToken).ConfigureAwait(false);
        return new PartitionInfo(partition, found.Start, found.End, found.Timestamp);
    }

    internal async Task TrimAsync(long before, CancellationToken cancellationToken)
    {
        BoundsBody found = await reads.ReadAsync(new TrimRequest(shard, before), cancellationToken).ConfigureAwait(false);
        if (before > found.End) throw new OffsetOutOfRangeException(before, found.Start, found.End, partition);
    }
}

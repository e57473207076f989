using Tidemark.Core.Replication;
using Tidemark.Core.Topics;
using Tidemark.Replication.Wire;

namespace Tidemark.Replication.Nodes;

/// <summary>Does what clients and other nodes ask about topics: reads on the replicas here, changes wherever the shard is led.</summary>
/// <param name="topics">The topics.</param>
internal sealed class TopicOperations(NodeTopics topics)
{
    private const int MostMessages = 1_000;
    private const int MostBytes = 256 * 1024;

    /// <summary>Does what is about topics.</summary>
    /// <param name="request">What.</param>
    /// <param name="patience">How long a command may be tried.</param>
    /// <param name="cancellationToken">Ends a read, or the wait for something.</param>
    /// <returns>What was asked for; null where this node does not keep the shard.</returns>
    /// <exception cref="ShardUnavailableException">The shard is not known here, yet or any more.</exception>
    /// <exception cref="ArgumentException">It is nothing that is asked of a topic.</exception>
    internal async ValueTask<StoreBody?> RunAsync(StoreRequest request, TimeSpan patience, CancellationToken cancellationToken)
    {
        switch (request)
        {
            case TopicsRequest known:
                return await ListAsync(known, cancellationToken).ConfigureAwait(false);
            case TopicChange change:
                await topics.DoAsync(change, cancellationToken).ConfigureAwait(false);
                return NoBody.Instance;
        }

        if (request is not (CommandRequest or MessagesRequest or BoundsRequest or TrimRequest)) throw new ArgumentException($"The namespace has no shard {request.Shard}.", nameof(request));
        NodePartition partition = topics.FindShard(request.Shard)?.Partition ?? throw NotKnown(request.Shard);
        return request switch
        {
            CommandRequest command => new BytesBody(await partition.CommandAsync(command.Command, command.Payload, patience).ConfigureAwait(false)),
            MessagesRequest read => await ReadAsync(partition, read, cancellationToken).ConfigureAwait(false),
            BoundsRequest { Behind: { } offset } => await WaitAsync(partition, offset, cancellationToken).ConfigureAwait(false),
            BoundsRequest bounds => BodyOf(await partition.TryDescribeAsync(bounds.Level, cancellationToken).ConfigureAwait(false)),
            _ => await TrimAsync(partition, (TrimRequest)request, cancellationToken).ConfigureAwait(false),
        };
    }

    /// <summary>What is answered about a topic of which another node may know more.</summary>
    internal static ShardUnavailableException NotKnown(long shard) => new(shard, $"This node knows of no topic with shard {shard}, yet or any more.", ShardStatus.Nobody);

    private async ValueTask<TopicsBody> ListAsync(TopicsRequest request, CancellationToken cancellationToken)
    {
        while (true)
        {
            Task changed = topics.Changed;
            if (topics.Changes > request.Known || cancellationToken.IsCancellationRequested) return topics.List();
            await Task.WhenAny(changed, Task.Delay(Timeout.Infinite, cancellationToken)).ConfigureAwait(false);
        }
    }

    private static async ValueTask<MessagesBody?> ReadAsync(NodePartition partition, MessagesRequest request, CancellationToken cancellationToken)
    {
        TopicReadOptions options = request.Options with { MaxMessages = Math.Min(request.Options.MaxMessages, MostMessages), MaxBytes = Math.Min(request.Options.MaxBytes, MostBytes) };
        try
        {
            return await partition.TryReadAsync(request.From, options, cancellationToken).ConfigureAwait(false) is { } page ? new MessagesBody(Shortened(page, options.Reverse), null) : null;
        }
        catch (OffsetOutOfRangeException e)
        {
            return new MessagesBody(new TopicPage([], e.Offset, e.Start, e.End), e.Offset);
        }
    }

    /// <summary>No more than fits a message between processes, whatever came with the last: one message does.</summary>
    private static TopicPage Shortened(TopicPage page, bool isReverse)
    {
        long bytes = 0;
        int count = 0;
        while (count < page.Messages.Count && (bytes += MessageCodec.LengthOf(page.Messages[count])) <= MostBytes) count++;
        if (count == page.Messages.Count || page.Messages.Count == 1) return page;
        StoredMessage[] kept = [.. page.Messages.Take(Math.Max(count, 1))];
        return page with { Messages = kept, Next = isReverse ? kept[^1].Offset : kept[^1].Offset + 1 };
    }

    private static async ValueTask<BoundsBody?> WaitAsync(NodePartition partition, long offset, CancellationToken cancellationToken)
    {
        try
        {
            if (await partition.TryWaitAsync(offset, cancellationToken).ConfigureAwait(false) is null) return null;
        }
        catch (OperationCanceledException)
        {
            // It does not end there yet.
        }

        return BodyOf(await partition.TryDescribeAsync(ReadLevel.Local, CancellationToken.None).ConfigureAwait(false));
    }

    private static async ValueTask<BoundsBody?> TrimAsync(NodePartition partition, TrimRequest request, CancellationToken cancellationToken)
    {
        try
        {
            if (!await partition.TryTrimAsync(request.Before, cancellationToken).ConfigureAwait(false)) return null;
            return BodyOf(await partition.TryDescribeAsync(ReadLevel.Local, cancellationToken).ConfigureAwait(false));
        }
        catch (OffsetOutOfRangeException e)
        {
            return new BoundsBody(e.Start, e.End, HybridTimestamp.MinValue);
        }
    }

    private static BoundsBody? BodyOf(TopicBounds? bounds) => bounds is { } found ? new BoundsBody(found.Start, found.End, found.Timestamp) : null;
}

using Tidemark.Core.Hashing;

namespace Tidemark.Replication.Topics;

/// <summary>A topic at a moment: its settings, and its partitions in their order. Another takes its place as a whole.</summary>
internal sealed record TopicView(TopicOptions Options, IReadOnlyList<TopicPartition> Partitions)
{
    /// <summary>Whether it was deleted.</summary>
    internal bool IsClosed { get; init; }

    /// <exception cref="ArgumentOutOfRangeException">There is no such partition.</exception>
    internal TopicPartition this[int partition] => partition >= 0 && partition < Partitions.Count
        ? Partitions[partition]
        : throw new ArgumentOutOfRangeException(nameof(partition), partition, $"There are partitions 0 to {Partitions.Count - 1}.");

    /// <summary>The partition that a batch belongs to; null where it is all the same.</summary>
    /// <exception cref="ArgumentException">The keys differ, an offset is expected of no partition in particular, or there is no such partition.</exception>
    internal TopicPartition? Route(IReadOnlyList<TopicMessage> messages, AppendOptions options)
    {
        if (options.ExpectedOffset is { } expected) ArgumentOutOfRangeException.ThrowIfNegative(expected, nameof(AppendOptions.ExpectedOffset));
        if (options.Partition is { } named) return this[named];
        StoreKey? key = messages[0].Key;
        for (int i = 1; i < messages.Count; i++)
        {
            if (messages[i].Key != key) throw new ArgumentException("The messages of a batch have different keys: name the partition, or append them one by one.", nameof(messages));
        }

        if (key is { } routing) return Partitions[(int)(XxHash32.HashToUInt32(routing.Span) % (uint)Partitions.Count)];
        if (options.ExpectedOffset is not null) throw new ArgumentException("An offset is expected, but of which partition? Name it, or give the messages a key.", nameof(options));
        return null;
    }
}

namespace Tidemark.Replication.Topics;

/// <summary>The number of a producer's append.</summary>
/// <param name="Producer">The producer, which the partition knows.</param>
/// <param name="Sequence">1, 2, 3.</param>
internal readonly record struct ProducerTicket(Guid Producer, long Sequence);

/// <summary>A partition as its writers and readers see it, wherever it is kept.</summary>
internal abstract class TopicPartition
{
    /// <summary>Which one of its topic, from 0.</summary>
    internal abstract int Number { get; }

    /// <summary>Appends a batch that was checked against the topic's limits.</summary>
    /// <param name="messages">At least one; each with its id.</param>
    /// <param name="ticket">Its number, where a producer sends it; null where nobody counts.</param>
    /// <param name="expectedOffset">The offset that the first message must get; null for any.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="WriteRefusedException">The producer is not known, or the number is not its next and its answer is kept no more.</exception>
    /// <exception cref="OutcomeUnknownException">Nobody knows whether it was appended.</exception>
    internal abstract ValueTask<AppendResult> AppendAsync(IReadOnlyList<TopicMessage> messages, ProducerTicket? ticket, long? expectedOffset, CancellationToken cancellationToken);

    /// <summary>Has the partition know a producer. Once more does no harm.</summary>
    /// <exception cref="WriteRefusedException">It knows as many as it may.</exception>
    internal abstract ValueTask RegisterAsync(Guid producer, CancellationToken cancellationToken);

    internal abstract ValueTask ForgetAsync(Guid producer, CancellationToken cancellationToken);

    /// <summary>Reads a page. Options were validated.</summary>
    internal abstract ValueTask<TopicPage> ReadAsync(TopicPosition from, TopicReadOptions options, CancellationToken cancellationToken);

    /// <summary>Completes once the partition ends behind an offset: once the message of that offset is there to be read.</summary>
    /// <exception cref="ObjectDisposedException">It was closed, before or meanwhile.</exception>
    internal abstract ValueTask WaitAsync(long offset, CancellationToken cancellationToken);

    internal abstract ValueTask<PartitionInfo> DescribeAsync(ReadLevel level, CancellationToken cancellationToken);

    /// <exception cref="OffsetOutOfRangeException">It is beyond the end.</exception>
    internal abstract ValueTask TrimAsync(long before, CancellationToken cancellationToken);

    /// <summary>A consumer has read all before an offset: what <see cref="TopicOptions.RetentionConsumer"/> holds is let go up to there.</summary>
    internal abstract ValueTask ReleaseAsync(long before, CancellationToken cancellationToken);
}

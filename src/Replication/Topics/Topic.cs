using Tidemark.Core.Hashing;

namespace Tidemark;

/// <summary>A log of messages in partitions: <c>await topic.AppendAsync(new TopicMessage(bytes) { Key = "customer-17" })</c>.</summary>
/// <remarks>The same face whether it is in this process, replicated, or reached through a client. Safe for concurrent calls. docs/topics.md.</remarks>
public abstract class Topic
{
    /// <summary>Its name.</summary>
    public abstract string Name { get; }

    /// <summary>Its settings, as they are known here.</summary>
    public abstract TopicOptions Options { get; }

    /// <summary>Appends messages to one partition, all or none, and completes when they are durable.</summary>
    /// <param name="messages">At least one. Where no partition is named all have the same key, or none.</param>
    /// <param name="options">How; null for the defaults.</param>
    /// <param name="cancellationToken">Ends the wait; the messages may still be appended.</param>
    /// <returns>Where they are, or why they are not.</returns>
    /// <exception cref="ArgumentException">There is no such partition, there is no message, or the keys differ.</exception>
    /// <exception cref="LimitExceededException">A message, or the batch, is too long. Nothing was appended.</exception>
    /// <exception cref="StoreFullException">The disk is full. Nothing was appended.</exception>
    /// <exception cref="StoreFailedException">The disk refused, now or before.</exception>
    /// <exception cref="OutcomeUnknownException">Nobody knows whether they were appended.</exception>
    /// <remarks>One copy of the bytes, one entry of the log; the flush is shared by all that wait.</remarks>
    public abstract ValueTask<AppendResult> AppendAsync(IReadOnlyList<TopicMessage> messages, AppendOptions? options = null, CancellationToken cancellationToken = default);

    /// <inheritdoc cref="AppendAsync(IReadOnlyList{TopicMessage}, AppendOptions?, CancellationToken)"/>
    /// <param name="message">The message.</param>
    /// <param name="options">How; null for the defaults.</param>
    /// <param name="cancellationToken">Ends the wait; the message may still be appended.</param>
    public abstract ValueTask<AppendResult> AppendAsync(TopicMessage message, AppendOptions? options = null, CancellationToken cancellationToken = default);

    /// <summary>The partition that messages with a key go to where none is named.</summary>
    public int PartitionOf(StoreKey key) => (int)(XxHash32.HashToUInt32(key.Span) % (uint)Options.Partitions);

    /// <summary>A producer, whose appends each happen once however often they are tried.</summary>
    public abstract TopicProducer CreateProducer();

    /// <summary>Reads a page of a partition.</summary>
    /// <param name="partition">From 0.</param>
    /// <param name="from">Where to begin.</param>
    /// <param name="options">How; null for the defaults.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such partition.</exception>
    /// <exception cref="OffsetOutOfRangeException">The offset is below the start or beyond the end, and <see cref="TopicReadOptions.OutOfRange"/> does not say where to go instead.</exception>
    /// <exception cref="CorruptDataException">The log is damaged there.</exception>
    public abstract ValueTask<TopicPage> ReadAsync(int partition, TopicPosition from, TopicReadOptions? options = null, CancellationToken cancellationToken = default);

    /// <summary>Reads message after message, and waits for more at the end.</summary>
    /// <param name="partition">From 0.</param>
    /// <param name="from">Where to begin.</param>
    /// <param name="options">How; pages are read by it. Never backwards.</param>
    /// <param name="cancellationToken">Ends it, with an <see cref="OperationCanceledException"/>.</param>
    /// <inheritdoc cref="ReadAsync"/>
    /// <exception cref="ObjectDisposedException">The topic was deleted, or its store closed, before or meanwhile.</exception>
    /// <remarks>Woken by commits; nothing is polled. It begins when the first message is asked for: <see cref="TopicPosition.End"/> is the end then. A reader that falls behind what is kept gets an <see cref="OffsetOutOfRangeException"/>, unless the options say where to go.</remarks>
    public abstract IAsyncEnumerable<StoredMessage> TailAsync(int partition, TopicPosition from, TopicReadOptions? options = null, CancellationToken cancellationToken = default);

    /// <summary>How a partition is.</summary>
    /// <param name="partition">From 0.</param>
    /// <param name="level">How fresh, where the topic is replicated.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such partition.</exception>
    public abstract ValueTask<PartitionInfo> DescribeAsync(int partition, ReadLevel level = default, CancellationToken cancellationToken = default);

    /// <summary>Lets the messages of a partition before an offset go. They are not read any more when this completes; the disk is given back by whole segments.</summary>
    /// <param name="partition">From 0.</param>
    /// <param name="before">The first offset that is kept. One at or below the start changes nothing.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such partition.</exception>
    /// <exception cref="OffsetOutOfRangeException">It is beyond the end.</exception>
    public abstract ValueTask TrimAsync(int partition, long before, CancellationToken cancellationToken = default);

    /// <summary>Lets all messages of all partitions go that were appended before the call. Offsets go on behind them.</summary>
    /// <param name="cancellationToken">Ends the wait.</param>
    public abstract ValueTask PurgeAsync(CancellationToken cancellationToken = default);

    /// <summary>What tells it from earlier topics of its name: a number that no two have.</summary>
    internal virtual long Number => 0;

    /// <summary>The consumer that <see cref="TopicOptions.RetentionConsumer"/> names has read all of a partition before an offset: what it held may go.</summary>
    internal virtual ValueTask ReleaseAsync(int partition, long before, CancellationToken cancellationToken) => ValueTask.CompletedTask;
}

/// <summary>How a partition is.</summary>
/// <param name="Partition">Its number.</param>
/// <param name="Start">The first offset that is kept.</param>
/// <param name="End">The offset that the next message gets.</param>
/// <param name="Timestamp">When it was last appended to; <see cref="HybridTimestamp.MinValue"/> for never.</param>
public readonly record struct PartitionInfo(int Partition, long Start, long End, HybridTimestamp Timestamp);

/// <summary>Appends messages so that each append happens once, however often it is tried.</summary>
/// <remarks>
/// Appends to one partition go one after another, in the order of the calls. One whose outcome is unknown is sent again, with its number, before any other: do not append it anew, and leave its
/// messages' bytes as they are, as those of one whose wait was cancelled. Safe for concurrent calls.
/// A producer that appends nothing for <see cref="TopicOptions.ProducerIdleTimeout"/> is forgotten: what it sends after that is refused.
/// </remarks>
public abstract class TopicProducer : IAsyncDisposable
{
    /// <summary>The producer's id.</summary>
    public abstract Guid Id { get; }

    /// <inheritdoc cref="Topic.AppendAsync(IReadOnlyList{TopicMessage}, AppendOptions?, CancellationToken)"/>
    /// <exception cref="WriteRefusedException">
    /// Nothing was appended. <see cref="StoreStatus.ClientNotFound"/>: the producer is not known any more, take a new one. <see cref="StoreStatus.SequenceGap"/>: what it sent before has no answer yet, try again.
    /// </exception>
    public abstract ValueTask<AppendResult> AppendAsync(IReadOnlyList<TopicMessage> messages, AppendOptions? options = null, CancellationToken cancellationToken = default);

    /// <inheritdoc cref="AppendAsync(IReadOnlyList{TopicMessage}, AppendOptions?, CancellationToken)"/>
    /// <param name="message">The message.</param>
    /// <param name="options">How; null for the defaults.</param>
    /// <param name="cancellationToken">Ends the wait; the message may still be appended.</param>
    public abstract ValueTask<AppendResult> AppendAsync(TopicMessage message, AppendOptions? options = null, CancellationToken cancellationToken = default);

    /// <summary>Has the partitions forget it.</summary>
    public abstract ValueTask DisposeAsync();
}

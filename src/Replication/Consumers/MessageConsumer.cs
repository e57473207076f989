using System.Runtime.CompilerServices;

using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

using Tidemark.Replication.Consumers;

namespace Tidemark;

/// <summary>Reads a topic under a name, under which it is stored how far it has read: alone as a <see cref="TopicConsumer"/>, or with others as a <see cref="GroupMember"/>.</summary>
/// <remarks>Each message is handled at least once. Semantics, guarantees and limits: docs/consumers.md. Safe for concurrent calls, but one consumes at a time.</remarks>
public abstract class MessageConsumer : IAsyncDisposable
{
    private readonly ITimer _checks;
    private int _isConsumed, _isChecked, _isDisposed;

    private protected MessageConsumer(ConsumerRows rows, ConsumerOptions options)
    {
        Rows = rows;
        Settings = options;
        Logger = options.LoggerFactory?.CreateLogger("Tidemark.Consumers") ?? (ILogger)NullLogger.Instance;
        Retry = new StoreRetry(rows, options.TimeProvider, Logger);
        Queue = new ConsumerQueue(rows.Topic, options, Retry);
        _checks = options.TimeProvider.CreateTimer(static consumer => _ = ((MessageConsumer)consumer!).CheckAsync(), this, options.CheckInterval, options.CheckInterval);
        ConsumerMetrics.Add(this);
    }

    /// <summary>The topic.</summary>
    public Topic Topic => Rows.Topic;

    /// <summary>The consumer's, or the group's, name.</summary>
    public string Name => Rows.Consumer;

    /// <summary>The partitions that it reads now, in order.</summary>
    public IReadOnlyList<int> Partitions => [.. Queue.Feeds.Select(feed => feed.Partition).Order()];

    internal ConsumerQueue Queue { get; }

    private protected ConsumerRows Rows { get; }

    private protected ConsumerOptions Settings { get; }

    private protected ILogger Logger { get; }

    private protected StoreRetry Retry { get; }

    private protected bool IsDisposed => Volatile.Read(ref _isDisposed) != 0;

    /// <summary>Gives message after message, of each partition in order, and waits where there is none.</summary>
    /// <param name="cancellationToken">Ends it, with an <see cref="OperationCanceledException"/>.</param>
    /// <exception cref="InvalidOperationException">It is being consumed already.</exception>
    /// <exception cref="OffsetOutOfRangeException">The next message of a partition is kept no more. After a <see cref="SeekAsync"/>, consume again; other partitions are as they were.</exception>
    /// <exception cref="CorruptDataException">A log is damaged there.</exception>
    /// <exception cref="ObjectDisposedException">The consumer, the topic or the store was closed.</exception>
    /// <remarks>
    /// A message is done when the next one is asked for, or when it was stored. One at which the loop is left, by a break or an error, is not: it is given again. What was done is stored as
    /// <see cref="ConsumerOptions.Store"/> says, and when the loop is left.
    /// </remarks>
    public async IAsyncEnumerable<ConsumedMessage> ConsumeAsync([EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        if (Interlocked.Exchange(ref _isConsumed, 1) != 0) throw new InvalidOperationException("The consumer is being consumed already. End that loop first, or have another consumer join the group.");
        PartitionFeed? atHand = null;
        try
        {
            await Retry.RunAsync(PrepareAsync, cancellationToken).ConfigureAwait(false);
            while (true)
            {
                FeedItem item = await Queue.TakeAsync(cancellationToken).ConfigureAwait(false);
                atHand = item.Feed;
                var message = new ConsumedMessage(Topic.Name, item.Feed, item.Message!);
                yield return message;
                if (message.IsHandedBack) item.Feed.HandBack();
                else await Queue.FinishAsync(item.Feed, item.Message!, cancellationToken).ConfigureAwait(false);
                atHand = null;
            }
        }
        finally
        {
            atHand?.HandBack();
            Volatile.Write(ref _isConsumed, 0);
            await StoreAtEndAsync().ConfigureAwait(false);
        }
    }

    /// <summary>Has a handler do message after message, and tries again those at which it fails.</summary>
    /// <param name="handler">Given the message, and a token that is cancelled when the partition is lost or <paramref name="cancellationToken"/> is. Called for one message at a time.</param>
    /// <param name="options">How often it is tried, and what happens then; null for the defaults.</param>
    /// <param name="cancellationToken">Ends it, with an <see cref="OperationCanceledException"/>.</param>
    /// <remarks>What the handler threw last ends it too, where all attempts failed and there is no <see cref="HandlerOptions.DeadLetters"/>. The message is not done then.</remarks>
    /// <inheritdoc cref="ConsumeAsync" path="/exception"/>
    public async Task HandleAsync(Func<ConsumedMessage, CancellationToken, ValueTask> handler, HandlerOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(handler);
        options ??= new HandlerOptions();
        options.Validate();
        var attempts = new MessageAttempts(handler, options, Name, Settings.TimeProvider, Logger);
        await foreach (ConsumedMessage message in ConsumeAsync(cancellationToken).ConfigureAwait(false))
            message.IsHandedBack = !await attempts.TryHandleAsync(message, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>The offset that is stored for a partition: the first message that was not done; null where none is.</summary>
    /// <param name="partition">Any of the topic's.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async ValueTask<long?> GetOffsetAsync(int partition, CancellationToken cancellationToken = default)
    {
        CheckPartition(partition);
        return (await Rows.GetOffsetAsync(partition, cancellationToken).ConfigureAwait(false))?.Next;
    }

    /// <summary>Stores an offset for a partition, also a lower one than is stored. What is read goes on where it is: <see cref="SeekAsync"/> moves that.</summary>
    /// <param name="partition">Of a group's member, one that it reads.</param>
    /// <param name="next">The first message that was not done. 0 or more.</param>
    /// <param name="cancellationToken">Ends the wait; it may still be stored.</param>
    /// <returns>False where the partition is not this consumer's: nothing was stored.</returns>
    public async ValueTask<bool> StoreOffsetAsync(int partition, long next, CancellationToken cancellationToken = default)
    {
        CheckPartition(partition);
        ArgumentOutOfRangeException.ThrowIfNegative(next);
        PartitionFeed? feed = Queue.Find(partition);
        PartitionClaim? claim = feed?.Claim ?? await ClaimAsync(partition, cancellationToken).ConfigureAwait(false);
        if (claim is null || !await claim.TryStoreAsync(next, cancellationToken).ConfigureAwait(false)) return false;
        feed?.AcceptStoredByHand();
        return true;
    }

    /// <summary>Goes on elsewhere in a partition: the next message of it that is given is the one there. Stored is that when it is done.</summary>
    /// <param name="partition">One that this consumer reads.</param>
    /// <param name="position">Where to, for example <see cref="TopicPosition.AtTime(DateTimeOffset)"/>.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The offset that it comes to.</returns>
    /// <exception cref="InvalidOperationException">The partition is not read by this consumer now.</exception>
    /// <exception cref="OffsetOutOfRangeException">The offset is not there, and <see cref="ConsumerOptions.Reading"/> does not say where to go instead.</exception>
    public async ValueTask<long> SeekAsync(int partition, TopicPosition position, CancellationToken cancellationToken = default)
    {
        await PrepareAsync(cancellationToken).ConfigureAwait(false);
        PartitionFeed feed = FeedOf(partition);
        long offset = await ResolveAsync(partition, position, cancellationToken).ConfigureAwait(false);
        feed.Seek(offset);
        return offset;
    }

    /// <summary>Reads no more of a partition until <see cref="Resume"/>. It stays the consumer's.</summary>
    /// <exception cref="InvalidOperationException">The partition is not read by this consumer now.</exception>
    /// <remarks>A <see cref="TopicConsumer"/> can be told before it consumes, and reads nothing of the partition then.</remarks>
    public void Pause(int partition)
    {
        RequireReading(partition);
        Queue.Pause(partition);
    }

    /// <summary>Reads a partition on that was paused.</summary>
    /// <inheritdoc cref="Pause"/>
    public void Resume(int partition)
    {
        RequireReading(partition);
        Queue.Resume(partition);
    }

    /// <summary>How many messages of a partition there are behind the stored offset.</summary>
    /// <param name="partition">Any of the topic's.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async ValueTask<long> GetLagAsync(int partition, CancellationToken cancellationToken = default)
    {
        CheckPartition(partition);
        long? stored = await GetOffsetAsync(partition, cancellationToken).ConfigureAwait(false);
        PartitionInfo info = await Topic.DescribeAsync(partition, default, cancellationToken).ConfigureAwait(false);
        return Math.Max(0, info.End - Math.Max(stored ?? 0, info.Start));
    }

    /// <summary>Stores what was done, and ends. A message that is in hand is not waited for.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _isDisposed, 1) != 0) return;
        ConsumerMetrics.Remove(this);
        await _checks.DisposeAsync().ConfigureAwait(false);
        Queue.Complete(new ObjectDisposedException(GetType().Name));
        try
        {
            await EndAsync().ConfigureAwait(false);
        }
        finally
        {
            foreach (PartitionFeed feed in Queue.Feeds) Queue.Remove(feed);
        }

        GC.SuppressFinalize(this);
    }

    /// <summary>Sees to it that there is something to be read, or will be.</summary>
    private protected abstract ValueTask PrepareAsync(CancellationToken cancellationToken);

    /// <summary>The right to store an offset of a partition that is not read here; null where it is another's.</summary>
    private protected abstract ValueTask<PartitionClaim?> ClaimAsync(int partition, CancellationToken cancellationToken);

    /// <summary>Called now and then: partitions may have been added.</summary>
    private protected abstract ValueTask LookAsync();

    /// <summary>Stores what was done, and ends what else there is.</summary>
    private protected abstract ValueTask EndAsync();

    /// <summary>Where a position is now.</summary>
    private protected async ValueTask<long> ResolveAsync(int partition, TopicPosition position, CancellationToken cancellationToken)
    {
        TopicPage page = await Topic.ReadAsync(partition, position, Settings.Reading with { MaxMessages = 1 }, cancellationToken).ConfigureAwait(false);
        return page.Messages.Count > 0 ? page.Messages[0].Offset : page.Next;
    }

    /// <summary>Makes sure that a partition is read by this consumer, or will be.</summary>
    private protected virtual void RequireReading(int partition) => FeedOf(partition);

    /// <summary>Stores what was done, once: whoever leaves a loop does not wait for a store that cannot be reached.</summary>
    private async ValueTask StoreAtEndAsync()
    {
        if (IsDisposed) return;
        try
        {
            await Queue.StoreAsync(CancellationToken.None).ConfigureAwait(false);
        }
        catch (TidemarkException e) when (StoreRetry.MayPass(e))
        {
            ConsumerMessages.StoreUnreached(Logger, Topic.Name, Name, e);   // The next loop stores it, or the end of the consumer.
        }
    }

    private PartitionFeed FeedOf(int partition) => Queue.Find(partition) ?? throw new InvalidOperationException($"Partition {partition} is not read by this consumer now.");

    private void CheckPartition(int partition)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(partition);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(partition, Topic.Options.Partitions);
    }

    private async Task CheckAsync()
    {
        if (Interlocked.Exchange(ref _isChecked, 1) != 0) return;   // The one before has not ended.
        try
        {
            await LookAsync().ConfigureAwait(false);
            foreach (PartitionFeed feed in Queue.Feeds)
            {
                PartitionInfo info = await Topic.DescribeAsync(feed.Partition, ReadLevel.Local).ConfigureAwait(false);
                feed.Lag = Math.Max(0, info.End - Math.Max(feed.Claim.Stored, info.Start));
            }
        }
        catch (Exception e) when (e is TidemarkException or ObjectDisposedException)
        {
            if (!IsDisposed) ConsumerMessages.NotChecked(Logger, Topic.Name, Name, e);
        }
        finally
        {
            Volatile.Write(ref _isChecked, 0);
        }
    }
}

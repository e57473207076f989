using Tidemark.Replication.Consumers;

namespace Tidemark;

/// <summary>A consumer that is alone: it reads all partitions, and stores under its name how far. <c>await foreach (ConsumedMessage message in consumer.ConsumeAsync())</c></summary>
/// <remarks>Where two of one name read a topic, both get all messages, and the one that stores last is believed. A group's members share the partitions instead: <see cref="ConsumerGroup"/>.</remarks>
public sealed class TopicConsumer : MessageConsumer
{
    private readonly SemaphoreSlim _opening = new(1);   // Nobody waits by its handle: there is nothing to dispose.
    private bool _isReading;

    /// <summary>A consumer of a name. Nothing is read before it is asked for.</summary>
    /// <param name="store">Where offsets are stored.</param>
    /// <param name="topic">What it reads.</param>
    /// <param name="name">1 to 128 bytes of UTF-8, without control characters.</param>
    /// <param name="options">How; null for the defaults.</param>
    /// <exception cref="ArgumentException">It is no name.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A setting is outside its limits.</exception>
    public TopicConsumer(KeyValueStore store, Topic topic, string name, ConsumerOptions? options = null)
        : base(new ConsumerRows(store, topic, name), Validated(options ?? new ConsumerOptions()))
    {
    }

    /// <summary>Reads a page of a partition from the stored offset on. What is stored stays: <see cref="MessageConsumer.StoreOffsetAsync"/> with the page's <see cref="TopicPage.Next"/> moves it.</summary>
    /// <param name="partition">Any of the topic's.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="OffsetOutOfRangeException">The message is kept no more, and <see cref="ConsumerOptions.Reading"/> does not say where to go instead.</exception>
    public async ValueTask<TopicPage> ReadAsync(int partition, CancellationToken cancellationToken = default)
    {
        long? stored = await GetOffsetAsync(partition, cancellationToken).ConfigureAwait(false);
        TopicPosition from = stored is { } next ? TopicPosition.At(next) : Settings.Start;
        return await Topic.ReadAsync(partition, from, Settings.Reading, cancellationToken).ConfigureAwait(false);
    }

    private protected override async ValueTask PrepareAsync(CancellationToken cancellationToken)
    {
        await _opening.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            _isReading = true;
            for (int partition = 0; partition < Topic.Options.Partitions && !IsDisposed; partition++)
            {
                if (Queue.Find(partition) is null && await ClaimAsync(partition, cancellationToken).ConfigureAwait(false) is { } claim) Queue.Add(claim).Start();
            }
        }
        finally
        {
            _opening.Release();
        }
    }

    private protected override ValueTask<PartitionClaim?> ClaimAsync(int partition, CancellationToken cancellationToken) =>
        PartitionClaim.TryTakeAsync(Rows, partition, ownership: null, cancellation => ResolveAsync(partition, Settings.Start, cancellation), cancellationToken);

    private protected override void RequireReading(int partition)
    {
        bool isThere = partition >= 0 && partition < Topic.Options.Partitions;   // It reads all there are, now or once it consumes.
        if (!isThere) base.RequireReading(partition);
    }

    private protected override ValueTask LookAsync() => _isReading ? PrepareAsync(CancellationToken.None) : ValueTask.CompletedTask;

    private protected override ValueTask EndAsync() => Queue.StoreAsync(CancellationToken.None);

    private static ConsumerOptions Validated(ConsumerOptions options)
    {
        options.Validate();
        return options;
    }
}

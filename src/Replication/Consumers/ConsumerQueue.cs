using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;
using System.Threading.Channels;

namespace Tidemark.Replication.Consumers;

/// <summary>The partitions that a consumer reads, the queue that their readings fill, and the rule by which offsets are stored.</summary>
/// <remarks>One takes from it at a time; partitions come and go meanwhile.</remarks>
#pragma warning disable CA1001 // The token source has neither timer nor link, so there is nothing to dispose of.
internal sealed class ConsumerQueue(Topic topic, ConsumerOptions options, StoreRetry retry)
#pragma warning restore CA1001
{
    private readonly Lock _gate = new();
    private readonly HashSet<int> _paused = [];   // Also of partitions that are not read yet.
    private readonly CancellationTokenSource _completed = new();
    private readonly ConcurrentDictionary<int, PartitionFeed> _feeds = [];
    private readonly Channel<FeedItem> _queue = Channel.CreateBounded<FeedItem>(
        new BoundedChannelOptions(options.Prefetch) { AllowSynchronousContinuations = options.ContinuesInline });   // Full, it holds up the readings, each in its turn.
    private Task<bool>? _more;
    private long _stored = options.TimeProvider.GetTimestamp();

    internal IEnumerable<PartitionFeed> Feeds => _feeds.Values;

    internal PartitionFeed? Find(int partition) => _feeds.GetValueOrDefault(partition);

    /// <summary>Adds a partition. It is read once it is started.</summary>
    internal PartitionFeed Add(PartitionClaim claim)
    {
        var feed = new PartitionFeed(topic, claim, options, _queue.Writer);
        lock (_gate)
        {
            if (_paused.Contains(claim.Partition)) feed.Pause();
            return _feeds[claim.Partition] = feed;
        }
    }

    /// <summary>Pauses a partition, from the start where it is not read yet.</summary>
    internal void Pause(int partition)
    {
        lock (_gate)
        {
            _paused.Add(partition);
            Find(partition)?.Pause();
        }
    }

    /// <summary>Ends a pause.</summary>
    internal void Resume(int partition)
    {
        lock (_gate)
        {
            _paused.Remove(partition);
            Find(partition)?.Resume();
        }
    }

    /// <summary>Ends a partition's reading, and forgets it.</summary>
    internal void Remove(PartitionFeed feed)
    {
        lock (_gate)
        {
            if (_feeds.TryRemove(KeyValuePair.Create(feed.Partition, feed))) _paused.Remove(feed.Partition);   // Whoever has it again begins anew.
        }

        feed.End();
    }

    /// <summary>Nothing more comes: who takes is told why.</summary>
    internal void Complete(Exception reason)
    {
        _queue.Writer.TryComplete(reason);
        _completed.Cancel();
    }

    /// <summary>The next message. It is in hand until it is finished or handed back.</summary>
    internal async ValueTask<FeedItem> TakeAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            while (_queue.Reader.TryRead(out FeedItem item))
            {
                if (!item.Feed.TryHand(item)) continue;
                if (item.Error is not null) ExceptionDispatchInfo.Throw(item.Error);
                return item;
            }

            await MoreAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>The message in hand is done.</summary>
    internal async ValueTask FinishAsync(PartitionFeed feed, StoredMessage message, CancellationToken cancellationToken)
    {
        feed.Finish(message.Offset + 1);
        if (options.Store.Count > 0 && feed.Done - feed.Claim.Stored >= options.Store.Count) await InsistAsync(cancellation => StoreAsync(feed, cancellation), cancellationToken).ConfigureAwait(false);
        else if (Due() == TimeSpan.Zero) await InsistAsync(StoreAsync, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Stores what was done of all partitions, unless that is done by hand alone.</summary>
    internal async ValueTask StoreAsync(CancellationToken cancellationToken)
    {
        _stored = options.TimeProvider.GetTimestamp();
        await Task.WhenAll(Feeds.Select(feed => StoreAsync(feed, cancellationToken).AsTask())).ConfigureAwait(false);   // Side by side: they share a flush.
    }

    /// <inheritdoc cref="StoreAsync(CancellationToken)"/>
    internal async ValueTask StoreAsync(PartitionFeed feed, CancellationToken cancellationToken)
    {
        if (options.Store.IsManual || !feed.HasUnstored) return;
        long done = feed.Done;
        if (await feed.Claim.TryStoreAsync(done, cancellationToken).ConfigureAwait(false)) feed.AcceptStored(done);
        else feed.End();   // Whose it is now reads it.
    }

    /// <summary>Waits until there is something in the queue; or until what was done meanwhile is to be stored, and stores it.</summary>
    private async ValueTask MoreAsync(CancellationToken cancellationToken)
    {
        _more ??= _queue.Reader.WaitToReadAsync(CancellationToken.None).AsTask();
        TimeSpan wait = Feeds.Any(feed => feed.HasUnstored) ? Due() : Timeout.InfiniteTimeSpan;
        try
        {
            await _more.WaitAsync(wait, options.TimeProvider, cancellationToken).ConfigureAwait(false);
            _more = null;
        }
        catch (TimeoutException)
        {
            await InsistAsync(StoreAsync, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Stores, and goes on only once that is done: so no more comes again after a crash than the policy says. Ends early where the consumer does.</summary>
    private async ValueTask InsistAsync(Func<CancellationToken, ValueTask> store, CancellationToken cancellationToken)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _completed.Token);
        try
        {
            await retry.RunAsync(store, either.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (_completed.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            // Why it ended the next take says, and what was done is stored by who ended it.
        }
    }

    /// <summary>In how much time is to be stored; infinite where time does not matter.</summary>
    private TimeSpan Due()
    {
        if (options.Store.Period == TimeSpan.Zero) return Timeout.InfiniteTimeSpan;
        TimeSpan left = options.Store.Period - options.TimeProvider.GetElapsedTime(_stored);
        return left > TimeSpan.Zero ? left : TimeSpan.Zero;
    }
}

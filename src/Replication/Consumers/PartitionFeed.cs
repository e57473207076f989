using System.Threading.Channels;

namespace Tidemark.Replication.Consumers;

/// <summary>What a partition's reading brings: a message, or the error it ended with.</summary>
/// <param name="Feed">Whose it is.</param>
/// <param name="Run">Which reading of the feed's brought it.</param>
/// <param name="Message">The message; null for an error.</param>
/// <param name="Error">The error.</param>
internal readonly record struct FeedItem(PartitionFeed Feed, int Run, StoredMessage? Message, Exception? Error);

/// <summary>One partition as a consumer reads it: a reading ahead that fills the consumer's queue, and how far its messages were handed out and done.</summary>
/// <remarks>A pause or a seek ends the reading and begins another; what the one before brought, and is still in the queue, is handed out no more. Safe for concurrent calls.</remarks>
#pragma warning disable CA1001 // The token sources have neither timers nor links, so there is nothing to dispose of.
internal sealed class PartitionFeed(Topic topic, PartitionClaim claim, ConsumerOptions options, ChannelWriter<FeedItem> queue)
#pragma warning restore CA1001
{
    private static readonly TimeSpan _pause = TimeSpan.FromMilliseconds(200);   // Between attempts to read where nobody answers.

    private readonly Lock _gate = new();
    private readonly CancellationTokenSource _leaving = new(), _left = new();
    private CancellationTokenSource? _reading;
    private TaskCompletionSource? _idle;   // Set while a message is in hand.
    private long _next = claim.Stored;
    private long _done = claim.Stored;
    private int _run, _seeks, _seeksAtHand;
    private volatile bool _isUnstored;
    private bool _isPaused, _isLeaving;

    internal int Partition => claim.Partition;

    internal PartitionClaim Claim => claim;

    /// <summary>Everything before it was done, or was passed by a seek.</summary>
    internal long Done => Volatile.Read(ref _done);

    /// <summary>Whether something was done that is not stored, and still can be.</summary>
    internal bool HasUnstored => _isUnstored && !_left.IsCancellationRequested;

    /// <summary>How many messages there were behind the stored offset when it was looked last; null before.</summary>
    internal long? Lag { get; set; }

    /// <summary>Which reading goes on. It changes with pauses, seeks and what is handed back, and with nothing else.</summary>
    internal int Run => Volatile.Read(ref _run);

    /// <summary>Cancelled when the partition is to be given up: what takes long had better end.</summary>
    internal CancellationToken Leaving => _leaving.Token;

    /// <summary>Cancelled when the partition is given up or lost.</summary>
    internal CancellationToken Left => _left.Token;

    internal void Start()
    {
        lock (_gate) ReadOn();
    }

    internal void Pause()
    {
        lock (_gate)
        {
            _isPaused = true;
            StopReading();
        }
    }

    internal void Resume()
    {
        lock (_gate)
        {
            if (!_isPaused) return;
            _isPaused = false;
            ReadOn();
        }
    }

    internal void Seek(long offset)
    {
        lock (_gate)
        {
            _seeks++;
            _next = offset;
            Volatile.Write(ref _done, offset);
            _isUnstored = false;   // Nothing is done there yet.
            ReadOn();
        }
    }

    /// <summary>Whether an item may be handed out. A message is in hand then, until it is done or handed back.</summary>
    internal bool TryHand(in FeedItem item)
    {
        lock (_gate)
        {
            if (item.Run != _run) return false;
            if (item.Message is not { } message)
            {
                ReadOn();   // Who goes on without a seek meets the error again.
                return true;
            }

            _next = message.Offset + 1;
            _seeksAtHand = _seeks;
            _idle = new TaskCompletionSource(options.ContinuesInline ? TaskCreationOptions.None : TaskCreationOptions.RunContinuationsAsynchronously);
            return true;
        }
    }

    /// <summary>The message in hand is done: all before an offset is.</summary>
    internal void Finish(long next)
    {
        lock (_gate)
        {
            if (_seeksAtHand == _seeks && next > _done)
            {
                Volatile.Write(ref _done, next);
                _isUnstored = true;
            }

            LetGo();
        }
    }

    /// <summary>Takes the message in hand back. Where it was not done meanwhile, it is the next to be handed out.</summary>
    internal void HandBack()
    {
        lock (_gate)
        {
            if (_idle is null) return;
            LetGo();
            if (_seeksAtHand != _seeks || _next <= _done) return;
            _next = _done;
            ReadOn();
        }
    }

    /// <summary>It is stored that all before an offset is done. Of what was handed out it is so.</summary>
    internal void AcceptStored(long next)
    {
        lock (_gate)
        {
            if (next > _done && next <= _next) Volatile.Write(ref _done, next);
            if (next >= _done) _isUnstored = false;
        }
    }

    /// <summary>Somebody has stored an offset by hand: that holds until another message is done.</summary>
    internal void AcceptStoredByHand() => _isUnstored = false;

    /// <summary>Hands out nothing more, and completes when nothing is in hand.</summary>
    internal Task LeaveAsync()
    {
        Task idle;
        lock (_gate)
        {
            _isLeaving = true;
            StopReading();
            idle = _idle?.Task ?? Task.CompletedTask;
        }

        _leaving.Cancel();   // What waits for it goes on here, and not under the lock.
        return idle;
    }

    /// <summary>It is the consumer's no more.</summary>
    internal void End()
    {
        _ = LeaveAsync();
        _left.Cancel();
    }

    private void LetGo()
    {
        _idle?.TrySetResult();
        _idle = null;
    }

    private void StopReading()
    {
        Volatile.Write(ref _run, _run + 1);
        _reading?.Cancel();
        _reading = null;
    }

    private void ReadOn()
    {
        StopReading();
        if (_isPaused || _isLeaving) return;
        _reading = new CancellationTokenSource();
        _ = ReadAsync(_run, _next, _reading.Token);
    }

    private async Task ReadAsync(int run, long next, CancellationToken stop)
    {
        if (!options.ContinuesInline) await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);   // Not under the lock of who began it.
        try
        {
            await FillAsync(run, next, stop).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // Another reading takes its place, or none.
        }
        catch (ChannelClosedException)
        {
            // The consumer has ended.
        }
    }

    private async ValueTask FillAsync(int run, long next, CancellationToken stop)
    {
        while (true)
        {
            try
            {
                await foreach (StoredMessage message in topic.TailAsync(Partition, TopicPosition.At(next), options.Reading, stop).ConfigureAwait(false))
                {
                    await queue.WriteAsync(new FeedItem(this, run, message, null), stop).ConfigureAwait(false);
                    next = message.Offset + 1;
                }

                return;
            }
            catch (TidemarkException e) when (e.IsTransient)
            {
                await options.TimeProvider.PauseAsync(_pause, stop).ConfigureAwait(false);
            }
            catch (Exception e) when (e is not (OperationCanceledException or ChannelClosedException))
            {
                await queue.WriteAsync(new FeedItem(this, run, null, e), stop).ConfigureAwait(false);
                return;
            }
        }
    }
}

using Microsoft.Extensions.Logging;

namespace Tidemark.Replication.Archive;

/// <summary>When what is new is archived: now and then, and when it is asked for; one run at a time.</summary>
/// <param name="options">How often.</param>
/// <param name="time">Clock and timers.</param>
/// <param name="logger">Where to report what came of runs that nobody asked for.</param>
/// <param name="copy">A run.</param>
/// <param name="isWanted">Whether to run by itself: given whether the interval is over, else whether so much waits that it should be at once. Never beside a run.</param>
internal sealed class ArchiveRuns(ArchiveOptions options, TimeProvider time, ILogger logger, Func<CancellationToken, Task<HybridTimestamp>> copy, Func<bool, CancellationToken, Task<bool>> isWanted) : IAsyncDisposable
{
    private static readonly TimeSpan _glance = TimeSpan.FromSeconds(1);

    private readonly SemaphoreSlim _turn = new(1);
    private readonly CancellationTokenSource _closing = new();
    private volatile string? _failure;
    private Task _loop = Task.CompletedTask;

    /// <summary>Any thread: why it went wrong the last time; null where it did not.</summary>
    internal string? Failure => _failure;

    /// <summary>Runs by itself from now on, as often as is wanted.</summary>
    internal void Start()
    {
        if (options.Interval != Timeout.InfiniteTimeSpan) _loop = Task.Run(LoopAsync);
    }

    /// <summary>Any thread: copies what is new.</summary>
    internal async Task<HybridTimestamp> RunAsync(CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            HybridTimestamp reached = await copy(cancellationToken).ConfigureAwait(false);
            _failure = null;
            return reached;
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            _failure = e.Message;
            throw;
        }
        finally
        {
            _turn.Release();
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync().ConfigureAwait(false);
        await _loop.ConfigureAwait(false);
        _closing.Dispose();
    }

    private async Task LoopAsync()
    {
        using var timer = new PeriodicTimer(options.Interval < _glance ? options.Interval : _glance, time);
        long began = time.GetTimestamp();
        try
        {
            while (await timer.WaitForNextTickAsync(_closing.Token).ConfigureAwait(false))
            {
                try
                {
                    bool isTime = time.GetElapsedTime(began) >= options.Interval;
                    if (!isTime && _failure is not null) continue;   // What failed is left alone until then.
                    if (isTime) began = time.GetTimestamp();
                    if (!await IsWantedAsync(isTime).ConfigureAwait(false)) continue;
                    began = time.GetTimestamp();
                    await RunAsync(_closing.Token).ConfigureAwait(false);
                }
                catch (Exception e) when (!_closing.IsCancellationRequested)
                {
                    _failure = e.Message;
                    ArchiveMessages.NotArchived(logger, e);
                }
            }
        }
        catch (Exception) when (_closing.IsCancellationRequested)
        {
            // It ends.
        }
    }

    private async Task<bool> IsWantedAsync(bool isTime)
    {
        if (!await _turn.WaitAsync(0).ConfigureAwait(false)) return isTime;   // Somebody copies just now.
        try
        {
            bool wanted = await isWanted(isTime, _closing.Token).ConfigureAwait(false);
            if (!wanted && isTime) _failure = null;   // It could look, and others do the rest.
            return wanted;
        }
        finally
        {
            _turn.Release();
        }
    }
}

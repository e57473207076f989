using Microsoft.Extensions.Logging;

namespace Tidemark.Replication.Transport.Tcp;

/// <summary>What runs on behalf of a transport, so that its end can be waited for.</summary>
internal sealed class Loops(ILogger logger)
{
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _running = 1;   // The owner itself, until it waits.

    /// <summary>Starts one on a thread of the pool. It handles its own errors: one that gets out is a mistake, and is reported.</summary>
    internal void Run(Func<Task> loop)
    {
        Interlocked.Increment(ref _running);
        _ = Task.Run(async () =>
        {
            try
            {
                await loop().ConfigureAwait(false);
            }
            catch (Exception e)
            {
                TransportMessages.LoopFailed(logger, e);
            }
            finally
            {
                End();
            }
        });
    }

    /// <summary>Waits until all have ended, or for that long. Called once.</summary>
    internal async Task EndAsync(TimeSpan patience, TimeProvider time)
    {
        End();
        try
        {
            await _ended.Task.WaitAsync(patience, time).ConfigureAwait(false);
        }
        catch (TimeoutException e)
        {
            TransportMessages.LoopFailed(logger, e);
        }
    }

    private void End()
    {
        if (Interlocked.Decrement(ref _running) == 0) _ended.TrySetResult();
    }
}

/// <summary>Which failures have been told, so that what happens again and again is told once.</summary>
/// <remarks>Bounded in what it keeps and in what it lets through, since whoever can connect can fail in many ways. Safe for concurrent calls.</remarks>
internal sealed class FailureLog(TimeProvider time)
{
    internal const int MaxFailures = 256;

    internal static readonly TimeSpan Memory = TimeSpan.FromMinutes(10);

    private readonly Lock _gate = new();
    private readonly HashSet<string> _told = [];
    private long _since = time.GetTimestamp();

    /// <summary>Whether this failure is to be told.</summary>
    internal bool IsNew(string failure)
    {
        lock (_gate)
        {
            if (time.GetElapsedTime(_since) >= Memory)
            {
                _told.Clear();
                _since = time.GetTimestamp();
            }

            return _told.Count < MaxFailures && _told.Add(failure);
        }
    }
}

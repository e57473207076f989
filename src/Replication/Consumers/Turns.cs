namespace Tidemark.Replication.Consumers;

/// <summary>One at a time, in the order they came. Whoever is next goes on at once, on the thread of who was before: a semaphore would ask another.</summary>
internal sealed class Turns
{
    private Task _last = Task.CompletedTask;

    /// <summary>Completes when it is the caller's turn, which ends when what is returned is disposed.</summary>
    internal async ValueTask<Turn> TakeAsync(CancellationToken cancellationToken)
    {
        var own = new TaskCompletionSource();
        Task before = Interlocked.Exchange(ref _last, own.Task);
        try
        {
            await before.WaitAsync(cancellationToken).ConfigureAwait(false);
            return new Turn(own);
        }
        catch (OperationCanceledException)
        {
            _ = before.ContinueWith(static (_, turn) => ((TaskCompletionSource)turn!).SetResult(), own, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
            throw;
        }
    }

    internal readonly struct Turn(TaskCompletionSource over) : IDisposable
    {
        public void Dispose() => over.SetResult();
    }
}

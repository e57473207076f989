namespace Tidemark.Replication.Consumers;

/// <summary>Pauses of what is tried again.</summary>
internal static class Pauses
{
    /// <summary>Completes after a while. Where it is cancelled, who waits goes on at once, on the thread of who cancels: a delay of the framework would ask another.</summary>
    internal static async Task PauseAsync(this TimeProvider time, TimeSpan pause, CancellationToken cancellationToken)
    {
        try
        {
            await new TaskCompletionSource().Task.WaitAsync(pause, time, cancellationToken).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            // It is over.
        }
    }
}

namespace Tidemark.Replication;

/// <summary>Tells whoever waits that something has changed. Costs next to nothing while nobody does.</summary>
/// <remarks>Safe for concurrent calls.</remarks>
internal sealed class ChangeSignal
{
    private TaskCompletionSource? _waited;

    /// <summary>Completes at the next change. Take it before looking, so that no change falls between the two.</summary>
    internal Task Next
    {
        get
        {
            if (Volatile.Read(ref _waited) is { } waited) return waited.Task;
            var begun = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return (Interlocked.CompareExchange(ref _waited, begun, null) ?? begun).Task;
        }
    }

    /// <summary>Something has changed, and shows.</summary>
    internal void Raise() => Interlocked.Exchange(ref _waited, null)?.TrySetResult();
}

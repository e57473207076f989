using System.Runtime.CompilerServices;

namespace Tidemark.Replication.Cluster;

/// <summary>Watches a store that cannot tell of changes: it looks again and again, and at once after a write made here.</summary>
internal sealed class StatusPolling(TimeProvider time, TimeSpan interval)
{
    private readonly ChangeSignal _changed = new();

    /// <summary>Something was written here, or may have been.</summary>
    internal void Wake() => _changed.Raise();

    /// <summary>Gives each newer document that a look finds.</summary>
    /// <param name="look">Reads the document; null where it has the version that is given, and nothing changed.</param>
    /// <param name="afterVersion">What is known already.</param>
    /// <param name="cancellationToken">Ends it.</param>
    internal async IAsyncEnumerable<ClusterStatusEntry> WatchAsync(Func<long, CancellationToken, ValueTask<ClusterStatusEntry?>> look, long afterVersion,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            Task changed = _changed.Next;   // Taken before the look, so that no change falls between the two.
            if (await look(afterVersion, cancellationToken).ConfigureAwait(false) is { } entry && entry.Version > afterVersion)
            {
                afterVersion = entry.Version;
                yield return entry;
                continue;
            }

            await changed.WaitAsync(interval, time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);   // Whichever comes first.
        }
    }
}

using System.Runtime.CompilerServices;

namespace Tidemark;

/// <summary>Keeps a cluster's status in this process, for tests and for nodes that live and die together.</summary>
public sealed class MemoryClusterStatusStore : IClusterStatusStore
{
    private readonly Lock _gate = new();
    private ClusterStatusEntry? _entry;
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <inheritdoc/>
    public ValueTask<ClusterStatusEntry?> ReadAsync(CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        lock (_gate) return new ValueTask<ClusterStatusEntry?>(_entry);
    }

    /// <inheritdoc/>
    public ValueTask<long?> TryWriteAsync(ReadOnlyMemory<byte> content, long expectedVersion, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        ArgumentOutOfRangeException.ThrowIfNegative(expectedVersion);
        TaskCompletionSource changed;
        lock (_gate)
        {
            if ((_entry?.Version ?? 0) != expectedVersion) return new ValueTask<long?>((long?)null);
            _entry = new ClusterStatusEntry(content.ToArray(), expectedVersion + 1);
            (changed, _changed) = (_changed, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        }

        changed.SetResult();
        return new ValueTask<long?>(expectedVersion + 1);
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<ClusterStatusEntry> WatchAsync(long afterVersion, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        while (true)
        {
            ClusterStatusEntry? entry;
            Task changed;
            lock (_gate) (entry, changed) = (_entry, _changed.Task);
            if (entry is not null && entry.Version > afterVersion)
            {
                afterVersion = entry.Version;
                yield return entry;
                continue;
            }

            await changed.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
    }
}

using Tidemark.Replication.Cluster;

namespace Tidemark.Replication.Nodes;

/// <summary>Carries a coordinator's calls to the status store, and the answers back to its thread. A call that takes too long is answered as not done, or unknown. What others write there it is told of.</summary>
internal sealed class StatusCalls(NodeHost node, IClusterStatusStore store, TimeProvider time, TimeSpan patience, CancellationToken stopping) : IStatusCalls
{
    public void Read() => _ = ReadAsync();

    public void Write(byte[] content, long over) => _ = WriteAsync(content, over);

    /// <summary>Tells the coordinator of each new document, until the run ends. Where the store can't be watched, it is tried again; meanwhile the coordinator looks now and then.</summary>
    internal async Task WatchAsync()
    {
        while (!stopping.IsCancellationRequested)
        {
            try
            {
                await foreach (ClusterStatusEntry entry in store.WatchAsync(afterVersion: 0, stopping).ConfigureAwait(false)) node.Post(() => node.Coordinator.Heard(entry.Version));
            }
            catch (Exception)
            {
                // Whatever it is: the store reports its own troubles.
            }

            await Task.Delay(patience, time, stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task ReadAsync()
    {
        Action answer;
        try
        {
            using CancellationTokenSource deadline = Deadline();
            ClusterStatusEntry? entry = await Task.Run(() => store.ReadAsync(deadline.Token).AsTask(), deadline.Token).ConfigureAwait(false);
            answer = () => node.Coordinator.Read(entry);
        }
        catch (Exception)
        {
            // Whatever it is, it is tried again at the next beat; the store reports its own troubles.
            answer = node.Coordinator.NotRead;
        }

        node.Post(answer);
    }

    private async Task WriteAsync(byte[] content, long over)
    {
        long? version = null;
        try
        {
            using CancellationTokenSource deadline = Deadline();
            version = await Task.Run(() => store.TryWriteAsync(content, over, deadline.Token).AsTask(), deadline.Token).ConfigureAwait(false);
        }
        catch (Exception)
        {
            // Refused, unreachable or unknown: what is there when it is read next tells.
        }

        node.Post(version is { } written ? () => node.Coordinator.Written(written) : node.Coordinator.NotWritten);
    }

    private CancellationTokenSource Deadline()
    {
        var deadline = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        deadline.CancelAfter(patience);
        return deadline;
    }
}

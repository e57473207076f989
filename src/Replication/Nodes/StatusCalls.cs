using Tidemark.Replication.Cluster;

namespace Tidemark.Replication.Nodes;

/// <summary>Carries a coordinator's calls to the status store, and the answers back to its thread. A call that takes too long is answered as not done, or unknown.</summary>
internal sealed class StatusCalls(NodeHost node, IClusterStatusStore store, TimeSpan patience, CancellationToken stopping) : IStatusCalls
{
    public void Read() => _ = ReadAsync();

    public void Write(byte[] content, long over) => _ = WriteAsync(content, over);

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

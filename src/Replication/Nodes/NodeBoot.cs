using Tidemark.Replication.Cluster;
using Tidemark.Storage.Replica;

namespace Tidemark.Replication.Nodes;

/// <summary>What a node knows once it may start its replicas.</summary>
/// <param name="Status">The status, with this start in it.</param>
/// <param name="Run">Which start this is.</param>
/// <param name="IsLost">Whether its disk is older than what the node has said: wiped, or set back to an earlier copy.</param>
internal sealed record BootedNode(ClusterStatus Status, long Run, bool IsLost);

/// <summary>Counts a node's start in its directory and in the status, and finds out whether the disk is the one it left.</summary>
/// <remarks>The directory comes first: a crash between the two leaves a directory that is ahead, which is no harm; the other way round it would look old.</remarks>
internal static class NodeBoot
{
    /// <summary>Starts a node. Where there is no status, this is the first start of a new cluster, and the status is written before anything else.</summary>
    /// <param name="files">The disk.</param>
    /// <param name="directory">The node's directory.</param>
    /// <param name="start">What it says of itself.</param>
    /// <param name="store">The status store.</param>
    /// <param name="first">Makes the status of a new cluster.</param>
    /// <param name="cancellation">Ends the attempt.</param>
    /// <exception cref="FormatMismatchException">The directory is another node's or cluster's, or there is no status for a directory that has been used; or the cluster speaks another version.</exception>
    /// <exception cref="IOException">Disk or status store could not be reached.</exception>
    internal static async Task<BootedNode> RunAsync(IFileSystem files, string directory, NodeStart start, IClusterStatusStore store, Func<ClusterStatus> first, CancellationToken cancellation = default)
    {
        files.CreateDirectory(directory);
        int node = start.Node;
        NodeRecord? record = null;
        bool isDamaged = false;
        try
        {
            record = NodeFile.TryRead(files, directory);
        }
        catch (CorruptDataException)
        {
            isDamaged = true;
        }

        long run = 0;
        bool? isOld = null;   // Found out once: later the status may hold this very start.
        while (true)
        {
            ClusterStatusEntry? entry = await store.ReadAsync(cancellation).ConfigureAwait(false);
            if (entry is null)
            {
                if (record is not null || isDamaged || run > 0) throw new FormatMismatchException(directory, "a status document for a node that has been started before", "none");
                await CreateAsync(store, first(), cancellation).ConfigureAwait(false);
                continue;
            }

            var status = ClusterStatus.Read(entry.Content);
            if (record is { } own && (own.Cluster != status.Cluster || own.Node != node))
                throw new FormatMismatchException(directory, $"node {node} of cluster {status.Cluster}", $"node {own.Node} of cluster {own.Cluster}");

            long told = status.NodeOf(node).Run;
            bool isLost = isOld ??= isDamaged || (record?.Run ?? 0) < told;
            bool isCounted = run > told;
            if (!isCounted) run = Math.Max(record?.Run ?? 0, told) + 1;
            status = status.WithStart(start, run);   // Where it is refused, nothing was written.
            if (!isCounted) NodeFile.Write(files, directory, new NodeRecord(status.Cluster, node, isLost ? 0 : run));
            long? version;
            try
            {
                version = await store.TryWriteAsync(status.ToBytes(), entry.Version, cancellation).ConfigureAwait(false);
            }
            catch (OutcomeUnknownException)
            {
                continue;   // Once more: a start may be counted twice.
            }

            if (version is not null) return new BootedNode(status, run, isLost);
        }
    }

    /// <summary>A new cluster. Nothing of it is on this disk before it is there: another node may come first, with another id.</summary>
    private static async Task CreateAsync(IClusterStatusStore store, ClusterStatus first, CancellationToken cancellation)
    {
        try
        {
            await store.TryWriteAsync(first.ToBytes(), 0, cancellation).ConfigureAwait(false);
        }
        catch (OutcomeUnknownException)
        {
            // What is there when it is read next tells.
        }
    }

    /// <summary>The replicas know by now that they are lost: the directory may say which start this is.</summary>
    internal static void Confirm(IFileSystem files, string directory, Guid cluster, int node, long run) => NodeFile.Write(files, directory, new NodeRecord(cluster, node, run));
}

namespace Tidemark;

/// <summary>The cluster's status as a store holds it.</summary>
/// <param name="Content">The document. Its bytes are Tidemark's own.</param>
/// <param name="Version">Rises with every write. 1 or more.</param>
public sealed record ClusterStatusEntry(ReadOnlyMemory<byte> Content, long Version);

/// <summary>Keeps the one document from which a cluster's terms come, outside the cluster: etcd, a database, a file.</summary>
/// <remarks>
/// All safety of elections rests on <see cref="TryWriteAsync"/>: of all that expect one version, one at most succeeds. Safe for concurrent calls. Your own can be checked with
/// <c>ClusterStatusStoreContract</c> of the package Tidemark.Testing.
/// </remarks>
public interface IClusterStatusStore
{
    /// <summary>Reads the document: no older than the newest write that was answered before the call.</summary>
    /// <returns>Null where there is none yet.</returns>
    /// <exception cref="IOException">The store could not be reached.</exception>
    ValueTask<ClusterStatusEntry?> ReadAsync(CancellationToken cancellationToken = default);

    /// <summary>Replaces the document, durably, if it has a version.</summary>
    /// <param name="content">The new document.</param>
    /// <param name="expectedVersion">The version that must be there; 0 for none.</param>
    /// <param name="cancellationToken">Ends the wait; then nobody knows whether it was written.</param>
    /// <returns>The new version; null where another version is there, and then nothing was changed.</returns>
    /// <exception cref="OutcomeUnknownException">Whether it was written is not known.</exception>
    /// <exception cref="IOException">The store could not be reached. It surely was not written.</exception>
    ValueTask<long?> TryWriteAsync(ReadOnlyMemory<byte> content, long expectedVersion, CancellationToken cancellationToken = default);

    /// <summary>Gives the document each time it has changed; several changes at once may come as the last of them.</summary>
    /// <param name="afterVersion">The version that is known already; 0 for none.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="IOException">The store could not be reached. Watch again.</exception>
    IAsyncEnumerable<ClusterStatusEntry> WatchAsync(long afterVersion, CancellationToken cancellationToken = default);
}

using System.Runtime.CompilerServices;
using System.Text;

using Tidemark.Replication.Cluster;

namespace Tidemark;

/// <summary>Keeps a cluster's status in etcd, version 3.4 or later, over its HTTP gateway.</summary>
/// <remarks>
/// A document is one key, its version the revision that put it. Reads are linearizable, a write is one transaction that compares the revision. A write goes out once: where it may have
/// arrived and no answer came, its outcome is unknown. When to use it: docs/status-stores.md.
/// </remarks>
public sealed class EtcdClusterStatusStore : IClusterStatusStore, IDisposable
{
    private readonly EtcdStatusOptions _options;
    private readonly EtcdGateway _gateway;
    private readonly byte[] _key;

    /// <summary>Makes ready to use etcd. Nothing is sent yet.</summary>
    public EtcdClusterStatusStore(EtcdStatusOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        _options = options;
        _gateway = new EtcdGateway(options);
        _key = Encoding.UTF8.GetBytes(options.DocumentKey);
    }

    /// <inheritdoc/>
    public async ValueTask<ClusterStatusEntry?> ReadAsync(CancellationToken cancellationToken = default) => (await RangeAsync(cancellationToken).ConfigureAwait(false)).Entry;

    /// <inheritdoc/>
    /// <exception cref="LimitExceededException">The document is longer than <see cref="EtcdStatusOptions.MaxDocumentBytes"/>.</exception>
    public async ValueTask<long?> TryWriteAsync(ReadOnlyMemory<byte> content, long expectedVersion, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        ArgumentOutOfRangeException.ThrowIfNegative(expectedVersion);
        if (content.Length > _options.MaxDocumentBytes)
            throw new LimitExceededException("cluster status", content.Length, _options.MaxDocumentBytes, $"{nameof(EtcdStatusOptions)}.{nameof(EtcdStatusOptions.MaxDocumentBytes)}");
        return await _gateway.ChangeAsync("/v3/kv/txn", EtcdMessages.PutIfModifiedBy(_key, content, expectedVersion), EtcdMessages.ReadPut, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<ClusterStatusEntry> WatchAsync(long afterVersion, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        while (true)
        {
            (ClusterStatusEntry? entry, long revision) = await RangeAsync(cancellationToken).ConfigureAwait(false);
            if (IsNewer(entry)) yield return entry!;

            // Whatever happens after the revision of the read is told, so nothing falls between the two.
            using EtcdWatch watch = await _gateway.WatchAsync(EtcdMessages.Watch(_key, revision + 1), cancellationToken).ConfigureAwait(false);
            while (true)
            {
                EtcdNews news = await watch.NextAsync(cancellationToken).ConfigureAwait(false);
                if (news == EtcdNews.Ended) break;
                (entry, _) = await RangeAsync(cancellationToken).ConfigureAwait(false);
                if (!IsNewer(entry)) continue;
                yield return entry!;
                if (news == EtcdNews.Quiet) break;   // It should have told of this one.
            }
        }

        bool IsNewer(ClusterStatusEntry? entry)
        {
            if (entry is null || entry.Version <= afterVersion) return false;
            afterVersion = entry.Version;
            return true;
        }
    }

    /// <summary>Closes its connections. Watches and calls under way fail.</summary>
    public void Dispose() => _gateway.Dispose();

    private Task<(ClusterStatusEntry? Entry, long Revision)> RangeAsync(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return _gateway.AskAsync("/v3/kv/range", EtcdMessages.Range(_key), EtcdMessages.ReadRange, cancellationToken);
    }
}

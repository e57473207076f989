using System.Data.Common;

using Tidemark.Replication.Cluster;

namespace Tidemark;

/// <summary>Keeps a cluster's status in a row of a database, through any ADO.NET provider. Tried with PostgreSQL and SQLite.</summary>
/// <remarks>
/// A write is one statement that commits by itself; how durable that is, and whether a read sees it, is the database's promise: one primary, or synchronous replicas, and no setting that
/// commits before the disk has it. When to use it: docs/status-stores.md.
/// </remarks>
public sealed class DbClusterStatusStore : IClusterStatusStore
{
    private readonly DbStatusTable _table;
    private readonly DbStatusOptions _options;
    private readonly StatusPolling _polling;

    /// <summary>Makes ready to use the database. Nothing is sent yet.</summary>
    /// <param name="source">Opens connections. It stays the caller's, and is disposed after the store was last used.</param>
    /// <param name="options">Settings; null for the defaults.</param>
    public DbClusterStatusStore(DbDataSource source, DbStatusOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(source);
        _options = options ?? new DbStatusOptions();
        _options.Validate();
        _table = new DbStatusTable(source, _options);
        _polling = new StatusPolling(_options.TimeProvider, _options.PollInterval);
    }

    /// <inheritdoc/>
    public async ValueTask<ClusterStatusEntry?> ReadAsync(CancellationToken cancellationToken = default) =>
        await _table.ReadAsync($"select version, content from {_options.Table} where name = @name", ReadEntryAsync, cancellationToken).ConfigureAwait(false);

    /// <inheritdoc/>
    /// <exception cref="LimitExceededException">The document is longer than <see cref="DbStatusOptions.MaxDocumentBytes"/>.</exception>
    public async ValueTask<long?> TryWriteAsync(ReadOnlyMemory<byte> content, long expectedVersion, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        ArgumentOutOfRangeException.ThrowIfNegative(expectedVersion);
        if (content.Length > _options.MaxDocumentBytes)
            throw new LimitExceededException("cluster status", content.Length, _options.MaxDocumentBytes, $"{nameof(DbStatusOptions)}.{nameof(DbStatusOptions.MaxDocumentBytes)}");
        string statement = expectedVersion == 0
            ? $"insert into {_options.Table} (name, version, content) select @name, 1, @content where not exists (select 1 from {_options.Table} where name = @name)"
            : $"update {_options.Table} set version = version + 1, content = @content where name = @name and version = @version";
        try
        {
            bool isWritten = await _table.WriteAsync(statement, content.ToArray(), expectedVersion, cancellationToken).ConfigureAwait(false);
            return isWritten ? expectedVersion + 1 : null;
        }
        catch (DbRefusedException e)
        {
            // Of two that insert at once, the loser may be refused for the key instead of finding the row.
            if (expectedVersion == 0 && e.IsAboutKey && await ReadAsync(cancellationToken).ConfigureAwait(false) is not null) return null;
            throw new IOException($"The database refused to write the status: {e.Message} Nothing was changed.", e.InnerException);
        }
        finally
        {
            _polling.Wake();
        }
    }

    /// <inheritdoc/>
    public IAsyncEnumerable<ClusterStatusEntry> WatchAsync(long afterVersion, CancellationToken cancellationToken = default) => _polling.WatchAsync(LookAsync, afterVersion, cancellationToken);

    private async ValueTask<ClusterStatusEntry?> LookAsync(long known, CancellationToken cancellationToken)
    {
        long version = await _table.ReadAsync($"select version from {_options.Table} where name = @name", ReadVersionAsync, cancellationToken).ConfigureAwait(false);
        return version <= known ? null : await ReadAsync(cancellationToken).ConfigureAwait(false);
    }

    private static async Task<long> ReadVersionAsync(DbDataReader row, CancellationToken cancellationToken) =>
        await row.ReadAsync(cancellationToken).ConfigureAwait(false) ? row.GetInt64(0) : 0;

    private static async Task<ClusterStatusEntry?> ReadEntryAsync(DbDataReader row, CancellationToken cancellationToken) =>
        await row.ReadAsync(cancellationToken).ConfigureAwait(false) ? new ClusterStatusEntry(row.GetFieldValue<byte[]>(1), row.GetInt64(0)) : null;
}

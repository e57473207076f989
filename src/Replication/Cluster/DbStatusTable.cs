using System.Data;
using System.Data.Common;
using System.Net.Sockets;
using System.Runtime.CompilerServices;

namespace Tidemark.Replication.Cluster;

/// <summary>Statements on the table of statuses: each on a connection of its own, each a transaction by itself, and what their errors mean.</summary>
internal sealed class DbStatusTable(DbDataSource source, DbStatusOptions options)
{
    private volatile bool _isThere;

    /// <exception cref="IOException">The database could not be reached, or refused.</exception>
    internal async Task<T> ReadAsync<T>(string query, Func<DbDataReader, CancellationToken, Task<T>> read, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        using var deadline = new Deadline(options.CommandTimeout, options.TimeProvider, cancellationToken);
        DbConnection connection = await OpenAsync(deadline, cancellationToken).ConfigureAwait(false);
        await using ConfiguredAsyncDisposable closing = connection.ConfigureAwait(false);
        try
        {
            using DbCommand command = Command(connection, query);
            DbDataReader row = await command.ExecuteReaderAsync(deadline.Token).ConfigureAwait(false);
            await using (row.ConfigureAwait(false)) return await read(row, deadline.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (IsFailure(e))
        {
            throw Failed(e, "The status could not be read", cancellationToken);
        }
    }

    /// <returns>Whether a row was changed.</returns>
    /// <exception cref="DbRefusedException">The database refused the statement, and changed nothing.</exception>
    /// <exception cref="OutcomeUnknownException">The statement was sent, and whether it was done is not known.</exception>
    /// <exception cref="IOException">The statement was not sent.</exception>
    internal async Task<bool> WriteAsync(string statement, byte[] content, long version, CancellationToken cancellationToken)
    {
        using var deadline = new Deadline(options.CommandTimeout, options.TimeProvider, cancellationToken);
        DbConnection connection = await OpenAsync(deadline, cancellationToken).ConfigureAwait(false);
        await using ConfiguredAsyncDisposable closing = connection.ConfigureAwait(false);
        using DbCommand command = Command(connection, statement);
        Add(command, "@content", DbType.Binary, content);
        if (version > 0) Add(command, "@version", DbType.Int64, version);
        try
        {
            return await command.ExecuteNonQueryAsync(deadline.Token).ConfigureAwait(false) == 1;
        }
        catch (DbException e) when (DbRefusedException.Is(e.SqlState))
        {
            throw new DbRefusedException(e);
        }
        catch (Exception e) when (IsFailure(e))
        {
            if (cancellationToken.IsCancellationRequested) throw Cancelled(e, cancellationToken);
            throw new OutcomeUnknownException($"The database may have written the status and did not say so: {e.Message} Read it to see.", e);
        }
    }

    private async Task<DbConnection> OpenAsync(Deadline deadline, CancellationToken cancellationToken)
    {
        try
        {
            DbConnection connection = await source.OpenConnectionAsync(deadline.Token).ConfigureAwait(false);
            try
            {
                if (!_isThere) await MakeAsync(connection, deadline.Token).ConfigureAwait(false);
                return connection;
            }
            catch
            {
                await connection.DisposeAsync().ConfigureAwait(false);
                throw;
            }
        }
        catch (Exception e) when (IsFailure(e))
        {
            throw Failed(e, "The database could not be reached", cancellationToken);
        }
    }

    private async Task MakeAsync(DbConnection connection, CancellationToken cancellationToken)
    {
        string? bytes = options.Dialect switch
        {
            DbStatusDialect.PostgreSql => "bytea",
            DbStatusDialect.Sqlite => "blob",
            _ => null,
        };
        if (bytes is not null)
        {
            try
            {
                using DbCommand make = Command(connection,
                    $"create table if not exists {options.Table} (name varchar(200) not null primary key, version bigint not null, content {bytes} not null)");
                make.Parameters.Clear();
                await make.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false);
            }
            catch (DbException)
            {
                // Not allowed, or another was just making it: what counts is whether it is there.
                using DbCommand look = Command(connection, $"select version from {options.Table} where name = @name");
                await look.ExecuteScalarAsync(cancellationToken).ConfigureAwait(false);
            }
        }

        _isThere = true;
    }

#pragma warning disable CA2100 // The only part that is not fixed is the table's name, and that was checked to be one.
    private DbCommand Command(DbConnection connection, string text)
    {
        DbCommand command = connection.CreateCommand();
        command.CommandText = text;
        command.CommandTimeout = Math.Max(1, (int)Math.Ceiling(options.CommandTimeout.TotalSeconds));
        Add(command, "@name", DbType.String, options.Name);
        return command;
    }
#pragma warning restore CA2100

    private static void Add(DbCommand command, string name, DbType type, object value)
    {
        DbParameter parameter = command.CreateParameter();
        parameter.ParameterName = name;
        parameter.DbType = type;
        parameter.Value = value;
        command.Parameters.Add(parameter);
    }

    private static bool IsFailure(Exception error) => error is DbException or IOException or TimeoutException or OperationCanceledException or SocketException;

    private static Exception Failed(Exception error, string what, CancellationToken cancellationToken) =>
        cancellationToken.IsCancellationRequested ? Cancelled(error, cancellationToken) : error as IOException ?? new IOException($"{what}: {error.Message}", error);

    private static OperationCanceledException Cancelled(Exception error, CancellationToken cancellationToken) => new("The wait for the database was cancelled.", error, cancellationToken);
}

/// <summary>The database has looked at a statement and refused it, so that nothing was changed.</summary>
internal sealed class DbRefusedException(DbException error) : Exception(error.Message, error)
{
    private const string IntegrityViolation = "23";
    private const string CompletionUnknown = "40003";

    // Classes of SQLSTATE: not supported, data, integrity, transaction state, authorization, rolled back, syntax or access, resources, limits, state of an object.
    private static readonly string[] _classes = ["0A", "22", IntegrityViolation, "25", "28", "40", "42", "53", "54", "55"];

    /// <summary>Whether a key was there already.</summary>
    internal bool IsAboutKey => error.SqlState!.StartsWith(IntegrityViolation, StringComparison.Ordinal);

    /// <summary>Whether a state says so. Others, like a lost connection or a shutdown, may come after the deed.</summary>
    internal static bool Is(string? state) => state is { Length: 5 } && state != CompletionUnknown && Array.Exists(_classes, known => state.StartsWith(known, StringComparison.Ordinal));
}

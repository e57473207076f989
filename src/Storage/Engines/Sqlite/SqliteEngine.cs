using System.Data.Common;
using System.Globalization;

using Tidemark.Storage.Engines.Sqlite;

namespace Tidemark;

/// <summary>Rows in a SQLite database, through whichever ADO.NET provider the host brings.</summary>
/// <remarks>
/// A write is one transaction, flushed before it returns (<c>synchronous = full</c>, write-ahead log). Each snapshot has a connection of its own, pooled, with a read
/// transaction. File: docs/format/sqlite.md. When to choose it: docs/engines.md. The package Tidemark.Sqlite opens one in a line.
/// </remarks>
public sealed class SqliteEngine : IOrderedEngine
{
    private const int LongestKey = ushort.MaxValue;
    private const int ApplicationId = 1414350149;   // "TMKE"
    private const int FormatVersion = 1;
    private const int Full = 13, NotADatabase = 26;

    private readonly DbDataSource _source;
    private readonly SqliteOptions _options;
    private readonly SqliteConnection _writer;
    private readonly Lock _gate = new();
    private readonly Stack<SqliteConnection> _resting = new();
    private StoreFailedException? _failure;
    private long _appliedOffset;
    private bool _isDisposed;

    private SqliteEngine(DbDataSource source, SqliteOptions options, SqliteConnection writer)
    {
        _source = source;
        _options = options;
        _writer = writer;
    }

    /// <inheritdoc/>
    public string Name => "sqlite";

    /// <inheritdoc/>
    public int MaxKeyBytes => LongestKey;

    /// <inheritdoc/>
    public long AppliedOffset => Volatile.Read(ref _appliedOffset);

    /// <inheritdoc/>
    public long ApproximateBytes
    {
        get
        {
            lock (_gate)
            {
                ObjectDisposedException.ThrowIf(_isDisposed, this);
                return Convert.ToInt64(_writer.Scalar("pragma page_count"), CultureInfo.InvariantCulture) * Convert.ToInt64(_writer.Scalar("pragma page_size"), CultureInfo.InvariantCulture);
            }
        }
    }

    /// <summary>Opens the engine of a database; creates its tables where the database is new.</summary>
    /// <param name="source">Opens connections to it. Disposed with the engine. Its provider must not keep closed connections open, or the file stays held.</param>
    /// <param name="options">Settings; null for the defaults.</param>
    /// <exception cref="FormatMismatchException">The database is somebody else's, or of another version. It was not changed.</exception>
    public static SqliteEngine Open(DbDataSource source, SqliteOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(source);
        options ??= new SqliteOptions();
        options.Validate();
        SqliteConnection? writer = null;
        try
        {
            writer = new SqliteConnection(source, options.CacheKibibytes);
            var engine = new SqliteEngine(source, options, writer);
            engine.Begin();
            return engine;
        }
        catch (DbException e) when (options.GetResultCode?.Invoke(e) == NotADatabase)
        {
            writer?.Dispose();
            throw new FormatMismatchException(source.ConnectionString, "a SQLite database", "something else");
        }
        catch
        {
            writer?.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Write(IEngineBatch batch, long appliedOffset)
    {
        ArgumentNullException.ThrowIfNull(batch);
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            if (_failure is { } before) throw new StoreFailedException(before.Message, before);
            ArgumentOutOfRangeException.ThrowIfLessThan(appliedOffset, _appliedOffset);
            try
            {
                _writer.Execute("begin immediate");
                PutAll(batch);
                _writer.Execute("update tidemark_meta set applied = @a", appliedOffset);
                _writer.Execute("commit");
            }
            catch (Exception e)
            {
                RollBack();
                if (e is not DbException error) throw;
                if (_options.GetResultCode?.Invoke(error) == Full) throw new StoreFullException($"There is no room for '{_writer.Name}': {error.Message}", error);
                _failure = new StoreFailedException($"SQLite could not write to '{_writer.Name}': {error.Message}", error);
                throw _failure;
            }

            Volatile.Write(ref _appliedOffset, appliedOffset);
        }
    }

    /// <inheritdoc/>
    public IEngineSnapshot TakeSnapshot()
    {
        SqliteConnection? connection;
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            _resting.TryPop(out connection);
        }

        connection ??= new SqliteConnection(_source, _options.CacheKibibytes);
        try
        {
            connection.Execute("begin");
            return new SqliteSnapshot(this, connection, ReadApplied(connection));   // The first read fixes what the transaction sees.
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_gate)
        {
            if (_isDisposed) return;
            _isDisposed = true;
            while (_resting.TryPop(out SqliteConnection? connection)) connection.Dispose();
            _writer.Dispose();
        }
    }

    /// <summary>A snapshot has ended.</summary>
    internal void Return(SqliteConnection connection)
    {
        connection.Execute("rollback");
        lock (_gate)
        {
            if (!_isDisposed)
            {
                _resting.Push(connection);
                return;
            }
        }

        connection.Dispose();
    }

    private void Begin()
    {
        _writer.Execute("pragma journal_mode = wal");
        _writer.Execute("begin immediate");
        try
        {
            long application = Convert.ToInt64(_writer.Scalar("pragma application_id"), CultureInfo.InvariantCulture);
            long version = Convert.ToInt64(_writer.Scalar("pragma user_version"), CultureInfo.InvariantCulture);
            bool isEmpty = Convert.ToInt64(_writer.Scalar("select count(*) from sqlite_master"), CultureInfo.InvariantCulture) == 0;
            if (isEmpty) Create();
            else if (application != ApplicationId) throw new FormatMismatchException(_writer.Name, "the rows of a shard", "the tables of another program");
            else if (version != FormatVersion) throw new FormatMismatchException(_writer.Name, $"format {FormatVersion}", $"format {version}");
            _appliedOffset = ReadApplied(_writer);
            _writer.Execute("commit");
        }
        catch
        {
            RollBack();
            throw;
        }
    }

    private void Create()
    {
        _writer.Execute(FormattableString.Invariant($"pragma application_id = {ApplicationId}"));
        _writer.Execute(FormattableString.Invariant($"pragma user_version = {FormatVersion}"));
        _writer.Execute("create table tidemark_rows (key blob primary key not null, value blob not null) without rowid");
        _writer.Execute("create table tidemark_meta (id integer primary key check (id = 0), applied integer not null)");
        _writer.Execute("insert into tidemark_meta values (0, -1)");
    }

    private void PutAll(IEngineBatch batch)
    {
        while (batch.MoveNext())
        {
            if (batch.Key.Length > LongestKey) throw new LimitExceededException("key", batch.Key.Length, LongestKey, "the SQLite engine");
            if (batch.Key.IsEmpty) throw new ArgumentException("A key has at least one byte.", nameof(batch));
            byte[] key = batch.Key.ToArray();
            if (batch.IsDelete) _writer.Execute("delete from tidemark_rows where key = @a", key);
            else _writer.Execute("insert into tidemark_rows values (@a, @b) on conflict (key) do update set value = excluded.value", key, batch.Value.ToArray());
        }
    }

    private void RollBack()
    {
        try
        {
            _writer.Execute("rollback");
        }
        catch (DbException)
        {
            // SQLite has rolled back by itself, or there was nothing to roll back.
        }
    }

    private static long ReadApplied(SqliteConnection connection) =>
        Convert.ToInt64(connection.Scalar("select applied from tidemark_meta"), CultureInfo.InvariantCulture);
}

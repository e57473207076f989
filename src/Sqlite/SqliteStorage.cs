using System.Data.Common;

using Microsoft.Data.Sqlite;

namespace Tidemark;

/// <summary>SQLite for a store in one line: <c>new TidemarkStoreOptions { Engine = SqliteStorage.Engine() }</c>.</summary>
public static class SqliteStorage
{
    /// <summary>The engine for a store's options: one database, <c>state.db</c>, for each shard.</summary>
    public static StorageEngine Engine(SqliteOptions? options = null) =>
        StorageEngine.Custom("sqlite", directory => Open(Path.Combine(directory, "state.db"), options));

    /// <summary>Opens the engine of a database file; creates it where it is missing.</summary>
    /// <exception cref="NativeLibraryMissingException">The application brings no native SQLite. The message says which package to add.</exception>
    /// <inheritdoc cref="SqliteEngine.Open" path="/exception"/>
    public static SqliteEngine Open(string file, SqliteOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(file);
        var connection = new SqliteConnectionStringBuilder { DataSource = file, Pooling = false };   // A pool would hold the file after the engine has let it go.
        options = (options ?? new SqliteOptions()) with { GetResultCode = static error => (error as SqliteException)?.SqliteErrorCode };
        try
        {
            return SqliteEngine.Open(SqliteFactory.Instance.CreateDataSource(connection.ConnectionString), options);
        }
        catch (Exception e) when (IsMissingProvider(e))
        {
            throw new NativeLibraryMissingException("e_sqlite3",
                "No native SQLite is there. Add the package Microsoft.Data.Sqlite, or SQLitePCLRaw.bundle_e_sqlite3 3.0.3 or later, to your application.", e);
        }
    }

    private static bool IsMissingProvider(Exception error)
    {
        for (Exception? e = error; e is not null and not DbException; e = e.InnerException)
        {
            if (e is DllNotFoundException || e.Message.Contains("SetProvider", StringComparison.Ordinal)) return true;
        }

        return false;
    }
}

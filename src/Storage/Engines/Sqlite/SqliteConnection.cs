using System.Data;
using System.Data.Common;

namespace Tidemark.Storage.Engines.Sqlite;

/// <summary>A connection with the statements it repeats, prepared once.</summary>
/// <remarks>Not thread-safe.</remarks>
internal sealed class SqliteConnection : IDisposable
{
    private readonly DbConnection _connection;
    private readonly Dictionary<string, DbCommand> _commands = new(StringComparer.Ordinal);

    internal SqliteConnection(DbDataSource source, int cacheKibibytes)
    {
        _connection = source.OpenConnection();
        try
        {
            Execute("pragma busy_timeout = 5000");
            Execute(FormattableString.Invariant($"pragma cache_size = -{cacheKibibytes}"));
            Execute("pragma synchronous = full");
        }
        catch
        {
            _connection.Dispose();
            throw;
        }
    }

    internal string Name => _connection.DataSource;

    internal void Execute(string statement) => Prepare(statement, 0).ExecuteNonQuery();

    internal void Execute(string statement, params ReadOnlySpan<object> values) => Bind(statement, values).ExecuteNonQuery();

    internal object? Scalar(string query, params ReadOnlySpan<object> values) => Bind(query, values).ExecuteScalar();

    internal DbDataReader Query(string query, params ReadOnlySpan<object> values) => Bind(query, values).ExecuteReader();

    public void Dispose()
    {
        foreach (DbCommand command in _commands.Values) command.Dispose();
        _connection.Dispose();
    }

    private DbCommand Bind(string statement, ReadOnlySpan<object> values)
    {
        DbCommand command = Prepare(statement, values.Length);
        for (int i = 0; i < values.Length; i++) command.Parameters[i].Value = values[i];
        return command;
    }

    private DbCommand Prepare(string statement, int parameters)
    {
        if (_commands.TryGetValue(statement, out DbCommand? known)) return known;
        DbCommand command = _connection.CreateCommand();
        command.CommandText = statement;
        for (int i = 0; i < parameters; i++)
        {
            DbParameter parameter = command.CreateParameter();
            parameter.ParameterName = "@" + (char)('a' + i);
            parameter.DbType = DbType.Object;
            command.Parameters.Add(parameter);
        }

        return _commands[statement] = command;
    }
}

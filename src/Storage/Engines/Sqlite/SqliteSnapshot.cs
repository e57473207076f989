using System.Data.Common;

namespace Tidemark.Storage.Engines.Sqlite;

/// <summary>A read transaction on a connection of its own.</summary>
internal sealed class SqliteSnapshot(SqliteEngine engine, SqliteConnection connection, long appliedOffset) : IEngineSnapshot
{
    private int _isDisposed;

    public long AppliedOffset => appliedOffset;

    internal SqliteConnection Connection
    {
        get
        {
            ObjectDisposedException.ThrowIf(Volatile.Read(ref _isDisposed) == 1, this);
            return connection;
        }
    }

    public bool TryGet(scoped ReadOnlySpan<byte> key, out ReadOnlySpan<byte> value)
    {
        byte[]? found = (byte[]?)Connection.Scalar("select value from tidemark_rows where key = @a", key.ToArray());
        value = found;
        return found is not null;
    }

    public IEngineCursor OpenCursor()
    {
        ObjectDisposedException.ThrowIf(Volatile.Read(ref _isDisposed) == 1, this);
        return new SqliteCursor(this);
    }

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _isDisposed, 1) == 0) engine.Return(connection);
    }
}

/// <summary>A place among the rows, read a page at a time in the direction of the walk.</summary>
internal sealed class SqliteCursor(SqliteSnapshot snapshot) : IEngineCursor
{
    private const int FirstPage = 8, LargestPage = 512;

    private readonly List<(byte[] Key, byte[] Value)> _page = [];
    private int _at = -1;
    private int _pageRows = FirstPage;
    private bool _isForward;

    public ReadOnlySpan<byte> Key => Here.Key;

    public ReadOnlySpan<byte> Value => Here.Value;

    private (byte[] Key, byte[] Value) Here => _at >= 0 ? _page[_at] : throw new InvalidOperationException("The cursor stands nowhere: seek first.");

    public bool SeekAtOrAfter(scoped ReadOnlySpan<byte> key)
    {
        _pageRows = FirstPage;
        return Read("select key, value from tidemark_rows where key >= @a order by key limit @b", key.ToArray(), isForward: true);
    }

    public bool SeekBefore(scoped ReadOnlySpan<byte> key)
    {
        _pageRows = FirstPage;
        return Read("select key, value from tidemark_rows where key < @a order by key desc limit @b", key.ToArray(), isForward: false);
    }

    public bool SeekLast()
    {
        _pageRows = FirstPage;
        return Read("select key, value from tidemark_rows where @a is not null order by key desc limit @b", [], isForward: false);
    }

    public bool MoveNext()
    {
        byte[] key = Here.Key;
        if (_isForward && _at + 1 < _page.Count) return Step();
        return Read("select key, value from tidemark_rows where key > @a order by key limit @b", key, isForward: true);
    }

    public bool MovePrevious()
    {
        byte[] key = Here.Key;
        if (!_isForward && _at + 1 < _page.Count) return Step();
        return Read("select key, value from tidemark_rows where key < @a order by key desc limit @b", key, isForward: false);
    }

    public void Dispose()
    {
    }

    private bool Step()
    {
        ObjectDisposedException.ThrowIf(snapshot.Connection is null, this);
        _at++;
        return true;
    }

    private bool Read(string query, byte[] key, bool isForward)
    {
        _isForward = isForward;
        _page.Clear();
        _at = -1;
        using DbDataReader rows = snapshot.Connection.Query(query, key, _pageRows);
        while (rows.Read()) _page.Add(((byte[])rows.GetValue(0), (byte[])rows.GetValue(1)));
        _pageRows = Math.Min(_pageRows * 4, LargestPage);   // A long walk asks for more at a time.
        if (_page.Count == 0) return false;
        _at = 0;
        return true;
    }
}

namespace Tidemark.Storage.Engines.Lmdb;

/// <summary>A read transaction, lent out. Values point into the map.</summary>
internal sealed unsafe class LmdbSnapshot(LmdbEnvironment environment, nint transaction, uint rows, long appliedOffset) : IEngineSnapshot
{
    private int _isDisposed;

    public long AppliedOffset => appliedOffset;

    internal string Directory => environment.Directory;

    public bool TryGet(scoped ReadOnlySpan<byte> key, out ReadOnlySpan<byte> value)
    {
        ThrowIfDisposed();
        value = default;
        if (key.IsEmpty) return false;
        int error;
        LmdbValue found;
        fixed (byte* keyAt = key) error = LmdbCalls.mdb_get(transaction, rows, new LmdbValue { Size = (nuint)key.Length, Data = keyAt }, out found);
        if (error == LmdbErrors.NotFound) return false;
        LmdbErrors.ThrowIf(error, environment.Directory, "get a row");
        value = found.Span;
        return true;
    }

    public IEngineCursor OpenCursor()
    {
        ThrowIfDisposed();
        LmdbErrors.ThrowIf(LmdbCalls.mdb_cursor_open(transaction, rows, out nint cursor), environment.Directory, "open a cursor");
        return new LmdbCursor(this, cursor);
    }

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _isDisposed, 1) == 0) environment.EndRead(transaction);
    }

    internal void ThrowIfDisposed() => ObjectDisposedException.ThrowIf(Volatile.Read(ref _isDisposed) == 1, this);
}

/// <summary>A cursor of a read transaction.</summary>
internal sealed unsafe class LmdbCursor(LmdbSnapshot snapshot, nint cursor) : IEngineCursor
{
    private LmdbValue _key;
    private LmdbValue _value;
    private bool _isPlaced;
    private bool _isDisposed;

    public ReadOnlySpan<byte> Key => Placed(_key);

    public ReadOnlySpan<byte> Value => Placed(_value);

    public bool SeekAtOrAfter(scoped ReadOnlySpan<byte> key)
    {
        if (key.IsEmpty) return Step(LmdbCalls.CursorFirst);
        fixed (byte* keyAt = key)
        {
            _key = new LmdbValue { Size = (nuint)key.Length, Data = keyAt };
            return Step(LmdbCalls.CursorAtOrAfter);
        }
    }

    public bool SeekBefore(scoped ReadOnlySpan<byte> key)
    {
        if (key.IsEmpty) return _isPlaced = false;
        return SeekAtOrAfter(key) ? Step(LmdbCalls.CursorPrevious) : Step(LmdbCalls.CursorLast);
    }

    public bool SeekLast() => Step(LmdbCalls.CursorLast);

    public bool MoveNext() => RequirePlaced() && Step(LmdbCalls.CursorNext);

    public bool MovePrevious() => RequirePlaced() && Step(LmdbCalls.CursorPrevious);

    public void Dispose()
    {
        if (_isDisposed) return;
        _isDisposed = true;
        _isPlaced = false;
        LmdbCalls.mdb_cursor_close(cursor);
    }

    private bool Step(int operation)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        snapshot.ThrowIfDisposed();
        int error = LmdbCalls.mdb_cursor_get(cursor, ref _key, ref _value, operation);
        _isPlaced = error == 0;
        if (error is 0 or LmdbErrors.NotFound) return _isPlaced;
        throw LmdbErrors.ToException(error, snapshot.Directory, "move a cursor");
    }

    private bool RequirePlaced() => _isPlaced ? true : throw new InvalidOperationException("The cursor stands nowhere: seek first.");

    private ReadOnlySpan<byte> Placed(in LmdbValue part)
    {
        snapshot.ThrowIfDisposed();
        RequirePlaced();
        return part.Span;
    }
}

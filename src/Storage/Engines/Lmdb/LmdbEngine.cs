using System.Buffers.Binary;

using Tidemark.Storage.Engines.Lmdb;

namespace Tidemark;

/// <summary>Rows in LMDB: a memory-mapped B+tree on disk, for data that need not fit in memory. Needs LMDB's native library, 0.9.</summary>
/// <remarks>
/// A write is one synchronous transaction on the caller's thread; reads go through pooled read transactions, side by side with it. A snapshot that is held keeps the
/// space of what was deleted since from being used again. Files: docs/format/lmdb.md. When to choose it: docs/engines.md.
/// </remarks>
public sealed unsafe class LmdbEngine : IOrderedEngine
{
    private const int LongestKey = 511;
    private const long FormatVersion = 1;

    private readonly LmdbEnvironment _environment;
    private readonly uint _rows;
    private readonly uint _meta;
    private Committed _committed;
    private StoreFailedException? _failure;

    private LmdbEngine(LmdbEnvironment environment, uint rows, uint meta, Committed committed)
    {
        _environment = environment;
        _rows = rows;
        _meta = meta;
        _committed = committed;
    }

    /// <inheritdoc/>
    public string Name => "lmdb";

    /// <inheritdoc/>
    public int MaxKeyBytes => LongestKey;

    /// <inheritdoc/>
    public long AppliedOffset => Volatile.Read(ref _committed).AppliedOffset;

    /// <inheritdoc/>
    public long ApproximateBytes
    {
        get
        {
            _environment.ThrowIfClosed();
            return _environment.FileBytes;
        }
    }

    /// <summary>Opens the engine of a directory, which must exist and be the engine's own; creates it where it is empty.</summary>
    /// <exception cref="DirectoryLockedException">It is open in this process, or was closed while a snapshot of it was held, which still is.</exception>
    /// <exception cref="NativeLibraryMissingException">LMDB's library is not there. The message says how to get it.</exception>
    /// <exception cref="FormatMismatchException">The library or the file is of another version, or the file is somebody else's. It was not changed.</exception>
    public static LmdbEngine Open(string directory, LmdbOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(directory);
        options ??= new LmdbOptions();
        options.Validate();
        LmdbMetaPage.Check(directory);
        LmdbLibrary.Require(options.LibraryPath);
        var environment = LmdbEnvironment.Open(directory, options);
        try
        {
            return Open(environment);
        }
        catch
        {
            environment.Close();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Write(IEngineBatch batch, long appliedOffset)
    {
        ArgumentNullException.ThrowIfNull(batch);
        _environment.BeginWriting();
        try
        {
            if (_failure is { } before) throw new StoreFailedException(before.Message, before);
            ArgumentOutOfRangeException.ThrowIfLessThan(appliedOffset, AppliedOffset);
            while (!TryWrite(batch, appliedOffset))
            {
                _environment.Grow();
                batch.Reset();
            }
        }
        finally
        {
            _environment.EndWriting();
        }
    }

    /// <inheritdoc/>
    public IEngineSnapshot TakeSnapshot()
    {
        // Read before the transaction begins: it is then at this commit or, in the rare case, at one after it, which is told by its number.
        Committed committed = Volatile.Read(ref _committed);
        nint transaction = _environment.BeginRead();
        try
        {
            long applied = LmdbCalls.mdb_txn_id(transaction) == committed.Transaction ? committed.AppliedOffset : ReadApplied(transaction);
            return new LmdbSnapshot(_environment, transaction, _rows, applied);
        }
        catch
        {
            _environment.EndRead(transaction);
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _environment.Close();

    private static LmdbEngine Open(LmdbEnvironment environment)
    {
        nint transaction = environment.BeginWrite();
        try
        {
            bool isNew = LmdbCalls.mdb_dbi_open(transaction, "tidemark", 0, out uint meta) == LmdbErrors.NotFound;
            if (isNew && !IsEmpty(transaction, environment.Directory)) throw new FormatMismatchException(environment.Directory, "rows of a shard", "the tables of another program");
            if (isNew) LmdbErrors.ThrowIf(LmdbCalls.mdb_dbi_open(transaction, "tidemark", LmdbCalls.Create, out meta), environment.Directory, "make a table");
            LmdbErrors.ThrowIf(LmdbCalls.mdb_dbi_open(transaction, "rows", isNew ? LmdbCalls.Create : 0, out uint rows), environment.Directory, "open the table of rows");
            if (isNew)
            {
                PutNumber(transaction, meta, "format"u8, FormatVersion, environment.Directory);
                PutNumber(transaction, meta, "applied"u8, -1, environment.Directory);
            }

            long format = GetNumber(transaction, meta, "format"u8) ?? 0;
            if (format != FormatVersion) throw new FormatMismatchException(environment.Directory, $"format {FormatVersion}", $"format {format}");
            long applied = GetNumber(transaction, meta, "applied"u8) ?? throw new CorruptDataException(environment.Directory, 0, "an applied offset", "none");
            nuint number = LmdbCalls.mdb_txn_id(transaction);
            nint ending = transaction;
            transaction = 0;
            LmdbErrors.ThrowIf(environment.Commit(ending), environment.Directory, "commit");   // Without changes it gets no number of its own.
            return new LmdbEngine(environment, rows, meta, new Committed(isNew ? number : number - 1, applied));
        }
        finally
        {
            if (transaction != 0) LmdbCalls.mdb_txn_abort(transaction);
        }
    }

    /// <summary>One transaction; false where the map is full and nothing was changed.</summary>
    private bool TryWrite(IEngineBatch batch, long appliedOffset)
    {
        nint transaction = _environment.BeginWrite();
        try
        {
            int error = PutAll(transaction, batch);
            if (error == 0) error = TryPutNumber(transaction, _meta, "applied"u8, appliedOffset);
            if (error == 0)
            {
                nuint number = LmdbCalls.mdb_txn_id(transaction);
                nint ending = transaction;
                transaction = 0;   // Ended by the commit, whatever becomes of it.
                error = _environment.Commit(ending);
                if (error == 0)
                {
                    Volatile.Write(ref _committed, new Committed(number, appliedOffset));
                    return true;
                }
            }

            if (error == LmdbErrors.MapFull) return false;
            throw Latch(LmdbErrors.ToException(error, _environment.Directory, "write a batch"));
        }
        finally
        {
            if (transaction != 0) LmdbCalls.mdb_txn_abort(transaction);
        }
    }

    private int PutAll(nint transaction, IEngineBatch batch)
    {
        byte[] last = LastKey(transaction);
        while (batch.MoveNext())
        {
            ReadOnlySpan<byte> key = batch.Key;
            if (key.Length > LongestKey) throw new LimitExceededException("key", key.Length, LongestKey, "LMDB");
            if (key.IsEmpty) throw new ArgumentException("A key has at least one byte.", nameof(batch));
            int error;
            if (batch.IsDelete)
            {
                fixed (byte* keyAt = key) error = LmdbCalls.mdb_del(transaction, _rows, new LmdbValue { Size = (nuint)key.Length, Data = keyAt }, 0);
                if (error == LmdbErrors.NotFound) error = 0;
            }
            else
            {
                // Behind all keys: pages are filled to the end instead of being split in halves.
                bool isBehind = key.SequenceCompareTo(last) > 0;
                error = Put(transaction, _rows, key, batch.Value, isBehind ? LmdbCalls.Append : 0);
                if (isBehind) last = key.ToArray();
            }

            if (error != 0) return error;
        }

        return 0;
    }

    private byte[] LastKey(nint transaction)
    {
        LmdbErrors.ThrowIf(LmdbCalls.mdb_cursor_open(transaction, _rows, out nint cursor), _environment.Directory, "open a cursor");
        LmdbValue key = default, value = default;
        byte[] last = LmdbCalls.mdb_cursor_get(cursor, ref key, ref value, LmdbCalls.CursorLast) == 0 ? key.Span.ToArray() : [];
        LmdbCalls.mdb_cursor_close(cursor);
        return last;
    }

    private long ReadApplied(nint transaction) =>
        GetNumber(transaction, _meta, "applied"u8) ?? throw new CorruptDataException(_environment.Directory, 0, "an applied offset", "none");

    private TidemarkException Latch(TidemarkException error)
    {
        if (error is StoreFailedException failed) _failure = failed;
        return error;
    }

    private static bool IsEmpty(nint transaction, string directory)
    {
        LmdbErrors.ThrowIf(LmdbCalls.mdb_dbi_open(transaction, null, 0, out uint names), directory, "look at its tables");
        LmdbErrors.ThrowIf(LmdbCalls.mdb_cursor_open(transaction, names, out nint cursor), directory, "look at its tables");
        LmdbValue key = default, value = default;
        int error = LmdbCalls.mdb_cursor_get(cursor, ref key, ref value, LmdbCalls.CursorFirst);
        LmdbCalls.mdb_cursor_close(cursor);
        return error == LmdbErrors.NotFound;
    }

    private static int Put(nint transaction, uint table, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value, uint flags)
    {
        fixed (byte* keyAt = key, valueAt = value)
        {
            return LmdbCalls.mdb_put(transaction, table, new LmdbValue { Size = (nuint)key.Length, Data = keyAt },
                new LmdbValue { Size = (nuint)value.Length, Data = valueAt }, flags);
        }
    }

    private static int TryPutNumber(nint transaction, uint table, ReadOnlySpan<byte> name, long number)
    {
        Span<byte> bytes = stackalloc byte[sizeof(long)];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, number);
        return Put(transaction, table, name, bytes, 0);
    }

    private static void PutNumber(nint transaction, uint table, ReadOnlySpan<byte> name, long number, string directory) =>
        LmdbErrors.ThrowIf(TryPutNumber(transaction, table, name, number), directory, "write its format");

    private static long? GetNumber(nint transaction, uint table, ReadOnlySpan<byte> name)
    {
        fixed (byte* nameAt = name)
        {
            int error = LmdbCalls.mdb_get(transaction, table, new LmdbValue { Size = (nuint)name.Length, Data = nameAt }, out LmdbValue value);
            return error == 0 && value.Size == sizeof(long) ? BinaryPrimitives.ReadInt64LittleEndian(value.Span) : null;
        }
    }

    /// <summary>The last commit: LMDB's number for it, and the offset it carried.</summary>
    private sealed record Committed(nuint Transaction, long AppliedOffset);
}

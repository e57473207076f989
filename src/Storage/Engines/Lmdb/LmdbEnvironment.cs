using System.Diagnostics;

namespace Tidemark.Storage.Engines.Lmdb;

/// <summary>An open LMDB environment, its read transactions, and the gate that lets its map grow.</summary>
/// <remarks>
/// Read transactions rest between two uses (reset, then renewed), which spares a slot search. The map may be replaced only while nobody reads: a write that needs more
/// lets no new reader in, waits for those there are up to a limit, and else is refused and tried again later. Closed when the engine is disposed and the last
/// reader and writer have gone. Until then the same directory is not opened again: LMDB cannot tell two openings of one process from each other.
/// </remarks>
internal sealed unsafe class LmdbEnvironment
{
    private const uint FileMode = 0b110_000_000;   // Owner only.

    private static readonly Lock _openGate = new();
    private static readonly HashSet<string> _open = new(StringComparer.Ordinal);

    private readonly object _gate = new();   // Waited on, so not a Lock.
    private readonly Stack<nint> _resting = new();
    private readonly LmdbOptions _options;
    private readonly nint _environment;
    private long _committing;   // The number of the last write whose commit was begun. Nobody else writes: the directory is this process's.
    private int _readers;
    private int _writers;
    private bool _isGrowing;
    private bool _isClosed;

    private LmdbEnvironment(string directory, LmdbOptions options, nint environment)
    {
        Directory = directory;
        _options = options;
        _environment = environment;
    }

    internal string Directory { get; }

    /// <summary>The bytes of the data file that are in use or have been.</summary>
    internal long FileBytes
    {
        get
        {
            LmdbErrors.ThrowIf(LmdbCalls.mdb_env_info(_environment, out LmdbEnvironmentInfo info), Directory, "look at its size");
            return ((long)info.LastPage + 1) * Environment.SystemPageSize;
        }
    }

    /// <exception cref="DirectoryLockedException">It is open already in this process, or was closed and somebody still reads.</exception>
    internal static LmdbEnvironment Open(string directory, LmdbOptions options)
    {
        directory = Path.GetFullPath(directory);
        lock (_openGate)
        {
            if (!_open.Add(directory)) throw new DirectoryLockedException(directory, Environment.ProcessId, Environment.MachineName);
        }

        try
        {
            return Begin(directory, options);
        }
        catch
        {
            Forget(directory);
            throw;
        }
    }

    /// <summary>Somebody begins to write: the files stay open until he says <see cref="EndWriting"/>.</summary>
    internal void BeginWriting()
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isClosed, typeof(LmdbEngine));
            _writers++;
        }
    }

    internal void EndWriting()
    {
        lock (_gate)
        {
            _writers--;
            CloseIfLast();
        }
    }

    /// <summary>A transaction to write with, on this thread, which must end it.</summary>
    internal nint BeginWrite()
    {
        LmdbErrors.ThrowIf(LmdbCalls.mdb_txn_begin(_environment, 0, 0, out nint transaction), Directory, "begin a write");
        return transaction;
    }

    /// <summary>A transaction to read with, to be given back with <see cref="EndRead"/>.</summary>
    internal nint BeginRead()
    {
        nint transaction;
        lock (_gate)
        {
            while (_isGrowing && !_isClosed) Monitor.Wait(_gate);
            ObjectDisposedException.ThrowIf(_isClosed, typeof(LmdbEngine));
            _readers++;
            if (!_resting.TryPop(out transaction)) transaction = 0;
        }

        while (true)
        {
            int error = transaction != 0 ? LmdbCalls.mdb_txn_renew(transaction) : LmdbCalls.mdb_txn_begin(_environment, 0, LmdbCalls.ReadOnly, out transaction);
            if (error != 0)
            {
                lock (_gate) Left();
                throw LmdbErrors.ToException(error, Directory, "begin a read");
            }

            // A transaction takes its number first and then copies where the trees begin from one of two pages, which the next commit but one writes again. A thread that is held up in between reads
            // another state than its number says, or half of it: whoever may have is sent once more.
            if (Volatile.Read(ref _committing) < (long)LmdbCalls.mdb_txn_id(transaction) + 2) return transaction;
            LmdbCalls.mdb_txn_reset(transaction);
        }
    }

    /// <summary>Ends a write: from here on its changes may be seen.</summary>
    /// <returns>What LMDB says.</returns>
    internal int Commit(nint transaction)
    {
        Interlocked.Exchange(ref _committing, (long)LmdbCalls.mdb_txn_id(transaction));
        return LmdbCalls.mdb_txn_commit(transaction);
    }

    internal void EndRead(nint transaction)
    {
        LmdbCalls.mdb_txn_reset(transaction);
        lock (_gate)
        {
            _resting.Push(transaction);
            Left();
        }
    }

    /// <summary>Doubles the map once nobody reads.</summary>
    /// <exception cref="StoreFullException">Somebody did for too long.</exception>
    internal void Grow()
    {
        lock (_gate)
        {
            _isGrowing = true;
            try
            {
                long begin = Environment.TickCount64;
                while (_readers > 0)
                {
                    TimeSpan left = _options.GrowthWait - TimeSpan.FromMilliseconds(Environment.TickCount64 - begin);
                    if (left <= TimeSpan.Zero || !Monitor.Wait(_gate, left))
                        throw new StoreFullException($"The map of '{Directory}' is full and cannot grow while snapshots are open. Dispose them, or begin with a larger MapBytes.");
                }

                while (_resting.TryPop(out nint resting)) LmdbCalls.mdb_txn_abort(resting);
                LmdbErrors.ThrowIf(LmdbCalls.mdb_env_info(_environment, out LmdbEnvironmentInfo info), Directory, "look at its size");
                LmdbErrors.ThrowIf(LmdbCalls.mdb_env_set_mapsize(_environment, info.MapSize * 2), Directory, "reserve more address space");
            }
            finally
            {
                _isGrowing = false;
                Monitor.PulseAll(_gate);
            }
        }
    }

    /// <summary>Nobody comes in from now on; when the last has gone, the files are closed.</summary>
    internal void Close()
    {
        lock (_gate)
        {
            if (_isClosed) return;
            _isClosed = true;
            Monitor.PulseAll(_gate);
            CloseIfLast();
        }
    }

    internal void ThrowIfClosed()
    {
        lock (_gate) ObjectDisposedException.ThrowIf(_isClosed, typeof(LmdbEngine));
    }

    private static LmdbEnvironment Begin(string directory, LmdbOptions options)
    {
        LmdbErrors.ThrowIf(LmdbCalls.mdb_env_create(out nint environment), directory, "begin");
        try
        {
            LmdbErrors.ThrowIf(LmdbCalls.mdb_env_set_mapsize(environment, (nuint)options.MapBytes), directory, "reserve address space");
            LmdbErrors.ThrowIf(LmdbCalls.mdb_env_set_maxreaders(environment, (uint)options.MaxReaders), directory, "set the number of readers");
            LmdbErrors.ThrowIf(LmdbCalls.mdb_env_set_maxdbs(environment, 2), directory, "set the number of tables");
            LmdbErrors.ThrowIf(LmdbCalls.mdb_env_open(environment, directory, LmdbCalls.NoThreadLocal | LmdbCalls.NoReadAhead, FileMode), directory, "open its files");
            LmdbErrors.ThrowIf(LmdbCalls.mdb_reader_check(environment, out _), directory, "clear the slots of readers that died");
        }
        catch
        {
            LmdbCalls.mdb_env_close(environment);
            throw;
        }

        return new LmdbEnvironment(directory, options, environment);
    }

    /// <summary>Under the gate: a reader has gone.</summary>
    private void Left()
    {
        _readers--;
        Debug.Assert(_readers >= 0, "every reader leaves once");
        CloseIfLast();
        if (_readers == 0 && _isGrowing) Monitor.PulseAll(_gate);
    }

    private void CloseIfLast()
    {
        if (!_isClosed || _readers > 0 || _writers > 0) return;
        while (_resting.TryPop(out nint resting)) LmdbCalls.mdb_txn_abort(resting);
        LmdbCalls.mdb_env_close(_environment);
        Forget(Directory);
    }

    private static void Forget(string directory)
    {
        lock (_openGate) _open.Remove(directory);
    }
}

using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

using Tidemark.Storage.Files;
using Tidemark.Storage.Log;

namespace Tidemark;

/// <summary>Logs under one directory that share flush threads, open files and buffers: thousands of idle logs cost a few KiB each and no file handle.</summary>
/// <remarks>Safe for concurrent calls. Holds its directory for this process; the logs' own directories need no lock of their own.</remarks>
public sealed class LogGroup : IAsyncDisposable
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, SegmentedLog?> _logs = new(StringComparer.Ordinal);   // Null while one is being opened.
    private readonly LogGroupOptions _options;
    private readonly FlushBatches _batches;
    private readonly ILogger _logger;
    private readonly Random _random;
    private readonly IDisposable _lock;
    private bool _isOwnedByLog;
    private bool _isDisposed;

    private LogGroup(string directory, LogGroupOptions options, IDisposable heldLock)
    {
        Directory = directory;
        _options = options;
        _lock = heldLock;
        _logger = (options.LoggerFactory ?? NullLoggerFactory.Instance).CreateLogger("Tidemark.Log");
        _random = options.Random ?? new Random();
        Threads = new DiskThreads("flush", options.FlushThreads);
        Pool = new FilePool(options.FileSystem, options.MaxIdleFiles);
        _batches = new FlushBatches(mostResting: 2 * options.FlushThreads);
    }

    /// <summary>The directory that holds the logs' directories.</summary>
    public string Directory { get; }

    /// <summary>How many files are open now.</summary>
    public int OpenFileCount => Pool.OpenCount;

    internal FilePool Pool { get; }

    internal DiskThreads Threads { get; }

    internal TimeProvider TimeProvider => _options.TimeProvider;

    internal DateTimeOffset Now => _options.TimeProvider.GetUtcNow();

    /// <summary>Takes a directory for the logs of this process; creates it where it is missing.</summary>
    /// <param name="directory">The directory. Created private to its owner.</param>
    /// <param name="options">Disk, time, logging and limits; null for the defaults.</param>
    /// <exception cref="DirectoryLockedException">It is held already, here or in another process, or its parent is.</exception>
    public static LogGroup Open(string directory, LogGroupOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(directory);
        options ??= new LogGroupOptions();
        options.Validate();
        directory = Path.GetFullPath(directory);
        options.FileSystem.CreateDirectory(directory);
        IDisposable held = options.FileSystem.Lock(Path.Combine(directory, LogFiles.LockName));
        try
        {
            // Whoever holds the parent as a group holds this directory too. It looks for our lock as we look for its, so one of us sees the other.
            if (Path.GetDirectoryName(directory) is { } parent) options.FileSystem.ThrowIfLocked(Path.Combine(parent, LogFiles.LockName));
            return new LogGroup(directory, options, held);
        }
        catch
        {
            held.Dispose();
            throw;
        }
    }

    /// <summary>Opens a log in a directory of that name below the group's; creates it where it is missing.</summary>
    /// <param name="name">The directory's name: no path, not empty, not starting with a dot.</param>
    /// <param name="options">The log's settings; null for the defaults.</param>
    /// <param name="cancellationToken">Ends the wait; an open under way is undone.</param>
    /// <exception cref="ArgumentException">The name is not one.</exception>
    /// <inheritdoc cref="SegmentedLog.OpenAsync" path="/exception"/>
    public ValueTask<SegmentedLog> OpenLogAsync(string name, LogOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        if (name[0] == '.' || name.AsSpan().IndexOfAny('/', '\\', '\0') >= 0)
            throw new ArgumentException($"'{name}' cannot be a log's name: it must be a directory name that does not start with a dot.", nameof(name));
        return OpenAsync(name, Path.Combine(Directory, name), options, cancellationToken);
    }

    /// <summary>Closes the logs that are still open, cleanly, and lets the directory go.</summary>
    public async ValueTask DisposeAsync()
    {
        List<SegmentedLog> open;
        lock (_gate)
        {
            if (_isDisposed) return;
            _isDisposed = true;
            open = [.. _logs.Values.OfType<SegmentedLog>()];
        }

        try
        {
            foreach (SegmentedLog log in open) await log.DisposeAsync().ConfigureAwait(false);
        }
        finally
        {
            Threads.Stop();
            _lock.Dispose();
        }
    }

    /// <summary>Opens the one log of a group that exists for its sake, in the group's own directory.</summary>
    internal ValueTask<SegmentedLog> OpenOwnedAsync(LogOptions? options, CancellationToken cancellationToken)
    {
        _isOwnedByLog = true;
        return OpenAsync("", Directory, options, cancellationToken);
    }

    /// <summary>A log has closed its files.</summary>
    internal async ValueTask ReleaseAsync(LogDriver driver)
    {
        lock (_gate)
        {
            foreach ((string name, SegmentedLog? open) in _logs)
            {
                if (open?.Driver != driver) continue;
                _logs.Remove(name);
                break;
            }
        }

        if (_isOwnedByLog) await DisposeAsync().ConfigureAwait(false);
    }

    private async ValueTask<SegmentedLog> OpenAsync(string name, string directory, LogOptions? options, CancellationToken cancellationToken)
    {
        options ??= new LogOptions();
        options.Validate();
        cancellationToken.ThrowIfCancellationRequested();
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            if (!_logs.TryAdd(name, null)) throw new DirectoryLockedException(directory, Environment.ProcessId, Environment.MachineName);
        }

        SegmentedLog? log = null;
        try
        {
            log = await Task.Run(() => Recover(directory, options), cancellationToken).ConfigureAwait(false);
            return log;
        }
        finally
        {
            lock (_gate)
            {
                if (log is null) _logs.Remove(name);
                else _logs[name] = log;
            }
        }
    }

    private SegmentedLog Recover(string directory, LogOptions options)
    {
        if (directory != Directory)
        {
            _options.FileSystem.CreateDirectory(directory);
            _options.FileSystem.ThrowIfLocked(Path.Combine(directory, LogFiles.LockName));
        }

        Random random;
        lock (_gate) random = new Random(_random.Next());
        var files = new LogFiles(Pool, directory);
        LogEngine engine = LogEngine.Open(files, options, options.Clock ?? new HybridClock(TimeProvider), _batches, random, _logger);
        LogMessages.Opened(_logger, directory, engine.Start, engine.NextOffset, engine.Segments.Count);
        return new SegmentedLog(new LogDriver(this, directory, options, engine, _logger), directory);
    }
}

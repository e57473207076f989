using Tidemark.Replication.Cluster;
using Tidemark.Storage.Files;

namespace Tidemark;

/// <summary>Keeps a cluster's status in a file, for nodes in several processes on one host.</summary>
/// <remarks>
/// A write holds a lock file beside it for as long as it takes; a reader takes no lock, unless it finds that a write was cut short. Nobody is given a document that a power cut could
/// take back. Bytes, and what a crash leaves: docs/format/status-file.md. When to use it: docs/status-stores.md. Not for a directory that several hosts share.
/// </remarks>
#pragma warning disable CA1001 // Nobody asks the semaphore for a wait handle, so there is nothing to dispose of.
public sealed class FileClusterStatusStore : IClusterStatusStore
#pragma warning restore CA1001
{
    private static readonly TimeSpan _longestPause = TimeSpan.FromMilliseconds(20);

    private readonly string _path;
    private readonly FileStatusOptions _options;
    private readonly IFileSystem _files;
    private readonly StatusPolling _polling;
    private readonly SemaphoreSlim _turn = new(1, 1);   // Of this instance one at a time asks for the lock.

    /// <summary>Makes ready to use the file. Nothing is touched yet.</summary>
    /// <param name="path">The file. Its directory exists; <c>path.lock</c>, <c>path.tmp</c> and <c>path.pending</c> stand beside it.</param>
    /// <param name="options">Settings; null for the defaults.</param>
    public FileClusterStatusStore(string path, FileStatusOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        _options = options ?? new FileStatusOptions();
        _options.Validate();
        _path = Path.GetFullPath(path);
        _files = _options.FileSystem;
        _polling = new StatusPolling(_options.TimeProvider, _options.PollInterval);
    }

    private string LockPath => _path + ".lock";

    private string PendingPath => _path + ".pending";

    /// <inheritdoc/>
    /// <exception cref="CorruptDataException">The file is damaged.</exception>
    /// <exception cref="FormatMismatchException">A later release wrote the file.</exception>
    public async ValueTask<ClusterStatusEntry?> ReadAsync(CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        ClusterStatusEntry? entry = StatusFile.Read(_files, _path);
        if (!_files.FileExists(PendingPath)) return entry;   // Looked for after the document was read: so that one is on stable storage.
        return await UnderLockAsync(Settle, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    /// <exception cref="LimitExceededException">The document is longer than <see cref="FileStatusOptions.MaxDocumentBytes"/>.</exception>
    /// <exception cref="CorruptDataException">The file is damaged. Nothing was written.</exception>
    /// <exception cref="FormatMismatchException">A later release wrote the file. Nothing was written.</exception>
    public async ValueTask<long?> TryWriteAsync(ReadOnlyMemory<byte> content, long expectedVersion, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        ArgumentOutOfRangeException.ThrowIfNegative(expectedVersion);
        if (content.Length > _options.MaxDocumentBytes)
            throw new LimitExceededException("cluster status", content.Length, _options.MaxDocumentBytes, $"{nameof(FileStatusOptions)}.{nameof(FileStatusOptions.MaxDocumentBytes)}");
        long next = unchecked(expectedVersion + 1);   // Nobody gets as far as the last version, so that one is only ever refused.
        byte[] bytes = StatusFile.Encode(content.Span, next);
        bool isWritten = await UnderLockAsync(() => Write(bytes, expectedVersion), cancellationToken).ConfigureAwait(false);
        return isWritten ? next : null;
    }

    /// <inheritdoc/>
    public IAsyncEnumerable<ClusterStatusEntry> WatchAsync(long afterVersion, CancellationToken cancellationToken = default) =>
        _polling.WatchAsync(
            (known, token) => StatusFile.PeekVersion(_files, _path) == known ? new ValueTask<ClusterStatusEntry?>((ClusterStatusEntry?)null) : ReadAsync(token),
            afterVersion, cancellationToken);

    private bool Write(byte[] bytes, long expectedVersion)
    {
        if ((Settle()?.Version ?? 0) != expectedVersion) return false;
        Put(bytes);
        return true;
    }

    /// <summary>Reads the document under the lock. One that was not put in place to the end is put in place again.</summary>
    private ClusterStatusEntry? Settle()
    {
        ClusterStatusEntry? entry = StatusFile.Read(_files, _path);
        if (!_files.FileExists(PendingPath)) return entry;
        try
        {
            if (entry is null) _files.Delete(PendingPath);
            else Put(StatusFile.Encode(entry.Content.Span, entry.Version));
            return entry;
        }
        catch (OutcomeUnknownException e)
        {
            throw new IOException($"'{_path}' cannot be told from what a power cut would leave: a write of it failed, and so did putting it in place again. Look after the disk.", e.InnerException);
        }
    }

    private void Put(byte[] bytes)
    {
        WholeFile.WriteBeside(_files, _path, bytes);
        _files.Open(PendingPath, FileOpenMode.ExistingOrNew).Dispose();
        try
        {
            WholeFile.PutInPlace(_files, _path);
        }
        catch (Exception e) when (e is IOException or TidemarkException)
        {
            throw new OutcomeUnknownException($"Whether '{_path}' was replaced is not known: {e.Message} Read it again once the disk works.", e);
        }
        finally
        {
            _polling.Wake();
        }

        try
        {
            _files.Delete(PendingPath);
        }
        catch (IOException)
        {
            // The document is safe. Whoever reads it next puts it in place once more, which changes nothing.
        }
    }

    /// <summary>Does something with the files while no other process writes.</summary>
    /// <exception cref="IOException">It was not possible, and surely nothing was changed.</exception>
    private async Task<T> UnderLockAsync<T>(Func<T> act, CancellationToken cancellationToken)
    {
        return await LockAndActAsync().WaitAsync(cancellationToken).ConfigureAwait(false);   // A disk that hangs does not hold whoever gives up.

        async Task<T> LockAndActAsync()
        {
            await _turn.WaitAsync(cancellationToken).ConfigureAwait(false);
            try
            {
                using IDisposable held = await LockAsync(cancellationToken).ConfigureAwait(false);
                return await Task.Run(act, CancellationToken.None).ConfigureAwait(false);   // Its flushes block a thread.
            }
            catch (StoreFullException e)
            {
                throw new IOException($"'{_path}' was not written: {e.Message}", e);
            }
            finally
            {
                _turn.Release();
            }
        }
    }

    private async Task<IDisposable> LockAsync(CancellationToken cancellationToken)
    {
        TimeProvider time = _options.TimeProvider;
        long start = time.GetTimestamp();
        for (TimeSpan pause = TimeSpan.FromMilliseconds(1); ; pause = pause * 2 < _longestPause ? pause * 2 : _longestPause)
        {
            try
            {
                return _files.Lock(LockPath);
            }
            catch (DirectoryLockedException) when (time.GetElapsedTime(start) < _options.LockTimeout)
            {
                // Somebody else is writing, which takes no longer than a flush.
            }
            catch (DirectoryLockedException e)
            {
                throw new IOException(
                    $"'{_path}' was not touched: process {e.ProcessId} on host '{e.HostName}' has held '{LockPath}' for more than {_options.LockTimeout.TotalSeconds:0.###} s "
                    + $"({nameof(FileStatusOptions)}.{nameof(FileStatusOptions.LockTimeout)}). Look whether it hangs.", e);
            }

            await Task.Delay(pause, time, cancellationToken).ConfigureAwait(false);
        }
    }
}

using Tidemark.Storage.Archive;
using Tidemark.Storage.Files;
using Tidemark.Storage.Log;

namespace Tidemark;

/// <summary>An archive in a folder: another disk, or what the operating system shows as one.</summary>
/// <remarks>An object is a file, whole and flushed before it has its name. Creating takes the folder's lock file, so several processes may share it. Calls block on the disk.</remarks>
public sealed class FolderArchive : IArchive
{
    private static readonly TimeSpan _pause = TimeSpan.FromMilliseconds(20);

    private readonly string _folder;
    private readonly IFileSystem _files;

    /// <summary>Takes a folder.</summary>
    /// <param name="folder">Created private to its owner where it is missing, when the first object is created.</param>
    /// <param name="fileSystem">Its file system; null for the disk.</param>
    public FolderArchive(string folder, IFileSystem? fileSystem = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        _folder = Path.GetFullPath(folder);
        _files = fileSystem ?? DiskFileSystem.Instance;
    }

    /// <inheritdoc/>
    public ValueTask<IReadOnlyList<ArchiveObject>> ListAsync(string folder, CancellationToken cancellationToken = default)
    {
        ArchiveNames.Require(folder);
        cancellationToken.ThrowIfCancellationRequested();
        var found = new List<ArchiveObject>();
        foreach (string name in DirectoryFiles.Names(_files, PathOf(folder)))
        {
            if (name == LogFiles.LockName || name.EndsWith(WholeFile.TemporaryExtension, StringComparison.Ordinal)) continue;
            try
            {
                using IFile file = _files.Open(Path.Combine(PathOf(folder), name), FileOpenMode.Existing);
                found.Add(new ArchiveObject($"{folder}/{name}", file.Length));
            }
            catch (FileNotFoundException)
            {
                // Deleted since.
            }
        }

        return new ValueTask<IReadOnlyList<ArchiveObject>>(found);
    }

    /// <inheritdoc/>
    public ValueTask<Stream?> OpenReadAsync(string name, CancellationToken cancellationToken = default)
    {
        ArchiveNames.Require(name);
        cancellationToken.ThrowIfCancellationRequested();
        try
        {
            return new ValueTask<Stream?>(new FileReadStream(_files.Open(PathOf(name), FileOpenMode.Existing)));
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return new ValueTask<Stream?>((Stream?)null);
        }
    }

    /// <inheritdoc/>
    public async ValueTask<bool> TryCreateAsync(string name, Stream content, CancellationToken cancellationToken = default)
    {
        ArchiveNames.Require(name);
        ArgumentNullException.ThrowIfNull(content);
        string path = PathOf(name);
        _files.CreateDirectory(Path.GetDirectoryName(path)!);
        using IDisposable held = await LockAsync(cancellationToken).ConfigureAwait(false);
        if (_files.FileExists(path)) return false;
        await WriteBesideAsync(path, content, cancellationToken).ConfigureAwait(false);
        WholeFile.PutInPlace(_files, path);
        return true;
    }

    /// <inheritdoc/>
    public ValueTask DeleteAsync(string name, CancellationToken cancellationToken = default)
    {
        ArchiveNames.Require(name);
        cancellationToken.ThrowIfCancellationRequested();
        try
        {
            _files.Delete(PathOf(name));
            _files.FlushDirectory(Path.GetDirectoryName(PathOf(name))!);
        }
        catch (DirectoryNotFoundException)
        {
            // There is nothing to delete.
        }

        return ValueTask.CompletedTask;
    }

    /// <summary>The folder.</summary>
    public override string ToString() => _folder;

    /// <summary>Others hold it while they create an object, and no longer.</summary>
    private async ValueTask<IDisposable> LockAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                return _files.Lock(Path.Combine(_folder, LogFiles.LockName));
            }
            catch (DirectoryLockedException)
            {
                await Task.Delay(_pause, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    private async Task WriteBesideAsync(string path, Stream content, CancellationToken cancellationToken)
    {
        string temporary = path + WholeFile.TemporaryExtension;
        _files.Delete(temporary);   // An interrupted one left it.
        try
        {
            using IFile file = _files.Open(temporary, FileOpenMode.New);
            await content.WriteToAsync(file, cancellationToken).ConfigureAwait(false);
            file.Flush();
        }
        catch
        {
            _files.Delete(temporary);
            throw;
        }
    }

    private string PathOf(string name) => Path.Combine([_folder, .. name.Split('/')]);
}

using Tidemark.Storage.Files;

namespace Tidemark;

/// <summary>A file system in memory: for tests, and for state that need not outlive the process.</summary>
/// <remarks>
/// Safe for concurrent calls. Errors are those of a disk, but nothing is private and flushes do nothing: there is no stable
/// storage below. Paths are made full against the working directory, and the root always exists. A length that was only set
/// takes no memory. As on Unix, a file that is deleted while it is open lives until its last handle is disposed.
/// </remarks>
public sealed class MemoryFileSystem : IFileSystem
{
    private readonly Lock _gate = new();
    private readonly FileTree<MemoryContent> _tree = new();
    private readonly HeldLocks _locks = new();
    private readonly MemoryQuota _quota;

    /// <summary>Creates an empty file system.</summary>
    /// <param name="capacityBytes">
    /// How long all files may be together. A write or a length beyond it throws <see cref="StoreFullException"/> and changes nothing.
    /// </param>
    public MemoryFileSystem(long capacityBytes = long.MaxValue)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(capacityBytes);
        _quota = new MemoryQuota(capacityBytes);
    }

    /// <summary>The lengths of all files together, in bytes.</summary>
    public long UsedBytes => _quota.UsedBytes;

    /// <inheritdoc/>
    public void CreateDirectory(string path)
    {
        lock (_gate)
        {
            foreach (string directory in _tree.MissingDirectories(path)) _tree.AddDirectory(directory);
        }
    }

    /// <inheritdoc/>
    public IReadOnlyList<string> ListFiles(string directory)
    {
        lock (_gate) return _tree.List(directory);
    }

    /// <inheritdoc/>
    public bool FileExists(string path)
    {
        lock (_gate) return _tree.Find(FilePlace.Of(path)) is not null;
    }

    /// <inheritdoc/>
    public IFile Open(string path, FileOpenMode mode)
    {
        var place = FilePlace.Of(path);
        lock (_gate) return new MemoryFile(place.ToString(), OpenContent(place, mode));
    }

    /// <inheritdoc/>
    public void Move(string source, string destination)
    {
        (FilePlace from, FilePlace to) = (FilePlace.Of(source), FilePlace.Of(destination));
        lock (_gate)
        {
            MemoryContent content = _tree.FindToMove(from, to);
            if (from == to) return;
            _tree.Find(to)?.Release();
            _tree.Remove(from);
            _tree.Put(to, content);
        }
    }

    /// <inheritdoc/>
    public void Delete(string path)
    {
        var place = FilePlace.Of(path);
        lock (_gate)
        {
            _tree.FindToDelete(place)?.Release();
            _tree.Remove(place);
        }
    }

    /// <inheritdoc/>
    public void FlushDirectory(string path)
    {
        lock (_gate) _tree.RequireDirectory(path);
    }

    /// <inheritdoc/>
    public IDisposable Lock(string path)
    {
        var place = FilePlace.Of(path);
        lock (_gate) OpenContent(place, FileOpenMode.ExistingOrNew).Release();
        return _locks.Take(place);
    }

    /// <inheritdoc/>
    public void ThrowIfLocked(string path) => _locks.ThrowIfHeld(FilePlace.Of(path));

    /// <summary>The content with one more holder; the name itself is another.</summary>
    private MemoryContent OpenContent(FilePlace place, FileOpenMode mode)
    {
        MemoryContent? content = _tree.FindToOpen(place, mode);
        if (content is null) _tree.Put(place, content = new MemoryContent(_quota));
        content.Hold();
        return content;
    }
}

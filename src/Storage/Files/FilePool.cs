using System.Diagnostics;

namespace Tidemark.Storage.Files;

/// <summary>Keeps a bounded number of files open, so that thousands of idle logs cost no handles.</summary>
/// <remarks>
/// Safe for concurrent calls. A file in use, or with unflushed bytes, is never closed: the operating system reports a failed write-back
/// only to handles that were open when it failed. So the bound is exceeded rather than broken while everything is busy.
/// </remarks>
internal sealed class FilePool(IFileSystem files, int capacity)
{
    private readonly Lock _gate = new();
    private readonly LinkedList<PooledFile> _idle = new();   // Open and unused, longest unused first.
    private int _open;

    internal IFileSystem Files => files;

    /// <summary>How many files are open now.</summary>
    internal int OpenCount
    {
        get
        {
            lock (_gate) return _open;
        }
    }

    /// <summary>Opens the file if it is not open, and keeps it open until the lease is disposed.</summary>
    internal FileLease Use(PooledFile file, FileOpenMode mode = FileOpenMode.Existing)
    {
        lock (_gate)
        {
            if (file.Handle is null)
            {
                while (_open >= capacity && _idle.First is { } oldest) CloseIdle(oldest.Value);
                file.Handle = files.Open(file.Path, mode);
                _open++;
            }
            else if (file.Users == 0 && file.Node.List is not null)
            {
                _idle.Remove(file.Node);
            }

            file.Users++;
            return new FileLease(this, file);
        }
    }

    /// <summary>Says whether the file holds bytes that no flush has covered yet.</summary>
    internal void SetUnflushed(PooledFile file, bool unflushed)
    {
        lock (_gate)
        {
            file.HasUnflushed = unflushed;
            if (file.Handle is null || file.Users > 0) return;
            if (unflushed && file.Node.List is not null) _idle.Remove(file.Node);
            if (!unflushed && file.Node.List is null) _idle.AddLast(file.Node);
        }
    }

    /// <summary>Renames a file, open or not.</summary>
    internal void Rename(PooledFile file, string path)
    {
        lock (_gate)
        {
            files.Move(file.Path, path);
            file.Path = path;
        }
    }

    /// <summary>Closes a file as soon as nobody uses it, whether or not its bytes were flushed.</summary>
    internal void Close(PooledFile file)
    {
        lock (_gate)
        {
            file.HasUnflushed = false;
            file.CloseWhenUnused = true;
            if (file.Users > 0 || file.Handle is null) return;
            if (file.Node.List is null) _idle.AddLast(file.Node);
            CloseIdle(file);
        }
    }

    private void Return(PooledFile file)
    {
        lock (_gate)
        {
            Debug.Assert(file.Users > 0, "a lease is returned once");
            if (--file.Users > 0 || file.HasUnflushed) return;
            _idle.AddLast(file.Node);
            if (file.CloseWhenUnused || _open > capacity) CloseIdle(file);
        }
    }

    private void CloseIdle(PooledFile file)
    {
        _idle.Remove(file.Node);
        IFile handle = file.Handle!;
        file.Handle = null;
        file.CloseWhenUnused = false;
        _open--;
        handle.Dispose();
    }

    /// <summary>A file kept open for one user.</summary>
    internal readonly struct FileLease(FilePool pool, PooledFile file) : IDisposable
    {
        internal IFile File => file.Handle!;

        public void Dispose() => pool.Return(file);
    }
}

/// <summary>A file that the pool may close and open again between uses.</summary>
internal sealed class PooledFile
{
    internal PooledFile(string path)
    {
        Path = path;
        Node = new LinkedListNode<PooledFile>(this);
    }

    internal string Path { get; set; }

    // The rest belongs to the pool.
    internal LinkedListNode<PooledFile> Node { get; }

    internal IFile? Handle { get; set; }

    internal int Users { get; set; }

    internal bool HasUnflushed { get; set; }

    internal bool CloseWhenUnused { get; set; }
}

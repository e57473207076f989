namespace Tidemark.Tests.Crash;

/// <summary>
/// Files in memory that remember what was flushed. It crashes before a chosen operation; what comes back is the flushed state plus
/// whatever part of the rest is chosen.
/// </summary>
internal sealed class ClockCrashDisk : IFileSystem
{
    private readonly Dictionary<string, Node> _names = [];
    private readonly Dictionary<string, Node> _flushedNames = [];
    private readonly HashSet<string> _locks = [];

    /// <summary>The operation before which the disk crashes; it stays down from then on.</summary>
    public int CrashAt { get; init; } = int.MaxValue;

    /// <summary>How many operations that change something were begun.</summary>
    public int Operations { get; private set; }

    /// <summary>Thrown instead of the next flush.</summary>
    public Exception? FailFlush { get; set; }

    /// <summary>Thrown instead of the next write.</summary>
    public Exception? FailWrite { get; set; }

    public byte[] this[string path]
    {
        get => _names[path].Bytes;
        set => _flushedNames[path] = _names[path] = new Node { Bytes = value, Flushed = value.ToArray() };
    }

    /// <summary>The disk after the machine came back.</summary>
    /// <param name="keptBytes">How many bytes of each write that was not flushed reached the disk.</param>
    /// <param name="keepNames">Whether names that were not flushed reached the disk.</param>
    /// <param name="crashAt">Where the next crash comes.</param>
    public ClockCrashDisk AfterCrash(int keptBytes, bool keepNames, int crashAt = int.MaxValue)
    {
        var disk = new ClockCrashDisk { CrashAt = crashAt };
        foreach ((string path, Node node) in keepNames ? _names : _flushedNames)
        {
            byte[] bytes = node.Flushed;
            foreach ((long position, byte[] written) in node.Pending) bytes = Overlay(bytes, position, written.AsSpan(0, Math.Min(keptBytes, written.Length)));
            disk[path] = bytes.ToArray();
        }
        return disk;
    }

    public void CreateDirectory(string path)
    {
    }

    public IReadOnlyList<string> ListFiles(string directory) => [.. _names.Keys.Select(p => Path.GetFileName(p)!).Order(StringComparer.Ordinal)];

    public bool FileExists(string path) => _names.ContainsKey(path);

    public IFile Open(string path, FileOpenMode mode)
    {
        if (mode == FileOpenMode.Existing) return new Handle(this, _names[path]);
        Begin();
        var node = new Node();
        _names.Add(path, node);
        return new Handle(this, node);
    }

    public void Move(string source, string destination)
    {
        Begin();
        _names.Remove(source, out Node? node);
        _names[destination] = node!;
    }

    public void Delete(string path)
    {
        if (!_names.ContainsKey(path)) return;
        Begin();
        _names.Remove(path);
    }

    public void FlushDirectory(string path)
    {
        Begin();
        _flushedNames.Clear();
        foreach ((string name, Node node) in _names) _flushedNames.Add(name, node);
    }

    public IDisposable Lock(string path)
        => _locks.Add(path) ? new Held(_locks, path) : throw new DirectoryLockedException(path, 0, "");

    public void ThrowIfLocked(string path)
    {
        if (_locks.Contains(path)) throw new DirectoryLockedException(path, 0, "");
    }

    private static byte[] Overlay(byte[] bytes, long position, ReadOnlySpan<byte> written)
    {
        byte[] result = new byte[Math.Max(bytes.Length, written.Length == 0 ? 0 : position + written.Length)];
        bytes.CopyTo(result, 0);
        written.CopyTo(result.AsSpan((int)position));
        return result;
    }

    private void Begin()
    {
        if (++Operations >= CrashAt) throw new MachineCrashedException();
    }

    private sealed class Node
    {
        public byte[] Bytes { get; set; } = [];

        public byte[] Flushed { get; set; } = [];

        public List<(long Position, byte[] Written)> Pending { get; } = [];
    }

    private sealed class Held(HashSet<string> locks, string path) : IDisposable
    {
        public void Dispose() => locks.Remove(path);
    }

    private sealed class Handle(ClockCrashDisk disk, Node node) : IFile
    {
        public long Length => node.Bytes.Length;

        public int Read(long position, Span<byte> buffer)
        {
            int count = (int)Math.Clamp(node.Bytes.Length - position, 0, buffer.Length);
            node.Bytes.AsSpan((int)position, count).CopyTo(buffer);
            return count;
        }

        public void Write(long position, ReadOnlySpan<byte> bytes)
        {
            if (disk.FailWrite is { } failure)
            {
                disk.FailWrite = null;
                throw failure;
            }
            node.Pending.Add((position, bytes.ToArray()));   // Even the write that crashes may reach the disk in part.
            disk.Begin();
            node.Bytes = Overlay(node.Bytes, position, bytes);
        }

        public void SetLength(long length) => throw new NotSupportedException("a clock bound sets no length");

        public void Flush()
        {
            disk.Begin();
            if (disk.FailFlush is { } failure)
            {
                disk.FailFlush = null;
                throw failure;
            }
            node.Flushed = node.Bytes.ToArray();
            node.Pending.Clear();
        }

        public void Dispose()
        {
        }
    }
}

/// <summary>The machine is down: nothing after this happens.</summary>
internal sealed class MachineCrashedException : Exception;

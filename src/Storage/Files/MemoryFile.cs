namespace Tidemark.Storage.Files;

/// <summary>The room that all files of a memory file system share.</summary>
internal sealed class MemoryQuota(long capacityBytes)
{
    private long _used;

    public long UsedBytes => Volatile.Read(ref _used);

    public void Take(long bytes, string path)
    {
        long used = Interlocked.Add(ref _used, bytes);
        if (bytes <= 0 || used <= capacityBytes) return;
        Interlocked.Add(ref _used, -bytes);
        throw new StoreFullException(
            $"There is no room for {bytes} more bytes in '{path}': the file system holds {used - bytes} of {capacityBytes}. Delete files or raise its capacity.");
    }
}

/// <summary>What a name or an open handle refers to: bytes, counted against the quota while anybody refers to them.</summary>
internal sealed class MemoryContent(MemoryQuota quota)
{
    private readonly Lock _gate = new();
    private readonly PagedBytes _bytes = new();
    private int _holders = 1;   // The name it was created under.

    public long Length
    {
        get
        {
            lock (_gate) return _bytes.Length;
        }
    }

    public void Hold() => Interlocked.Increment(ref _holders);

    public void Release()
    {
        if (Interlocked.Decrement(ref _holders) == 0) SetLength(0, "");
    }

    public int Read(long position, Span<byte> buffer)
    {
        lock (_gate) return _bytes.Read(position, buffer);
    }

    public void Write(long position, ReadOnlySpan<byte> bytes, string path)
    {
        if (bytes.IsEmpty) return;
        lock (_gate)
        {
            quota.Take(Math.Max(0, position + bytes.Length - _bytes.Length), path);
            _bytes.Write(position, bytes);
        }
    }

    public void SetLength(long length, string path)
    {
        lock (_gate)
        {
            quota.Take(length - _bytes.Length, path);
            _bytes.SetLength(length);
        }
    }
}

/// <summary>An open file in memory.</summary>
internal sealed class MemoryFile(string path, MemoryContent content) : IFile
{
    private MemoryContent? _content = content;

    private MemoryContent Content
    {
        get
        {
            MemoryContent? content = Volatile.Read(ref _content);
            ObjectDisposedException.ThrowIf(content is null, this);
            return content;
        }
    }

    public long Length => Content.Length;

    public int Read(long position, Span<byte> buffer)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(position);
        return Content.Read(position, buffer);
    }

    public void Write(long position, ReadOnlySpan<byte> bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(position);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(position, long.MaxValue - bytes.Length);
        Content.Write(position, bytes, path);
    }

    public void SetLength(long length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        Content.SetLength(length, path);
    }

    public void Flush() => _ = Content;

    public void Dispose() => Interlocked.Exchange(ref _content, null)?.Release();
}

using Microsoft.Win32.SafeHandles;

namespace Tidemark.Storage.Files;

/// <summary>A file on the disk.</summary>
internal sealed class DiskFile : IFile
{
    private readonly string _path;
    private readonly FileStream _stream;       // Owns the handle; nothing is read or written through it.
    private readonly SafeFileHandle _handle;

    private DiskFile(string path, FileStream stream)
    {
        _path = path;
        _stream = stream;
        _handle = stream.SafeFileHandle;
    }

    public static DiskFile Open(string path, FileOpenMode mode)
    {
        // The directory belongs to its owner alone, so nobody can slip a link in between this look and the opening.
        if (new FileInfo(path).LinkTarget is not null) throw new IOException($"'{path}' is a symbolic link. A data file must be a file itself.");
        var options = new FileStreamOptions
        {
            Mode = mode switch
            {
                FileOpenMode.Existing => FileMode.Open,
                FileOpenMode.New => FileMode.CreateNew,
                FileOpenMode.ExistingOrNew => FileMode.OpenOrCreate,
                _ => throw new ArgumentOutOfRangeException(nameof(mode), mode, "Not a way to open a file."),
            },
            Access = FileAccess.ReadWrite,
            Share = FileShare.ReadWrite | FileShare.Delete,
            BufferSize = 0,
        };
        // Only a FileStream can create a file that is private from its first moment.
        if (!OperatingSystem.IsWindows() && mode != FileOpenMode.Existing) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        try
        {
            return new DiskFile(path, new FileStream(path, options));
        }
        catch (Exception e) when (DiskErrors.Better(e, path) is { } better)
        {
            throw better;
        }
    }

    public long Length => RandomAccess.GetLength(_handle);

    public int Read(long position, Span<byte> buffer)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(position);
        int done = 0;
        while (done < buffer.Length)
        {
            int read = RandomAccess.Read(_handle, buffer[done..], position + done);
            if (read == 0) break;
            done += read;
        }
        return done;
    }

    public void Write(long position, ReadOnlySpan<byte> bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(position);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(position, long.MaxValue - bytes.Length);
        try
        {
            RandomAccess.Write(_handle, bytes, position);   // Writes all of it, in as many calls as that takes.
        }
        catch (Exception e) when (DiskErrors.Better(e, _path) is { } better)
        {
            throw better;
        }
    }

    public void SetLength(long length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        try
        {
            long end = Length;
            if (length <= end || OperatingSystem.IsWindows()) RandomAccess.SetLength(_handle, length);   // Which takes the room there.
            else Extend(end, length);
        }
        catch (Exception e) when (DiskErrors.Better(e, _path) is { } better)
        {
            throw better;
        }
    }

    /// <summary>Takes room without writing, or where there is no such thing by writing zeros: a hole would find the disk full only when it is filled.</summary>
    private void Extend(long from, long to)
    {
        int errno = PosixCalls.Extend(_handle, from, to - from);
        if (errno is 0) return;
        if (errno == PosixCalls.NoSpace || errno == PosixCalls.QuotaExceeded) throw DiskErrors.FromErrno("fallocate", _path, errno);
        Zeros.Write(this, from, to);
    }

    public void Flush()
    {
        if (OperatingSystem.IsWindows())
        {
#pragma warning disable RS0030 // FlushFileBuffers is checked on Windows; it is fsync, on Linux, whose errors get lost.
            RandomAccess.FlushToDisk(_handle);
#pragma warning restore RS0030
            return;
        }
        int errno = PosixCalls.FlushFile(_handle);
        if (errno != 0) throw DiskErrors.FromFailedFlush(_path, errno);
    }

    public void Dispose() => _stream.Dispose();
}

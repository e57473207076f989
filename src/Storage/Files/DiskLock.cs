using System.Globalization;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Tidemark.Storage.Files;

/// <summary>A lock file, held. The lock is the system's and ends with the process; what the file says only names the holder.</summary>
internal sealed class DiskLock : IDisposable
{
    private const int MaxHolderBytes = 512;
    private const int LookingTime = 20;   // Attempts before a lock that is held is taken for more than a look.
    private const int SharingViolation = unchecked((int)0x80070020);

    private readonly SafeFileHandle _handle;

    private DiskLock(SafeFileHandle handle) => _handle = handle;

    public static DiskLock Take(string path)
    {
        SafeFileHandle handle = OperatingSystem.IsWindows() ? TakeOnWindows(path) : TakeOnPosix(path);
        try
        {
            byte[] holder = Encoding.UTF8.GetBytes($"{Environment.ProcessId} {Environment.MachineName}\n");
            RandomAccess.SetLength(handle, 0);
            RandomAccess.Write(handle, holder, 0);
            return new DiskLock(handle);
        }
        catch (Exception e)
        {
            handle.Dispose();
            if (DiskErrors.Better(e, path) is { } better) throw better;
            throw;
        }
    }

    /// <summary>Looks without taking: with a shared lock, which stands in nobody's way who looks too.</summary>
    public static void ThrowIfHeld(string path)
    {
        if (OperatingSystem.IsWindows())
        {
            ThrowIfHeldOnWindows(path);
            return;
        }

        int errno = PosixCalls.OpenForReading(path, out SafeFileHandle handle);
        using (handle)
        {
            if (errno is PosixCalls.NoEntry or PosixCalls.NotADirectory or PosixCalls.AccessDenied) return;
            if (errno == 0) errno = PosixCalls.LockShared(handle);
            if (errno == 0) return;
            throw errno == PosixCalls.WouldBlock ? Held(path, handle) : DiskErrors.FromErrno("lock", path, errno);
        }
    }

    public void Dispose()
    {
        // A program that is just being started has the open file too, until it becomes itself: closing ours alone would leave the lock with it.
        if (!OperatingSystem.IsWindows() && !_handle.IsClosed) PosixCalls.Unlock(_handle);
        _handle.Dispose();
    }

    private static SafeFileHandle TakeOnPosix(string path)
    {
        // Created apart from being opened: the class library takes a shared lock on what it opens, which would stand in our way.
        if (!DiskFileSystem.Instance.FileExists(path)) CreateUnlessOtherDid(path);
        int errno = PosixCalls.OpenFile(path, out SafeFileHandle handle);
        for (int attempt = 1; errno == 0; attempt++)
        {
            errno = PosixCalls.LockExclusively(handle);
            if (errno == 0) return handle;
            if (errno != PosixCalls.WouldBlock || attempt == LookingTime) break;
            Thread.Yield();   // Somebody may just be looking, which takes two system calls.
            errno = 0;
        }

        using (handle)
        {
            throw errno == PosixCalls.WouldBlock ? Held(path, handle) : DiskErrors.FromErrno("lock", path, errno);
        }
    }

    private static void CreateUnlessOtherDid(string path)
    {
        try
        {
            DiskFile.Open(path, FileOpenMode.New).Dispose();
        }
        catch (IOException) when (DiskFileSystem.Instance.FileExists(path))
        {
            // Another process made it between the look and the creation: the lock decides between the two.
        }
    }

    private static SafeFileHandle TakeOnWindows(string path)
    {
        try
        {
            return File.OpenHandle(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read);
        }
        catch (IOException e) when (e.HResult == SharingViolation)
        {
            using SafeFileHandle handle = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            throw Held(path, handle);
        }
        catch (Exception e) when (DiskErrors.Better(e, path) is { } better)
        {
            throw better;
        }
    }

    private static void ThrowIfHeldOnWindows(string path)
    {
        try
        {
            // A holder shares its file with readers only, so whoever may write to it finds no holder.
            File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite).Dispose();
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException or UnauthorizedAccessException)
        {
            // No lock file, or somebody else's.
        }
        catch (IOException e) when (e.HResult == SharingViolation)
        {
            using SafeFileHandle handle = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            throw Held(path, handle);
        }
    }

    private static DirectoryLockedException Held(string path, SafeFileHandle handle)
    {
        Span<byte> bytes = stackalloc byte[MaxHolderBytes];
        string holder = Encoding.UTF8.GetString(bytes[..RandomAccess.Read(handle, bytes, 0)]).Trim();
        string directory = Path.GetDirectoryName(Path.GetFullPath(path)) ?? path;
        int space = holder.IndexOf(' ', StringComparison.Ordinal);
        bool named = space > 0 && int.TryParse(holder.AsSpan(0, space), NumberStyles.None, CultureInfo.InvariantCulture, out _);
        return named
            ? new DirectoryLockedException(directory, int.Parse(holder.AsSpan(0, space), CultureInfo.InvariantCulture), holder[(space + 1)..])
            : new DirectoryLockedException(directory, 0, "");
    }
}

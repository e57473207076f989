using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Tidemark.Storage.Files;

/// <summary>The few calls of the operating system that the class library lacks, hides or gets wrong, on Linux and macOS.</summary>
/// <remarks>
/// The flushes of the class library return normally on Linux when fsync fails, know no fdatasync and cannot flush a directory.
/// Its rename copies across devices, and its file locks can be switched off by an environment variable. So these are our own.
/// </remarks>
internal static partial class PosixCalls
{
    public const int NotTried = -1;
    public const int Interrupted = 4;
    public const int NoEntry = 2;
    public const int AccessDenied = 13;
    public const int NotADirectory = 20;
    public const int InvalidArgument = 22;
    public const int NoSpace = 28;

    private const int ReadOnly = 0;
    private const int ReadWrite = 2;
    private const int ExclusiveNonBlocking = 2 | 4;   // LOCK_EX | LOCK_NB
    private const int SharedNonBlocking = 1 | 4;      // LOCK_SH | LOCK_NB
    private const int UnlockNow = 8;
    private const int FullFlush = 51;                 // F_FULLFSYNC: fsync on macOS stops at the drive's cache.

    public static readonly int WouldBlock = OperatingSystem.IsLinux() ? 11 : 35;
    public static readonly int QuotaExceeded = OperatingSystem.IsLinux() ? 122 : 69;

    private static readonly int CloseOnExec = OperatingSystem.IsLinux() ? 0x80000 : 0x1000000;
    private static readonly int DirectoryOnly = !OperatingSystem.IsLinux() ? 0x100000
        : RuntimeInformation.ProcessArchitecture is Architecture.Arm or Architecture.Arm64 or Architecture.Ppc64le ? 0x4000
        : 0x10000;

    /// <summary>Puts a file's bytes and its length on stable storage. Returns 0 or the errno.</summary>
    public static int FlushFile(SafeFileHandle file) =>
        OperatingSystem.IsLinux() ? Retry(file, static f => FDataSync(f)) : FlushFully(file);

    /// <summary>Puts a directory's names on stable storage. Returns 0 or the errno.</summary>
    public static int FlushDirectory(SafeFileHandle directory) =>
        OperatingSystem.IsLinux() ? Retry(directory, static d => FSync(d)) : FlushFully(directory);

    /// <summary>Makes a file longer by room that is taken and reads as zero. Returns 0, the errno, or <see cref="NotTried"/> where there is no such call.</summary>
    public static int Extend(SafeFileHandle file, long position, long bytes) =>
        OperatingSystem.IsLinux() && Environment.Is64BitProcess   // Elsewhere lengths may have another size in C.
            ? Retry(file, f => FAllocate(f, 0, position, bytes))
            : NotTried;

    /// <summary>Locks the open file for this handle alone, without waiting. Returns 0 or the errno.</summary>
    public static int LockExclusively(SafeFileHandle file) => Retry(file, static f => FLock(f, ExclusiveNonBlocking));

    /// <summary>Locks the open file together with others who do so, without waiting. Returns 0 or the errno.</summary>
    public static int LockShared(SafeFileHandle file) => Retry(file, static f => FLock(f, SharedNonBlocking));

    /// <summary>Lets go of a lock, whoever else has the same open file.</summary>
    public static void Unlock(SafeFileHandle file) => Retry(file, static f => FLock(f, UnlockNow));

    /// <summary>Renames in one step or not at all. Returns 0 or the errno.</summary>
    public static int Move(string source, string destination) => Rename(source, destination) == 0 ? 0 : Marshal.GetLastPInvokeError();

    /// <summary>Opens a directory, to flush it.</summary>
    public static int OpenDirectory(string path, out SafeFileHandle directory) => Open(path, ReadOnly | DirectoryOnly, out directory);

    /// <summary>Opens a file that exists, without the shared lock that the class library takes on every file it opens.</summary>
    public static int OpenFile(string path, out SafeFileHandle file) => Open(path, ReadWrite, out file);

    /// <summary>Opens a file that exists for reading, without any lock.</summary>
    public static int OpenForReading(string path, out SafeFileHandle file) => Open(path, ReadOnly, out file);

    private static int Open(string path, int flags, out SafeFileHandle handle)
    {
        while (true)
        {
            int descriptor = Open(path, flags | CloseOnExec);
            int error = descriptor >= 0 ? 0 : Marshal.GetLastPInvokeError();
            if (error == Interrupted) continue;
            handle = new SafeFileHandle(descriptor, ownsHandle: true);
            return error;
        }
    }

    private static int FlushFully(SafeFileHandle handle)
    {
        int error = OperatingSystem.IsMacOS() ? Retry(handle, static h => FControl(h, FullFlush)) : NotTried;
        bool unknownHere = error is NotTried or InvalidArgument or 25 or 45;   // ENOTTY, ENOTSUP: a network file system.
        return unknownHere ? Retry(handle, static h => FSync(h)) : error;
    }

    private static int Retry(SafeFileHandle handle, Func<SafeFileHandle, int> call)
    {
        while (true)
        {
            if (call(handle) >= 0) return 0;
            int error = Marshal.GetLastPInvokeError();
            if (error != Interrupted) return error;
        }
    }

    // open and fcntl take more arguments in C, only for flags that are not used here.
    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fcntl", SetLastError = true)]
    private static partial int FControl(SafeFileHandle file, int command);

    [LibraryImport("libc", EntryPoint = "fdatasync", SetLastError = true)]
    private static partial int FDataSync(SafeFileHandle file);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int FSync(SafeFileHandle file);

    [LibraryImport("libc", EntryPoint = "fallocate", SetLastError = true)]
    private static partial int FAllocate(SafeFileHandle file, int mode, long position, long bytes);

    [LibraryImport("libc", EntryPoint = "flock", SetLastError = true)]
    private static partial int FLock(SafeFileHandle file, int operation);

    [LibraryImport("libc", EntryPoint = "rename", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Rename(string source, string destination);
}

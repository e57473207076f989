using System.Runtime.InteropServices;

namespace Tidemark.Storage.Files;

/// <summary>Turns what the operating system and the class library report into the errors that <see cref="IFileSystem"/> promises.</summary>
internal static class DiskErrors
{
    // Windows: ERROR_DISK_FULL, ERROR_HANDLE_DISK_FULL, ERROR_DISK_QUOTA_EXCEEDED.
    private static readonly int[] FullOnWindows = [unchecked((int)0x80070070), unchecked((int)0x80070027), unchecked((int)0x8007050F)];

    /// <summary>The promised error for one of the class library's, or null where that one is right already.</summary>
    public static Exception? Better(Exception error, string path) => error switch
    {
        IOException io when IsFull(io.HResult) => Full(path, io),
        UnauthorizedAccessException => new IOException($"'{path}' may not be opened or changed: {error.Message}", error),
        // A file size limit, which the class library takes for a mistake of the caller.
        ArgumentOutOfRangeException => new IOException($"'{path}' may not grow as far as asked: {error.Message}", error),
        _ => null,
    };

    /// <summary>The promised error for an errno of one of our own calls.</summary>
    public static Exception FromErrno(string call, string path, int errno) =>
        IsFull(errno) ? Full(path, Plain(call, path, errno)) : Plain(call, path, errno);

    /// <summary>The error of a failed flush: never "full", since that would promise that trying again is safe.</summary>
    public static IOException FromFailedFlush(string path, int errno) => Plain("flush", path, errno);

    private static IOException Plain(string call, string path, int errno) =>
        new($"{call} of '{path}' failed: {Marshal.GetPInvokeErrorMessage(errno)} (errno {errno}).", errno);

    private static StoreFullException Full(string path, IOException cause) =>
        new($"There is no room for '{path}'. Free some space or raise the quota, then try again.", cause);

    private static bool IsFull(int code) => OperatingSystem.IsWindows()
        ? FullOnWindows.Contains(code)
        : code == PosixCalls.NoSpace || code == PosixCalls.QuotaExceeded;
}

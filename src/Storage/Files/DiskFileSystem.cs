using Microsoft.Win32.SafeHandles;
using Tidemark.Storage.Files;

namespace Tidemark;

/// <summary>The machine's own file system, with flushes whose errors are seen.</summary>
/// <remarks>
/// Files are created for their owner alone (mode 0600, directories 0700); a data file that is a symbolic link is refused.
/// A flush is fdatasync on Linux, F_FULLFSYNC on macOS and FlushFileBuffers on Windows. Windows has no flush for the names in a
/// directory: there the journal of NTFS keeps them, and <see cref="FlushDirectory"/> only checks that the directory exists.
/// </remarks>
public sealed class DiskFileSystem : IFileSystem
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    private DiskFileSystem()
    {
    }

    /// <summary>The one instance: it holds nothing.</summary>
    public static DiskFileSystem Instance { get; } = new();

    /// <inheritdoc/>
    public void CreateDirectory(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var missing = new Stack<string>();
        string? existing = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        for (; existing is not null && !Directory.Exists(existing); existing = Path.GetDirectoryName(existing)) missing.Push(existing);

        // The first that exists may stem from a process that died before it could flush the name: flushed again here,
        // unless its parent may not be read, in which case somebody else made it.
        if (Path.GetDirectoryName(existing) is { } above) FlushNames(above, mayBeUnreadable: true);
        foreach (string directory in missing)
        {
            try
            {
                if (OperatingSystem.IsWindows()) Directory.CreateDirectory(directory);
                else Directory.CreateDirectory(directory, OwnerOnly);
            }
            catch (Exception e) when (DiskErrors.Better(e, directory) is { } better)
            {
                throw better;
            }
            if (Path.GetDirectoryName(directory) is { } parent) FlushNames(parent, mayBeUnreadable: false);
        }
    }

    /// <inheritdoc/>
    public IReadOnlyList<string> ListFiles(string directory)
    {
        try
        {
            string[] names = Array.ConvertAll(Directory.GetFiles(directory), path => Path.GetFileName(path));
            Array.Sort(names, StringComparer.Ordinal);
            return names;
        }
        catch (Exception e) when (DiskErrors.Better(e, directory) is { } better)
        {
            throw better;
        }
    }

    /// <inheritdoc/>
    public bool FileExists(string path)
    {
        try
        {
            // Not File.Exists: it answers "no" where the truth is "may not be looked at".
            return !File.GetAttributes(path).HasFlag(FileAttributes.Directory);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return false;
        }
        catch (Exception e) when (DiskErrors.Better(e, path) is { } better)
        {
            throw better;
        }
    }

    /// <inheritdoc/>
    public IFile Open(string path, FileOpenMode mode) => DiskFile.Open(path, mode);

    /// <inheritdoc/>
    public void Move(string source, string destination)
    {
        ArgumentException.ThrowIfNullOrEmpty(source);
        ArgumentException.ThrowIfNullOrEmpty(destination);
        if (OperatingSystem.IsWindows())
        {
            try
            {
                File.Move(source, destination, overwrite: true);
            }
            catch (Exception e) when (DiskErrors.Better(e, source) is { } better)
            {
                throw better;
            }
            return;
        }
        int errno = PosixCalls.Move(source, destination);
        if (errno is PosixCalls.NoEntry or PosixCalls.NotADirectory) throw WhatIsMissing(source, destination);
        if (errno != 0) throw DiskErrors.FromErrno("rename", source, errno);
    }

    /// <inheritdoc/>
    public void Delete(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (DirectoryNotFoundException)
        {
            // Where the directory is missing, so is the file.
        }
        catch (Exception e) when (DiskErrors.Better(e, path) is { } better)
        {
            throw better;
        }
    }

    /// <inheritdoc/>
    public void FlushDirectory(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        FlushNames(path, mayBeUnreadable: false);
    }

    /// <inheritdoc/>
    public IDisposable Lock(string path) => DiskLock.Take(path);

    /// <inheritdoc/>
    public void ThrowIfLocked(string path) => DiskLock.ThrowIfHeld(path);

    private static void FlushNames(string path, bool mayBeUnreadable)
    {
        if (OperatingSystem.IsWindows())
        {
            if (!Directory.Exists(path)) throw MissingDirectory(path);
            return;
        }
        int errno = PosixCalls.OpenDirectory(path, out SafeFileHandle directory);
        using (directory)
        {
            if (errno is PosixCalls.NoEntry or PosixCalls.NotADirectory) throw MissingDirectory(path);
            if (errno == PosixCalls.AccessDenied && mayBeUnreadable) return;
            if (errno != 0) throw DiskErrors.FromErrno("open", path, errno);
            errno = PosixCalls.FlushDirectory(directory);
            // EINVAL: a file system (some network ones) without that flush. How long names live there is its own promise.
            if (errno is not 0 and not PosixCalls.InvalidArgument) throw DiskErrors.FromFailedFlush(path, errno);
        }
    }

    private static IOException WhatIsMissing(string source, string destination)
    {
        foreach (string path in (ReadOnlySpan<string>)[source, destination])
        {
            string? parent = Path.GetDirectoryName(Path.GetFullPath(path));
            if (!Directory.Exists(parent)) return MissingDirectory(parent ?? path);
        }
        return new FileNotFoundException($"There is no file '{source}'.", source);
    }

    private static DirectoryNotFoundException MissingDirectory(string path) => new($"There is no directory '{path}'.");
}

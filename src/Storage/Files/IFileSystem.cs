namespace Tidemark;

/// <summary>The disk as storage sees it: every effect on files goes through here, so a test can put a crashing disk in its place.</summary>
/// <remarks>
/// Three twins are kept: the disk, memory and the faulty one in <c>Tidemark.Testing</c>. All are
/// safe for concurrent calls. Paths are the host's; nothing but a full path or one relative to the working directory is assumed.
/// Errors, the same for all: <see cref="StoreFullException"/> where there is no room (the disk or a quota),
/// <see cref="FileNotFoundException"/> or <see cref="DirectoryNotFoundException"/> where something is missing, and
/// <see cref="IOException"/> for everything else, never swallowed.
/// </remarks>
public interface IFileSystem
{
    /// <summary>Creates a directory with its missing parents, private to its owner, and makes its name durable. No error where it exists.</summary>
    void CreateDirectory(string path);

    /// <summary>The names (not paths) of the files in a directory, in ordinal order.</summary>
    /// <exception cref="DirectoryNotFoundException">There is no such directory.</exception>
    IReadOnlyList<string> ListFiles(string directory);

    /// <summary>Whether a file of that name exists.</summary>
    bool FileExists(string path);

    /// <summary>Opens a file for reading and writing. A created file's name is durable only after <see cref="FlushDirectory"/>.</summary>
    IFile Open(string path, FileOpenMode mode);

    /// <summary>Renames a file in one step, replacing the target where it exists. Durable only after <see cref="FlushDirectory"/>.</summary>
    void Move(string source, string destination);

    /// <summary>Removes a file. No error where it is missing. Durable only after <see cref="FlushDirectory"/>.</summary>
    void Delete(string path);

    /// <summary>Makes the names in a directory durable: what was created, renamed or deleted in it before this call.</summary>
    void FlushDirectory(string path);

    /// <summary>Takes a directory for this holder alone by its lock file, until the result is disposed or the process ends.</summary>
    /// <param name="path">The lock file's path. It is created where missing and stays.</param>
    /// <exception cref="DirectoryLockedException">Another holder has it, in this process or another.</exception>
    IDisposable Lock(string path);

    /// <summary>Returns if nobody holds a lock now; takes nothing, so any number may look at once.</summary>
    /// <param name="path">The lock file's path. Where it is missing, or belongs to somebody else and may not be opened, nobody holds it.</param>
    /// <exception cref="DirectoryLockedException">A holder has it, in this process or another.</exception>
    void ThrowIfLocked(string path);
}

/// <summary>How <see cref="IFileSystem.Open"/> treats a file that exists or is missing.</summary>
public enum FileOpenMode
{
    /// <summary>Opens a file that exists.</summary>
    Existing,

    /// <summary>Creates a file; an error where it exists.</summary>
    New,

    /// <summary>Opens a file, creating it where missing.</summary>
    ExistingOrNew,
}

/// <summary>An open file: positioned reads and writes, and a flush that tells the truth.</summary>
/// <remarks>Safe for concurrent calls that touch different bytes.</remarks>
public interface IFile : IDisposable
{
    /// <summary>The file's length in bytes.</summary>
    long Length { get; }

    /// <summary>Reads until the buffer is full or the file ends.</summary>
    /// <returns>The bytes read: fewer than asked only at the end of the file.</returns>
    int Read(long position, Span<byte> buffer);

    /// <summary>Writes all the bytes, extending the file where they lie beyond its end. Durable only after <see cref="Flush"/>.</summary>
    /// <exception cref="StoreFullException">There is no room. A part may have been written.</exception>
    void Write(long position, ReadOnlySpan<byte> bytes);

    /// <summary>Sets the length; bytes added read as zero, and their room is taken, as far as the disk can promise that. Durable only after <see cref="Flush"/>.</summary>
    /// <exception cref="StoreFullException">There is no room for the bytes added.</exception>
    void SetLength(long length);

    /// <summary>Returns once all bytes written before this call, and the length needed to read them, are on stable storage.</summary>
    /// <exception cref="IOException">The disk refused. The bytes may be lost even if a later flush succeeds: do not retry.</exception>
    void Flush();
}

namespace Tidemark;

/// <summary>Stored bytes are not what was written: rot, a stray write, a lost or foreign file. Nothing was skipped or guessed.</summary>
/// <remarks>Not transient. Restore the file from a replica or a backup; the data before the position is whole.</remarks>
public sealed class CorruptDataException : TidemarkException
{
    /// <summary>Creates the error.</summary>
    /// <param name="file">The damaged file's path.</param>
    /// <param name="position">Where in the file the damage was met, in bytes.</param>
    /// <param name="expected">What a whole file has there.</param>
    /// <param name="found">What was read.</param>
    public CorruptDataException(string file, long position, string expected, string found)
        : base(TidemarkErrorCode.CorruptData, isTransient: false,
            $"'{file}' is damaged at byte {position}: expected {expected}, found {found}. Restore it from a replica or a backup.")
    {
        File = file;
        Position = position;
        Expected = expected;
        Found = found;
    }

    /// <summary>The damaged file's path.</summary>
    public string File { get; }

    /// <summary>Where in the file the damage was met, in bytes.</summary>
    public long Position { get; }

    /// <summary>What a whole file has there.</summary>
    public string Expected { get; }

    /// <summary>What was read.</summary>
    public string Found { get; }
}

/// <summary>A write or a flush failed, so the store takes no more writes until it is reopened.</summary>
/// <remarks>
/// Whether the writes that were under way survived is unknown until the store is opened again. Nothing that was acknowledged
/// before is affected. A failed flush is never retried: the operating system may have dropped the pages it could not write.
/// </remarks>
public sealed class StoreFailedException(string message, Exception? innerException = null)
    : TidemarkException(TidemarkErrorCode.StoreFailed, isTransient: false, message, innerException);

/// <summary>The disk or a quota is full. The write did not happen; the same call works once there is room.</summary>
public sealed class StoreFullException(string message, Exception? innerException = null)
    : TidemarkException(TidemarkErrorCode.StoreFull, isTransient: true, message, innerException);

/// <summary>Too many bytes wait for the disk already. The write did not happen; wait for earlier ones and try again.</summary>
public sealed class OverloadedException(string message)
    : TidemarkException(TidemarkErrorCode.Overloaded, isTransient: true, message);

/// <summary>A directory is already open, in this process or another.</summary>
public sealed class DirectoryLockedException : TidemarkException
{
    /// <summary>Creates the error.</summary>
    /// <param name="directory">The directory that is held.</param>
    /// <param name="processId">The holder's process id, or 0 where it could not be read.</param>
    /// <param name="hostName">The holder's host, or an empty string where it could not be read.</param>
    public DirectoryLockedException(string directory, int processId, string hostName)
        : base(TidemarkErrorCode.DirectoryLocked, isTransient: true,
            $"'{directory}' is held by {(processId == 0 ? "another holder" : $"process {processId} on host '{hostName}'")}. "
            + "One process at a time may open it: close it there, or open another directory.")
    {
        Directory = directory;
        ProcessId = processId;
        HostName = hostName;
    }

    /// <summary>The directory that is held.</summary>
    public string Directory { get; }

    /// <summary>The holder's process id, or 0 where it could not be read.</summary>
    public int ProcessId { get; }

    /// <summary>The holder's host, or an empty string where it could not be read.</summary>
    public string HostName { get; }
}

/// <summary>A file is of another kind, format version, store or log than was asked for. It was not changed.</summary>
public sealed class FormatMismatchException : TidemarkException
{
    /// <summary>Creates the error.</summary>
    /// <param name="file">The file's path.</param>
    /// <param name="expected">What this version reads here.</param>
    /// <param name="found">What the file says it is.</param>
    public FormatMismatchException(string file, string expected, string found)
        : base(TidemarkErrorCode.FormatMismatch, isTransient: false, $"'{file}' cannot be opened: expected {expected}, found {found}.")
    {
        File = file;
        Expected = expected;
        Found = found;
    }

    /// <summary>The file's path.</summary>
    public string File { get; }

    /// <summary>What this version reads here.</summary>
    public string Expected { get; }

    /// <summary>What the file says it is.</summary>
    public string Found { get; }
}

/// <summary>An offset lies outside the records that are kept. Nothing is skipped: the caller decides where to go on.</summary>
public sealed class OffsetOutOfRangeException : TidemarkException
{
    /// <summary>Creates the error.</summary>
    /// <param name="offset">The offset asked for.</param>
    /// <param name="start">The first offset kept.</param>
    /// <param name="end">The offset after the last record.</param>
    /// <param name="partition">The partition of a topic that was asked; null for another log.</param>
    public OffsetOutOfRangeException(long offset, long start, long end, int? partition = null)
        : base(TidemarkErrorCode.OffsetOutOfRange, isTransient: false,
            $"Offset {offset} is outside {(partition is { } number ? $"partition {number}" : "the log")}, which holds [{start}, {end}). Earlier records were trimmed; later ones do not exist.")
    {
        Partition = partition;
        Offset = offset;
        Start = start;
        End = end;
    }

    /// <summary>The partition of a topic that was asked, so that a consumer of several knows where to seek; null for another log.</summary>
    public int? Partition { get; }

    /// <summary>The offset asked for.</summary>
    public long Offset { get; }

    /// <summary>The first offset kept.</summary>
    public long Start { get; }

    /// <summary>The offset after the last record.</summary>
    public long End { get; }
}

/// <summary>A native library that an engine needs is not there. The message says how to get it.</summary>
public sealed class NativeLibraryMissingException : TidemarkException
{
    /// <summary>Creates the error.</summary>
    /// <param name="library">The library's name or path.</param>
    /// <param name="message">What was looked for, and the remedy.</param>
    /// <param name="innerException">The cause, if another error is.</param>
    public NativeLibraryMissingException(string library, string message, Exception? innerException = null)
        : base(TidemarkErrorCode.NativeLibraryMissing, isTransient: false, message, innerException) => Library = library;

    /// <summary>The library's name or path.</summary>
    public string Library { get; }
}

namespace Tidemark.Testing;

/// <summary>The kinds of operation that change a disk.</summary>
public enum DiskOperationKind
{
    /// <summary>Bytes are written into a file.</summary>
    Write,

    /// <summary>A file's length is set.</summary>
    SetLength,

    /// <summary>A file is flushed.</summary>
    Flush,

    /// <summary>A file is created.</summary>
    Create,

    /// <summary>A file is renamed.</summary>
    Rename,

    /// <summary>A file is removed.</summary>
    Delete,

    /// <summary>A directory is created.</summary>
    CreateDirectory,

    /// <summary>A directory's names are flushed.</summary>
    FlushDirectory,
}

/// <summary>One operation that changes a disk.</summary>
/// <param name="Number">Its place in the disk's history, from 1.</param>
/// <param name="Kind">What it does.</param>
/// <param name="Path">The file or directory it is about.</param>
/// <param name="Position">For a write, where it starts; for a length, the length; else 0.</param>
/// <param name="Count">For a write, its bytes; else 0.</param>
/// <param name="Target">For a rename, the new path; else null.</param>
public readonly record struct DiskOperation(long Number, DiskOperationKind Kind, string Path, long Position = 0, int Count = 0, string? Target = null)
{
    /// <summary>One line for a trace.</summary>
    public override string ToString() => Kind switch
    {
        DiskOperationKind.Write => $"{Number,6} Write {Path} [{Position}, {Position + Count})",
        DiskOperationKind.SetLength => $"{Number,6} SetLength {Path} to {Position}",
        DiskOperationKind.Rename => $"{Number,6} Rename {Path} to {Target}",
        _ => $"{Number,6} {Kind} {Path}",
    };
}

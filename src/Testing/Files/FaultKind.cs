namespace Tidemark.Testing;

/// <summary>What can go wrong on a <see cref="FaultyFileSystem"/>. Each kind counts how often it happened.</summary>
public enum FaultKind
{
    /// <summary>A read fails. Nothing is changed.</summary>
    ReadError,

    /// <summary>A write fails after a part of it, none to all but the last byte, or a length is not set.</summary>
    WriteError,

    /// <summary>A file flush fails, and takes with it what it was to save: see <see cref="LostByFlush"/>.</summary>
    FlushError,

    /// <summary>A directory flush fails, and takes with it the names it was to save: see <see cref="LostByFlush"/>.</summary>
    DirectoryFlushError,

    /// <summary>A file cannot be opened or created.</summary>
    OpenError,

    /// <summary>A rename fails. Nothing is changed.</summary>
    RenameError,

    /// <summary>A delete fails. Nothing is changed.</summary>
    DeleteError,

    /// <summary>There is no room for a write, a length or a new file. A part of the write may have been done.</summary>
    DiskFull,

    /// <summary>A stored bit was turned over. Made by <see cref="FaultyFileSystem.FlipBit"/>.</summary>
    BitFlip,

    /// <summary>A power cut. Made by asking for what it leaves, as are the next three.</summary>
    PowerCut,

    /// <summary>A power cut lost a write, or a length, that was not flushed.</summary>
    LostWrite,

    /// <summary>A power cut kept some sectors of a write that was not flushed, and lost others.</summary>
    TornWrite,

    /// <summary>A power cut lost a creation, a rename or a removal whose directory was not flushed.</summary>
    LostName,

    /// <summary>
    /// A flush failed, so the system took a change for done that never reached the disk: reads see it, later flushes succeed
    /// and do not save it, a power cut shows that it is gone. So does Linux.
    /// </summary>
    LostByFlush,
}

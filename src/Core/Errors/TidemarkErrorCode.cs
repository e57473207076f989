namespace Tidemark;

/// <summary>What went wrong, as a stable number a program can act on. Numbers are never reused.</summary>
public enum TidemarkErrorCode
{
    /// <summary>No code was given.</summary>
    None = 0,

    /// <summary>Stored bytes are not what was written. See <see cref="CorruptDataException"/>.</summary>
    CorruptData = 1,

    /// <summary>The disk refused a write or a flush. See <see cref="StoreFailedException"/>.</summary>
    StoreFailed = 2,

    /// <summary>The disk or a quota is full. See <see cref="StoreFullException"/>.</summary>
    StoreFull = 3,

    /// <summary>Another holder has the directory. See <see cref="DirectoryLockedException"/>.</summary>
    DirectoryLocked = 4,

    /// <summary>The files belong to another format version, store or log. See <see cref="FormatMismatchException"/>.</summary>
    FormatMismatch = 5,

    /// <summary>A documented limit was exceeded. See <see cref="LimitExceededException"/>.</summary>
    LimitExceeded = 6,

    /// <summary>The offset is outside what is kept. See <see cref="OffsetOutOfRangeException"/>.</summary>
    OffsetOutOfRange = 7,

    /// <summary>A remote timestamp is too far ahead of the physical clock. See <see cref="ClockDriftException"/>.</summary>
    ClockDrift = 8,

    /// <summary>The clock may not pass its persisted bound yet. See <see cref="ClockBoundException"/>.</summary>
    ClockBound = 9,

    /// <summary>Received bytes are not valid in their format. See <see cref="MalformedDataException"/>.</summary>
    MalformedData = 10,

    /// <summary>Too much is waiting already. See <see cref="OverloadedException"/>.</summary>
    Overloaded = 11,

    /// <summary>A native library is missing. See <see cref="NativeLibraryMissingException"/>.</summary>
    NativeLibraryMissing = 12,

    /// <summary>Whether a write happened cannot be known now. See <see cref="OutcomeUnknownException"/>.</summary>
    OutcomeUnknown = 13,

    /// <summary>A write was refused. See <see cref="WriteRefusedException"/>.</summary>
    WriteRefused = 14,

    /// <summary>No leader of a shard could be reached. See <see cref="ShardUnavailableException"/>.</summary>
    ShardUnavailable = 15,

    /// <summary>An address cannot be listened to. See <see cref="AddressUnavailableException"/>.</summary>
    AddressUnavailable = 16,

    /// <summary>Who asks may not do that. See <see cref="NotAuthorizedException"/>.</summary>
    NotAuthorized = 17,

    /// <summary>A mutator said that a mutation may not be. See <see cref="MutationRejectedException"/>.</summary>
    MutationRejected = 18,

    /// <summary>A local store's copy differed from the server's state too often. See <see cref="SyncFaultedException"/>.</summary>
    SyncFaulted = 19,
}

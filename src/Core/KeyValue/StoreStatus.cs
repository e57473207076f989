namespace Tidemark;

/// <summary>How a key-value write ended, as a stable number. Decided when the write is applied, alike on every replica.</summary>
public enum StoreStatus
{
    /// <summary>Done.</summary>
    Ok = 0,

    /// <summary>There was nothing to delete. Nothing failed by it: in a transaction the other operations are done.</summary>
    NotFound = 1,

    /// <summary>The record is not at the expected version, exists although it must not, or is missing although it must be there.</summary>
    VersionMismatch = 2,

    /// <summary>The session is unknown: closed, expired or never opened on this shard.</summary>
    SessionNotFound = 3,

    /// <summary>The steps of a sequence are not 1 to 16 numbers of which the first is above 0 and none below 0, or would pass 2^63 - 1; or a version was expected.</summary>
    SequenceMalformed = 4,

    /// <summary>The sequence has more parts already than steps were given.</summary>
    SequenceTooShort = 5,

    /// <summary>A record with the key that the sequence came to exists already.</summary>
    KeyTaken = 6,

    /// <summary>The key begins with the reserved prefix.</summary>
    ReservedKey = 7,

    /// <summary>The key is longer than <see cref="NamespaceOptions.MaxKeyBytes"/>, or its encoding is longer than that and 14 bytes.</summary>
    KeyTooLong = 8,

    /// <summary>The value is longer than <see cref="NamespaceOptions.MaxValueBytes"/>.</summary>
    ValueTooLong = 9,

    /// <summary>The write is longer than <see cref="NamespaceOptions.MaxBatchBytes"/>.</summary>
    BatchTooLong = 10,

    /// <summary>An index has no name, an index entry with its record's key does not fit an engine's key, or there are more than 64 entries.</summary>
    IndexEntryRefused = 11,

    /// <summary>The time to live is not above zero, or above ten years.</summary>
    TimeToLiveRefused = 12,

    /// <summary>The session's timeout is not from 1 s to 5 min, or its owner's identity is longer than 256 bytes.</summary>
    SessionRefused = 13,

    /// <summary>There are <see cref="NamespaceOptions.MaxSessions"/> sessions on the shard already.</summary>
    TooManySessions = 14,

    /// <summary>The client id is unknown or has expired. The write was not done, and not taken for a new one.</summary>
    ClientNotFound = 15,

    /// <summary>There are <see cref="NamespaceOptions.MaxClients"/> clients on the shard already.</summary>
    TooManyClients = 16,

    /// <summary>A write of the client's before this one has not arrived. This one was not done.</summary>
    SequenceGap = 17,

    /// <summary>The write was done or refused earlier, and the client has said since that it knows the answer, so it was forgotten.</summary>
    OutcomeForgotten = 18,

    /// <summary>The command is not in its format. Nothing was changed.</summary>
    Malformed = 19,

    /// <summary>The command is of a kind this version does not know. Nothing was changed.</summary>
    UnknownCommand = 20,

    /// <summary>The settings differ in what may never change, or were never given.</summary>
    SettingsRefused = 21,

    /// <summary>The range means nothing in the namespace's key order: children, or a prefix too deep, where they do not lie together.</summary>
    RangeRefused = 22,
}

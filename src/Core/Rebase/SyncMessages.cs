namespace Tidemark.Core.Rebase;

/// <summary>Where a copy of a state stands: which log, behind which entry, and the hash of what a copy has that is whole there.</summary>
/// <param name="LogId">The log. Another id with the same hash at the same offset is the same state.</param>
/// <param name="Offset">The entry applied last.</param>
/// <param name="Content">The sum over all records and cursors.</param>
internal readonly record struct SyncPosition(Guid LogId, long Offset, StateHash Content);

/// <summary>Asks for what changed.</summary>
/// <param name="Client">Who asks.</param>
/// <param name="Position">Where its copy stands; null for a new one.</param>
/// <param name="Bound">The last row that it has; empty for none, null for a copy that is whole.</param>
/// <param name="MostBytes">About how long the answer may be; 0 for the usual.</param>
internal sealed record SyncPull(Guid Client, SyncPosition? Position, byte[]? Bound, int MostBytes = 0);

/// <summary>Brings mutations, in order and without holes.</summary>
/// <param name="Client">Whose they are.</param>
/// <param name="Floor">The client knows what came of all mutations up to this one.</param>
/// <param name="Before">The link before the first.</param>
/// <param name="Mutations">The mutations; one at least.</param>
internal sealed record SyncPush(Guid Client, long Floor, TimelineLink Before, IReadOnlyList<TimelineEntry> Mutations);

/// <summary>What comes back to a pull.</summary>
internal abstract record SyncAnswer;

/// <summary>Moves a copy on.</summary>
/// <param name="Position">Where it stands then.</param>
/// <param name="Timestamp">When that entry was written.</param>
/// <param name="Bound">The last row that it has then; null where it has all.</param>
/// <param name="RowsInAll">How many rows the whole state has.</param>
/// <param name="Cleared">Ranges of row keys: what the copy has in them goes first.</param>
/// <param name="Rows">What is to be set and removed then, in ascending order.</param>
/// <param name="Rejections">Those among the asking client's mutations that were rejected and that it has not said it knows of.</param>
internal sealed record SyncChanges(
    SyncPosition Position, HybridTimestamp Timestamp, byte[]? Bound, long RowsInAll,
    IReadOnlyList<EncodedKeyRange> Cleared, IReadOnlyList<SyncRow> Rows, IReadOnlyList<SyncRejection> Rejections) : SyncAnswer;

/// <summary>Says that a copy cannot go on.</summary>
internal sealed record SyncReset(SyncResetReason Reason) : SyncAnswer;

/// <summary>A row as it is now.</summary>
/// <param name="RowKey">The row's key in the server's state: a record's or a cursor's.</param>
/// <param name="Number">The record's version, or the cursor; 0 where the row is gone.</param>
/// <param name="Value">The record's value, or the cursor's link; null where the row is gone.</param>
internal readonly record struct SyncRow(byte[] RowKey, long Number, ReadOnlyMemory<byte>? Value);

/// <summary>Why a mutation was rejected.</summary>
internal readonly record struct SyncRejection(long Mutation, string Code, string? Text);

/// <summary>Why a copy cannot go on.</summary>
internal enum SyncResetReason
{
    TooOld = 1,
    Diverged = 2,
    Ahead = 3,
    ClientUnknown = 4,
}

/// <summary>What came of a push.</summary>
/// <param name="UpTo">The last of the client's mutations that is decided or being decided.</param>
/// <param name="Refusal">Why no more are.</param>
/// <param name="Text">More about that, for people.</param>
internal sealed record SyncPushed(long UpTo, SyncRefusal Refusal, string? Text);

/// <summary>Why the server took no more of a push.</summary>
internal enum SyncRefusal
{
    None = 0,
    Delayed = 1,
    Gap = 2,
    Forked = 3,
    ClientUnknown = 4,
    OutcomesFull = 5,
}

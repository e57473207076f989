namespace Tidemark;

/// <summary>What a write came to.</summary>
/// <param name="Status">Whether it was done, and if not, why.</param>
/// <param name="Key">The record's key: the one given, or the one a sequence came to.</param>
/// <param name="Version">The version written or deleted; after <see cref="StoreStatus.VersionMismatch"/> the one found, 0 for none.</param>
/// <param name="Timestamp">When the entry that decided it was written.</param>
/// <param name="Count">How many records it deleted.</param>
public readonly record struct WriteResult(StoreStatus Status, StoreKey Key, long Version, HybridTimestamp Timestamp, long Count)
{
    /// <summary>Whether it was done.</summary>
    public bool Succeeded => Status == StoreStatus.Ok;

    /// <summary>The same, or an error where it was refused.</summary>
    /// <exception cref="WriteRefusedException">It was not done. A delete that found nothing counts as done.</exception>
    public WriteResult ThrowIfRefused() => Status is StoreStatus.Ok or StoreStatus.NotFound
        ? this
        : throw new WriteRefusedException(Status, $"The write of '{Key}' was refused: {Status}{(Status == StoreStatus.VersionMismatch ? $", version {Version} was found" : "")}.");
}

/// <summary>What a transaction came to: all of its operations were done, or none.</summary>
/// <param name="Status">Whether it was done, and if not, why.</param>
/// <param name="FailedIndex">Which condition or operation failed, counted from 0, conditions first; -1 where none did.</param>
/// <param name="Results">For each operation what it came to; after a failure that of the one that failed, alone.</param>
/// <param name="Timestamp">When the entry that decided it was written.</param>
public sealed record TransactionResult(StoreStatus Status, int FailedIndex, IReadOnlyList<WriteResult> Results, HybridTimestamp Timestamp)
{
    /// <summary>Whether it was done.</summary>
    public bool Succeeded => Status == StoreStatus.Ok;

    /// <summary>The same, or an error where it was refused.</summary>
    /// <exception cref="WriteRefusedException">It was not done.</exception>
    public TransactionResult ThrowIfRefused() => Succeeded
        ? this
        : throw new WriteRefusedException(Status, $"The transaction was refused: {Status} at part {FailedIndex}.");
}

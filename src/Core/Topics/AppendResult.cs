namespace Tidemark;

/// <summary>How to append.</summary>
public sealed record AppendOptions
{
    /// <summary>The partition; null, the default, to choose it by key, or in turn.</summary>
    public int? Partition { get; init; }

    /// <summary>Append only if the first message gets just this offset; null, the default, in any case. Only together with <see cref="Partition"/>, or for messages with a key.</summary>
    public long? ExpectedOffset { get; init; }

    internal static AppendOptions None { get; } = new();
}

/// <summary>What became of an append.</summary>
/// <param name="Status">What happened.</param>
/// <param name="Partition">The partition.</param>
/// <param name="Offset">
/// Of <see cref="AppendStatus.Appended"/> the first message's offset; of <see cref="AppendStatus.Duplicate"/> the offset that the first message has already; of
/// <see cref="AppendStatus.OffsetConflict"/> the offset that it would have got.
/// </param>
/// <param name="Count">How many messages were appended: they have this and the following offsets.</param>
/// <param name="Duplicates">How many were left out because their ids were known.</param>
/// <param name="Timestamp">When they were appended.</param>
public readonly record struct AppendResult(AppendStatus Status, int Partition, long Offset, int Count, int Duplicates, HybridTimestamp Timestamp)
{
    /// <summary>Whether messages were appended.</summary>
    public bool IsAppended => Status == AppendStatus.Appended;
}

/// <summary>What became of an append.</summary>
public enum AppendStatus
{
    /// <summary>The messages are in the log, durably.</summary>
    Appended = 0,

    /// <summary>All messages were there already: their ids are remembered. Nothing was appended.</summary>
    Duplicate = 1,

    /// <summary>The partition ends elsewhere than was expected. Nothing was appended.</summary>
    OffsetConflict = 2,
}

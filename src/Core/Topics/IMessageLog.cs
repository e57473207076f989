namespace Tidemark.Core.Topics;

/// <summary>A part of a log that is removed as a whole: a sealed segment.</summary>
/// <param name="FirstEntry">Its first entry.</param>
/// <param name="Bytes">Its length on the disk.</param>
/// <param name="LastTimestamp">The timestamp of its last entry.</param>
internal readonly record struct LogPart(long FirstEntry, long Bytes, HybridTimestamp LastTimestamp);

/// <summary>What the leader of a partition looks at in its log to decide what is kept.</summary>
internal interface IMessageLog
{
    /// <summary>The sealed parts in order, without those whose entries are not applied yet; and the first entry behind them with the bytes of what takes entries now.</summary>
    (IReadOnlyList<LogPart> Sealed, long Open, long OpenBytes) Parts { get; }

    /// <summary>The offset of the first message at or behind an entry; null where none is.</summary>
    long? FirstMessageAt(long entry);
}

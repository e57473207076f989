namespace Tidemark.Core.State;

/// <summary>A state machine whose entries are more than the way to its state: readers read them from the log, which is kept for them.</summary>
internal interface IKeepsLog
{
    /// <summary>The first entry that is needed. Only rises.</summary>
    long LogStart { get; }
}

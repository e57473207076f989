namespace Tidemark.Core.Replication;

/// <summary>Kinds of log entries that are the shard's own.</summary>
internal static class EntryKinds
{
    /// <summary>Begins a leader's term, and is a mark too.</summary>
    internal const ushort BeginTerm = ushort.MaxValue;

    /// <summary>A mark: behind it the replicas' states are compared.</summary>
    internal const ushort Mark = ushort.MaxValue - 1;

    /// <summary>Whether no state machine sees an entry, and every replica notes what its state is behind it.</summary>
    internal static bool IsMark(ushort kind) => kind >= Mark;
}

using Tidemark.Core.KeyValue;

namespace Tidemark.Replication.KeyValue;

/// <summary>Remembers the changes of a shard for longer than its state does.</summary>
internal interface IPastChanges
{
    /// <summary>The changes behind an entry, as many as about so many bytes; null where they are not kept, or cannot be had.</summary>
    Task<PastChanges?> FindAsync(long behind, int mostBytes, CancellationToken cancellationToken);
}

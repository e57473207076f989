namespace Tidemark.Core.KeyValue;

/// <summary>Changes that a state itself keeps no more.</summary>
/// <param name="Before">What the content was where they begin.</param>
/// <param name="Rows">Change rows, in order.</param>
/// <param name="Reached">Up to this entry there are no others.</param>
/// <param name="Behind">What stands behind it.</param>
internal sealed record PastChanges(StateHash Before, IReadOnlyList<byte[]> Rows, long Reached, ChangeHead Behind);

/// <summary>Remembers the changes of a shard for longer than its state does.</summary>
internal interface IPastChanges
{
    /// <summary>The changes behind an entry, as many as about so many bytes; null where they are not kept, or cannot be had.</summary>
    Task<PastChanges?> FindAsync(long behind, int mostBytes, CancellationToken cancellationToken);
}

namespace Tidemark.Core.KeyValue;

/// <summary>Changes that a state itself keeps no more.</summary>
/// <param name="Before">What the content was where they begin.</param>
/// <param name="Rows">Change rows, in order.</param>
/// <param name="Reached">Up to this entry there are no others.</param>
/// <param name="Behind">What stands behind it.</param>
internal sealed record PastChanges(StateHash Before, IReadOnlyList<byte[]> Rows, long Reached, ChangeHead Behind);

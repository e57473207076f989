namespace Tidemark;

/// <summary>What <see cref="TidemarkStore.ScrubAsync"/> has read.</summary>
/// <param name="States">How many states: of shards and partitions.</param>
/// <param name="Rows">How many rows they have.</param>
public sealed record ScrubReport(int States, long Rows);

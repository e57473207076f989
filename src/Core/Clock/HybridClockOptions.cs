namespace Tidemark;

/// <summary>Settings of a <see cref="HybridClock"/>.</summary>
public sealed record HybridClockOptions
{
    /// <summary>
    /// How far ahead of this node's physical clock a remote timestamp may be. Default 500 ms, at least 1 ms. Give all nodes of a
    /// cluster the same. <see cref="TimeSpan.MaxValue"/> accepts all.
    /// </summary>
    /// <remarks>Half of it, at most 1 s, is also how far ahead of physical time a persisted bound is set.</remarks>
    public TimeSpan MaxDrift { get; init; } = TimeSpan.FromMilliseconds(500);

    internal void Validate() => ArgumentOutOfRangeException.ThrowIfLessThan(MaxDrift, TimeSpan.FromMilliseconds(1));
}

namespace Tidemark;

/// <summary>The true times a timestamp may stand for, both ends included.</summary>
/// <param name="Earliest">The first timestamp of the earliest microsecond.</param>
/// <param name="Latest">The last timestamp of the latest microsecond.</param>
public readonly record struct UncertaintyInterval(HybridTimestamp Earliest, HybridTimestamp Latest)
{
    /// <summary>Whether a timestamp lies inside, so that the clocks alone cannot tell which of the two was first.</summary>
    public bool Contains(HybridTimestamp timestamp) => Earliest <= timestamp && timestamp <= Latest;

    /// <summary>Whether two intervals share a timestamp. Where they do not, real time orders the two events.</summary>
    public bool Overlaps(UncertaintyInterval other) => Earliest <= other.Latest && other.Earliest <= Latest;
}

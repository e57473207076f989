namespace Tidemark.Testing;

/// <summary>How often each kind of fault happened, on a disk and on all that came from its crashes.</summary>
/// <remarks>Safe for concurrent calls. A test that plans faults should fail where a kind was never hit: it proved nothing about it.</remarks>
public sealed class FaultCounts
{
    private readonly long[] _counts = new long[Enum.GetValues<FaultKind>().Length];

    /// <summary>How often a kind of fault happened.</summary>
    public long this[FaultKind kind] => Volatile.Read(ref _counts[(int)kind]);

    /// <summary>All counts, as text.</summary>
    public override string ToString() => string.Join(", ", Enum.GetValues<FaultKind>().Select(kind => $"{kind} {this[kind]}"));

    internal void Add(FaultKind kind, long times = 1) => Interlocked.Add(ref _counts[(int)kind], times);
}

namespace Tidemark.Bench;

/// <summary>One line of a table: a measurement and its floor from the same run.</summary>
internal sealed record BenchRow(
    string Name, int Writers, double OpsPerSecond, double P50Microseconds, double P99Microseconds, double FloorOpsPerSecond)
{
    public double Ratio => OpsPerSecond / FloorOpsPerSecond;

    /// <summary>What that is in bytes, where the disk's bandwidth is the limit.</summary>
    public Bandwidth? Bandwidth { get; init; }
}

/// <summary>Bytes written beside what the disk takes in the same run, in MB (10^6 bytes) per second.</summary>
/// <param name="Written">What was measured.</param>
/// <param name="DiskFlushed">The disk: a new file that grows by flushed writes of the same length.</param>
/// <param name="DiskAtOnce">The disk: a new file that is flushed once at its end.</param>
internal sealed record Bandwidth(double Written, double DiskFlushed, double DiskAtOnce)
{
    public double RatioFlushed => Written / DiskFlushed;

    public double RatioAtOnce => Written / DiskAtOnce;
}

/// <summary>What the command line sets.</summary>
/// <param name="Seconds">How long one row takes, all rounds together, about.</param>
/// <param name="Rounds">How many rounds a figure is the median of; floor and measurement take turns.</param>
/// <param name="Directory">Where files are made and removed again.</param>
/// <param name="Records">How many records are loaded in bulk.</param>
/// <param name="MemoryCapMebibytes">How much managed memory the program that loads them may have; null for any.</param>
/// <param name="Etcd">Where a cluster keeps its status; null for a file.</param>
internal sealed record BenchOptions(double Seconds, int Rounds, string Directory, int Records, int? MemoryCapMebibytes, Uri? Etcd);

namespace Tidemark.Bench;

internal sealed record BenchRow(
    string Name, int Writers, double OpsPerSecond, double P50Microseconds, double P99Microseconds, double FloorOpsPerSecond)
{
    public double Ratio => OpsPerSecond / FloorOpsPerSecond;
}

internal sealed record BenchOptions(double Seconds, int Rounds);

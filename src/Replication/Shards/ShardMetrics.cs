using System.Diagnostics.Metrics;

namespace Tidemark.Replication.Shards;

/// <summary>What shards measure, once a flush or job, for all shards of the process together.</summary>
internal static class ShardMetrics
{
    private static readonly Counter<long> AppliedEntries = TidemarkDiagnostics.Meter.CreateCounter<long>(
        TidemarkDiagnostics.ShardAppliedEntries, "{entry}", "Entries applied to state machines.");

    private static readonly Histogram<double> ApplyDuration = TidemarkDiagnostics.Meter.CreateHistogram<double>(
        TidemarkDiagnostics.ShardApplyDuration, "s", "Applying and answering what one flush made durable.");

    private static readonly Histogram<double> StateJobDuration = TidemarkDiagnostics.Meter.CreateHistogram<double>(
        TidemarkDiagnostics.ShardStateJobDuration, "s", "Remembering a state outside its log.");

    private static readonly Counter<long> Scrubs = TidemarkDiagnostics.Meter.CreateCounter<long>(
        TidemarkDiagnostics.ShardScrubs, "{state}", "States that were read again and compared with their running sums.");

    private static readonly Counter<long> Cuts = TidemarkDiagnostics.Meter.CreateCounter<long>(
        TidemarkDiagnostics.ShardCuts, "{generation}", "Generations that logs were cut into, on each replica.");

    private static readonly Counter<long> Failures = TidemarkDiagnostics.Meter.CreateCounter<long>(
        TidemarkDiagnostics.ShardFailures, "{shard}", "Shards that failed and take no more writes.");

    internal static void Applied(long entries, TimeSpan elapsed)
    {
        if (entries == 0) return;
        AppliedEntries.Add(entries);
        ApplyDuration.Record(elapsed.TotalSeconds);
    }

    internal static void Remembered(TimeSpan elapsed) => StateJobDuration.Record(elapsed.TotalSeconds);

    internal static void Scrubbed() => Scrubs.Add(1);

    internal static void Cut() => Cuts.Add(1);

    internal static void Failed() => Failures.Add(1);
}

using System.Diagnostics.Metrics;

namespace Tidemark.Storage.Log;

/// <summary>What logs measure, once a round, for all logs of the process together.</summary>
internal static class LogMetrics
{
    private static readonly Histogram<double> FlushDuration = TidemarkDiagnostics.Meter.CreateHistogram<double>(
        TidemarkDiagnostics.LogFlushDuration, "s", "Duration of one round of disk work.");

    private static readonly Counter<long> AppendedBytes = TidemarkDiagnostics.Meter.CreateCounter<long>(
        TidemarkDiagnostics.LogAppendedBytes, "By", "Bytes written to logs, headers included.");

    private static readonly Counter<long> Failures = TidemarkDiagnostics.Meter.CreateCounter<long>(
        TidemarkDiagnostics.LogFailures, "{log}", "Logs that a failed write or flush closed.");

    internal static void Flushed(FlushRound round, TimeSpan elapsed)
    {
        if (round.Batch is { } batch) AppendedBytes.Add(batch.Length);
        if (round.Flush) FlushDuration.Record(elapsed.TotalSeconds);
        if (round.Failure is not null) Failures.Add(1);
    }
}

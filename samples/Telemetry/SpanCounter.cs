using System.Diagnostics;

using OpenTelemetry;

namespace Telemetry;

/// <summary>Takes spans as an exporter does, and keeps how many there were and how long the longest took.</summary>
internal sealed class SpanCounter : BaseExporter<Activity>
{
    internal int Count { get; private set; }

    internal TimeSpan Longest { get; private set; }

    public override ExportResult Export(in Batch<Activity> batch)
    {
        foreach (Activity span in batch)
        {
            Count++;
            if (span.Duration > Longest) Longest = span.Duration;
        }

        return ExportResult.Success;
    }
}

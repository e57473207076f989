using System.Globalization;

using OpenTelemetry;
using OpenTelemetry.Metrics;

namespace Telemetry;

/// <summary>Prints each instrument with its unit and what it came to.</summary>
internal sealed class MetricPrinter(TextWriter output) : BaseExporter<Metric>
{
    public override ExportResult Export(in Batch<Metric> batch)
    {
        foreach (Metric metric in batch)
        {
            foreach (ref readonly MetricPoint point in metric.GetMetricPoints())
                output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{metric.Name,-36} {Text(metric, point)}{Tags(point)}"));
        }

        return ExportResult.Success;
    }

    private static string Text(Metric metric, in MetricPoint point) => metric.MetricType switch
    {
        MetricType.Histogram => string.Create(CultureInfo.InvariantCulture, $"{point.GetHistogramCount()} times, {point.GetHistogramSum() / point.GetHistogramCount():G3} {metric.Unit} each"),
        MetricType.DoubleSum or MetricType.DoubleSumNonMonotonic => string.Create(CultureInfo.InvariantCulture, $"{point.GetSumDouble()} {metric.Unit}"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{point.GetSumLong()} {metric.Unit}"),
    };

    private static string Tags(in MetricPoint point)
    {
        string tags = "";
        foreach (KeyValuePair<string, object?> tag in point.Tags) tags += $" {tag.Key}={tag.Value}";
        return tags;
    }
}

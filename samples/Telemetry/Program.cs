// A store watched by OpenTelemetry: its meter and its activity source are both named "Tidemark". A service would export to a collector; this prints what one would get.
//   dotnet run --project samples/Telemetry -c Release
using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Trace;

using Telemetry;

using Tidemark;

string directory = Directory.CreateTempSubdirectory("tidemark-telemetry-").FullName;
try
{
    var spans = new SpanCounter();
    using TracerProvider traces = Sdk.CreateTracerProviderBuilder()
        .AddSource(TidemarkDiagnostics.ActivitySourceName)
        .SetSampler(new TraceIdRatioBasedSampler(0.1))   // One write in ten.
        .AddProcessor(new SimpleActivityExportProcessor(spans))
        .Build();
    using (Sdk.CreateMeterProviderBuilder()
        .AddMeter(TidemarkDiagnostics.MeterName)
        .AddReader(new BaseExportingMetricReader(new MetricPrinter(Console.Out)))   // Tells at the end; one that tells every minute would be periodic.
        .Build())
    {
        await using TidemarkStore store = await TidemarkStore.OpenAsync(directory);
        for (int i = 0; i < 1000; i++) await store.PutAsync($"/orders/{i:0000}", "paid"u8.ToArray());
    }

    traces.ForceFlush();
    Console.WriteLine($"{spans.Count} of 1000 writes traced, the longest {spans.Longest.TotalMilliseconds:F2} ms");
    return spans.Count > 0 ? 0 : 1;
}
finally
{
    Directory.Delete(directory, recursive: true);
}

using System.Diagnostics;

namespace Tidemark.Bench;

/// <summary>The rounds of one thing: its rate in each, and latencies from all of them.</summary>
internal sealed class Samples
{
    private readonly List<double> _rates = [];
    private readonly List<double> _latencies = [];
    private readonly Lock _gate = new();

    internal double Rate => Percentile(_rates, 0.5);

    internal double Latency(double part) => Percentile(_latencies, part);

    internal void AddRate(double operations, TimeSpan elapsed) => _rates.Add(operations / elapsed.TotalSeconds);

    /// <summary>Adds a round of operations that were timed together: the latency is their mean.</summary>
    internal void Add(double operations, TimeSpan elapsed)
    {
        AddRate(operations, elapsed);
        AddLatencies([elapsed.TotalMicroseconds / operations]);
    }

    internal void AddLatencies(List<double> microseconds)
    {
        lock (_gate) _latencies.AddRange(microseconds);
    }

    internal BenchRow ToRow(string name, int writers, Samples floor) =>
        new(name, writers, Rate, Latency(0.5), Latency(0.99), floor.Rate);

    /// <summary>Runs writers side by side for a time; each repeats an operation and notes how long every call took.</summary>
    internal async Task RunAsync(int writers, TimeSpan time, Func<int, ValueTask> operation)
    {
        long begin = Stopwatch.GetTimestamp();
        long count = 0;
        await Task.WhenAll(Enumerable.Range(0, writers).Select(writer => Task.Run(async () =>
        {
            List<double> latencies = [];
            long before = Stopwatch.GetTimestamp(), done = 0;
            while (Stopwatch.GetElapsedTime(begin, before) < time)
            {
                await operation(writer).ConfigureAwait(false);
                long after = Stopwatch.GetTimestamp();
                latencies.Add(Stopwatch.GetElapsedTime(before, after).TotalMicroseconds);
                before = after;
                done++;
            }

            Interlocked.Add(ref count, done);
            AddLatencies(latencies);
        })));
        AddRate(count, Stopwatch.GetElapsedTime(begin));
    }

    private static double Percentile(List<double> values, double part)
    {
        if (values.Count == 0) return double.NaN;
        List<double> sorted = [.. values.Order()];
        return sorted[(int)(part * (sorted.Count - 1))];
    }
}

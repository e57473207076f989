using System.Diagnostics;
using System.Globalization;

using Tidemark.Testing.Simulation;

using Xunit.Abstractions;

namespace Tidemark.Tests.Simulation;

/// <summary>Whole clusters on virtual time, each from one seed. How to replay one: docs/testing.md.</summary>
public class ClusterSimulationTests(ITestOutputHelper output)
{
    private const int SeedCount = 20;

    [Fact]
    public void Whatever_goes_wrong_nothing_acknowledged_is_lost()
    {
        (long first, long count) = Seeds();
        var counts = new SortedDictionary<string, long>(StringComparer.Ordinal);
        var watch = Stopwatch.StartNew();
        long events = 0, operations = 0;
        TimeSpan lived = TimeSpan.Zero;
        for (long seed = first; seed < first + count; seed++)
        {
            var simulation = new ClusterSimulation(seed);
            try
            {
                simulation.Run();
            }
            catch (Exception e)
            {
                throw new InvalidOperationException($"seed {seed}: {e.Message}\nReplay it with TIDEMARK_SEED={seed}.\n{Tail(simulation.World.Story, 60)}\nall faults:\n{string.Join('\n', simulation.World.Landmarks)}\n{simulation.Describe()}\n{e}", e);
            }

            events += simulation.World.Events;
            operations += simulation.Operations;
            lived += simulation.World.Now;
            foreach ((string kind, long times) in simulation.World.Counts) counts[kind] = counts.GetValueOrDefault(kind) + times;
        }

        output.WriteLine($"{count} seeds, {lived.TotalMinutes:F0} virtual minutes, {operations} operations, {events} events in {watch.Elapsed.TotalSeconds:F1} s: {lived / watch.Elapsed:F0} x real time");
        foreach ((string kind, long times) in counts) output.WriteLine($"{times,9} {kind}");
    }

    private static (long First, long Count) Seeds() =>
        Environment.GetEnvironmentVariable("TIDEMARK_SEED") is { } seed ? (long.Parse(seed, CultureInfo.InvariantCulture), 1) : (1, SeedCount * Soak.Factor);

    private static string Tail(string story, int lines) => string.Join('\n', story.Split('\n').TakeLast(lines));
}

using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace Tidemark.Testing.Simulation;

/// <summary>What came of many simulations.</summary>
internal sealed class SimulationSummary
{
    private const int StoryLines = 60;

    private readonly Lock _gate = new();
    private readonly SortedDictionary<string, long> _counts = new(StringComparer.Ordinal);
    private readonly SortedDictionary<long, string> _failures = [];
    private readonly SortedDictionary<long, ulong> _hashes = [];
    private readonly Stopwatch _watch = Stopwatch.StartNew();
    private TimeSpan _lived;
    private long _events;
    private long _operations;
    private long _fewestOperations = long.MaxValue;

    /// <summary>The seeds that failed, each with its story.</summary>
    internal IReadOnlyDictionary<long, string> Failures => _failures;

    /// <summary>The kinds of faults, and what must come about with topics, that no seed had.</summary>
    internal IReadOnlyList<string> NeverHit => [.. SimFaults.Kinds.Concat(SimFaults.TopicSituations).Where(kind => _counts.GetValueOrDefault(kind) == 0)];

    /// <summary>The fewest operations that the clients of one seed ended.</summary>
    internal long FewestOperations => _fewestOperations;

    /// <summary>Lives through seeds that follow each other, several at once. Told of each, by several threads: whether it holds.</summary>
    internal static SimulationSummary Run(long first, long count, int atOnce, Action<long, bool>? done = null)
    {
        var summary = new SimulationSummary();
        Parallel.For(first, first + count, new ParallelOptions { MaxDegreeOfParallelism = atOnce }, seed =>
        {
            bool holds = summary.Run(seed);
            done?.Invoke(seed, holds);
        });
        return summary;
    }

    public override string ToString()
    {
        var text = new StringBuilder();
        ulong all = 14695981039346656037;
        foreach (ulong hash in _hashes.Values) all = (all ^ hash) * 1099511628211;
        text.AppendLine(CultureInfo.InvariantCulture,
            $"{_hashes.Count} seeds, {_failures.Count} failed: {_lived.TotalMinutes:F0} virtual minutes, {_operations} operations ({(_hashes.Count > _failures.Count ? _fewestOperations : 0)} or more each), {_events} events in {_watch.Elapsed.TotalSeconds:F1} s, {_lived / _watch.Elapsed:F0} x real time; trace {all:x16}");
        foreach ((string kind, long times) in _counts) text.AppendLine(CultureInfo.InvariantCulture, $"{times,12} {kind}");
        return text.ToString();
    }

    /// <summary>Lives through a seed that failed once more, to have its story.</summary>
    private static string Tell(long seed, Exception first)
    {
        using var simulation = new ClusterSimulation(seed, isTold: true);
        try
        {
            simulation.Run();
            return $"seed {seed}: {first.Message}\nIt did not fail again, so something in it does not come from the seed.\n{first}";
        }
        catch (Exception e)
        {
            SimWorld world = simulation.World;
            string story = string.Join('\n', world.Story.Split('\n').TakeLast(StoryLines));
            return $"seed {seed}: {e.Message}\nWhat went wrong, who started, who led:\n{string.Join('\n', world.Landmarks)}\nThe end:\n{story}\n{simulation.Describe()}\n{e}";
        }
    }

    private bool Run(long seed)
    {
        using var simulation = new ClusterSimulation(seed);
        string? failure = null;
        try
        {
            simulation.Run();
        }
        catch (Exception e)
        {
            failure = Tell(seed, e);
        }

        lock (_gate)
        {
            if (failure is not null) _failures[seed] = failure;
            _hashes[seed] = simulation.World.TraceHash;
            _lived += simulation.World.Now;
            _events += simulation.World.Events;
            _operations += simulation.Operations;
            if (failure is null) _fewestOperations = Math.Min(_fewestOperations, simulation.Operations);
            foreach ((string kind, long times) in simulation.World.Counts) _counts[kind] = _counts.GetValueOrDefault(kind) + times;
        }

        return failure is null;
    }
}

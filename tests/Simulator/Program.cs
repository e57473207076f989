using System.Globalization;

using Tidemark.Testing.Simulation;

// Seeds that failed are told with their story; the summary comes last, and its trace is the same for the same seeds, in every process.
long count = 0;
long seed = 0;
bool isUnderstood = args.Length is 1 or 2 && long.TryParse(args.FirstOrDefault(), NumberStyles.None, CultureInfo.InvariantCulture, out seed)
    && (args.Length == 1 || long.TryParse(args[1], NumberStyles.None, CultureInfo.InvariantCulture, out count));
if (!isUnderstood)
{
    Console.Error.WriteLine("Usage: Simulator SEED        lives through one seed and tells its story");
    Console.Error.WriteLine("       Simulator FIRST COUNT lives through many");
    return 1;
}

if (args.Length == 1)
{
    using var simulation = new ClusterSimulation(seed, isTold: true);
    try
    {
        simulation.Run();
    }
    catch (Exception e)
    {
        Console.WriteLine(simulation.World.Story);
        Console.WriteLine(simulation.Describe());
        Console.WriteLine(e);
        return 2;
    }

    Console.WriteLine(string.Join('\n', simulation.World.Landmarks));
    Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"seed {seed} holds: {simulation.Operations} operations, {simulation.World.Events} events, trace {simulation.World.TraceHash:x16}"));
    return 0;
}

#if PLANTED
if (Environment.GetEnvironmentVariable("TIDEMARK_PLANTED") is { } bug) Tidemark.Core.Diagnostics.Planted.Bug = Enum.Parse<Tidemark.Core.Diagnostics.PlantedBug>(bug);
#endif
long done = 0;
var summary = SimulationSummary.Run(seed, count, Environment.ProcessorCount, (of, holds) =>
{
    if (!holds) Console.Error.WriteLine($"seed {of} failed");
    if (Interlocked.Increment(ref done) % 500 == 0) Console.Error.WriteLine($"{done} of {count}");
});
foreach (string story in summary.Failures.Values) Console.WriteLine(story);
Console.Write(summary);
return summary.Failures.Count == 0 ? 0 : 2;

using System.Globalization;

using Tidemark.Testing.Simulation;

using Xunit.Abstractions;

namespace Tidemark.Tests.Simulation;

/// <summary>Whole clusters on virtual time, each from one seed. How to replay one: docs/testing.md.</summary>
public class ClusterSimulationTests(ITestOutputHelper output)
{
    private const int SeedCount = 300;

    [Fact]
    public void Whatever_goes_wrong_nothing_acknowledged_is_lost()
    {
        bool isOne = long.TryParse(Environment.GetEnvironmentVariable("TIDEMARK_SEED"), NumberStyles.None, CultureInfo.InvariantCulture, out long only);
        var summary = SimulationSummary.Run(isOne ? only : 1, isOne ? 1 : SeedCount * Soak.Factor, Environment.ProcessorCount);
        output.WriteLine(summary.ToString());
        Assert.True(summary.Failures.Count == 0, string.Join("\n\n", summary.Failures.Values.Take(3)));
        Assert.True(summary.FewestOperations >= ClusterSimulation.LeastOperations, $"a seed had {summary.FewestOperations} operations");
        if (!isOne) Assert.Empty(summary.NeverHit);
    }

    /// <summary>One without a topic, one whose topic a group consumes, and one with consumers that chance makes owners.</summary>
    [Theory]
    [InlineData(4711)]
    [InlineData(4712)]
    [InlineData(4713)]
    public void A_seed_gives_the_same_trace_each_time(long seed)
    {
        using var first = new ClusterSimulation(seed);
        using var second = new ClusterSimulation(seed);
        first.Run();
        second.Run();
        Assert.Equal((first.World.TraceHash, first.World.Events, first.Operations), (second.World.TraceHash, second.World.Events, second.Operations));
    }
}

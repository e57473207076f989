namespace Tidemark.Integration;

/// <summary>A seed is the same in every process.</summary>
public sealed class SimulatorTests
{
    [Fact]
    public async Task A_seed_gives_the_same_trace_in_two_processes()
    {
        ProcessResult[] runs = await Task.WhenAll(Enumerable.Range(0, 2).Select(_ => ChildProcess.DotnetAsync(AppContext.BaseDirectory, BuiltProgram.Simulator, "17")));
        Assert.Contains("seed 17 holds", runs[0].ExpectSuccess().Output, StringComparison.Ordinal);
        Assert.Equal(runs[0].Output, runs[1].Output);
    }
}

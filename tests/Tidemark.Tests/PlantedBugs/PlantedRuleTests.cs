#if PLANTED
using Tidemark.Core.Diagnostics;
using Tidemark.Tests.Replication;
using Tidemark.Tests.Replication.Scenarios;

using Xunit.Abstractions;

namespace Tidemark.Tests.PlantedBugs;

/// <summary>Rules of the protocol taken out one by one: in some state that the explorer reaches, a law is broken.</summary>
[Collection(PlantedCollection.Name)]
public class PlantedRuleTests(ITestOutputHelper output)
{
    private const int MostSchedules = 200;

    /// <summary>Each in a small scope that shows it: terms, values, crashes of each node.</summary>
    [Theory]
    [InlineData(nameof(PlantedBug.AckBeforeQuorum), 2, 1, 0)]
    [InlineData(nameof(PlantedBug.AckBeforeFlush), 2, 1, 1)]
    [InlineData(nameof(PlantedBug.TermAnsweredBeforeSaved), 2, 1, 1)]
    [InlineData(nameof(PlantedBug.GapTakenForDuplicate), 2, 1, 0)]
    [InlineData(nameof(PlantedBug.CommitWithoutOwnTerm), 3, 1, 0)]
    [InlineData(nameof(PlantedBug.TruncateByCommit), 2, 1, 0)]
    public void Without_the_rule_the_explorer_finds_a_broken_law(string name, int terms, int values, int crashes)
    {
        using var mistake = new Mistake(name);
        try
        {
            new Explorer(new ExploredScope(terms, values, crashes)).Run();
        }
        catch (LawBrokenException e)
        {
            output.WriteLine($"{name}: {e.Message}");
            return;
        }

        Assert.Fail($"nothing is broken without {name}");
    }

    /// <summary>What chance brings about too seldom, a scenario tells: with the mistake more is committed in it than is written there.</summary>
    [Theory]
    [InlineData(nameof(PlantedBug.NoTermCheckOnAcks), "late-acknowledgement-of-an-old-term")]
    public void Without_the_rule_a_scenario_commits_what_it_must_not(string name, string scenario)
    {
        string[] written = File.ReadAllLines(RepositoryRoot.At("tests", "Tidemark.Tests", "Replication", "Scenarios", $"{scenario}.scenario"));
        Assert.Equal(written, ScenarioScript.Run(written).TrimEnd('\n').Split('\n'));
        using var mistake = new Mistake(name);
        string[] went = ScenarioScript.Run(written).Split('\n');
        string[] more = [.. went.Except(written).Where(line => line.TrimStart().StartsWith("Commit", StringComparison.Ordinal))];
        Assert.NotEmpty(more);
        output.WriteLine($"{name}: {string.Join("; ", more)}");
    }

    /// <summary>What the explorer's scopes are too narrow for, and the hosts too orderly, drawn schedules of the cores show.</summary>
    [Theory]
    [InlineData(nameof(PlantedBug.RestartedLeads))]
    [InlineData(nameof(PlantedBug.AmnesiacVotes))]
    [InlineData(nameof(PlantedBug.ReadWithoutRound))]
    public void Without_the_rule_a_drawn_schedule_breaks_a_law(string name)
    {
        using var mistake = new Mistake(name);
        for (int seed = 1; seed <= MostSchedules; seed++)
        {
            (int nodes, int ensemble) = (seed % 3) switch { 0 => (3, 3), 1 => (5, 5), _ => (4, 3) };
            try
            {
                ReplicaCoreProperties.LiveThrough(new SimCluster(seed, nodes, [.. Enumerable.Range(0, ensemble)], elections: 2));
            }
            catch (Exception e)
            {
                output.WriteLine($"{name} found with schedule {seed}: {e.Message.Split('\n')[0]}");
                return;
            }
        }

        Assert.Fail($"nothing is broken without {name}");
    }
}
#endif

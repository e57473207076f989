#if PLANTED
using Tidemark.Core.Diagnostics;
using Tidemark.Tests.Rebase;

using Xunit.Abstractions;

namespace Tidemark.Tests.PlantedBugs;

/// <summary>Rules of syncing taken out one by one: drawn runs break a law.</summary>
[Collection(PlantedCollection.Name)]
public class PlantedSyncTests(ITestOutputHelper output)
{
    private const int MostSeeds = 60;

    [Theory]
    [InlineData(nameof(PlantedBug.PendingDroppedOnDownload))]
    [InlineData(nameof(PlantedBug.PoppedBeforeApplied))]
    [InlineData(nameof(PlantedBug.HashWithoutCursors))]
    public void Without_the_rule_a_drawn_run_breaks_a_law(string name) => Find(name, SyncProperties.Live);

    /// <summary>Rules that stand in a shard: a naive server has none of its own.</summary>
    [Theory]
    [InlineData(nameof(PlantedBug.CursorWithoutEffects))]
    public void Without_the_rule_a_drawn_run_of_a_real_shard_breaks_a_law(string name) => Find(name, ShardSyncProperties.Live);

    private void Find(string name, Action<int> live)
    {
        using var mistake = new Mistake(name);
        for (int seed = 1; seed <= MostSeeds; seed++)
        {
            try
            {
                live(seed);
            }
            catch (InvalidOperationException e)
            {
                output.WriteLine($"{name}: {e.Message.Split('\n')[0]}");
                return;
            }
        }

        Assert.Fail($"{name} is not found with any of {MostSeeds} seeds");
    }
}
#endif

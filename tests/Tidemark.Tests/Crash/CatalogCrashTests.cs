using Tidemark.Storage.Catalog;
using Tidemark.Testing;

using static Tidemark.Tests.CatalogHarness;

namespace Tidemark.Tests.Crash;

/// <summary>A catalog is replaced while the machine stops before and within every operation: what is left is one of the two, whole.</summary>
public sealed class CatalogCrashTests
{
    [Fact]
    public void A_power_cut_anywhere_leaves_the_last_catalog_that_was_acknowledged_or_the_one_being_written()
    {
        int states = 0;
        for (int seed = 1; seed <= Soak.Times(10); seed++)
        {
            var disk = new FaultyFileSystem(seed);
            disk.CreateDirectory(Place);
            int acknowledged = -1;
            disk.BeforeOperation = operation =>
            {
                foreach (CrashState state in disk.CrashStates(10))
                {
                    states++;
                    Check(state.Disk, acknowledged, acknowledged + 1, $"seed {seed}, before {operation}: {state}");
                }
            };
            for (int i = 0; i < 4; i++)
            {
                CatalogFile.Write(disk, Place, Version(i));
                acknowledged = i;
            }
        }

        Assert.True(states > 1000, $"only {states} states");
    }

    [Fact]
    public void A_stop_within_any_operation_leaves_one_of_the_two()
    {
        bool stopped = true;
        for (int nth = 1; stopped; nth++)
        {
            var disk = new FaultyFileSystem(nth);
            disk.CreateDirectory(Place);
            CatalogFile.Write(disk, Place, Version(0));
            disk.StopAt(disk.OperationCount + nth, StopMoment.Halfway);
            stopped = Record.Exception(() => CatalogFile.Write(disk, Place, Version(1))) is SimulatedCrashException;
            foreach (CrashState state in disk.CrashStates(12)) Check(state.Disk, stopped ? 0 : 1, 1, $"operation {nth} halfway: {state}");
            Assert.True(nth < 50, "the write never ends");
        }
    }

    /// <summary>
    /// The flush of the directory fails, and the process ends before anybody hears of it. The next one reads the new catalog out of the system's cache
    /// and lets users write into the new namespace. If opening did not put the catalog on the disk once more, a power cut would now bring the old one
    /// back, and the namespace with all that was acknowledged in it would be gone.
    /// </summary>
    [Fact]
    public void A_catalog_that_was_opened_stays_even_where_the_flush_before_it_failed()
    {
        var disk = new FaultyFileSystem(1);
        disk.CreateDirectory(Place);
        CatalogFile.Write(disk, Place, Version(0));
        disk.Fail(FaultKind.DirectoryFlushError);
        Assert.Throws<IOException>(() => CatalogFile.Write(disk, Place, Version(1)));
        FaultyFileSystem restarted = disk.ProcessKill();
        AssertSame(Version(1), CatalogFile.TryRead(restarted, Place));
        Check(restarted.Crash(CrashLoss.Everything).Disk, 0, 0, "only read");   // The danger is real.

        AssertSame(Version(1), CatalogFile.TryOpen(restarted, Place));
        foreach (CrashState state in restarted.CrashStates(12)) Check(state.Disk, 1, 1, $"opened, then {state}");
    }

    private static StoreCatalog Version(int number) => WithMore(number * 20);

    private static void Check(FaultyFileSystem disk, int least, int most, string story)
    {
        StoreCatalog? found = CatalogFile.TryOpen(disk, Place);
        if (found is null)
        {
            Assert.True(least < 0, $"the catalog is gone: {story}");
            return;
        }

        int number = (found.Namespaces.Count - 1) / 20;
        Assert.True(number >= least && number <= most, $"catalog {number} instead of {least} to {most}: {story}");
        AssertSame(Version(number), found);
    }
}

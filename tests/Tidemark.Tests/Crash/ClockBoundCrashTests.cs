using Tidemark.Testing;

namespace Tidemark.Tests.Crash;

/// <summary>Crashes at every operation, with writes that were not flushed lost, torn at each field and whole, and names lost and kept.</summary>
public sealed class ClockBoundCrashTests
{
    private const string FilePath = "/data/clock.bound";

    private static readonly Guid _store = new("00112233-4455-6677-8899-aabbccddeeff");

    // Where a slot's write is torn: nothing, inside each field, all but the last byte, all; and pages of the file's creation.
    private static readonly int[] _torn = [0, 1, 8, 11, 20, 32, 36, 40, 43, 44, 4096, 4120, 8191, 8192];

    [Fact]
    public void After_a_crash_anywhere_the_bound_is_the_last_that_was_acknowledged_or_one_that_was_tried_after_it()
    {
        int states = 0;
        for (int crashAt = 1; ; crashAt++)
        {
            var disk = new ClockCrashDisk { CrashAt = crashAt };
            (ulong acked, ulong tried, bool crashed) = PersistRising(disk, from: 1, count: 5, reopenAfter: 3);
            foreach (ClockCrashDisk survivor in Survivors(disk))
            {
                // The recovery is crashed at each operation too, and recovered from again.
                for (int secondAt = 1; ; secondAt++)
                {
                    ClockCrashDisk again = survivor.AfterCrash(0, keepNames: true, secondAt);
                    ulong found = Open(again);
                    Assert.InRange(found, acked, tried);
                    (ulong ackedAgain, ulong triedAgain, bool crashedAgain) = PersistRising(again, from: tried + 1, count: 1);
                    foreach (ClockCrashDisk second in Survivors(again))
                    {
                        states++;
                        Assert.InRange(Open(second), Math.Max(acked, ackedAgain), Math.Max(tried, triedAgain));
                        Assert.Equal((tried + 9, tried + 9, false), PersistRising(second, from: tried + 9, count: 1));
                    }
                    if (!crashedAgain) break;
                }
            }
            if (!crashed) break;
        }
        Assert.True(states > 1000, $"only {states} states");
    }

    [Fact]
    public void A_clock_never_goes_back_over_a_crash_anywhere_even_with_its_wall_clock_set_back()
    {
        for (int crashAt = 1; ; crashAt++)
        {
            var time = new ManualTimeProvider();
            DateTimeOffset start = time.GetUtcNow();
            var disk = new ClockCrashDisk { CrashAt = crashAt };
            HybridTimestamp highest = default;
            bool crashed = false;
            try
            {
                using var bound = new FileClockBound(disk, FilePath, _store);
                var clock = new HybridClock(time, null, bound);
                for (int turn = 0; turn < 12; turn++)
                {
                    highest = clock.Now();
                    time.Advance(TimeSpan.FromMilliseconds(60));
                    clock.ExtendBound();
                }
            }
            catch (Exception crash) when (crash is MachineCrashedException || crash.InnerException is MachineCrashedException)
            {
                crashed = true;
            }

            foreach (ClockCrashDisk survivor in Survivors(disk))
            {
                time.SetUtcNow(start.AddHours(-1));
                using var bound = new FileClockBound(survivor, FilePath, _store);
                Assert.True(new HybridClock(time, null, bound).Now() > highest);
            }
            if (!crashed) break;
        }
    }

    private static IEnumerable<ClockCrashDisk> Survivors(ClockCrashDisk disk)
    {
        foreach (int kept in _torn)
        {
            yield return disk.AfterCrash(kept, keepNames: true);
            yield return disk.AfterCrash(kept, keepNames: false);
        }
    }

    private static ulong Open(ClockCrashDisk disk)
    {
        using var bound = new FileClockBound(disk.AfterCrash(0, keepNames: true), FilePath, _store);
        return bound.Load().Value;
    }

    private static (ulong Acked, ulong Tried, bool Crashed) PersistRising(ClockCrashDisk disk, ulong from, int count, int reopenAfter = int.MaxValue)
    {
        ulong acked = 0;
        ulong tried = 0;
        FileClockBound? bound = null;
        try
        {
            bound = new FileClockBound(disk, FilePath, _store);
            for (int i = 0; i < count; i++)
            {
                if (i == reopenAfter)
                {
                    bound.Dispose();
                    bound = new FileClockBound(disk, FilePath, _store);
                }
                tried = from + (ulong)i;
                bound.Persist(new HybridTimestamp(tried));
                acked = tried;
            }
            return (acked, tried, false);
        }
        catch (Exception crash) when (crash is MachineCrashedException || crash.InnerException is MachineCrashedException)
        {
            return (acked, tried, true);
        }
        finally
        {
            bound?.Dispose();
        }
    }
}

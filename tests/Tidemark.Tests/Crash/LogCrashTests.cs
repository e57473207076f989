using Tidemark.Testing;

namespace Tidemark.Tests.Crash;

/// <summary>
/// Cuts the power before every operation that changes the disk, under a workload of appends, batches, rolls, trims, truncations and
/// reopenings, and opens what may be left. What was acknowledged must be there, in order, and nothing else.
/// </summary>
public sealed class LogCrashTests
{
    [Fact]
    public void Whatever_a_power_cut_leaves_opens_with_everything_acknowledged_and_nothing_else()
    {
        int states = 0;
        for (int seed = 1; seed <= Soak.Times(6); seed++) states += CutAtEveryOperation(seed, statesPerOperation: 8, LogDurability.Durable);
        Assert.True(states >= 10_000, $"only {states} states");
    }

    [Fact]
    public void With_relaxed_durability_a_power_cut_takes_a_tail_and_what_was_flushed_stays()
    {
        int states = 0;
        for (int seed = 100; seed < 100 + Soak.Times(2); seed++) states += CutAtEveryOperation(seed, statesPerOperation: 6, LogDurability.Buffered);
        Assert.True(states >= 1_000, $"only {states} states");
    }

    /// <summary>Rounds of many sizes: large ones make room without zeros, small ones go on in it, and the other way round.</summary>
    [Fact]
    public void Where_the_file_grew_without_zeros_a_power_cut_takes_nothing_acknowledged_either()
    {
        int grown = 0, states = 0;
        var counting = new FaultyFileSystem(600) { BeforeOperation = operation => grown += operation is { Kind: DiskOperationKind.SetLength, Position: > 0 } ? 1 : 0 };
        new LogWorkload(600, LogDurability.Durable, scale: 128).Run(counting);
        Assert.True(grown >= 10, $"only {grown} times");
        for (int seed = 600; seed < 600 + Soak.Times(2); seed++) states += CutAtEveryOperation(seed, statesPerOperation: 4, LogDurability.Durable, scale: 128);
        Assert.True(states >= 1_000, $"only {states} states");
    }

    [Fact]
    public void A_crash_while_a_crash_is_being_recovered_loses_nothing_either()
    {
        int states = 0;
        for (int seed = 200; seed < 200 + Soak.Times(2); seed++)
        {
            var workload = new LogWorkload(seed, LogDurability.Durable);
            var disk = new FaultyFileSystem(seed);
            int at = 0;
            disk.BeforeOperation = _ =>
            {
                if (++at % 9 != 0) return;   // Recovery of each state is itself cut everywhere, so take every ninth.
                LogPromise promise = workload.Promise;
                foreach (CrashState state in disk.CrashStates(5))
                {
                    state.Disk.BeforeOperation = operation =>
                    {
                        foreach (CrashState second in state.Disk.CrashStates(4))
                        {
                            states++;
                            Check(second.Disk, promise, workload.Options, () => $"seed {seed}, {state}, then before {operation}: {second}");
                        }
                    };
                    Check(state.Disk, promise, workload.Options, () => $"seed {seed}, {state}", goOn: false);
                }
            };
            workload.Run(disk);
        }

        Assert.True(states >= 1_000, $"only {states} states");
    }

    [Fact]
    public void An_operation_that_stops_halfway_loses_nothing_acknowledged()
    {
        var counting = new FaultyFileSystem(300);
        new LogWorkload(300, LogDurability.Durable).Run(counting);
        for (long operation = 1; operation <= counting.OperationCount; operation++)
        {
            var disk = new FaultyFileSystem(300);
            var workload = new LogWorkload(300, LogDurability.Durable);
            disk.StopAt(operation, StopMoment.Halfway);
            Assert.ThrowsAny<Exception>(() => workload.Run(disk));
            foreach (CrashState state in disk.CrashStates(6))
                Check(state.Disk, workload.Promise, workload.Options, () => $"operation {operation} halfway, {state}\n{disk.Trace}");
        }
    }

    [Theory]
    [InlineData(FaultKind.WriteError)]
    [InlineData(FaultKind.FlushError)]
    [InlineData(FaultKind.DirectoryFlushError)]
    [InlineData(FaultKind.RenameError)]
    [InlineData(FaultKind.DeleteError)]
    [InlineData(FaultKind.DiskFull)]
    public void After_a_failed_operation_nothing_more_is_acknowledged_and_reopening_finds_all_that_was(FaultKind kind)
    {
        bool wasHit = true;
        for (int nth = 1; wasHit; nth++)
        {
            var disk = new FaultyFileSystem(400 + nth);
            var workload = new LogWorkload(400, LogDurability.Durable);
            disk.Fail(kind, nth);
            try
            {
                workload.Run(disk);
            }
            catch (TidemarkException e)
            {
                Assert.True(e is StoreFailedException or StoreFullException, e.ToString());
            }
            catch (IOException)
            {
                // Opening a log passes on what the disk says.
            }

            wasHit = disk.Counts[kind] > 0;
            Check(disk.ProcessKill(), workload.Promise, workload.Options, () => $"{kind} {nth}, process restarted\n{disk.Trace}");
            foreach (CrashState state in disk.CrashStates(4))
                Check(state.Disk, workload.Promise, workload.Options, () => $"{kind} {nth}, {state}\n{disk.Trace}");
        }
    }

    /// <summary>
    /// A flush fails, the process ends, the next one recovers and goes on. The pages that were not written still read well, so recovery believes
    /// them; if it did not write them once more, a later power cut would leave a hole under records that were acknowledged.
    /// </summary>
    [Fact]
    public void What_recovery_finds_only_in_the_page_cache_is_on_the_disk_before_anything_is_acknowledged_behind_it()
    {
        for (int nth = 1; nth <= 60; nth++)
        {
            var disk = new FaultyFileSystem(500 + nth);
            var workload = new LogWorkload(500, LogDurability.Durable);
            disk.Fail(FaultKind.FlushError, nth);
            Assert.ThrowsAny<Exception>(() => workload.Run(disk));

            FaultyFileSystem restarted = disk.ProcessKill();
            SyncLog log = SyncLog.Open(restarted, workload.Options);
            log.Append(new LogEntry("behind"u8.ToArray()));
            log.Flush();
            foreach (CrashState state in restarted.CrashStates(6))
            {
                SyncLog after = SyncLog.Open(state.Disk, workload.Options);
                Assert.Equal("behind"u8.ToArray(), after.ReadAll()[^1]);
            }
        }
    }

    private static int CutAtEveryOperation(int seed, int statesPerOperation, LogDurability durability, int scale = 1)
    {
        int states = 0;
        var workload = new LogWorkload(seed, durability, scale);
        var disk = new FaultyFileSystem(seed);
        disk.BeforeOperation = operation =>
        {
            LogPromise promise = workload.Promise;
            foreach (CrashState state in disk.CrashStates(statesPerOperation))
            {
                states++;
                Check(state.Disk, promise, workload.Options, () => $"seed {seed}, before {operation}: {state}\n{disk.Trace}");
            }
        };
        workload.Run(disk);
        return states;
    }

    /// <summary>Opens what is left, compares it with what was promised, and sees that the log goes on.</summary>
    private static void Check(FaultyFileSystem disk, LogPromise promise, LogOptions options, Func<string> story, bool goOn = true)
    {
        try
        {
            SyncLog log = SyncLog.Open(disk, options);
            promise.Check(log.Start, log.ReadAll());
            if (!goOn) return;
            disk.BeforeOperation = null;
            long end = log.End;
            log.Append(new LogEntry("goes on"u8.ToArray()));
            log.Flush();
            AssertGoesOn(SyncLog.Open(disk.Crash(CrashLoss.Everything).Disk, options), end);   // What was cut must be gone from the disk too.
            log.Close();
            SyncLog again = SyncLog.Open(disk, options);
            Assert.True(again.Engine.Recovery.WasClosedCleanly);
            AssertGoesOn(again, end);
        }
        catch (Exception e) when (e is not Xunit.Sdk.XunitException { Message: var message } || !message.StartsWith("after ", StringComparison.Ordinal))
        {
            throw new Xunit.Sdk.XunitException($"after {story()}\n{e}");
        }
    }

    private static void AssertGoesOn(SyncLog log, long offset)
    {
        Assert.Equal(offset + 1, log.End);
        Assert.Equal("goes on"u8.ToArray(), log.ReadAll()[^1]);
    }
}

using Tidemark.Testing;

namespace Tidemark.Tests.Crash;

/// <summary>A status file on a disk that stops and fails: whatever was answered agrees with what is read afterwards, and what was read is never taken back.</summary>
public sealed class StatusFileCrashTests
{
    private const int Writes = 4;

    private static readonly FaultKind[] _kinds =
        [FaultKind.ReadError, FaultKind.WriteError, FaultKind.FlushError, FaultKind.DirectoryFlushError, FaultKind.OpenError, FaultKind.RenameError, FaultKind.DeleteError, FaultKind.DiskFull];

    [Fact]
    public async Task After_a_crash_anywhere_the_document_is_the_last_that_was_acknowledged_or_the_one_that_was_being_written()
    {
        int states = 0;
        foreach (StopMoment moment in Enum.GetValues<StopMoment>())
        {
            for (int stopAt = 1; ; stopAt++)
            {
                FaultyFileSystem disk = NewDisk(stopAt);
                disk.StopAt(disk.OperationCount + stopAt, moment);
                (long acknowledged, long tried) = await WriteUntilStoppedAsync(disk);
                foreach (FaultyFileSystem survivor in disk.CrashStates(12).Select(state => state.Disk).Append(disk.ProcessKill()))
                {
                    states++;
                    long found = await VersionAsync(survivor);
                    Assert.InRange(found, acknowledged, tried);

                    // Who has read it may act on it: a power cut right after takes nothing of it back.
                    foreach (CrashState later in survivor.CrashStates(4)) Assert.Equal(found, await VersionAsync(later.Disk));
                    Assert.Equal(found + 1, await Store(survivor).TryWriteAsync(Document(found + 1), found));
                    foreach (CrashState later in survivor.CrashStates(4)) Assert.Equal(found + 1, await VersionAsync(later.Disk));
                }

                if (acknowledged == Writes) break;
            }
        }

        Assert.True(states > 500, $"only {states} states");
    }

    [Fact]
    public async Task Whatever_operation_fails_the_answer_agrees_with_what_is_read_then_and_after_a_power_cut()
    {
        var counts = new Dictionary<FaultKind, long>();
        var answers = new HashSet<string>();
        foreach (FaultKind kind in _kinds)
        {
            for (int nth = 1; nth <= 30; nth++)
            {
                FaultyFileSystem disk = NewDisk(nth);
                Assert.Equal(1, await Store(disk).TryWriteAsync(Document(1), 0));
                disk.Fail(kind, nth);
                long before = 1;
                for (int write = 0; write < 4; write++)
                {
                    string answer = await TryAsync(disk, before);
                    answers.Add(answer);
                    long found = await VersionAfterFaultAsync(disk);
                    if (answer == "written") Assert.Equal(before + 1, found);
                    else if (answer == "unknown") Assert.InRange(found, before, before + 1);
                    else Assert.Equal(before, found);
                    foreach (CrashState state in disk.CrashStates(6)) Assert.True(found == await VersionAsync(state.Disk), $"{kind} {nth}, {answer}, {state}\n{disk.Trace}");
                    before = found;
                }

                counts[kind] = disk.Counts[kind] + counts.GetValueOrDefault(kind);
            }
        }

        Assert.All(_kinds, kind => Assert.True(counts[kind] > 0, $"{kind} was never hit"));
        Assert.Equal(["not written", "unknown", "written"], answers.Order());
    }

    [Fact]
    public async Task Another_process_is_not_given_what_a_failed_flush_may_have_lost()
    {
        FaultyFileSystem disk = NewDisk(1);
        Assert.Equal(1, await Store(disk).TryWriteAsync(Document(1), 0));
        disk.FailWithProbability(FaultKind.DirectoryFlushError, 1);
        await Assert.ThrowsAsync<OutcomeUnknownException>(async () => await Store(disk).TryWriteAsync(Document(2), 1));
        IOException refusal = await Assert.ThrowsAsync<IOException>(async () => await Store(disk).ReadAsync());
        Assert.Contains("Look after the disk", refusal.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<IOException>(async () => await Store(disk).TryWriteAsync(Document(3), 2));
        disk.FailWithProbability(FaultKind.DirectoryFlushError, 0);
        Assert.Equal(2, await VersionAsync(disk));
        Assert.Equal(2, await VersionAsync(disk.Crash(CrashLoss.Everything).Disk));
    }

    private static FaultyFileSystem NewDisk(long seed)
    {
        var disk = new FaultyFileSystem(seed);
        disk.CreateDirectory("/cluster");
        return disk;
    }

    private static FileClusterStatusStore Store(FaultyFileSystem disk) => new("/cluster/status", new FileStatusOptions { FileSystem = disk });

    // Longer than a sector, so that writes can be torn.
    private static byte[] Document(long version) => [.. Enumerable.Repeat((byte)version, 700)];

    private static async Task<(long Acknowledged, long Tried)> WriteUntilStoppedAsync(FaultyFileSystem disk)
    {
        FileClusterStatusStore store = Store(disk);
        long tried = 0;
        try
        {
            for (long version = 0; version < Writes; version++)
            {
                tried = version + 1;
                Assert.Equal(tried, await store.TryWriteAsync(Document(tried), version));
            }

            return (tried, tried);
        }
        catch (SimulatedCrashException)
        {
            return (tried - 1, tried);
        }
    }

    private static async Task<string> TryAsync(FaultyFileSystem disk, long before)
    {
        try
        {
            Assert.Equal(before + 1, await Store(disk).TryWriteAsync(Document(before + 1), before));
            return "written";
        }
        catch (OutcomeUnknownException)
        {
            return "unknown";
        }
        catch (IOException)
        {
            return "not written";
        }
    }

    /// <summary>The version, where the planned fault may hit the reading instead of the write.</summary>
    private static async Task<long> VersionAfterFaultAsync(FaultyFileSystem disk)
    {
        try
        {
            return await VersionAsync(disk);
        }
        catch (IOException)
        {
            return await VersionAsync(disk);   // Once: every fault is planned once.
        }
    }

    private static async Task<long> VersionAsync(FaultyFileSystem disk)
    {
        if (await Store(disk).ReadAsync() is not { } entry) return 0;
        Assert.Equal(Document(entry.Version), entry.Content.ToArray());
        return entry.Version;
    }
}

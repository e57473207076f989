using Tidemark.Storage.Snapshots;
using Tidemark.Testing;

using static Tidemark.Tests.SnapshotHarness;

namespace Tidemark.Tests.Crash;

/// <summary>
/// A third snapshot is written over two old ones, and the machine stops before and within every operation. Whatever is left must open: as the old
/// newest or the new one, as the new one if its write returned, and with the log that was promised to be kept; and if that one rots, as another.
/// </summary>
public sealed class SnapshotCrashTests
{
    private const long Oldest = 9, Newest = 19, Third = 29;

    /// <summary>What the one who writes snapshots could rely on at the moment of the crash.</summary>
    private sealed class Promise
    {
        /// <summary>The last snapshot whose write returned.</summary>
        public long Written { get; set; } = Newest;

        /// <summary>The log is gone before this.</summary>
        public long LogStart { get; set; }
    }

    [Fact]
    public void A_power_cut_before_any_operation_of_a_write_leaves_the_old_newest_or_the_new_one()
    {
        int states = 0;
        for (int seed = 1; seed <= Soak.Times(12); seed++)
        {
            FaultyFileSystem disk = WithTwo(seed, out SnapshotFolder folder, out Promise promise);
            disk.BeforeOperation = operation =>
            {
                foreach (CrashState state in disk.CrashStates(12))
                {
                    states++;
                    Check(state.Disk, promise, $"seed {seed}, before {operation}: {state}");
                }
            };
            WriteThird(folder, promise);
            disk.BeforeOperation = null;
            foreach (CrashState state in disk.CrashStates(12)) Check(state.Disk, promise, $"seed {seed}, at the end: {state}");
        }

        Assert.True(states > 1000, $"only {states} states");
    }

    [Fact]
    public void A_stop_within_any_operation_leaves_the_old_newest_or_the_new_one()
    {
        bool stopped = true;
        for (int nth = 1; stopped; nth++)
        {
            FaultyFileSystem disk = WithTwo(nth, out SnapshotFolder folder, out Promise promise);
            disk.StopAt(disk.OperationCount + nth, StopMoment.Halfway);
            stopped = Record.Exception(() => WriteThird(folder, promise)) is SimulatedCrashException;
            Check(disk.ProcessKill(), promise, $"operation {nth} halfway, process killed\n{disk.Trace}");
            foreach (CrashState state in disk.CrashStates(12)) Check(state.Disk, promise, $"operation {nth} halfway, {state}\n{disk.Trace}");
            Assert.True(nth < 100, "the write never ends");
        }
    }

    [Theory]
    [InlineData(FaultKind.WriteError)]
    [InlineData(FaultKind.FlushError)]
    [InlineData(FaultKind.DirectoryFlushError)]
    [InlineData(FaultKind.OpenError)]
    [InlineData(FaultKind.RenameError)]
    [InlineData(FaultKind.DeleteError)]
    [InlineData(FaultKind.DiskFull)]
    public void After_an_error_at_any_operation_the_old_newest_or_the_new_one_opens_here_after_a_restart_and_after_a_power_cut(FaultKind kind)
    {
        int hits = 0;
        for (int nth = 1; nth == hits + 1; nth++)
        {
            FaultyFileSystem disk = WithTwo(100 + nth, out SnapshotFolder folder, out Promise promise);
            disk.Fail(kind, nth);
            Exception? failure = Record.Exception(() => WriteThird(folder, promise));
            Assert.True(failure is null or IOException or StoreFullException, $"{failure}");
            if (disk.Counts[kind] > 0) hits++;
            foreach (CrashState state in disk.CrashStates(8)) Check(state.Disk, promise, $"{kind} {nth}, {state}\n{disk.Trace}");

            // The next process finds what the first left, takes a snapshot of its own, and only then the power is cut.
            FaultyFileSystem restarted = disk.ProcessKill();
            SnapshotFolder again = Check(restarted, promise, $"{kind} {nth}, restarted\n{disk.Trace}");
            again.Write(StateAt(Third + 10));
            promise.Written = Third + 10;
            promise.LogStart = Math.Max(promise.LogStart, again.LogNeededFrom);
            foreach (CrashState state in restarted.CrashStates(8)) Open(state.Disk, promise, $"{kind} {nth}, restarted, {state}\n{disk.Trace}").Dispose();
        }

        Assert.True(hits > 0, $"{kind} was never hit");
    }

    private static FaultyFileSystem WithTwo(int seed, out SnapshotFolder folder, out Promise promise)
    {
        var disk = new FaultyFileSystem(seed);
        folder = SnapshotFolder.Open(disk, Place, Identity);
        foreach (long offset in (long[])[Oldest, Newest]) folder.Write(StateAt(offset));
        promise = new Promise { LogStart = folder.LogNeededFrom };
        return disk;
    }

    private static void WriteThird(SnapshotFolder folder, Promise promise)
    {
        // Six hundred kilobytes: several writes, so that a part of the file can be there.
        folder.Write(StateAt(Third, pieces: 6, pieceBytes: 100_000));
        promise.Written = Third;
        promise.LogStart = folder.LogNeededFrom;
    }

    /// <summary>Opens what is left; then, on a copy, lets the newest rot and opens again.</summary>
    private static SnapshotFolder Check(FaultyFileSystem disk, Promise promise, string story)
    {
        SnapshotReader newest = Open(disk, promise, story);
        string path = newest.FilePath;
        newest.Dispose();

        FaultyFileSystem rotten = disk.ProcessKill();
        rotten.FlipBit(path, 300, 0);
        using SnapshotReader? older = SnapshotFolder.Open(rotten, Place, Identity).OpenNewest();
        Assert.True(older is not null && older.FilePath != path && older.Info.NextOffset >= promise.LogStart, $"nothing to fall back to: {story}");

        var folder = SnapshotFolder.Open(disk, Place, Identity);
        folder.OpenNewest()!.Dispose();
        return folder;
    }

    private static SnapshotReader Open(FaultyFileSystem disk, Promise promise, string story)
    {
        var log = new ReportLog();
        SnapshotReader? newest = SnapshotFolder.Open(disk, Place, Identity, log).OpenNewest();
        Assert.True(newest is not null, $"no snapshot: {story}");
        Assert.True(!log.Warnings.Any(), $"a file under its own name was not whole: {story}");
        StatePosition position = newest.Info.Position;
        Assert.True(position.Offset >= promise.Written, $"{position.Offset} instead of {promise.Written}: {story}");
        Assert.True(newest.Info.NextOffset >= promise.LogStart, $"the log from {position.Offset + 1} on is gone: {story}");
        PieceSnapshot state = position.Offset == Third ? StateAt(Third, pieces: 6, pieceBytes: 100_000) : StateAt(position.Offset);
        AssertSamePieces(state.Pieces, newest);
        Assert.DoesNotContain(disk.ListFiles(Place), name => name.EndsWith(".tmp", StringComparison.Ordinal));
        return newest;
    }
}

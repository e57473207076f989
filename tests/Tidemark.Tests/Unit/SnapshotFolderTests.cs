using Tidemark.Storage.Snapshots;
using Tidemark.Testing;

using static Tidemark.Tests.SnapshotHarness;

namespace Tidemark.Tests.Unit;

/// <summary>The snapshots of a shard together: which is opened, which are kept, and how much of the log they need.</summary>
public sealed class SnapshotFolderTests
{
    [Fact]
    public void A_new_folder_has_no_snapshot_and_needs_all_of_the_log()
    {
        SnapshotFolder folder = SnapshotFolder.Open(new MemoryFileSystem(), Place, Identity);
        Assert.Null(folder.OpenNewest());
        Assert.Equal(0, folder.LogNeededFrom);
    }

    [Fact]
    public void The_two_newest_are_kept_and_the_log_from_the_end_of_the_older()
    {
        var disk = new MemoryFileSystem();
        SnapshotFolder folder = SnapshotFolder.Open(disk, Place, Identity);
        long[] needed = [.. ((long[])[9, 19, 29, 39]).Select(offset =>
        {
            folder.Write(StateAt(offset));
            return folder.LogNeededFrom;
        })];
        Assert.Equal([0, 10, 20, 30], needed);
        Assert.Equal([40, 30], folder.List());
        using SnapshotReader? newest = folder.OpenNewest();
        Assert.Equal(39, newest!.Info.Position.Offset);
    }

    [Fact]
    public void A_folder_that_was_opened_again_counts_only_what_it_has_checked()
    {
        var disk = new MemoryFileSystem();
        SnapshotFolder first = SnapshotFolder.Open(disk, Place, Identity);
        foreach (long offset in (long[])[9, 19]) first.Write(StateAt(offset));
        SnapshotFolder folder = SnapshotFolder.Open(disk, Place, Identity);
        folder.OpenNewest()!.Dispose();
        Assert.Equal(0, folder.LogNeededFrom);
        folder.Write(StateAt(29));
        Assert.Equal(20, folder.LogNeededFrom);
        Assert.Equal([30, 20], folder.List());
    }

    [Fact]
    public void Nothing_is_removed_for_a_file_that_only_has_a_snapshots_name()
    {
        var disk = new MemoryFileSystem();
        foreach (long offset in (long[])[9, 19, 29]) Write(disk, StateAt(offset));
        SnapshotFolder folder = SnapshotFolder.Open(disk, Place, Identity);
        folder.Write(StateAt(39));
        Assert.Equal([40, 30, 20, 10], folder.List());
        folder.Write(StateAt(49));
        Assert.Equal([50, 40], folder.List());
    }

    [Fact]
    public void A_damaged_newest_is_passed_over_with_a_warning_and_removed_once_two_others_are_whole()
    {
        var disk = new FaultyFileSystem(1);
        foreach (long offset in (long[])[9, 19]) Write(disk, StateAt(offset));
        disk.FlipBit(PathOf(20), 500, 3);
        var log = new ReportLog();
        SnapshotFolder folder = SnapshotFolder.Open(disk, Place, Identity, log);
        using (SnapshotReader? newest = folder.OpenNewest())
        {
            Assert.Equal(9, newest!.Info.Position.Offset);
            AssertSamePieces(StateAt(9).Pieces, newest);
        }

        Assert.Equal([200], log.Warnings);
        Assert.Contains(log.Reports, report => report.Id == 200 && report.Text.Contains(PathOf(20), StringComparison.Ordinal));
        Assert.Equal([20, 10], folder.List());
        Assert.Equal(0, folder.LogNeededFrom);
        folder.Write(StateAt(29));
        Assert.Equal([30, 10], folder.List());
        Assert.Equal(10, folder.LogNeededFrom);
    }

    [Fact]
    public void A_damaged_snapshot_is_replaced_by_a_new_one_of_the_same_position()
    {
        var disk = new FaultyFileSystem(1);
        foreach (long offset in (long[])[9, 19]) Write(disk, StateAt(offset));
        disk.FlipBit(PathOf(20), 500, 3);
        SnapshotFolder folder = SnapshotFolder.Open(disk, Place, Identity);
        folder.OpenNewest()!.Dispose();
        folder.Write(StateAt(19));
        AssertKept(folder, [20, 10], logFrom: 10);
        using SnapshotReader? newest = folder.OpenNewest();
        Assert.Equal(19, newest!.Info.Position.Offset);
    }

    [Fact]
    public void A_snapshot_the_disk_cannot_read_is_passed_over_like_a_damaged_one()
    {
        var disk = new FaultyFileSystem(1);
        foreach (long offset in (long[])[9, 19]) Write(disk, StateAt(offset));
        var log = new ReportLog();
        SnapshotFolder folder = SnapshotFolder.Open(disk, Place, Identity, log);
        disk.Fail(FaultKind.ReadError, 4);
        using SnapshotReader? newest = folder.OpenNewest();
        Assert.Equal(9, newest!.Info.Position.Offset);
        Assert.Equal([200], log.Warnings);
    }

    [Fact]
    public void Where_all_are_damaged_it_is_said_and_never_taken_for_a_new_shard()
    {
        var disk = new FaultyFileSystem(1);
        foreach (long offset in (long[])[9, 19]) Write(disk, StateAt(offset));
        foreach (long next in (long[])[10, 20]) disk.FlipBit(PathOf(next), 500, 3);
        SnapshotFolder folder = SnapshotFolder.Open(disk, Place, Identity);
        var damage = Assert.Throws<CorruptDataException>(() => folder.OpenNewest());
        Assert.Equal(PathOf(20), damage.File);
        Assert.Equal([20, 10], folder.List());
    }

    [Fact]
    public void A_strangers_snapshot_is_refused_and_not_passed_over()
    {
        var disk = new MemoryFileSystem();
        Write(disk, StateAt(9));
        SnapshotWriter.Write(disk, Place, Identity with { ShardId = 6 }, StateAt(19));
        SnapshotFolder folder = SnapshotFolder.Open(disk, Place, Identity);
        var refused = Assert.Throws<FormatMismatchException>(() => folder.OpenNewest());
        Assert.Contains("shard 6", refused.Found, StringComparison.Ordinal);
    }

    [Fact]
    public void A_snapshot_under_another_ones_name_is_damage()
    {
        var disk = new MemoryFileSystem();
        Write(disk, StateAt(9));
        disk.Move(PathOf(10), PathOf(20));
        var damage = Assert.Throws<CorruptDataException>(() => SnapshotFolder.Open(disk, Place, Identity).OpenNewest());
        Assert.Contains("offset 19", damage.Expected, StringComparison.Ordinal);
    }

    [Fact]
    public void What_unfinished_writes_left_is_removed_and_what_others_put_there_is_not()
    {
        var disk = new MemoryFileSystem();
        disk.CreateDirectory(Place);
        PutFile(disk, PathOf(7) + ".tmp", [1]);
        foreach (string name in (string[])["notes.tmp", "7.snapshot", "0000000000000000000x.snapshot", "99999999999999999999.snapshot"]) PutFile(disk, $"{Place}/{name}", [1]);
        SnapshotFolder folder = SnapshotFolder.Open(disk, Place, Identity);
        Assert.Equal(4, disk.ListFiles(Place).Count);
        Assert.Empty(folder.List());
        PutFile(disk, PathOf(7) + ".tmp", [1]);
        folder.Write(StateAt(9));
        Assert.Equal(5, disk.ListFiles(Place).Count);
        Assert.Equal([10], folder.List());
    }

    [Fact]
    public void A_disk_that_refuses_a_removal_is_reported_and_the_removal_made_up_for_later()
    {
        var disk = new FaultyFileSystem(1);
        var log = new ReportLog();
        SnapshotFolder folder = SnapshotFolder.Open(disk, Place, Identity, log);
        foreach (long offset in (long[])[9, 19]) folder.Write(StateAt(offset));
        disk.Fail(FaultKind.DeleteError);
        folder.Write(StateAt(29));
        AssertKept(folder, [30, 20, 10], logFrom: 20);
        Assert.Equal([201], log.Warnings);
        folder.Write(StateAt(39));
        Assert.Equal([40, 30], folder.List());
    }

    [Fact]
    public void A_removal_that_may_not_last_is_reported_and_the_new_snapshot_stands()
    {
        var disk = new FaultyFileSystem(1);
        var log = new ReportLog();
        SnapshotFolder folder = SnapshotFolder.Open(disk, Place, Identity, log);
        foreach (long offset in (long[])[9, 19]) folder.Write(StateAt(offset));
        disk.Fail(FaultKind.DirectoryFlushError, 2);   // The first gives the snapshot its name.
        folder.Write(StateAt(29));
        Assert.Equal([204], log.Warnings);
        using SnapshotReader? newest = SnapshotFolder.Open(disk.Crash(CrashLoss.Everything).Disk, Place, Identity).OpenNewest();
        Assert.Equal(29, newest!.Info.Position.Offset);
    }

    [Fact]
    public void A_write_that_fails_leaves_the_older_ones_and_the_log_they_need()
    {
        var disk = new FaultyFileSystem(1);
        SnapshotFolder folder = SnapshotFolder.Open(disk, Place, Identity);
        foreach (long offset in (long[])[9, 19]) folder.Write(StateAt(offset));
        disk.Fail(FaultKind.FlushError);
        Assert.Throws<IOException>(() => folder.Write(StateAt(29)));
        AssertKept(folder, [20, 10], logFrom: 10);
        Assert.Equal(2, disk.ListFiles(Place).Count);
    }

    [Fact]
    public void A_state_older_than_the_newest_snapshot_is_refused()
    {
        SnapshotFolder folder = SnapshotFolder.Open(new MemoryFileSystem(), Place, Identity);
        folder.Write(StateAt(19));
        Assert.Throws<ArgumentOutOfRangeException>(() => folder.Write(StateAt(9)));
        Assert.Equal([20], folder.List());
    }

    private static void AssertKept(SnapshotFolder folder, long[] snapshots, long logFrom)
    {
        Assert.Equal(snapshots, folder.List());
        Assert.Equal(logFrom, folder.LogNeededFrom);
    }
}

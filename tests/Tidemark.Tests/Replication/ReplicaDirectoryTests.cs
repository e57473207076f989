using Tidemark.Storage.Replica;
using Tidemark.Testing;

using static Tidemark.Tests.Replication.ReplicaDirectoryHarness;

namespace Tidemark.Tests.Replication;

/// <summary>What a replica finds on its disk, and what it makes of it: docs/format/replica.md.</summary>
public sealed class ReplicaDirectoryTests
{
    private const int ReplicaLost = 305;

    [Fact]
    public void A_replica_of_a_new_shard_begins_empty_and_is_not_lost()
    {
        using ReplicaDirectoryHarness home = New().Open();
        Assert.Equal(new ReplicaRecord(0, false, 1000, 0), home.Record);
        Assert.Equal(home.Record, ReplicaFile.TryRead(home.Files, Home, new(Cluster, Shard)));
        Assert.Equal((0L, -1L), (home.State.Log.NextOffset, home.State.Machine.Position.Offset));
        Assert.Empty(home.Reports.Reports);
    }

    [Fact]
    public void A_replica_that_is_not_there_of_a_shard_that_has_had_terms_is_lost()
    {
        using ReplicaDirectoryHarness home = New().Open(statusTerm: 4);
        Assert.Equal(new ReplicaRecord(4, true, 1000, 0), home.Record);
    }

    [Fact]
    public void A_replica_that_was_never_there_is_not_lost_and_begins_in_the_term_there_is()
    {
        using ReplicaDirectoryHarness home = New().Open(statusTerm: 4, isFirst: true);
        Assert.Equal(new ReplicaRecord(4, false, 1000, 0), home.Record);
    }

    [Fact]
    public void What_was_saved_and_appended_is_there_again_at_the_next_start()
    {
        using ReplicaDirectoryHarness home = New().Open();
        home.Append(3);
        home.Directory.Save(7, isLost: false);
        using ReplicaDirectoryHarness again = home.Reopen(statusTerm: 9);
        Assert.Equal(new ReplicaRecord(7, false, 1000, 0), again.Record);   // The status is for the election to say.
        Assert.Equal(3, again.State.Log.NextOffset);
    }

    [Theory]
    [InlineData(5, 7)]
    [InlineData(9, 9)]
    public void On_a_disk_that_is_lost_it_is_lost_in_the_higher_term_and_keeps_what_it_has(long statusTerm, long term)
    {
        using ReplicaDirectoryHarness home = New().Open();
        home.Append(3);
        home.Directory.Save(7, isLost: false);
        using ReplicaDirectoryHarness again = home.Reopen(statusTerm, isLost: true);
        Assert.Equal(new ReplicaRecord(term, true, 1000, 0), again.Record);
        Assert.Equal(3, again.State.Log.NextOffset);
        using ReplicaDirectoryHarness third = again.Reopen(statusTerm);
        Assert.True(third.Record.IsLost);
    }

    [Fact]
    public void A_replica_that_is_given_up_leaves_no_file_and_begins_empty_and_lost_when_it_comes_back()
    {
        using ReplicaDirectoryHarness home = New().Open();
        home.Append(3);
        home.SwitchTo(home.Receive(entries: 2));
        home.Append(1);
        home.Remove();
        Assert.Empty(home.FilesOf(1000).Concat(home.FilesOf(1001)).Concat(home.Files.ListFiles(Home)));
        home.Remove();   // There is nothing.
        home.Open(statusTerm: 4);
        Assert.Equal((new ReplicaRecord(4, true, 1000, 0), 0L), (home.Record, home.State.Log.NextOffset));
    }

    /// <summary>Whatever of it the crash leaves: the replica is whole, or there is none, and once that was said of it no file of it comes back.</summary>
    [Fact]
    public void A_crash_at_any_operation_of_giving_it_up_leaves_the_whole_replica_or_none()
    {
        int whole = 0, none = 0;
        for (int stop = 1; ; stop++)
        {
            var disk = new FaultyFileSystem(stop);
            using var home = new ReplicaDirectoryHarness(disk);
            home.Open().Append(3);
            home.Dispose();
            disk.StopAt(disk.OperationCount + stop, stop % 2 == 0 ? StopMoment.Before : StopMoment.Halfway);
            bool isDone = false;
            try
            {
                home.Remove();
                isDone = true;
            }
            catch (SimulatedCrashException)
            {
                // Its states follow.
            }

            foreach (CrashState state in disk.CrashStates(16))
            {
                using ReplicaDirectoryHarness kept = new ReplicaDirectoryHarness((FaultyFileSystem)state.Disk.Crash(CrashLoss.Nothing).Disk, run: 2).Open(statusTerm: 4);
                bool isWhole = kept.Record == new ReplicaRecord(0, false, 1000, 0) && kept.State.Log.NextOffset == 3;
                Assert.True(isWhole || (kept.Record == new ReplicaRecord(4, true, 2000, 0) && kept.State.Log.NextOffset == 0), $"stop {stop}: {state}: {kept.Record}");
                Assert.True(isWhole || kept.FilesOf(1000).Count == 0, $"stop {stop}: {state} keeps {string.Join(", ", kept.FilesOf(1000))}");
                Assert.False(isWhole && isDone, $"stop {stop}: {state} brings it back");
                whole += isWhole ? 1 : 0;
                none += isWhole ? 0 : 1;

                using var left = new ReplicaDirectoryHarness(state.Disk, run: 2);
                left.Remove();   // Nor does the status want it here: the next start ends what was begun.
                Assert.Empty(left.FilesOf(1000).Concat(left.Files.ListFiles(Home)));
            }

            if (isDone) break;
        }

        Assert.True(whole > 0 && none > 0);
    }

    [Fact]
    public void A_damaged_replica_file_makes_it_lost_in_a_fresh_generation_and_the_old_files_stay()
    {
        using ReplicaDirectoryHarness home = New().Open();
        home.Append(3);
        home.Directory.Save(7, isLost: false);
        IReadOnlyList<string> before = home.FilesOf(1000);
        home.Files.FlipBit(Home + "/replica", 41, 0);
        using ReplicaDirectoryHarness again = home.Reopen(statusTerm: 6);
        Assert.Equal(new ReplicaRecord(6, true, 2000, 0), again.Record);
        Assert.Equal(0, again.State.Log.NextOffset);
        Assert.Equal(before, again.FilesOf(1000));
        Assert.Equal([ReplicaLost], again.Reports.Reports.Select(report => report.Id));
    }

    [Fact]
    public void The_replica_file_of_another_shard_is_not_believed()
    {
        using ReplicaDirectoryHarness home = New().Open();
        ReplicaFile.Write(home.Files, Home, new(Cluster, Shard + 1), home.Record);
        using ReplicaDirectoryHarness again = home.Reopen(statusTerm: 2);
        Assert.Equal(new ReplicaRecord(2, true, 2000, 0), again.Record);
    }

    /// <summary>
    /// Where the log's files were gone and the state's were not, or a state was gone and the log behind it not, each opened for itself; that they do not fit was seen by the shard's host alone,
    /// and ended the start of the whole node.
    /// </summary>
    [Theory]
    [InlineData("log damaged")]
    [InlineData("log gone")]
    [InlineData("state damaged")]
    [InlineData("state gone")]
    public void A_damaged_or_missing_log_or_state_makes_it_lost_and_stays_until_it_is_not(string damage)
    {
        using ReplicaDirectoryHarness home = New().Open();
        home.SwitchTo(home.Receive(entries: 10));   // So the log begins behind a state.
        home.Append(2);
        home.Directory.Save(7, isLost: false);
        home.Dispose();
        string part = damage.StartsWith("log", StringComparison.Ordinal) ? "log" : "state", place = $"{Generation(1001)}/{part}";
        foreach (string name in home.Files.ListFiles(place))
        {
            if (damage.EndsWith("gone", StringComparison.Ordinal)) home.Files.Delete($"{place}/{name}");
            else home.Files.FlipBit($"{place}/{name}", 20, 3);
        }

        IReadOnlyList<string> before = home.FilesOf(1001);
        ReplicaDirectoryHarness again = home.Reopen(statusTerm: 6);
        Assert.Equal(new ReplicaRecord(7, true, 2000, 1001), again.Record);
        Assert.Equal((0L, -1L), (again.State.Log.NextOffset, again.State.Machine.Position.Offset));
        Assert.Equal([ReplicaLost], again.Reports.Reports.Select(report => report.Id));
        again = again.Reopen(statusTerm: 6);
        Assert.Equal(new ReplicaRecord(7, true, 2000, 1001), again.Record);
        Assert.Superset(before.ToHashSet(), again.FilesOf(1001).ToHashSet());   // All there is, until it has caught up.
        again.Directory.Save(8, isLost: false);
        again = again.Reopen(statusTerm: 8);
        Assert.Equal(new ReplicaRecord(8, false, 2000, 1001), again.Record);
        Assert.Empty(again.FilesOf(1001));
        again.Dispose();
    }

    [Fact]
    public void A_switch_takes_the_state_and_a_log_behind_it_and_removes_what_was_before()
    {
        using ReplicaDirectoryHarness home = New().Open();
        home.Append(3);
        home.SwitchTo(home.Receive(entries: 10));
        Assert.Equal(new ReplicaRecord(0, false, 1001, 1000), home.Record);
        Assert.Empty(home.FilesOf(1000));
        home.Append(2);
        using ReplicaDirectoryHarness again = home.Reopen();
        Assert.Equal((9L, 10L, 12L), (again.State.Machine.Position.Offset, again.State.Log.Start, again.State.Log.NextOffset));
        Assert.Equal(StateOf(10).Hash, again.State.Machine.Hash);
    }

    [Fact]
    public void What_a_lost_replica_had_before_a_switch_stays_until_it_is_not_lost()
    {
        using ReplicaDirectoryHarness home = New().Open(statusTerm: 4);
        home.Append(3);
        home.SwitchTo(home.Receive(entries: 10));
        Assert.NotEmpty(home.FilesOf(1000));
        using ReplicaDirectoryHarness again = home.Reopen(statusTerm: 4);
        Assert.NotEmpty(again.FilesOf(1000));
        again.Directory.Save(4, isLost: false);
        using ReplicaDirectoryHarness third = again.Reopen(statusTerm: 4);
        Assert.Equal((1001L, 9L), (third.Record.Generation, third.State.Machine.Position.Offset));
        Assert.Empty(third.FilesOf(1000));
    }

    [Fact]
    public void A_state_that_does_not_have_its_hash_is_refused_and_another_is_taken()
    {
        using ReplicaDirectoryHarness home = New().Open();
        home.Append(3);
        Assert.Throws<CorruptDataException>(() => home.Receive(entries: 10, isAltered: true));
        Assert.Equal((1000L, 3L), (home.Record.Generation, home.State.Log.NextOffset));
        home.SwitchTo(home.Receive(entries: 12));
        Assert.Equal((1001L, 11L), (home.Record.Generation, home.State.Machine.Position.Offset));
    }

    [Fact]
    public void What_an_unfinished_transfer_left_is_removed_at_the_next_start()
    {
        using ReplicaDirectoryHarness home = New().Open();
        home.Append(3);
        Storage.Log.LogEngine log = home.Receive(entries: 10).Log;
        log.Close();
        Assert.NotEmpty(home.FilesOf(1001));
        using ReplicaDirectoryHarness again = home.Reopen();
        Assert.Equal((1000L, 3L), (again.Record.Generation, again.State.Log.NextOffset));
        Assert.Empty(again.FilesOf(1001));
    }

    [Fact]
    public void After_a_power_cut_at_any_operation_of_a_switch_the_old_or_the_new_generation_is_whole()
    {
        int old = 0, fresh = 0;
        for (int stop = 1; ; stop++)
        {
            var files = new FaultyFileSystem(stop);
            ReplicaDirectoryHarness home = new ReplicaDirectoryHarness(files).Open();   // Nobody closes what the power is cut of.
            home.Append(3);
            files.StopAt(files.OperationCount + stop, stop % 2 == 0 ? StopMoment.Before : StopMoment.Halfway);
            bool isCrashed = false;
            try
            {
                home.SwitchTo(home.Receive(entries: 10));
                files.StopAt(0);
            }
            catch (Exception e) when (e is SimulatedCrashException or StoreFailedException { InnerException: SimulatedCrashException })
            {
                isCrashed = true;
            }

            foreach (CrashState state in files.CrashStates(6))
            {
                using ReplicaDirectoryHarness after = new ReplicaDirectoryHarness(state.Disk, run: 2).Open(statusTerm: 3);
                string where = $"stop {stop}: {state}";
                Assert.False(after.Record.IsLost, where);
                bool isNew = after.Record.Generation == 1001;
                (long Generation, long Start, long Next, long Applied) found = (after.Record.Generation, after.State.Log.Start, after.State.Log.NextOffset, after.State.Machine.Position.Offset);
                Assert.True(found == (isNew ? (1001, 10, 10, 9) : (1000, 0, 3, -1)), $"{where}: {found}");
                Assert.True(isNew || isCrashed, where);
                Assert.True(after.FilesOf(isNew ? 1000 : 1001).Count == 0, $"{where}: something is left");
                old += isNew ? 0 : 1;
                fresh += isNew ? 1 : 0;
            }

            if (!isCrashed) break;
        }

        Assert.True(old > 20 && fresh > 20, $"{old} old, {fresh} new");
    }

    [Fact]
    public void A_disk_that_refuses_while_a_replica_is_opened_leaves_no_file_open()
    {
        for (int operation = 1; operation < 5; operation++)
        {
            ReplicaDirectoryHarness first = New().Open();
            first.Append(3);
            first.Dispose();
            using var home = new ReplicaDirectoryHarness(first.Files, run: 2);
            first.Files.Fail(operation == 1 ? FaultKind.WriteError : operation == 2 ? FaultKind.FlushError : operation == 3 ? FaultKind.RenameError : FaultKind.DirectoryFlushError);
            Assert.ThrowsAny<IOException>(() => home.Open());
            Assert.Equal(0, home.Pool.OpenCount);
        }
    }

    private static ReplicaDirectoryHarness New() => new(new FaultyFileSystem(1));
}

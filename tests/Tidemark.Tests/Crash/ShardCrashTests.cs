using System.Buffers.Binary;

using Tidemark.Core.KeyValue;
using Tidemark.Core.State;
using Tidemark.Testing;

namespace Tidemark.Tests.Crash;

/// <summary>
/// Cuts the power before every operation that changes the disk, under a workload of puts, snapshots, trims and reopenings. What was
/// answered must be there; what is there must be a prefix of what was asked; and every record, counter and hash must agree.
/// </summary>
public sealed class ShardCrashTests
{
    private const int Puts = 60;

    [Fact]
    public void Whatever_a_power_cut_leaves_opens_with_every_answered_write_and_a_whole_state()
    {
        int states = 0, snapshots = 0;
        long cuts = 0;
        for (int seed = 1; seed <= Soak.Times(3); seed++)
        {
            int answered = 0;
            var disk = new FaultyFileSystem(seed);
            disk.BeforeOperation = operation =>
            {
                int promised = answered;
                if (operation.ToString().Contains("snapshot", StringComparison.Ordinal)) snapshots++;
                foreach (CrashState state in disk.CrashStates(4))
                {
                    states++;
                    Check(state.Disk, promised, () => $"seed {seed}, before {operation}, {promised} answered: {state}");
                }
            };
            for (int opening = 0; opening < 3; opening++)
            {
                SyncShard shard = SyncShard.Open(disk);
                for (int i = 0; i < Puts; i++)
                {
                    Assert.Equal(StoreStatus.Ok, PutNext(shard, answered));
                    answered++;
                }

                cuts += shard.Machine.Generation.Number;
                if (opening != 1) shard.Close();
                else disk = Continue(disk, disk.ProcessKill());   // The process dies: nothing was closed.
            }
        }

        Assert.True(states > 1500, $"only {states} states");
        Assert.True(snapshots > 10, $"only {snapshots} operations on snapshots");
        Assert.True(cuts > 10, $"only {cuts} generations");
    }

    [Fact]
    public void A_write_that_failed_is_there_or_not_after_a_restart_and_all_answered_ones_are()
    {
        foreach (FaultKind kind in (FaultKind[])[FaultKind.WriteError, FaultKind.FlushError, FaultKind.DirectoryFlushError, FaultKind.RenameError, FaultKind.DiskFull])
        {
            bool wasHit = true;
            for (int nth = 1; wasHit && nth < 200; nth += 3)
            {
                var disk = new FaultyFileSystem(nth);
                disk.Fail(kind, nth);
                int answered = 0;
                try
                {
                    SyncShard shard = SyncShard.Open(disk);
                    for (int i = 0; i < Puts; i++)
                    {
                        PutNext(shard, answered);
                        answered++;
                    }

                    shard.Close();
                }
                catch (Exception e) when (e is TidemarkException or IOException)
                {
                    // Refused, failed or unknown: the store says which, and nothing that was answered is at stake.
                }

                wasHit = disk.Counts[kind] > 0;
                foreach (CrashState state in disk.CrashStates(3)) Check(state.Disk, answered, () => $"{kind} {nth}: {state}\n{disk.Trace}");
                Check(disk.ProcessKill(), answered, () => $"{kind} {nth}, process restarted\n{disk.Trace}");
            }
        }
    }

    /// <summary>Two snapshots are kept, and the log from the older one on: so one that rots costs time and nothing else.</summary>
    [Fact]
    public void A_newest_snapshot_that_rots_is_passed_over_and_the_log_still_reaches_back_to_the_older_one()
    {
        var disk = new FaultyFileSystem(1);
        SyncShard shard = SyncShard.Open(disk);
        for (int i = 0; i < 300; i++) PutNext(shard, i);
        Assert.True(shard.Host.LogStart > 0);
        shard.Close();
        string[] snapshots = [.. disk.ListFiles(SyncShard.StateDirectory).Where(name => name.EndsWith(".snapshot", StringComparison.Ordinal)).Order(StringComparer.Ordinal)];
        Assert.Equal(2, snapshots.Length);
        disk.FlipBit(Path.Combine(SyncShard.StateDirectory, snapshots[1]), 300, 3);
        Check(disk, 300, () => "the newest snapshot rotted");
    }

    private static FaultyFileSystem Continue(FaultyFileSystem before, FaultyFileSystem after)
    {
        after.BeforeOperation = before.BeforeOperation;
        return after;
    }

    /// <summary>The n-th write: a record of its own, and in the same entry the count so far.</summary>
    private static StoreStatus PutNext(SyncShard shard, int number)
    {
        byte[] count = new byte[sizeof(int)];
        BinaryPrimitives.WriteInt32LittleEndian(count, number + 1);
        return shard.Put(($"/n/{number:D5}", new byte[number % 7 * 30]), ("/count", count));
    }

    private static void Check(IFileSystem disk, int answered, Func<string> story)
    {
        SyncShard shard;
        try
        {
            shard = SyncShard.Open(disk);
        }
        catch (Exception e)
        {
            throw new InvalidOperationException(story(), e);
        }

        int there = 0;
        using (StateReader reader = StateReader.Open(shard.Machine.Table))
        {
            KeyOrder order = shard.Machine.Settings!.KeyOrder;
            if (KvReads.Find(reader, KeyComparison.Equal, order.Encode("/count"u8)) is { } count) there = BinaryPrimitives.ReadInt32LittleEndian(new RecordRow(count.Row.Span).Value);
            Assert.True(there >= answered, story() + $": {there} are there");
            Assert.True(there <= answered + 1, story() + $": {there} are there, and no more than one was under way");
            using var scan = new RecordScan(StateReader.Open(shard.Machine.Table), order.Encode(KeyRange.Children("/n")), isReverse: false);
            int next = 0;
            for (; scan.MoveNext(); next++)
            {
                Assert.Equal($"/n/{next:D5}", System.Text.Encoding.UTF8.GetString(order.Decode(scan.EncodedKey)));
                Assert.Equal(next % 7 * 30, new RecordRow(scan.Row.Span).Value.Length);
                Assert.Equal((2 * next) + 1, new RecordRow(scan.Row.Span).Version);
            }

            Assert.True(next == there, story() + $": {next} records, and the count says {there}");
            CheckChanges(reader, there, story);
        }

        Assert.True(shard.Machine.Hash == shard.Machine.ComputeHash(), story());
        Assert.Equal(StoreStatus.Ok, PutNext(shard, there));   // It goes on.
    }

    /// <summary>The change log ends with the last write and has no gap.</summary>
    private static void CheckChanges(in StateReader reader, int there, Func<string> story)
    {
        var place = new WatchPlace(-1, WatchPlace.All);
        List<StoreChange> changes = [];
        while (ChangeScan.Read(reader, ref place, 100, changes))
        {
        }

        long[] versions = [.. changes.Where(change => change.Kind != StoreEventKind.Compacted).Select(change => change.Version)];
        Assert.True(there == 0 || versions[^1] == 2 * there, story());
        for (int i = 1; i < versions.Length; i++) Assert.True(versions[i] == versions[i - 1] + 1, story() + ": a gap in the changes");
    }
}

using Tidemark.Core.KeyValue;
using Tidemark.Core.Replication;
using Tidemark.Core.State;
using Tidemark.Storage.Log;
using Tidemark.Testing;

namespace Tidemark.Tests.Crash;

/// <summary>
/// The power is cut before every operation of the disk while the log of a shard is cut, snapshot and trimming included. There are no files of a cut to be left over or to be finished: how far it came is what the log has of its
/// entries.
/// </summary>
public sealed class CutCrashTests
{
    private const int Puts = 20;

    [Fact]
    public void A_cut_that_was_wished_for_only_is_made_by_the_next_start()
    {
        List<Left> left = [.. Run().Where(state => state.Has(KvCommand.Cut) && !state.HasMark)];
        Assert.NotEmpty(left);
        foreach (Left state in left)
        {
            SyncShard shard = SyncShard.Open(state.Disk);
            Assert.True(shard.Machine is { Generation.Number: 0, Cuts.Wish: not null }, state.Story);
            Finish(shard, state);
        }
    }

    [Fact]
    public void A_cut_whose_mark_is_in_the_log_and_whose_end_is_not_is_made_by_the_next_start()
    {
        List<Left> left = [.. Run().Where(state => state.HasMark && !state.Has(KvCommand.EndLog))];
        Assert.NotEmpty(left);
        foreach (Left state in left)
        {
            SyncShard shard = SyncShard.Open(state.Disk);
            Assert.True(shard.Machine is { Generation.Number: 0, Cuts.Wish: not null }, state.Story);
            Finish(shard, state);
        }
    }

    /// <summary>It was not flushed, so nobody has acted on it.</summary>
    [Fact]
    public void An_end_of_log_of_which_only_a_part_is_there_is_none_and_the_cut_is_made_anew()
    {
        int torn = 0;
        for (int bytes = 0; bytes < 512; bytes += 32)   // Somewhere in them the entry lies across two sectors.
        {
            List<Left> left = Run(bytes);
            HashSet<string> written = [.. left.Where(state => state.IsUnflushed && state.Has(KvCommand.EndLog)).Select(state => state.Operation)];
            foreach (Left state in left.Where(state => state.IsTorn && state.HasMark && !state.Has(KvCommand.EndLog) && written.Contains(state.Operation)))
            {
                SyncShard shard = SyncShard.Open(state.Disk);
                Assert.True(shard.Machine is { Generation.Number: 0, Cuts.Wish: not null }, state.Story);
                Finish(shard, state);
                torn++;
            }
        }

        Assert.True(torn > 0, "none was torn");
    }

    [Fact]
    public void A_generation_whose_end_of_log_is_in_the_log_has_begun_whatever_else_is_lost()
    {
        List<Left> left = [.. Run().Where(state => state.Has(KvCommand.EndLog))];
        Assert.True(left.Count > 20, $"{left.Count} states");
        Generation[] begun = [.. left.Select(state => SyncShard.Open(state.Disk).Machine.Generation).Distinct()];
        Assert.Equal(1, Assert.Single(begun).Number);
        foreach (Left state in left) Finish(SyncShard.Open(state.Disk), state);
    }

    /// <summary>The shard goes on: the cut is made without anybody asking again, and everything is there.</summary>
    private static void Finish(SyncShard shard, Left state)
    {
        Assert.True(shard.TakeTurns(() => shard.Machine.Generation.Number > 0), $"{state.Story}: the cut is not made");
        Assert.True(shard.Machine is { Generation.Number: 1, Cuts.Wish: null }, state.Story);
        Assert.True(shard.Machine.Hash == shard.Machine.ComputeHash(), state.Story);
        Assert.Equal(Puts, shard.Machine.Counters.LastVersion);
        Assert.Equal(StoreStatus.Ok, shard.Put(("/more", [])));
        shard.Cut();
        Assert.Equal(2, shard.Machine.Generation.Number);
    }

    /// <summary>What power cuts leave, before each operation of a cut.</summary>
    private static List<Left> Run(int bytes = 0)
    {
        List<Left> left = [];
        var disk = new FaultyFileSystem(1);
        SyncShard shard = SyncShard.Open(disk);
        for (int i = 0; i < Puts; i++) shard.Put(($"/{i}", i == 0 ? new byte[bytes] : []));
        disk.BeforeOperation = operation =>
        {
            foreach (CrashState state in disk.CrashStates(8)) Add(state.Disk, isUnflushed: false, $"{operation}", $"{state}");
            Add(disk.ProcessKill(), isUnflushed: true, $"{operation}", "all that was written");
        };
        shard.Cut();
        for (int turns = 0; turns < 20; turns++) shard.TakeTurns(() => false, turns: 1);
        shard.Close();
        disk.BeforeOperation = null;
        return left;

        void Add(FaultyFileSystem found, bool isUnflushed, string operation, string story)
        {
            FaultyFileSystem looked = found.ProcessKill();
            left.Add(new Left(found, [.. SyncShard.Open(looked).Entries().Where(entry => entry.Offset > Puts)], isUnflushed, operation, story));
        }
    }

    private sealed record Left(FaultyFileSystem Disk, List<LogRecord> Entries, bool IsUnflushed, string Operation, string Loss)
    {
        internal string Story => $"before {Operation}: {Loss}";

        internal bool IsTorn => Loss.Contains("and parts of", StringComparison.Ordinal);

        internal bool HasMark => Entries.Any(entry => EntryKinds.IsMark(entry.Kind));

        internal bool Has(KvCommand command) => Entries.Any(entry => entry.Kind == (ushort)command);
    }
}

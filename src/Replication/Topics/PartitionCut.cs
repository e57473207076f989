using Tidemark.Core.Topics;
using Tidemark.Replication.Shards;
using Tidemark.Storage.Files;
using Tidemark.Storage.Snapshots;
using Tidemark.Storage.State;

namespace Tidemark.Replication.Topics;

/// <summary>A partition as it was behind one entry, to be saved: the base state, and all entries from there on.</summary>
/// <param name="Log">What is saved.</param>
/// <param name="Start">The first message that is kept.</param>
/// <param name="End">The offset after the last message.</param>
internal sealed record PartitionCut(LogCut Log, long Start, long End) : IDisposable
{
    /// <summary>The number that stands for it in snapshot files.</summary>
    internal const ushort Number = 3;

    /// <summary>The shard's thread: looks where things are.</summary>
    internal static PartitionCut Take(ShardState state, FilePool pool, Action released)
    {
        var machine = (TopicMachine)state.Machine;
        SnapshotReader? baseState = ((LogBaseKeeper)state.Keeper).OpenBase();
        return new PartitionCut(new LogCut(state, baseState, baseState?.Info.Position ?? StatePosition.Start, pool, released), machine.Start, machine.End);
    }

    public void Dispose() => Log.Dispose();
}

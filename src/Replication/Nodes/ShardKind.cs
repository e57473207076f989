using Tidemark.Core.KeyValue;
using Tidemark.Core.Replication;
using Tidemark.Replication.Cluster;
using Tidemark.Replication.Shards;
using Tidemark.Replication.Topics;
using Tidemark.Storage.Files;
using Tidemark.Storage.Log;
using Tidemark.Storage.Snapshots;
using Tidemark.Storage.State;

namespace Tidemark.Replication.Nodes;

/// <summary>Where a replica's state is kept.</summary>
/// <param name="Files">The disk.</param>
/// <param name="Snapshots">The directory of its snapshots; what was received from a leader is one.</param>
/// <param name="Rows">The directory of its engine, where that keeps files of its own.</param>
/// <param name="Identity">Whose state it is.</param>
/// <param name="Log">The log behind it.</param>
/// <param name="Pool">The pool that holds the log's files.</param>
internal sealed record StatePlace(IFileSystem Files, string Snapshots, string Rows, SnapshotIdentity Identity, LogEngine Log, FilePool Pool);

/// <summary>What kind of state machine a shard has, and how its state is opened, shown and remembered.</summary>
/// <param name="snapshotLogBytes">How many bytes of entries are applied before the state is written down again.</param>
internal abstract class ShardKind(long snapshotLogBytes)
{
    /// <summary>The number that stands for the machine in snapshot files.</summary>
    internal abstract ushort Machine { get; }

    /// <summary>The longest command, in bytes.</summary>
    internal virtual int MaxCommandBytes => NamespaceOptions.LeastCommandBytes;

    /// <summary>The length of the log's segments; null for what the node has them be.</summary>
    internal virtual long? SegmentBytes => null;

    /// <summary>How long a segment of the log takes entries; null for ever.</summary>
    internal virtual TimeSpan? SegmentAge => null;

    /// <summary>The shard's thread: has a log follow the settings of now.</summary>
    internal void Configure(LogEngine log)
    {
        log.MaxSegmentAge = SegmentAge;
        if (SegmentBytes is { } bytes) log.SegmentBytes = bytes;
    }

    /// <summary>How many bytes of entries are applied before the state is written down again.</summary>
    protected long SnapshotLogBytes => snapshotLogBytes;

    /// <summary>A state without any entry, in memory.</summary>
    internal abstract IStateMachine New(Guid store, long shardId);

    /// <summary>Opens a state as it was remembered.</summary>
    internal virtual (IStateMachine Machine, IStateKeeper Keeper) Open(StatePlace place)
    {
        IStateMachine machine = New(place.Identity.StoreId, place.Identity.ShardId);
        return (machine, SnapshotKeeper.Open(machine, place.Files, place.Snapshots, place.Identity, snapshotLogBytes));
    }

    /// <summary>What reads messages from the log; null where there are none.</summary>
    /// <param name="state">Log and state.</param>
    /// <param name="pool">The pool that holds the log's files.</param>
    /// <param name="released">Called where files that were read may be removed now.</param>
    internal virtual PartitionReads? OpenReads(ShardState state, FilePool pool, Action released) => null;

    /// <summary>The status has changed.</summary>
    /// <param name="partition">Which partition the shard is, where it is one.</param>
    /// <returns>Whether its replica here is to take note.</returns>
    internal virtual bool Follow(ClusterPartition? partition) => false;

    /// <summary>A state that entries have changed may be looked at by others.</summary>
    internal virtual void Publish(ReplicaHost replica)
    {
    }

    /// <summary>A hash over all rows, not the one that was kept along the way.</summary>
    internal virtual StateHash Recount(IStateMachine machine) => machine.Hash;

    internal virtual ILeaderRole CreateLeader(ReplicaHost replica, DateTimeOffset now) => NoLeaderRole.Instance;

    private sealed class NoLeaderRole : ILeaderRole
    {
        internal static NoLeaderRole Instance { get; } = new();

        public long NextDue => long.MaxValue;

        public void Tick(DateTimeOffset now, List<(ushort Kind, byte[] Payload)> proposals)
        {
        }

        public void Ended(ushort kind, bool isApplied, DateTimeOffset now)
        {
        }
    }
}

/// <summary>A shard of a key-value namespace.</summary>
internal sealed class KeyValueShardKind(NamespaceOptions settings, long snapshotLogBytes) : ShardKind(snapshotLogBytes)
{
    /// <summary>What clients that sync may call; null for nothing.</summary>
    internal Mutators? Mutators { get; init; }

    /// <summary>What its rows are kept in.</summary>
    internal StorageEngine Engine { get; init; } = StorageEngine.Memory;

    /// <summary>An engine on disk: how many bytes of rows gather in memory before they are handed over.</summary>
    internal long EngineBatchBytes { get; init; }

    internal override ushort Machine => KvMachine.Number;

    internal override int MaxCommandBytes => settings.MaxCommandBytes;

    internal override IStateMachine New(Guid store, long shardId) => new KvMachine(StorageEngine.Memory.Open(""), new KvIdentity(store, shardId));

    internal override (IStateMachine Machine, IStateKeeper Keeper) Open(StatePlace place)
    {
        if (Engine.IsInMemory) return base.Open(place);
        place.Files.CreateDirectory(place.Rows);
        IOrderedEngine engine = Engine.Open(place.Rows, settings);
        KvMachine? machine = null;
        try
        {
            machine = new KvMachine(engine, new KvIdentity(place.Identity.StoreId, place.Identity.ShardId));
            if (engine.AppliedOffset < 0) TakeReceived(machine, place);
            return (machine, new EngineKeeper(machine, EngineBatchBytes));
        }
        catch
        {
            machine?.Dispose();   // It looks at the engine, which else stays open.
            engine.Dispose();
            throw;
        }
    }

    /// <summary>Fills an engine that holds nothing with the state that was received, if one was, which is not needed any more then.</summary>
    private static void TakeReceived(KvMachine machine, StatePlace place)
    {
        using (SnapshotReader? received = SnapshotFolder.Open(place.Files, place.Snapshots, place.Identity).OpenNewest())
        {
            if (received is null) return;
            machine.Restore(received.Pieces(), received.Info.Position);
        }

        DirectoryFiles.Remove(place.Files, place.Snapshots);
    }

    internal override void Publish(ReplicaHost replica)
    {
        var machine = (KvMachine)replica.Machine;
        machine.Table.Publish(machine.Position.Offset);
        if (replica.Host?.Leader is null) machine.Sessions.Moves.Clear();   // Nobody takes note of what the entries did.
    }

    internal override StateHash Recount(IStateMachine machine) => ((KvMachine)machine).ComputeHash();

    internal override ILeaderRole CreateLeader(ReplicaHost replica, DateTimeOffset now) => new KvLeader((KvMachine)replica.Machine, now, KvSettings.Of(settings), Mutators, SnapshotLogBytes);
}

/// <summary>A shard of a state machine of the host's own, in memory.</summary>
internal sealed class CustomShardKind(Func<IStateMachine> create, long snapshotLogBytes) : ShardKind(snapshotLogBytes)
{
    internal const ushort Number = 1000;

    internal override ushort Machine => Number;

    internal override IStateMachine New(Guid store, long shardId) => create();
}

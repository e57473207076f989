using Tidemark.Core.KeyValue;
using Tidemark.Core.Replication;
using Tidemark.Storage.Files;
using Tidemark.Storage.Snapshots;
using Tidemark.Storage.State;

namespace Tidemark.Replication.Nodes;

/// <summary>What kind of state machine a shard has, and how its state is opened, shown and remembered.</summary>
/// <param name="snapshotLogBytes">How many bytes of entries are applied before the state is written down again.</param>
internal abstract class ShardKind(long snapshotLogBytes)
{
    /// <summary>The number that stands for the machine in snapshot files.</summary>
    internal abstract ushort Machine { get; }

    /// <summary>The longest command, in bytes.</summary>
    internal virtual int MaxCommandBytes => NamespaceOptions.LeastCommandBytes;

    /// <summary>A state without any entry, in memory.</summary>
    internal abstract IStateMachine New(Guid store, long shardId);

    /// <summary>Opens a state as it was remembered.</summary>
    /// <param name="files">The disk.</param>
    /// <param name="snapshots">The directory of its snapshots; what was received from a leader is one.</param>
    /// <param name="rows">The directory of its engine, where that keeps files of its own.</param>
    /// <param name="identity">Whose state it is.</param>
    internal virtual (IStateMachine Machine, IStateKeeper Keeper) Open(IFileSystem files, string snapshots, string rows, SnapshotIdentity identity)
    {
        IStateMachine machine = New(identity.StoreId, identity.ShardId);
        return (machine, SnapshotKeeper.Open(machine, files, snapshots, identity, snapshotLogBytes));
    }

    /// <summary>A state that entries have changed may be looked at by others.</summary>
    /// <param name="machine">The state.</param>
    /// <param name="isLed">Whether a leader's part here takes note of what the entries did.</param>
    internal virtual void Publish(IStateMachine machine, bool isLed)
    {
    }

    /// <summary>A hash over all rows, not the one that was kept along the way.</summary>
    internal virtual StateHash Recount(IStateMachine machine) => machine.Hash;

    internal virtual ILeaderRole CreateLeader(IStateMachine machine, DateTimeOffset now) => NoLeaderRole.Instance;

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
    /// <summary>What its rows are kept in.</summary>
    internal StorageEngine Engine { get; init; } = StorageEngine.Memory;

    /// <summary>An engine on disk: how many bytes of rows gather in memory before they are handed over.</summary>
    internal long EngineBatchBytes { get; init; }

    internal override ushort Machine => KvMachine.Number;

    internal override int MaxCommandBytes => settings.MaxCommandBytes;

    internal override IStateMachine New(Guid store, long shardId) => new KvMachine(StorageEngine.Memory.Open(""), new KvIdentity(store, shardId));

    internal override (IStateMachine Machine, IStateKeeper Keeper) Open(IFileSystem files, string snapshots, string rows, SnapshotIdentity identity)
    {
        if (Engine.IsInMemory) return base.Open(files, snapshots, rows, identity);
        files.CreateDirectory(rows);
        IOrderedEngine engine = Engine.Open(rows, settings);
        KvMachine? machine = null;
        try
        {
            machine = new KvMachine(engine, new KvIdentity(identity.StoreId, identity.ShardId));
            if (engine.AppliedOffset < 0) TakeReceived(machine, files, snapshots, identity);
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
    private static void TakeReceived(KvMachine machine, IFileSystem files, string snapshots, SnapshotIdentity identity)
    {
        using (SnapshotReader? received = SnapshotFolder.Open(files, snapshots, identity).OpenNewest())
        {
            if (received is null) return;
            machine.Restore(received.Pieces(), received.Info.Position);
        }

        DirectoryFiles.Remove(files, snapshots);
    }

    internal override void Publish(IStateMachine machine, bool isLed)
    {
        var keyValue = (KvMachine)machine;
        keyValue.Table.Publish(machine.Position.Offset);
        if (!isLed) keyValue.Sessions.Moves.Clear();
    }

    internal override StateHash Recount(IStateMachine machine) => ((KvMachine)machine).ComputeHash();

    internal override ILeaderRole CreateLeader(IStateMachine machine, DateTimeOffset now) => new KvLeader((KvMachine)machine, now, KvSettings.Of(settings));
}

/// <summary>A shard of a state machine of the host's own, in memory.</summary>
internal sealed class CustomShardKind(Func<IStateMachine> create, long snapshotLogBytes) : ShardKind(snapshotLogBytes)
{
    internal const ushort Number = 1000;

    internal override ushort Machine => Number;

    internal override IStateMachine New(Guid store, long shardId) => create();
}

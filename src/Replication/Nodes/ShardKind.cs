using Tidemark.Core.KeyValue;
using Tidemark.Core.Replication;
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

    /// <summary>Opens the state in a directory, as it was remembered there.</summary>
    internal (IStateMachine Machine, IStateKeeper Keeper) Open(IFileSystem files, string directory, SnapshotIdentity identity)
    {
        IStateMachine machine = New(identity.StoreId, identity.ShardId);
        return (machine, SnapshotKeeper.Open(machine, files, directory, identity, snapshotLogBytes));
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

/// <summary>A shard of a key-value namespace, its state in memory.</summary>
internal sealed class KeyValueShardKind(NamespaceOptions settings, long snapshotLogBytes) : ShardKind(snapshotLogBytes)
{
    internal override ushort Machine => KvMachine.Number;

    internal override int MaxCommandBytes => settings.MaxCommandBytes;

    internal override IStateMachine New(Guid store, long shardId) => new KvMachine(StorageEngine.Memory.Open(""), new KvIdentity(store, shardId));

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

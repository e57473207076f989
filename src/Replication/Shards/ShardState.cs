using Tidemark.Storage.Log;
using Tidemark.Storage.Replica;
using Tidemark.Storage.State;

namespace Tidemark.Replication.Shards;

/// <summary>What a shard is made of on this node: its log, the state that comes of the log, and who remembers the state.</summary>
internal sealed record ShardState(LogEngine Log, IStateMachine Machine, IStateKeeper Keeper)
{
    /// <summary>Whether the log goes on where the state ends.</summary>
    /// <exception cref="CorruptDataException">The log ends before the state, or begins after it.</exception>
    internal void RequireFit(string name)
    {
        long from = Machine.Position.Offset + 1;
        if (from > Log.NextOffset)
            throw new CorruptDataException(name, 0, $"a state at or before the log's end, {Log.NextOffset - 1}", $"a state at {from - 1}: the log lost its end");
        if (from < Log.Start)
            throw new CorruptDataException(name, 0, $"a log that begins at {from} or before", $"one that begins at {Log.Start}: entries between state and log are missing");
    }
}

/// <summary>The disk of a replica, but for its log and state.</summary>
internal interface IReplicaDisk
{
    /// <summary>What the replica file says.</summary>
    ReplicaRecord Record { get; }

    /// <summary>Disk: replaces term and lostness in the replica file, durably.</summary>
    void Save(long term, bool isLost);

    /// <summary>Begins the next generation: a state that is received, and an empty log behind it. Until <see cref="Switch"/> it counts for nothing.</summary>
    IIncomingState BeginGeneration(StatePosition position, StateHash hash);

    /// <summary>Disk: from now on the generation begun last is the replica's, durably. What was before it is removed once nobody uses it.</summary>
    void Switch();

    /// <summary>Disk: nothing of what is there is believed any more. From the next start on the replica is a lost one with nothing; the files stay until it has caught up.</summary>
    void Condemn();

    /// <summary>Disk: as <see cref="Condemn"/>, because the state differed from that of a majority; and that this has been so is kept.</summary>
    void Quarantine();

    /// <summary>Disk: removes the generation before this one, whose files are closed.</summary>
    void RemovePrevious();
}

/// <summary>A state that is received part by part. Disposed before it is complete, it leaves nothing.</summary>
internal interface IIncomingState : IDisposable
{
    /// <summary>Disk: takes the next part.</summary>
    void Add(ReadOnlySpan<byte> part);

    /// <summary>Disk: makes a state of the parts, and checks it against the hash it was announced with.</summary>
    /// <exception cref="CorruptDataException">It has another hash.</exception>
    ShardState Complete();
}

using Tidemark.Storage.Log;
using Tidemark.Storage.Replica;
using Tidemark.Storage.State;

namespace Tidemark.Replication.Shards;

/// <summary>What a shard is made of on this node: its log, the state that comes of the log, and who remembers the state.</summary>
internal sealed record ShardState(LogEngine Log, IStateMachine Machine, IStateKeeper Keeper);

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

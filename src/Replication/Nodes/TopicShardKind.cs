using Tidemark.Core.KeyValue;
using Tidemark.Core.Replication;
using Tidemark.Core.Topics;
using Tidemark.Replication.Cluster;
using Tidemark.Replication.Shards;
using Tidemark.Replication.Topics;
using Tidemark.Storage.Files;
using Tidemark.Storage.State;

namespace Tidemark.Replication.Nodes;

/// <summary>A partition of a topic. Whoever leads it has its log say what settings the status has for it.</summary>
internal sealed class TopicShardKind(ClusterPartition partition, long snapshotLogBytes) : ShardKind(snapshotLogBytes)
{
    private volatile TopicOptions _options = partition.Topic.Options;
    private volatile TopicSettings _settings = TopicSettings.Of(partition.Topic.Options);

    internal override ushort Machine => TopicMachine.Number;

    internal override int MaxCommandBytes => TopicOptions.LargestCommandBytes;   // Another node may know of a longer batch first: none is too long for a log.

    internal override long? SegmentBytes => _options.SegmentBytes;

    internal override TimeSpan? SegmentAge => _options.EffectiveSegmentAge;

    internal override IStateMachine New(Guid store, long shardId) => new TopicMachine(new KvIdentity(store, shardId));

    internal override (IStateMachine Machine, IStateKeeper Keeper) Open(StatePlace place)
    {
        IStateMachine machine = New();
        return (machine, LogBaseKeeper.Open(machine, place.Files, place.Snapshots, place.Identity, New, place.Log, place.Pool, SnapshotLogBytes));

        IStateMachine New() => this.New(place.Identity.StoreId, place.Identity.ShardId);
    }

    internal override PartitionReads OpenReads(ShardState state, FilePool pool, Action released) => new(partition.Number, state, pool, released);

    internal override bool Follow(ClusterPartition? partition)
    {
        if (partition is null || partition.Topic.Options == _options) return false;
        _options = partition.Topic.Options;
        _settings = TopicSettings.Of(_options);
        return true;
    }

    internal override void Publish(ReplicaHost replica) => replica.Reads!.Publish();

    internal override ILeaderRole CreateLeader(ReplicaHost replica, DateTimeOffset now) => new TopicLeader((TopicMachine)replica.Machine, replica.Reads!.Log, now) { Wanted = () => _settings };
}

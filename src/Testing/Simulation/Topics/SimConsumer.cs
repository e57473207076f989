using Tidemark.Replication.Consumers;
using Tidemark.Replication.Topics;

namespace Tidemark.Testing.Simulation.Topics;

/// <summary>A member of a consumer group as far as one partition goes: it takes it, reads it, stores how far, and loses it to another without knowing, or gives it up without a word.</summary>
/// <remarks>Offsets are stored by the claims of real consumers. Who is the owner a group's leader decides; here chance does, and gives each owner a higher version, as that does.</remarks>
internal sealed class SimConsumer
{
    /// <summary>What holds messages where the topic's settings say that a consumer does.</summary>
    internal const string Group = "group";

    private readonly ClusterSimulation _cluster;
    private readonly SimWorld _world;
    private readonly TopicPartition _partition;
    private readonly ConsumerLaws _laws;
    private readonly ConsumerRows _rows;

    internal SimConsumer(ClusterSimulation cluster, SimTopic topic, int number)
    {
        var process = new SimProcess(cluster.World);
        PartitionedTopic face = topic.Open(process, number);
        (_cluster, _world, _partition, _laws) = (cluster, cluster.World, face.View[0], topic.Consumers[0]);
        _rows = new ConsumerRows(new SimRoute(cluster, process, number).OpenStore(), face, Group);
        _laws.Follow(_rows.OffsetKey(0));
    }

    internal async Task LiveAsync()
    {
        await _world.Delay(200, 3000).ConfigureAwait(false);
        for (; !_cluster.IsOver; await _world.Delay(100, 4000).ConfigureAwait(false))
        {
            try
            {
                long ownership = _laws.NextOwnership();
                if (await PartitionClaim.TryTakeAsync(_rows, 0, ownership, static _ => new ValueTask<long>(0), CancellationToken.None).ConfigureAwait(false) is { } claim)
                    await ConsumeAsync(claim).ConfigureAwait(false);
                else
                    _world.Count("partition taken by another meanwhile");
            }
            catch (Exception e) when (e is OutcomeUnknownException or ShardUnavailableException)
            {
                _world.Count("claim of unknown outcome");
            }
        }
    }

    private async Task ConsumeAsync(PartitionClaim claim)
    {
        long next = claim.Stored;
        for (TimeSpan until = _world.Now + _world.Between(500, 12_000); _world.Now < until && !_cluster.IsOver; await _world.Delay(10, 500).ConfigureAwait(false))
        {
            try
            {
                var options = new TopicReadOptions { MaxMessages = 1 + _world.Chance.Below(40), Level = SimTopicReader.DrawLevel(_world) };
                TopicPage page = await _partition.ReadAsync(TopicPosition.At(next), options, CancellationToken.None).ConfigureAwait(false);
                foreach (StoredMessage message in page.Messages) _laws.Handled(message.Offset);
                next = page.Next;
            }
            catch (OffsetOutOfRangeException told)
            {
                if (told.Offset > told.End) continue;   // Of a replica that is behind.
                _world.Count("consumer told what is kept");
                _laws.ToldOutOfRange(next, told.Start);
                next = told.Start;
            }

            if (_world.Chance.Below(3) == 0) continue;
            if (!await TryStoreAsync(claim, next).ConfigureAwait(false)) return;
        }
    }

    /// <returns>False where the partition is another's.</returns>
    private async Task<bool> TryStoreAsync(PartitionClaim claim, long next)
    {
        try
        {
            if (!await claim.TryStoreAsync(next, CancellationToken.None).ConfigureAwait(false))
            {
                _world.Count("consumer lost its partition");
                return false;
            }

            _laws.Acknowledged(claim.Ownership, next);
        }
        catch (Exception e) when (e is OutcomeUnknownException or ShardUnavailableException)
        {
            _world.Count("store of unknown outcome");   // Stored again with what comes next.
        }

        return true;
    }
}

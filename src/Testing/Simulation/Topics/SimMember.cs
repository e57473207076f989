using Tidemark.Replication.Consumers;
using Tidemark.Replication.Topics;

namespace Tidemark.Testing.Simulation.Topics;

/// <summary>A place in a group that one process after the other takes: it joins as a real member, handles messages, stands still now and then, and leaves, or ends without a word.</summary>
internal sealed class SimMember(ClusterSimulation cluster, SimTopic topic, int number)
{
    private readonly SimWorld _world = cluster.World;
    private readonly GroupLaws _laws = topic.Consumers;
    private bool _isLeaving;

    internal async Task LiveAsync()
    {
        await _world.Delay(200, 5000).ConfigureAwait(false);
        bool isEnd = false;
        for (; !isEnd && (!cluster.IsOver || number == 0); await _world.Delay(100, cluster.IsOver ? 200 : 4000).ConfigureAwait(false))
        {
            var process = new SimProcess(_world);
            isEnd = await JoinAsync(process).ConfigureAwait(false) is { } member && await LiveAsync(member, process).ConfigureAwait(false);
            process.Kill();
        }
    }

    private async Task<GroupMember?> JoinAsync(SimProcess process)
    {
        _isLeaving = false;
        GroupMember? member = null;
        var options = new GroupOptions
        {
            TimeProvider = new SimTime(_world, process),
            ContinuesInline = true,
            SessionTimeout = TimeSpan.FromMilliseconds(1000 + _world.Chance.Below(2000)),
            RevocationTimeout = TimeSpan.FromMilliseconds(_world.Chance.Below(3000)),
            CheckInterval = TimeSpan.FromSeconds(2),
            Prefetch = 100_000,   // Never full: who waits for room in a channel goes on elsewhere, whatever it was told.
            Reading = new TopicReadOptions { MaxMessages = 1 + _world.Chance.Below(40), Level = SimTopicReader.DrawLevel(_world) },
            Store = _world.Chance.Below(4) switch
            {
                0 => OffsetPolicy.EachMessage,
                1 => OffsetPolicy.Every(TimeSpan.FromMilliseconds(300)),
                _ => OffsetPolicy.Every(1 + _world.Chance.Below(6)),
            },
            Assigned = partitions => _laws.Took(member!.Id, partitions),
            Revoked = partitions => LetGo(member!, partitions, isLost: false),
            Lost = partitions => LetGo(member!, partitions, isLost: true),
        };
        try
        {
            PartitionedTopic face = topic.Open(process, number);
            member = await ConsumerGroup.JoinAsync(new SimRoute(cluster, process, number).OpenStore(), face, SimConsumer.Group, options).ConfigureAwait(false);
            _world.Count("member joined");
        }
        catch (TidemarkException e) when (e.IsTransient || e is OutcomeUnknownException or WriteRefusedException)
        {
            _world.Count("member did not get in");
        }

        return member;
    }

    private void LetGo(GroupMember member, IReadOnlyList<int> partitions, bool isLost)
    {
        if (!isLost && !_isLeaving) foreach (int partition in partitions) _laws.GaveUp(member.Id, partition);
        _laws.LetGo(member.Id, partitions, isLost);
    }

    /// <returns>Whether it was there at the end.</returns>
    private async Task<bool> LiveAsync(GroupMember member, SimProcess process)
    {
        _world.Begin(() => HandleAsync(member, process));
        for (TimeSpan until = _world.Now + _world.Between(2000, 25_000); _world.Now < until && !cluster.IsOver; await _world.Delay(200, 2000).ConfigureAwait(false))
        {
            if (_world.Chance.Below(10) > 0) continue;
            _world.Count("member paused");
            process.Pause(_world.Between(100, 3500));
        }

        bool isEnd = cluster.IsOver;
        if (isEnd) await topic.EndAsync(member).ConfigureAwait(false);
        if (!isEnd && _world.Chance.Coin())
        {
            _world.Count("member died");
            ConsumerMetrics.Remove(member);
            return false;
        }

        _isLeaving = true;
        await member.DisposeAsync().ConfigureAwait(false);
        _world.Count("member left");
        return isEnd;
    }

    /// <summary>Until it has left.</summary>
    private async Task HandleAsync(GroupMember member, SimProcess process)
    {
        var handling = new HandlerOptions { MaxAttempts = 1000, FirstDelay = TimeSpan.FromMilliseconds(10), LongestDelay = TimeSpan.FromMilliseconds(500) };
        while (true)
        {
            try
            {
                await member.HandleAsync((message, _) => HandleAsync(member, process, message), handling).ConfigureAwait(false);
            }
            catch (ObjectDisposedException)
            {
                return;
            }
            catch (OffsetOutOfRangeException told)
            {
                await GoOnAsync(member, process, told).ConfigureAwait(false);
            }
        }
    }

    private async ValueTask HandleAsync(GroupMember member, SimProcess process, ConsumedMessage message)
    {
        Judge(() => _laws.Begun(member.Id, message));
        _world.Note($"member {number} is given {message.Partition}/{message.Offset}");
        await process.Delay(1, !cluster.AreFaultsOn ? 5 : _world.Chance.Below(200) == 0 ? 4000 : 20).ConfigureAwait(false);
        if (_world.Chance.Below(50) == 0)
        {
            _world.Count("handler failed");
            throw new InvalidOperationException("It fails now and then.");
        }

        Judge(() => _laws.Handled(message));
    }

    /// <summary>What a handler throws is a failure of the message; a law that is broken is not.</summary>
    private void Judge(Action law)
    {
        try
        {
            law();
        }
        catch (SimulationException broken)
        {
            _world.Begin(() => Task.FromException(broken));
        }
    }

    /// <summary>The next message is not there.</summary>
    private async Task GoOnAsync(GroupMember member, SimProcess process, OffsetOutOfRangeException told)
    {
        while (true)
        {
            await process.Delay(1, 100).ConfigureAwait(false);
            if (member.Queue.Find((int)told.Data[nameof(SimPartition.Number)]!) is not { } feed) return;   // It is another's by now.
            if (told.Offset > told.End)
            {
                _world.Count("member ahead of a replica");
                _laws.Broken(feed);
                return;
            }

            try
            {
                long from = feed.Done, start = await member.SeekAsync(feed.Partition, TopicPosition.At(told.Start)).ConfigureAwait(false);
                _laws.ToldOutOfRange(feed, from, start);
                _world.Count("member told what is kept");
                return;
            }
            catch (OffsetOutOfRangeException again)
            {
                told = again;
            }
            catch (TidemarkException e) when (e.IsTransient)
            {
                // It is asked again.
            }
            catch (InvalidOperationException)
            {
                return;   // It is another's by now.
            }
        }
    }
}

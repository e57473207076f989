using Tidemark.Replication.Topics;

namespace Tidemark.Testing.Simulation.Topics;

/// <summary>How a program appends.</summary>
internal enum AppendStyle
{
    /// <summary>By a producer that numbers its appends.</summary>
    Numbered,

    /// <summary>Messages with ids, sent again where nobody answered and now and then although somebody did.</summary>
    Named,

    /// <summary>Only where it expects the end to be.</summary>
    Expecting,
}

/// <summary>A program outside the cluster that appends messages.</summary>
internal sealed class SimProducer(ClusterSimulation cluster, SimPartition partition, TopicLaws laws, AppendStyle style)
{
    private const int MostPayload = 1500;

    private readonly SimWorld _world = cluster.World;
    private readonly List<TopicMessage> _earlier = [];   // Messages that are there.
    private ProducerLine? _line;
    private long? _end;

    internal async Task LiveAsync()
    {
        await _world.Delay(100, 1000).ConfigureAwait(false);
        for (; !cluster.IsOver; await PauseAsync().ConfigureAwait(false))
        {
            await (style switch
            {
                AppendStyle.Numbered => AppendNumberedAsync(),
                AppendStyle.Named => AppendNamedAsync(),
                _ => AppendExpectingAsync(),
            }).ConfigureAwait(false);
        }
    }

    /// <summary>Now and then it appends nothing for so long that it is forgotten, while things go wrong.</summary>
    private async Task PauseAsync()
    {
        await _world.Delay(10, cluster.Plan.HasGroup ? 900 : 500).ConfigureAwait(false);
        if (_world.Chance.Below(150) > 0) return;
        for (TimeSpan until = _world.Now + _world.Between(15_000, 25_000); _world.Now < until && cluster.AreFaultsOn;) await _world.Delay(1000, 1000).ConfigureAwait(false);
    }

    /// <summary>With the line of a real producer, which sends what has no answer again with its number.</summary>
    private async Task AppendNumberedAsync()
    {
        _line ??= new ProducerLine(_world.NewId(), partition);
        IReadOnlyList<TopicMessage> batch = NewBatch();
        try
        {
            await _line.AppendAsync(new ProducerBatch(batch, null), CancellationToken.None).ConfigureAwait(false);
        }
        catch (OutcomeUnknownException)
        {
            _world.Count("append of unknown outcome");
        }
        catch (WriteRefusedException e)
        {
            SimWorld.Require(e.Status is StoreStatus.ClientNotFound or StoreStatus.SequenceGap, $"an append of a producer was refused: {e.Status}");
            if (e.Status == StoreStatus.SequenceGap) laws.Refused(batch);
            else _line = null;   // It was forgotten. What it had no answer to may be there.
        }
    }

    private async Task AppendNamedAsync()
    {
        List<TopicMessage> batch = [.. NewBatch()];
        bool canRepeat = laws.Options.DeduplicationIds > 0;
        if (canRepeat && _earlier.Count > 0 && _world.Chance.Below(4) == 0) batch.Insert(_world.Chance.Below(batch.Count + 1), _earlier[_world.Chance.Below(_earlier.Count)]);
        if (canRepeat && _earlier.Count > 0 && _world.Chance.Below(8) == 0) batch = [_earlier[^1]];
        while (!cluster.IsOver)
        {
            try
            {
                await partition.AppendAsync(batch, null, null, CancellationToken.None).ConfigureAwait(false);
                _earlier.AddRange(batch);
                if (_earlier.Count > 40) _earlier.RemoveRange(0, 20);
                return;
            }
            catch (OutcomeUnknownException)
            {
                _world.Count("append of unknown outcome");
                if (!canRepeat) return;
            }

            await _world.Delay(5, 100).ConfigureAwait(false);
        }
    }

    private async Task AppendExpectingAsync()
    {
        _end ??= (await partition.DescribeAsync(ReadLevel.Linearizable, CancellationToken.None).ConfigureAwait(false)).End;
        for (int attempt = 0; attempt < 4 && !cluster.IsOver; attempt++)
        {
            IReadOnlyList<TopicMessage> batch = NewBatch();
            try
            {
                AppendResult result = await partition.AppendAsync(batch, null, _end, CancellationToken.None).ConfigureAwait(false);
                _end = result.Offset + result.Count;
                if (result.IsAppended) return;
                laws.Refused(batch);
            }
            catch (OutcomeUnknownException)
            {
                _world.Count("append of unknown outcome");
                _end = null;
                return;
            }
        }
    }

    private TopicMessage[] NewBatch()
    {
        var batch = new TopicMessage[1 + (_world.Chance.Below(4) == 0 ? _world.Chance.Below(4) : 0)];
        foreach (ref TopicMessage message in batch.AsSpan())
        {
            Guid id = _world.NewId();
            byte[] payload = new byte[16 + _world.Chance.Below(MostPayload)];
            id.TryWriteBytes(payload);   // What no other has.
            message = new TopicMessage(payload) { Id = id };
        }

        return batch;
    }
}

/// <summary>A program that reads: on and on, and now and then from somewhere else, or backwards.</summary>
internal sealed class SimTopicReader(ClusterSimulation cluster, SimPartition partition, TopicLaws laws)
{
    private readonly SimWorld _world = cluster.World;
    private long _next;

    internal async Task LiveAsync()
    {
        await _world.Delay(500, 2000).ConfigureAwait(false);
        for (; !cluster.IsOver; await _world.Delay(20, 600).ConfigureAwait(false))
        {
            TopicPosition from = _world.Chance.Below(12) switch
            {
                0 => TopicPosition.First,
                1 => TopicPosition.Last(_world.Chance.Below(20)),
                2 when laws.End > 0 => TopicPosition.AtTime(laws.TimestampOf(_world.Chance.Below((int)laws.End))),
                3 => TopicPosition.At(_world.Chance.Below((int)laws.End + 1)),
                _ => TopicPosition.At(_next),
            };
            var options = new TopicReadOptions
            {
                MaxMessages = 1 + _world.Chance.Below(60),
                MaxBytes = 1 + _world.Chance.Below(30_000),
                Reverse = _world.Chance.Below(5) == 0,
                OutOfRange = _world.Chance.Below(3) == 0 ? OutOfRangePolicy.First : OutOfRangePolicy.Throw,
                Level = DrawLevel(_world),
            };
            try
            {
                _next = (await partition.ReadAsync(from, options, CancellationToken.None).ConfigureAwait(false)).Next;
            }
            catch (OffsetOutOfRangeException told)
            {
                _world.Count(told.Offset < told.Start ? "reader told what is kept" : "reader ahead of a replica");
                if (told.Offset < told.Start) _next = told.Start;
            }
        }
    }

    internal static ReadLevel DrawLevel(SimWorld world) => world.Chance.Below(4) switch
    {
        0 => ReadLevel.Bounded(world.Between(50, 1000)),
        1 or 2 => ReadLevel.Local,
        _ => ReadLevel.Linearizable,
    };
}

/// <summary>A program that lets messages go.</summary>
internal sealed class SimTrimmer(ClusterSimulation cluster, SimPartition partition)
{
    internal async Task LiveAsync()
    {
        SimWorld world = cluster.World;
        await world.Delay(5000, 20_000).ConfigureAwait(false);
        for (; !cluster.IsOver; await world.Delay(4000, 20_000).ConfigureAwait(false))
        {
            PartitionInfo now = await partition.DescribeAsync(ReadLevel.Linearizable, CancellationToken.None).ConfigureAwait(false);
            long before = world.Chance.Below(4) == 0 ? now.End : now.Start + world.Chance.Below((int)(now.End - now.Start) + 1);
            try
            {
                await partition.TrimAsync(before, CancellationToken.None).ConfigureAwait(false);
            }
            catch (OutcomeUnknownException)
            {
                world.Count("trim of unknown outcome");
            }
        }
    }
}

using System.Buffers;

using Tidemark.Core.KeyValue;
using Tidemark.Core.Topics;
using Tidemark.Replication.Topics;

namespace Tidemark.Testing.Simulation.Topics;

/// <summary>A partition as a program outside the cluster reaches it: what it sends or is told may be lost, and nodes come and go. Whatever it is told is checked.</summary>
/// <remarks>For one program, which does one thing after the other.</remarks>
internal sealed class SimPartition(ClusterSimulation cluster, ShardOracle oracle, SimProcess process, int guess) : TopicPartition
{
    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(6);
    private static readonly TimeSpan _longestLook = TimeSpan.FromMilliseconds(500);

    private readonly SimWorld _world = cluster.World;
    private readonly TopicLaws _laws = oracle.Topic!;
    private readonly SimCaller _caller = new(cluster, oracle, guess);

    internal override int Number => _laws.Number;

    internal override async ValueTask<AppendResult> AppendAsync(IReadOnlyList<TopicMessage> messages, ProducerTicket? ticket, long? expectedOffset, CancellationToken cancellationToken)
    {
        bool isOnce = ticket is not null || _laws.Options.DeduplicationIds == 0;
        _laws.Sent(messages, isOnce);
        var head = new BatchHead(0, expectedOffset, ticket?.Producer, ticket?.Sequence ?? 0, 0, messages.Count);
        DateTimeOffset now = SimWorld.Epoch + _world.Now;
        (TopicAnswer answer, StatePosition at) = await CommandAsync(TopicCommand.Append, output => BatchCodec.Write(output, head, messages, now), isSafeTwice: false).ConfigureAwait(false);
        AppendResult result = ShardPartition.ToResult(Number, answer);
        if (ticket is { } numbered && (TopicCommand)oracle.KindOf(at.Offset) == TopicCommand.Repeat) _laws.AnsweredAgain(numbered.Producer, numbered.Sequence, at.Term);
        _laws.Acknowledged(messages, expectedOffset, result);
        _world.Note($"append of {messages.Count}: {result.Status} at {result.Offset}");
        return result;
    }

    internal override async ValueTask RegisterAsync(Guid producer, CancellationToken cancellationToken)
    {
        (TopicAnswer answer, _) = await CommandAsync(TopicCommand.RegisterProducer, output => CommandWriter.WriteIdAlone(output, producer), isSafeTwice: true).ConfigureAwait(false);
        ShardPartition.ToResult(Number, answer);
    }

    internal override async ValueTask ForgetAsync(Guid producer, CancellationToken cancellationToken) =>
        await CommandAsync(TopicCommand.ForgetProducers, output => CommandWriter.WriteForgetClient(output, producer), isSafeTwice: true).ConfigureAwait(false);

    internal override async ValueTask ReleaseAsync(long before, CancellationToken cancellationToken) =>
        await CommandAsync(TopicCommand.Release, output => output.Write(TopicCommands.Numbers([before])), isSafeTwice: true).ConfigureAwait(false);

    internal override async ValueTask TrimAsync(long before, CancellationToken cancellationToken)
    {
        _laws.Permit(before);
        byte[]? command = null;
        while (await LookAsync(ReadLevel.Linearizable, here => command = here.TrimCommand(before) ?? []).ConfigureAwait(false) is null) await PauseAsync().ConfigureAwait(false);
        if (command!.Length > 0) await CommandAsync(TopicCommand.Trim, output => output.Write(command), isSafeTwice: true).ConfigureAwait(false);
        _laws.Trimmed(before);
    }

    internal override async ValueTask<PartitionInfo> DescribeAsync(ReadLevel level, CancellationToken cancellationToken)
    {
        TopicMoment? asked = MomentOf(level);
        while (true)
        {
            if (await LookAsync(level, static here => here.Bounds).ConfigureAwait(false) is { } bounds)
            {
                _laws.Described(asked ?? default, bounds.Start, bounds.End);
                return new PartitionInfo(Number, bounds.Start, bounds.End, bounds.Timestamp);
            }

            await PauseAsync().ConfigureAwait(false);
        }
    }

    /// <summary>Reads a page at some node, and checks it against what was committed.</summary>
    internal override async ValueTask<TopicPage> ReadAsync(TopicPosition from, TopicReadOptions options, CancellationToken cancellationToken)
    {
        TopicMoment? asked = MomentOf(options.Level);
        while (true)
        {
            try
            {
                if (await LookAsync(options.Level, here => here.Read(from, options)).ConfigureAwait(false) is { } page)
                {
                    _laws.Read(asked, PlaceOf(from, options, page), options.Reverse, page);
                    return page;
                }
            }
            catch (OffsetOutOfRangeException told)
            {
                _laws.ToldOutOfRange(asked, told);
                told.Data[nameof(Number)] = Number;   // For who reads several.
                throw;
            }

            await PauseAsync().ConfigureAwait(false);
        }
    }

    /// <summary>Looks again and again.</summary>
    internal override async ValueTask WaitAsync(long offset, CancellationToken cancellationToken)
    {
        while (await LookAsync(ReadLevel.Local, static here => here.Bounds).ConfigureAwait(false) is not { } bounds || bounds.End <= offset)
        {
            await PauseAsync().ConfigureAwait(false);
            cancellationToken.ThrowIfCancellationRequested();
        }
    }

    private TopicMoment? MomentOf(ReadLevel level) => level.Kind == ReadLevelKind.Linearizable ? _laws.Moment : null;

    private Task PauseAsync() => process.Delay(20, 150);

    /// <summary>The offset that a position stands for, by the bounds that the page tells.</summary>
    private long PlaceOf(TopicPosition from, TopicReadOptions options, TopicPage page) => from.Kind switch
    {
        TopicPositionKind.First => page.Start,
        TopicPositionKind.End => page.End,
        TopicPositionKind.Last => Math.Max(page.Start, page.End - from.Number),
        TopicPositionKind.Time => _laws.FirstAtTime(new HybridTimestamp(unchecked((ulong)from.Number)), page.Start, page.End),
        _ when from.Number >= page.Start && from.Number <= page.End => from.Number,
        _ => options.OutOfRange == OutOfRangePolicy.First ? page.Start : page.End,
    };

    /// <summary>Looks at the replica of some node, once it shows what the level asks for.</summary>
    /// <returns>Null where that was not to be had there.</returns>
    private async Task<T?> LookAsync<T>(ReadLevel level, Func<PartitionReads, T> look)
        where T : class
    {
        long needed = -1;
        if (level.Kind != ReadLevelKind.Local)
        {
            if (await AskToReadAsync(level.Staleness).ConfigureAwait(false) is not { } behind) return null;
            needed = behind;
        }

        SimNode node = cluster.Nodes[_world.Chance.Below(cluster.Nodes.Count)];
        for (TimeSpan until = _world.Now + _longestLook; _world.Now < until; await process.Delay(2, 20).ConfigureAwait(false))
        {
            if (node.IsPausedNow || !node.Drivers.TryGetValue(oracle.ShardId, out SimDriver? driver)) continue;
            if (driver.Replica.Shown < needed) continue;
            if (!driver.Host.Core.IsServing) _world.Count("read at a follower");
            return TryLook(node, driver.Replica.Reads!, look);
        }

        return null;
    }

    private T? TryLook<T>(SimNode node, PartitionReads reads, Func<PartitionReads, T> look)
        where T : class
    {
        try
        {
            return look(reads);
        }
        catch (SimulatedCrashException crash)
        {
            node.Fail(crash);
        }
        catch (CorruptDataException rot)
        {
            SimWorld.Require(node.HasHiddenDamage, $"node {node.Node} cannot read what it keeps, and its disk is whole: {rot.Message}");
            _world.Count("rot met by a reader");
        }
        catch (IOException)
        {
            _world.Count("reader told of a disk error");
        }

        return null;
    }

    /// <summary>How far one must have applied to read; null where nobody says.</summary>
    private async Task<long?> AskToReadAsync(TimeSpan staleness)
    {
        var answer = new TaskCompletionSource<long?>();
        _caller.Ask<long>(
            _caller.Begin(_patience, End),
            (node, told) =>
            {
                if (cluster.Nodes[node].Drivers.TryGetValue(oracle.ShardId, out SimDriver? driver)) driver.Host.Read((refusal, at) => told(refusal is null ? at.Offset : null, refusal), staleness);
            },
            (call, needed) =>
            {
                call.IsOver = true;
                process.Do(() => answer.SetResult(needed));
            },
            static _ => true,
            End);
        return await answer.Task.ConfigureAwait(false);

        void End(SimCall call)
        {
            call.IsOver = true;
            process.Do(() => answer.SetResult(null));
        }
    }

    /// <exception cref="OutcomeUnknownException">Nobody knows whether it happened.</exception>
    private Task<(TopicAnswer Answer, StatePosition At)> CommandAsync(TopicCommand command, Action<IBufferWriter<byte>> write, bool isSafeTwice)
    {
        var answer = new TaskCompletionSource<(TopicAnswer, StatePosition)>();
        if (_world.Chance.Below(8) == 0) _caller.GuessAnew();
        _caller.Propose(
            _caller.Begin(_patience, Unknown),
            (ushort)command,
            write,
            isSafeTwice,
            static proposal => (TopicAnswer.Read(proposal.Answer.WrittenSpan), proposal.Position),
            (call, found) =>
            {
                call.IsOver = true;
                process.Do(() => answer.SetResult(found));
            },
            Unknown);
        return answer.Task;

        void Unknown(SimCall call)
        {
            call.IsOver = true;
            process.Do(() => answer.SetException(new OutcomeUnknownException("Nobody answered.")));
        }
    }
}

using System.Buffers;

using Tidemark.Core.KeyValue;
using Tidemark.Replication.Shards;

namespace Tidemark.Testing.Simulation;

/// <summary>Something that a program outside the cluster waits for.</summary>
internal sealed class SimCall
{
    /// <summary>Whether it has ended: later answers are of no meaning any more.</summary>
    internal bool IsOver { get; set; }

    /// <summary>How often it was sent.</summary>
    internal int Attempt { get; set; }
}

/// <summary>What a command was answered.</summary>
internal readonly record struct KvAnswered(StoreStatus Status, long Version);

/// <summary>How a program outside the cluster reaches whoever leads: it sends, waits, and tries again elsewhere.</summary>
internal sealed class SimCaller(ClusterSimulation cluster, ShardOracle oracle, int guess)
{
    private readonly SimWorld _world = cluster.World;

    /// <summary>How long one attempt waits for its answer; null to leave that to chance.</summary>
    internal TimeSpan? AttemptTime { get; set; }

    /// <summary>The node that is thought to lead.</summary>
    private int _guess = guess % cluster.Nodes.Count;

    /// <summary>Thinks from now on that another node leads.</summary>
    internal void GuessAnew() => _guess = _world.Chance.Below(cluster.Nodes.Count);

    /// <summary>Begins to wait, not for ever.</summary>
    internal SimCall Begin(TimeSpan patience, Action<SimCall> giveUp)
    {
        var call = new SimCall();
        _world.After(patience, () =>
        {
            if (call.IsOver) return;
            _world.Count("unknown");
            giveUp(call);
        });
        return call;
    }

    /// <summary>Sends a command to the store until it is answered.</summary>
    /// <inheritdoc cref="Propose{T}"/>
    internal void Propose(SimCall call, KvCommand command, Action<IBufferWriter<byte>> write, bool isSafeTwice, Action<SimCall, KvAnswered> answered, Action<SimCall> unknown) => Propose(
        call,
        (ushort)command,
        write,
        isSafeTwice,
        static proposal =>
        {
            StoreStatus status = KvAnswer.ReadSingle(proposal.Answer.WrittenSpan, out KvResult result).Status;
            return new KvAnswered(status == StoreStatus.Ok ? result.Status : status, result.Version);
        },
        answered,
        unknown);

    /// <summary>Sends a command until it is answered. What may not happen twice is sent again only where it surely has not happened.</summary>
    internal void Propose<T>(SimCall call, ushort command, Action<IBufferWriter<byte>> write, bool isSafeTwice, Func<Proposal, T> read, Action<SimCall, T> answered, Action<SimCall> unknown)
        where T : struct => Ask<T>(
        call,
        (node, answer) => cluster.Nodes[node].Submit(oracle.ShardId, command, write, (proposal, failure) =>
        {
            if (failure is not null)
            {
                answer(null, failure);
                return;
            }

            oracle.Acknowledged(node, proposal);
            answer(read(proposal), null);
        }),
        answered,
        failure => isSafeTwice || failure is ShardUnavailableException or StoreFullException,
        unknown);

    /// <summary>Asks one node after the other until one answers.</summary>
    /// <param name="call">What waits for the answer.</param>
    /// <param name="ask">At a node: asks there. The answer, or why there is none, comes later or never.</param>
    /// <param name="answered">Gets the answer.</param>
    /// <param name="isSafe">Whether it may be asked again after a failure, or after none came in time, which is null.</param>
    /// <param name="unknown">Told where it may not.</param>
    internal void Ask<T>(SimCall call, Action<int, Action<T?, Exception?>> ask, Action<SimCall, T> answered, Func<Exception?, bool> isSafe, Action<SimCall> unknown)
        where T : struct
    {
        Try();

        void Try()
        {
            if (call.IsOver) return;
            int node = _guess, attempt = ++call.Attempt;
            Send(() => ask(node, (found, failure) => Send(() => Take(found, failure, attempt))));
            _world.After(AttemptTime ?? UsualTime(), () =>
            {
                if (call.IsOver || attempt != call.Attempt) return;
                GuessAnew();
                if (isSafe(null)) Try();
                else unknown(call);
            });
        }

        void Take(T? found, Exception? failure, int attempt)
        {
            if (call.IsOver) return;
            if (found is { } answer)
            {
                answered(call, answer);
                return;
            }

            if (attempt != call.Attempt) return;
            Elsewhere(failure!);
            if (isSafe(failure)) _world.After(_world.Between(20, 150), Try);
            else unknown(call);
        }
    }

    private TimeSpan UsualTime() => cluster.Plan.IsStormy ? _world.Between(150, 500) : _world.Between(1000, 2000);

    private void Elsewhere(Exception failure)
    {
        if (failure is ShardUnavailableException { Leader: >= 0 } known && known.Leader < cluster.Nodes.Count) _guess = known.Leader;
        else GuessAnew();
    }

    private void Send(Action arrives)
    {
        if (_world.Fraction() < cluster.ClientLoss)
        {
            _world.Count("lost client message");
            return;
        }

        _world.After(_world.Between(0.05, 2), arrives);
    }
}

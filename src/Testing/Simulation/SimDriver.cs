using System.Buffers;

using Tidemark.Core.Replication;
using Tidemark.Replication.Nodes;
using Tidemark.Replication.Shards;

namespace Tidemark.Testing.Simulation;

/// <summary>Drives one replica of a node that is up: its turns, and the time its disk takes, are events of the world.</summary>
internal sealed class SimDriver
{
    private readonly SimNode _node;
    private readonly SimWorld _world;
    private readonly ShardOracle _oracle;
    private readonly List<(Proposal Proposal, ValueTask Completion, Action<Proposal, Exception?> Done)> _pending = [];
    private readonly Action _turn, _step, _endFlush, _flush;   // Made once: there are a hundred thousand turns.
    private bool _isTurnDue;
    private bool _isBusy;      // The disk is at work.
    private bool _isStopped;   // Its node went down: what is due is of no meaning any more.
    private bool _isFlushing;
    private bool _isExecuted;   // What is being flushed is on the disk already.
    private long _timerAt;
    private Action? _end;      // Its node keeps the replica no more.

    internal SimDriver(SimNode node, SimWorld world, ShardOracle oracle, ReplicaHost replica)
    {
        (_node, _world, _oracle, Replica) = (node, world, oracle, replica);
        (_turn, _step, _endFlush, _flush) = (Turn, Step, EndFlush, Flush);
        replica.Host.Wake = Wake;
        Wake();
    }

    internal ReplicaHost Replica { get; }

    internal ShardHost Host => Replica.Host;

    internal void Stop() => _isStopped = true;

    /// <summary>Drives it no more; what is given ends it, once the disk is not at work any more.</summary>
    internal void Release(Action end)
    {
        _end = end;
        if (!_isBusy) End();
    }

    /// <summary>Hands over a command. What comes of it is told later, or never.</summary>
    internal void Submit(Proposal proposal, Action<IBufferWriter<byte>> write, Action<Proposal, Exception?> done)
    {
        write(proposal.Payload);
        ValueTask completion = proposal.Completion(default);
        _pending.Add((proposal, completion, done));
        Host.Submit(proposal);
    }

    private void Wake()
    {
        if (_isTurnDue || _isBusy || _isStopped) return;
        _isTurnDue = true;
        _world.After(_world.Between(0.01, 0.05), _turn);
    }

    private void Turn()
    {
        if (_isStopped || _node.IsPaused(_turn)) return;
        _isTurnDue = false;
        if (_isBusy) return;   // Afterwards it is looked at again.
        _isFlushing = false;
        _node.Guard(_step);
        if (!_isStopped) Look();
        if (_isStopped) return;
        if (!_isFlushing)
        {
            Rest();
            return;
        }

        _isBusy = true;
        _isExecuted = _world.Chance.Coin();   // On the disk before it is known here, or not.
        if (_isExecuted) _node.Guard(Host.Execute);
        if (!_isStopped) _world.After(_world.Between(0.1, 1.5) * _node.DiskSlowness, _endFlush);
    }

    private void Step()
    {
        DateTimeOffset now = _node.Clock.Steady;
        Host.Turn(now);
        _isFlushing = Host.BeginFlush(now);
    }

    private void EndFlush()
    {
        if (_isStopped || _node.IsPaused(_endFlush)) return;
        _isBusy = false;
        _node.Guard(_flush);
        if (!_isStopped) Look();
        if (_isStopped) return;
        if (_end is not null) End();
        else Rest();
    }

    private void End()
    {
        _isStopped = true;
        _end!();
        Answer();
    }

    private void Flush()
    {
        if (!_isExecuted) Host.Execute();
        Host.EndFlush(_node.Clock.Steady);
    }

    private void Rest()
    {
        DateTimeOffset now = _node.Clock.Steady;
        if (Host.HasWork(now))
        {
            Wake();
            return;
        }

        long due = Host.NextDue;
        if (due == long.MaxValue || due == _timerAt) return;
        _timerAt = due;
        _world.After(SimNode.NoShorter(new DateTimeOffset(due, TimeSpan.Zero) - now), () =>
        {
            if (_timerAt != due) return;
            _timerAt = 0;
            Wake();
        });
    }

    /// <summary>Answers whom the replica has answered, and looks at what must always hold.</summary>
    private void Look()
    {
        if (Host.Failure is { } failure)
        {
            // It was told to cut what is applied, or its state was called wrong.
            SimWorld.Require(Host.Core.Role != ReplicaRole.Stopped || (_oracle.IsLedAstray && _node.HasStrayState), $"node {_node.Node} stopped: {failure.Message}");
            _node.Fail(failure);
            return;
        }

        ReplicaCore core = Host.Core;
        if (core.IsLost && (_node.DamagedShard is -1 || _node.DamagedShard == Replica.ShardId)) _node.DamagedShard = null;   // A strange state is kept by some that are lost: the oracle sees when it is gone.
        _oracle.Look(_node, core);
        Answer();
    }

    private void Answer()
    {
        for (int i = 0; i < _pending.Count; i++)
        {
            (Proposal proposal, ValueTask completion, Action<Proposal, Exception?> done) = _pending[i];
            if (!completion.IsCompleted) continue;
            _pending.RemoveAt(i--);
            done(proposal, OutcomeOf(completion));
            proposal.LetGo();
        }
    }

    private static Exception? OutcomeOf(ValueTask completion)
    {
        try
        {
            completion.GetAwaiter().GetResult();
            return null;
        }
        catch (Exception e) when (e is TidemarkException or ObjectDisposedException)
        {
            return e;
        }
    }
}

using Tidemark.Core.KeyValue;
using Tidemark.Replication;
using Tidemark.Replication.KeyValue;
using Tidemark.Replication.Nodes;
using Tidemark.Replication.Shards;

namespace Tidemark.Testing.Simulation;

/// <summary>The way from a test to whoever leads its cluster. An operation advances virtual time until it is answered, on the caller's thread.</summary>
internal sealed class TestRoute : IShardRoute
{
    private readonly TestCluster _test;
    private readonly ClusterSimulation _cluster;
    private ReplicaHost? _last;   // Where a read was last known to see everything.
    private readonly ChangeSignal _changed = new();

    internal TestRoute(TestCluster test, ClusterSimulation cluster)
    {
        (_test, _cluster) = (test, cluster);
        cluster.Published = _changed.Raise;
    }

    public long ShardId => ClusterSimulation.Shard;

    public bool IsHere => true;

    public KvMachine Machine => (KvMachine)(_last is { } last && IsUp(last) ? last : _last = _test.ReadBarrier(ShardId)).Machine;

    public Task Changed => _changed.Next;

    /// <summary>Whether a replica runs still: the state of one that does not stands still.</summary>
    private bool IsUp(ReplicaHost replica) => _cluster.Nodes.Any(node => node.Drivers.TryGetValue(ShardId, out SimDriver? driver) && driver.Replica == replica);

    public void Submit(Proposal proposal) => _test.Submit(ShardId, proposal);

    public ValueTask<long> ReadyToReadAsync(ReadLevel level, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (level.Kind != ReadLevelKind.Local) _last = _test.ReadBarrier(ShardId, level.Staleness);
        return new ValueTask<long>(Machine.Position.Offset);
    }

    public Task<long> WatchFromAsync() => ReadyToReadAsync(ReadLevel.Linearizable, CancellationToken.None).AsTask();

    /// <summary>Does not advance time: it is time that calls it.</summary>
    public Task<bool> KeepAliveAsync(Guid session)
    {
        var answer = new TaskCompletionSource<bool>();   // Continued at once, as part of the event that answers: so every run is the same.
        foreach (SimNode node in _cluster.Nodes)
        {
            if (!node.Drivers.TryGetValue(ShardId, out SimDriver? driver) || !driver.Host.TakesCommands) continue;
            driver.Host.KeepAlive(session, (isAlive, unknown) =>
            {
                if (unknown is null) answer.TrySetResult(isAlive);
                else answer.TrySetException(unknown);
            });
        }

        _cluster.World.After(TimeSpan.FromSeconds(1), () => answer.TrySetException(new ShardUnavailableException(ShardId, "Nobody answered a keep-alive in time.")));
        return answer.Task;
    }
}

/// <summary>Virtual time for programs in a test: its timers are events of the world.</summary>
/// <param name="world">The world.</param>
/// <param name="process">The process in which the timers fire; null for one that never ends.</param>
internal sealed class SimTime(SimWorld world, SimProcess? process = null) : TimeProvider
{
    private readonly Action<TimeSpan, Action> _after = process is null ? world.After : process.After;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override DateTimeOffset GetUtcNow() => SimWorld.Epoch + world.Now;

    public override long GetTimestamp() => world.Now.Ticks;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new SimTimer(_after, () => callback(state));
        timer.Change(dueTime, period);
        return timer;
    }

    private sealed class SimTimer(Action<TimeSpan, Action> after, Action fire) : ITimer
    {
        private int _arming;

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            int arming = ++_arming;
            if (dueTime == Timeout.InfiniteTimeSpan) return true;
            after(dueTime, () => Fire(arming, period));
            return true;
        }

        public void Dispose() => _arming++;

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }

        private void Fire(int arming, TimeSpan period)
        {
            if (arming != _arming) return;
            if (period > TimeSpan.Zero) after(period, () => Fire(arming, period));
            fire();
        }
    }
}

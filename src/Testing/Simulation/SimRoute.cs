using System.Buffers;

using Tidemark.Core.KeyValue;
using Tidemark.Core.Replication;
using Tidemark.Replication.KeyValue;
using Tidemark.Replication.Nodes;
using Tidemark.Replication.Shards;

namespace Tidemark.Testing.Simulation;

/// <summary>The way from a program's process to the store's shard: what it sends or is told may be lost, and it looks at the replica of one node, as long as that is up.</summary>
internal sealed class SimRoute : IShardRoute
{
    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(6);
    private static readonly TimeSpan _keeperPatience = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan _longestLook = TimeSpan.FromMilliseconds(500);

    private readonly ClusterSimulation _cluster;
    private readonly SimWorld _world;
    private readonly SimProcess _process;
    private readonly SimCaller _caller, _keeper;
    private int _node = -1;
    private bool _isLooking;
    private long _shown;
    private TaskCompletionSource _changed = new();   // Continued at once, as part of the event that completes it: so every run is the same.

    internal SimRoute(ClusterSimulation cluster, SimProcess process, int guess)
    {
        (_cluster, _world, _process) = (cluster, cluster.World, process);
        _caller = new SimCaller(cluster, cluster.Oracles[ShardId], guess);
        _keeper = new SimCaller(cluster, cluster.Oracles[ShardId], guess) { AttemptTime = _keeperPatience / 5 };
    }

    public long ShardId => ClusterSimulation.Shard;

    public bool IsHere => true;

    public KvMachine Machine => (KvMachine)(Here ?? throw Unavailable()).Machine;

    public Task Changed
    {
        get
        {
            if (!_isLooking) Look();
            return _changed.Task;
        }
    }

    /// <summary>The replica that is looked at: of another node once that one is down, or keeps the shard no more.</summary>
    private ReplicaHost? Here
    {
        get
        {
            if (At(_node) is { } known) return known;
            _node = _world.Chance.Below(_cluster.Nodes.Count);
            return At(_node);
        }
    }

    /// <summary>The store as the program sees it: the real one, on this way.</summary>
    internal KeyValueStore OpenStore()
    {
        var router = new HashRangeRouter(HashRangeRouter.CreateEven(1).Ranges);
        var shard = new LocalShard(this, new ProposalPool { ContinuesInline = true });
        return new ShardedKeyValueStore(new LocalNamespace("default", new NamespaceOptions(), router, [shard], new SimTime(_world, _process), _world.NewId));
    }

    public void Submit(Proposal proposal)
    {
        byte[] payload = proposal.Payload.WrittenSpan.ToArray();   // What arrives late arrives after the proposal was let go.
        _caller.Propose<Answered>(
            _caller.Begin(_patience, Unknown),
            proposal.Kind,
            output => output.Write(payload),
            isSafeTwice: false,
            static applied => new Answered(applied.Position, applied.Answer.WrittenSpan.ToArray()),
            (call, answered) => End(call, () =>
            {
                proposal.Position = answered.Position;
                proposal.Answer.Write(answered.Bytes);
                proposal.Finish(null);
            }),
            Unknown);

        void Unknown(SimCall call) => End(call, () => proposal.Finish(new OutcomeUnknownException("Nobody answered.")));
    }

    public async ValueTask<long> ReadyToReadAsync(ReadLevel level, CancellationToken cancellationToken)
    {
        long needed = level.Kind == ReadLevelKind.Local ? -1 : await AskToReadAsync(level.Staleness).ConfigureAwait(false);
        for (TimeSpan until = _world.Now + _longestLook; _world.Now < until; await _process.Delay(2, 20).ConfigureAwait(false))
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (Here?.Shown >= needed) return needed;
        }

        _node = -1;   // It is behind.
        throw Unavailable();
    }

    public Task<long> WatchFromAsync() => AskToReadAsync(TimeSpan.Zero);

    public Task<bool> KeepAliveAsync(Guid session) => AskAsync<bool>(
        _keeper, _keeperPatience, (host, told) => host.KeepAlive(session, (isAlive, unknown) => told(unknown is null ? isAlive : null, unknown)));

    private Task<long> AskToReadAsync(TimeSpan staleness) =>
        AskAsync<long>(_caller, _patience, (host, told) => host.Read((refusal, at) => told(refusal is null ? at.Offset : null, refusal), staleness));

    private Task<T> AskAsync<T>(SimCaller caller, TimeSpan patience, Action<ShardHost, Action<T?, Exception?>> ask)
        where T : struct
    {
        var answer = new TaskCompletionSource<T>();
        caller.Ask<T>(
            caller.Begin(patience, GiveUp),
            (node, told) =>
            {
                if (_cluster.Nodes[node].Drivers.TryGetValue(ShardId, out SimDriver? driver)) ask(driver.Host, told);
            },
            (call, found) => End(call, () => answer.SetResult(found)),
            static _ => true,
            GiveUp);
        return answer.Task;

        void GiveUp(SimCall call) => End(call, () => answer.SetException(Unavailable()));
    }

    private void End(SimCall call, Action told)
    {
        call.IsOver = true;
        _process.Do(told);
    }

    /// <summary>Looks for changes, on and on.</summary>
    private void Look()
    {
        if (_process.IsDead) return;
        _isLooking = true;
        _process.After(_world.Between(20, 150), Look);
        if (Here?.Shown is not { } shown || shown == _shown) return;
        _shown = shown;
        TaskCompletionSource changed = _changed;
        _changed = new TaskCompletionSource();
        changed.SetResult();
    }

    private ReplicaHost? At(int node)
    {
        bool keeps = node >= 0 && _cluster.Store.Status?.Shards[ShardId].Ensemble.Contains(node) == true;
        return keeps && _cluster.Nodes[node].Drivers.TryGetValue(ShardId, out SimDriver? driver) ? driver.Replica : null;
    }

    private ShardUnavailableException Unavailable() => new(ShardId, "Nobody answered.", ShardStatus.Nobody);

    private readonly record struct Answered(StatePosition Position, byte[] Bytes);
}

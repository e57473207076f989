using System.Globalization;
using System.Text;

using Tidemark.Core.Replication;
using Tidemark.Replication.Cluster;
using Tidemark.Replication.Nodes;
using Tidemark.Testing.Simulation.Topics;

namespace Tidemark.Testing.Simulation;

/// <summary>How a simulated cluster is made and how long it lives.</summary>
internal sealed record SimulationPlan
{
    public int NodeCount { get; init; } = 3;

    /// <summary>The nodes that keep the shard at first.</summary>
    public int EnsembleSize { get; init; } = 3;

    public int ClientCount { get; init; } = 8;

    /// <summary>Programs that hold sessions.</summary>
    public int SessionCount { get; init; } = 2;

    /// <summary>Programs that watch records.</summary>
    public int WatcherCount { get; init; } = 2;

    /// <summary>The longest pause between two faults.</summary>
    public TimeSpan FaultPause { get; init; } = TimeSpan.FromMilliseconds(2500);

    /// <summary>Whether what goes wrong is mostly what changes leaders.</summary>
    public bool IsStormy { get; init; }

    public CoordinatorTimes Times { get; init; } = CoordinatorTimes.Default;

    /// <summary>How long a leader goes on without a majority.</summary>
    public TimeSpan LeaderPatience { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>How often replicas compare their states.</summary>
    public TimeSpan MarkInterval { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>How much slower than usual disks are.</summary>
    public double DiskSlowness { get; init; } = 1;

    /// <summary>How long things go wrong.</summary>
    public TimeSpan Faulty { get; init; } = TimeSpan.FromSeconds(100);

    /// <summary>How long they go on afterwards.</summary>
    public TimeSpan Calm { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>What the shard is.</summary>
    public ShardKind Kind { get; init; } = new KeyValueShardKind(new NamespaceOptions { ChangeLogEntries = 64 }, snapshotLogBytes: 24 * 1024);

    /// <summary>The topic beside it; null for none.</summary>
    internal TopicOptions? Topic { get; init; }

    /// <summary>Whether a group consumes the topic, whose settings change; else two consumers take its one partition from each other.</summary>
    internal bool HasGroup { get; init; }

    /// <summary>A plan drawn from a seed.</summary>
    internal static SimulationPlan Of(long seed)
    {
        // Half as many heartbeats as usual: they are most of what happens, and show the least.
        var calm = new SimulationPlan { Topic = TopicOf(seed), HasGroup = seed % 4 == 0, Times = new CoordinatorTimes(TimeSpan.FromMilliseconds(100), TimeSpan.FromMilliseconds(500)) };
        SimulationPlan plan = (seed % 3) switch
        {
            0 => calm,
            1 => calm with { NodeCount = 5, EnsembleSize = 5 },
            _ => calm with { NodeCount = 5 },
        };
        if (seed / 3 % 2 == 0) return plan;

        // A storm: leaders come and go several times a second, and old ones do not notice for long.
        return plan with
        {
            IsStormy = true,
            FaultPause = TimeSpan.FromMilliseconds(500),
            Times = new CoordinatorTimes(TimeSpan.FromMilliseconds(40), TimeSpan.FromMilliseconds(200)),
            LeaderPatience = TimeSpan.FromSeconds(10),
            DiskSlowness = (seed / 6 % 3) switch { 0 => 1, 1 => 5, _ => 20 },
        };
    }

    /// <summary>A topic that keeps little for a short time, so that what replicas lack is often gone. A fourth of the seeds has none: a second shard is half as much work again.</summary>
    private static TopicOptions? TopicOf(long seed)
    {
        if (seed % 4 == 3) return null;
        var topic = new TopicOptions
        {
            Partitions = seed % 4 > 0 ? 1 : seed % 16 == 0 ? 3 : 2,
            SegmentBytes = 64 * 1024,
            SegmentAge = TimeSpan.FromSeconds(1 + (seed % 3)),
            DeduplicationIds = (seed / 2 % 4) switch { 0 => 0, 1 => 20, _ => 200 },
            ProducerIdleTimeout = TimeSpan.FromSeconds(12),
        };
        return SimTopic.Retained(topic, (int)(seed / 5 % 4));
    }
}

/// <summary>A whole cluster on virtual time: nodes with their disks and clocks, a network, a status store, clients, and what goes wrong, all from one seed.</summary>
/// <remarks>The objects that are driven here are those that run in production; what is simulated is what is outside of them. docs/testing.md.</remarks>
internal sealed class ClusterSimulation : IDisposable
{
    internal const long Shard = 0;

    /// <summary>It goes on until the clients have ended so many operations: some seeds have long outages.</summary>
    internal const int LeastOperations = 1000;

    private readonly SimulationPlan _plan;
    private readonly List<SimClient> _clients = [];
    private readonly Dictionary<long, ShardOracle> _oracles = [];
    private readonly SimTopic? _topic;
    private readonly ClusterStatus _first;

    /// <param name="seed">Decides all that chance decides.</param>
    /// <param name="plan">How it is made; null to draw that too.</param>
    /// <param name="isTold">Whether its story is kept: that takes half as long again.</param>
    internal ClusterSimulation(long seed, SimulationPlan? plan = null, bool isTold = false)
    {
        _plan = plan ?? SimulationPlan.Of(seed);
        World = new SimWorld(seed, isTold);
        Network = new SimNetwork(World, _plan.NodeCount);
        Store = new SimStatusStore(World);
        _first = NewStatus(World.NewId());
        _topic = _plan.Topic is null ? null : new SimTopic(this, _plan.Topic);
        _oracles[Shard] = new ShardOracle(World, Shard, _plan.Kind.New(_first.Cluster, Shard)) { Consumers = _topic?.Consumers };
        foreach ((long shard, ClusterPartition partition) in _first.Partitions()) _oracles[shard] = _topic!.NewOracle(partition, KindOf(shard, partition).New(_first.Cluster, shard));
        Nodes = [.. Enumerable.Range(0, _plan.NodeCount).Select(node => new SimNode(this, node))];
    }

    internal SimWorld World { get; }

    internal SimNetwork Network { get; }

    internal SimStatusStore Store { get; }

    internal SimHistory History { get; } = new();

    internal IReadOnlyDictionary<long, ShardOracle> Oracles => _oracles;

    internal IReadOnlyList<SimNode> Nodes { get; }

    internal SimulationPlan Plan => _plan;

    internal double ClientLoss { get; set; }

    internal bool AreFaultsOn { get; private set; } = true;

    internal bool IsOver { get; private set; }

    /// <summary>Operations that clients have ended.</summary>
    internal long Operations => _clients.Sum(client => client.Done);

    internal ShardKind KindOf(long shard, ClusterPartition? partition) => partition is null ? _plan.Kind : new TopicShardKind(partition, snapshotLogBytes: 16 * 1024);

    /// <summary>Who watches a replica's shard. One that is new has a new one.</summary>
    internal ShardOracle OracleOf(ReplicaHost replica)
    {
        if (_oracles.TryGetValue(replica.ShardId, out ShardOracle? oracle)) return oracle;
        IStateMachine machine = replica.Kind.New(_first.Cluster, replica.ShardId);
        return _oracles[replica.ShardId] = _topic is null ? new ShardOracle(World, replica.ShardId, machine) : _topic.NewOracle(Store.Status!.Partitions()[replica.ShardId], machine);
    }

    /// <summary>Called when the state of a replica has changed.</summary>
    internal Action? Published { get; set; }

    internal ClusterStatus FirstStatus() => _first;

    /// <summary>Lives through it.</summary>
    /// <exception cref="SimulationException">Something does not hold that must.</exception>
    internal void Run()
    {
        SynchronizationContext? context = SynchronizationContext.Current;
        World.StayHere();
        SynchronizationContext.SetSynchronizationContext(null);   // What events complete goes on at once, as part of them, so that every run is the same.
        try
        {
            Live();
        }
        finally
        {
            SynchronizationContext.SetSynchronizationContext(context);
        }
    }

    private void Live()
    {
        StartNodes();
        ShardOracle oracle = Oracles[Shard];
        for (int i = 0; i < _plan.ClientCount; i++) _clients.Add(new SimClient(this, oracle, i, isNumbered: i % 2 == 0));
        foreach (SimClient client in _clients) client.Start();
        for (int i = 0; i < _plan.SessionCount; i++) new SimSession(this, oracle, i).Start();
        SimWatcher[] watchers = [.. Enumerable.Range(0, _plan.WatcherCount).Select(_ => new SimWatcher(this, oracle))];
        foreach (SimWatcher watcher in watchers) watcher.Start();
        _topic?.Start();
        new SimFaults(this).Start();
        World.RunUntil(World.Now + _plan.Faulty);
        Heal();
        long before = Writes;
        IReadOnlyList<long> messages = _topic?.Ends ?? [];
        World.RunUntil(World.Now + (_plan.Calm / 2));
        SimWorld.Require(Writes > before + 10, $"nothing is written {_plan.Calm / 2} after the last fault");
        for (int i = 0; i < messages.Count; i++) SimWorld.Require(_topic!.Ends[i] > messages[i], $"nothing is appended to partition {i} {_plan.Calm / 2} after the last fault");
        World.RunUntil(World.Now + (_plan.Calm / 2));
        World.RunWhile(() => Operations < LeastOperations, World.Now + _plan.Calm);
        IsOver = true;
        World.RunWhile(() => _topic is { IsOver: false }, World.Now + TimeSpan.FromMinutes(6));   // Members go on until all is handled.
        World.RunUntil(World.Now + TimeSpan.FromSeconds(10));
        World.RunWhile(() => !_oracles.Values.All(HasReachedAll), World.Now + TimeSpan.FromSeconds(2));   // What leaders add by themselves may have come at this very moment.
        foreach (ShardOracle each in _oracles.Values) CheckEnd(each);
        _topic?.CheckEnd();
        oracle.Sessions.CheckEnd();
        foreach (SimWatcher watcher in watchers) watcher.CheckEnd();
    }

    /// <summary>Starts all nodes and waits until the shard takes commands.</summary>
    internal void StartNodes()
    {
        foreach (SimNode node in Nodes) World.After(World.Between(0, 50), node.Start);
        World.RunWhile(() => !_oracles.Values.All(oracle => oracle.IsReady), TimeSpan.FromSeconds(10));
        SimWorld.Require(_oracles.Values.All(oracle => oracle.IsReady), "nobody leads, and nothing has gone wrong");
    }

    /// <summary>Where everything stands, for a report.</summary>
    internal string Describe()
    {
        var text = new StringBuilder();
        text.AppendLine(CultureInfo.InvariantCulture, $"status {(Store.Status is { } status ? string.Join("; ", status.Shards.Select(shard => $"{shard.Key}: {shard.Value}")) : "none")}");
        foreach (SimNode node in Nodes)
        {
            text.AppendLine(CultureInfo.InvariantCulture, $"node {node.Node} {(node.IsUp ? $"run {node.Run}" : "down")} {node.Host?.Coordinator}");
            foreach (SimDriver driver in node.Drivers.Values) text.AppendLine(CultureInfo.InvariantCulture, $"  shard {driver.Replica.ShardId}: {driver.Host.Core}");
        }

        return text.ToString();
    }

    public void Dispose()
    {
        foreach (ShardOracle oracle in Oracles.Values) oracle.Dispose();
    }

    private ClusterStatus NewStatus(Guid id)
    {
        var status = ClusterStatus.New(id, Enumerable.Range(0, _plan.NodeCount), [(Shard, (IReadOnlyList<int>)[.. Enumerable.Range(0, _plan.EnsembleSize)])], _plan.EnsembleSize);
        return _plan.Topic is { } topic ? status.WithTopic(SimTopic.Name, World.NewId(), topic, static _ => true) : status;
    }

    private long Writes => World.Counts.GetValueOrDefault("write");

    /// <summary>Nothing goes wrong any more, and whoever is down comes up.</summary>
    internal void Heal()
    {
        World.Mark("no faults any more");
        AreFaultsOn = false;
        Network.Heal();
        ClientLoss = 0;
        Store.IsDown = false;
        Store.Unknown = 0;
        foreach (SimNode node in Nodes)
        {
            node.DiskSlowness = _plan.DiskSlowness;
            node.Clock.Drift = 0;
            node.Clock.Offset = TimeSpan.Zero;
            node.Disk.CapacityBytes = long.MaxValue;
            node.Disk.StopAt(0);
            World.After(World.Between(10, 500), node.Start);
        }
    }

    private bool HasReachedAll(ShardOracle oracle) => Store.Status!.Shards[oracle.ShardId].Ensemble.All(member =>
        Nodes[member].Drivers.TryGetValue(oracle.ShardId, out SimDriver? driver) && driver.Host.Core.Applied == oracle.Committed);

    /// <summary>Whoever keeps the shard has all of it.</summary>
    internal void CheckEnd(ShardOracle oracle)
    {
        long shard = oracle.ShardId;
        ShardStatus status = Store.Status!.Shards[shard];
        SimWorld.Require(!status.IsChanging, $"the ensemble still changes at the end: {status}");
        foreach (int member in status.Ensemble)
        {
            SimNode node = Nodes[member];
            SimWorld.Require(node.IsUp && node.Drivers.ContainsKey(shard), $"node {member} is not up at the end");
            ReplicaCore core = node.Drivers[shard].Host.Core;
            SimWorld.Require(core.Applied == oracle.Committed, $"node {member} has applied {core.Applied} of {oracle.Committed} entries of shard {shard} at the end: {core}");
            SimWorld.Require(!core.IsLost, $"node {member} has lost shard {shard} at the end");
            SimWorld.Require(!node.HasStrayState, $"node {member} has another state than the others, and nobody has noticed");
        }

        foreach (SimNode node in Nodes)
        {
            if (!status.Ensemble.Contains(node.Node)) SimWorld.Require(!node.Drivers.ContainsKey(shard) && !node.Files(shard).Any(), $"node {node.Node} has files of shard {shard}, which it keeps no more");
        }
    }
}

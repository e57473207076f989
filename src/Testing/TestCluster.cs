using System.Buffers;

using Tidemark.Replication.Cluster;
using Tidemark.Replication.KeyValue;
using Tidemark.Replication.Nodes;
using Tidemark.Replication.Shards;
using Tidemark.Replication.Wire;
using Tidemark.Storage.Log;
using Tidemark.Testing.Simulation;

namespace Tidemark.Testing;

/// <summary>How a <see cref="TestCluster"/> is made.</summary>
public sealed record TestClusterOptions
{
    /// <summary>How many nodes there are: 1 to 9. Default 3.</summary>
    public int NodeCount { get; init; } = 3;

    /// <summary>Decides all that chance decides: delays, and what a power cut leaves. Default 1.</summary>
    public long Seed { get; init; } = 1;

    /// <summary>The settings of the namespace; its shard count is 1.</summary>
    public NamespaceOptions Namespace { get; init; } = new();

    /// <summary>How much virtual time an operation may take before it is given up. Default 30 s.</summary>
    public TimeSpan OperationTimeout { get; init; } = TimeSpan.FromSeconds(30);
}

/// <summary>A cluster of several nodes in one test: real replicas over a simulated network, simulated disks and virtual time.</summary>
/// <remarks>
/// Time stands still but for <see cref="AdvanceAsync"/> and while an operation is under way, which advances it as far as it must: a test takes as long as the processor needs and
/// nothing depends on the machine's speed. The same calls in the same order give the same run for the same seed. While it runs, all that the simulator checks is checked: no
/// acknowledged write is lost, one leader a term, equal states. Safe for concurrent calls; they take turns.
/// </remarks>
public sealed class TestCluster : IDisposable
{
    private readonly TestClusterOptions _options;
    private readonly ClusterSimulation _cluster;
    private readonly TestRoute _route;
    private static readonly TimeSpan _rewritePause = TimeSpan.FromMilliseconds(50);

    private readonly Lock _gate = new();

    private TestCluster(TestClusterOptions options, ShardKind kind)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(options.NodeCount, 1, nameof(options));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(options.NodeCount, 9, nameof(options));
        _options = options;
        _cluster = new ClusterSimulation(options.Seed, new SimulationPlan { NodeCount = options.NodeCount, EnsembleSize = options.NodeCount, Kind = kind }, isTold: true);
        _cluster.StartNodes();
        _route = new TestRoute(this, _cluster);
        IReadOnlyList<ShardHashRange> ranges = HashRangeRouter.CreateEven(1).Ranges;
        var shard = new LocalShard(_route, new ProposalPool());
        Topics = new TestTopics(this, _route, new SimTime(_cluster.World), _cluster.World.NewId, options.OperationTimeout);
        Store = new ShardedKeyValueStore(new LocalNamespace("default", options.Namespace, new HashRangeRouter(ranges), [shard], new SimTime(_cluster.World), _cluster.World.NewId));
    }

    /// <summary>Starts a cluster that keeps a key-value namespace, and waits until it has a leader.</summary>
    public static TestCluster Start(TestClusterOptions? options = null)
    {
        options ??= new TestClusterOptions();
        return new TestCluster(options, new KeyValueShardKind(options.Namespace with { ShardCount = 1 }, snapshotLogBytes: 64 * 1024));
    }

    /// <summary>Starts a cluster that keeps a state machine of your own.</summary>
    /// <param name="createMachine">Makes a machine without any entry; called for each replica.</param>
    /// <param name="options">How; null for the defaults.</param>
    public static TestCluster Start(Func<IStateMachine> createMachine, TestClusterOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(createMachine);
        return new TestCluster(options ?? new TestClusterOptions(), new CustomShardKind(createMachine, snapshotLogBytes: 64 * 1024));
    }

    /// <summary>The namespace, as a program anywhere in the cluster sees it. Only of a cluster that keeps one.</summary>
    public KeyValueStore Store { get; }

    /// <summary>The topics, as a program anywhere in the cluster sees them. There is none at first.</summary>
    public TopicCollection Topics { get; }

    /// <summary>Virtual time since the start.</summary>
    public TimeSpan Elapsed => _cluster.World.Now;

    /// <summary>The node that leads and serves, or -1.</summary>
    public int Leader
    {
        get
        {
            using (Enter()) return FindLeader(ClusterSimulation.Shard);
        }
    }

    /// <summary>The node that leads a partition of a topic and serves, or -1.</summary>
    /// <exception cref="ArgumentException">The topic is none of this cluster, or was deleted.</exception>
    /// <exception cref="ArgumentOutOfRangeException">There is no such partition.</exception>
    public int LeaderOf(Topic topic, int partition = 0)
    {
        ArgumentNullException.ThrowIfNull(topic);
        using (Enter()) return FindLeader(ShardOf(topic, partition));
    }

    /// <summary>What has happened, one thing a line, with the seed that makes it happen again.</summary>
    public string Replay
    {
        get
        {
            using (Enter()) return $"seed {_options.Seed}, {_options.NodeCount} nodes\n{_cluster.World.Story}\n{_cluster.Describe()}";
        }
    }

    /// <summary>What the nodes have sent each other since they were started first, in bytes.</summary>
    public long BytesSent
    {
        get
        {
            using (Enter()) return _cluster.Network.BytesSent;
        }
    }

    /// <summary>Lets virtual time pass.</summary>
    public ValueTask AdvanceAsync(TimeSpan time)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(time, TimeSpan.Zero);
        using (Enter()) _cluster.World.RunUntil(_cluster.World.Now + time);
        return ValueTask.CompletedTask;
    }

    /// <summary>Stops a node at once. Nothing happens where it is down.</summary>
    /// <param name="node">The node.</param>
    /// <param name="losesPower">Whether its disk keeps only what was flushed, and of the rest what chance leaves; else it keeps all that was written, as when a process is killed.</param>
    public ValueTask CrashAsync(int node, bool losesPower = true)
    {
        using (Enter()) NodeOf(node).Crash(losesPower);
        return ValueTask.CompletedTask;
    }

    /// <summary>Stops a node, as by a loss of power, once some virtual time has passed: in the middle of whatever is under way then.</summary>
    public void CrashIn(int node, TimeSpan time)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(time, TimeSpan.Zero);
        using (Enter())
        {
            SimNode crashing = NodeOf(node);
            _cluster.World.After(time, () => crashing.Crash(losesPower: true));
        }
    }

    /// <summary>Starts a node again. Nothing happens where it is up.</summary>
    public ValueTask StartAsync(int node)
    {
        using (Enter()) NodeOf(node).Start();
        return ValueTask.CompletedTask;
    }

    /// <summary>Stops a node and empties its disk. Started again it knows that it is lost, and the others give it everything.</summary>
    public ValueTask WipeAsync(int node)
    {
        using (Enter())
        {
            NodeOf(node).Crash(losesPower: true);
            NodeOf(node).Wipe();
        }

        return ValueTask.CompletedTask;
    }

    /// <summary>Asks one node's replica whether reads may be answered, whoever leads.</summary>
    /// <returns>Whether that was answered at once, and why it was refused.</returns>
    internal (bool IsAnswered, Exception? Refusal) ReadAt(int node, TimeSpan staleness, TimeSpan wait)
    {
        using (Enter())
        {
            (bool IsAnswered, Exception? Refusal) answer = default;
            NodeOf(node).Drivers[ClusterSimulation.Shard].Host.Read((refusal, _) => answer = (true, refusal), staleness);
            TimeSpan until = _cluster.World.Now + wait;
            _cluster.World.RunWhile(() => !answer.IsAnswered, until);
            return answer;
        }
    }

    /// <summary>Sets a node's wall clock wrong by a time.</summary>
    internal void SetClock(int node, TimeSpan offset)
    {
        using (Enter()) NodeOf(node).Clock.Offset = offset;
    }

    /// <summary>A node's state becomes another than that of the others.</summary>
    internal void Stray(int node)
    {
        using (Enter()) NodeOf(node).Stray(ClusterSimulation.Shard);
    }

    /// <summary>The segments that a node has of a topic's first partition.</summary>
    internal string[] SegmentsOf(int node, Topic topic)
    {
        using (Enter()) return [.. NodeOf(node).Files(ShardOf(topic, 0)).Select(static file => file.Path).Where(static path => path.EndsWith(Segment.Extension, StringComparison.Ordinal)).Order(StringComparer.Ordinal)];
    }

    /// <summary>Turns over a bit of a node's disk.</summary>
    internal void FlipBit(int node, string path, long position)
    {
        using (Enter()) NodeOf(node).Disk.FlipBit(path, position, 0);
    }

    /// <summary>Cuts all links between some nodes and the others, until <see cref="Heal"/>.</summary>
    /// <param name="nodes">One side.</param>
    public void Partition(params ReadOnlySpan<int> nodes)
    {
        using (Enter())
        {
            foreach (int one in nodes)
            {
                NodeOf(one);
                for (int other = 0; other < _options.NodeCount; other++)
                {
                    if (nodes.Contains(other)) continue;
                    _cluster.Network.Cut(one, other);
                    _cluster.Network.Cut(other, one);
                }
            }
        }
    }

    /// <summary>Loses and doubles messages with a probability from 0 to 1.</summary>
    public void Disturb(double loss, double doubling = 0)
    {
        using (Enter()) (_cluster.Network.Loss, _cluster.Network.Doubling) = (loss, doubling);
    }

    /// <summary>Nothing disturbs the network any more.</summary>
    public void Heal()
    {
        using (Enter()) _cluster.Network.Heal();
    }

    /// <summary>Heals the network, starts what is down, lets time pass until all replicas have everything, and checks that they are equal.</summary>
    /// <exception cref="InvalidOperationException">They do not become so. The message says who lacks what.</exception>
    public void Check()
    {
        using (Enter())
        {
            _cluster.Heal();
            TimeSpan until = _cluster.World.Now + _options.OperationTimeout;
            try
            {
                _cluster.World.RunWhile(() => !_cluster.Store.Status!.Shards.Keys.All(IsWhole), until);
                foreach (long shard in _cluster.Store.Status!.Shards.Keys) _cluster.CheckEnd(_cluster.Oracles[shard]);
            }
            catch (SimulationException broken)
            {
                throw new InvalidOperationException($"{broken.Message}\n{_cluster.Describe()}", broken);
            }
        }
    }

    /// <summary>Brings a command to the state machine, through the log of all.</summary>
    /// <param name="kind">What the payload is, in the machine's numbers; below 65280.</param>
    /// <param name="payload">The command.</param>
    /// <returns>The machine's answer.</returns>
    /// <exception cref="ShardUnavailableException">Nobody leads. It surely did not happen.</exception>
    /// <exception cref="OutcomeUnknownException">Nobody knows whether it happened.</exception>
    public ValueTask<ReadOnlyMemory<byte>> ProposeAsync(ushort kind, ReadOnlyMemory<byte> payload)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(kind, (ushort)0xFF00);
        return new ValueTask<ReadOnlyMemory<byte>>(Propose(ClusterSimulation.Shard, kind, output => output.Write(payload.Span)));
    }

    /// <summary>Asks the state machine something, where all that was acknowledged before can be seen.</summary>
    /// <exception cref="ShardUnavailableException">Nobody leads that knows it.</exception>
    public ValueTask<ReadOnlyMemory<byte>> QueryAsync(ReadOnlyMemory<byte> request)
    {
        using (Enter())
        {
            var answer = new ArrayBufferWriter<byte>();
            Barrier(ClusterSimulation.Shard).Machine.Query(request.Span, answer);
            return new ValueTask<ReadOnlyMemory<byte>>(answer.WrittenMemory);
        }
    }

    /// <summary>The state machine of a node, to look at while nothing advances; null where the node is down.</summary>
    public IStateMachine? MachineOf(int node)
    {
        using (Enter()) return NodeOf(node).Drivers.TryGetValue(ClusterSimulation.Shard, out SimDriver? driver) ? driver.Replica.Machine : null;
    }

    /// <summary>Ends the cluster.</summary>
    public void Dispose() => _cluster.Dispose();

    /// <summary>Brings a command to whoever leads a shard, and finishes it.</summary>
    internal void Submit(long shard, Proposal proposal)
    {
        Exception? failure = null;
        try
        {
            proposal.Answer.Write(Propose(shard, proposal.Kind, output => output.Write(proposal.Payload.WrittenSpan)));
        }
        catch (TidemarkException e)
        {
            failure = e;
        }

        proposal.Finish(failure);
    }

    /// <summary>Looks at a replica of a shard that shows what the level asks for: at the leader's, or where anything will do at that of the first node that is up.</summary>
    internal T Look<T>(long shard, ReadLevel level, Func<ReplicaHost, T> look)
    {
        using (Enter())
        {
            SimDriver? local = level.Kind == ReadLevelKind.Local ? _cluster.Nodes.Select(node => node.Drivers.GetValueOrDefault(shard)).FirstOrDefault(driver => driver is not null) : null;
            return look(local?.Replica ?? Barrier(shard, level.Staleness));
        }
    }

    /// <summary>Has the cluster change its topics.</summary>
    /// <returns>The status that has it so.</returns>
    /// <exception cref="ArgumentException">It cannot be as it is wanted.</exception>
    internal ClusterStatus Change(TopicChange change)
    {
        using (Enter())
        {
            for (TimeSpan until = _cluster.World.Now + _options.OperationTimeout; _cluster.World.Now < until; _cluster.World.RunUntil(_cluster.World.Now + _rewritePause))
            {
                if (_cluster.Store.Status is not { } status) continue;
                if (NodeTopics.Apply(change, status, IsUp) is null) return status;
                foreach (NodeHost host in _cluster.Nodes.Select(node => node.Host).OfType<NodeHost>().Take(1)) host.Post(() => Rewrite(host, change, status));
            }

            throw new ShardUnavailableException(ClusterSimulation.Shard, $"No node has changed the topics for {_options.OperationTimeout} of virtual time. Is one up?");
        }

        bool IsUp(int node) => _cluster.Nodes[node].IsUp;

        // One that knows of an earlier status comes again when it has read this one.
        void Rewrite(NodeHost host, TopicChange wanted, ClusterStatus status)
        {
            if (host.Coordinator.Status?.TopicChanges == status.TopicChanges && NodeTopics.Apply(wanted, host.Coordinator.Status, IsUp) is { } next) host.Coordinator.TryRewrite(_ => next);
        }
    }

    internal byte[] Propose(long shard, ushort kind, Action<IBufferWriter<byte>> write)
    {
        using (Enter())
        {
            TimeSpan until = _cluster.World.Now + _options.OperationTimeout;
            while (true)
            {
                int leader = WaitForLeader(shard, until);
                byte[]? answer = null;
                Exception? failure = null;
                bool isDone = false;
                _cluster.Nodes[leader].Submit(shard, kind, write, (proposal, why) =>
                {
                    if (why is null) _cluster.Oracles[shard].Acknowledged(leader, proposal);
                    (isDone, failure, answer) = (true, why, proposal.Answer.WrittenSpan.ToArray());
                });
                WaitFor(leader, () => isDone, until);
                if (!isDone) throw new OutcomeUnknownException($"Node {leader} did not answer. Whether the command happened shows when it, or another, leads again.");
                if (failure is null) return answer!;
                if (failure is not ShardUnavailableException) throw failure;
            }
        }
    }

    internal ReplicaHost ReadBarrier(long shard, TimeSpan staleness = default)
    {
        using (Enter()) return Barrier(shard, staleness);
    }

    /// <summary>One caller at a time, and without its context: what the world's events complete goes on at once, as part of them, so that every run is the same.</summary>
    private Turn Enter() => new(_gate);

    private ReplicaHost Barrier(long shard, TimeSpan staleness = default)
    {
        TimeSpan until = _cluster.World.Now + _options.OperationTimeout;
        while (true)
        {
            int leader = WaitForLeader(shard, until);
            ReplicaHost replica = _cluster.Nodes[leader].Drivers[shard].Replica;
            Exception? refusal = null;
            bool isDone = false;
            replica.Host.Read((why, _) => (isDone, refusal) = (true, why), staleness);
            WaitFor(leader, () => isDone, until);
            if (isDone && refusal is null) return replica;
            if (_cluster.World.Now >= until) throw new ShardUnavailableException(shard, "No leader answered a read in time.");
        }
    }

    /// <summary>Lets things happen until a node has answered, is not there any more, or takes too long.</summary>
    private void WaitFor(int leader, Func<bool> isDone, TimeSpan until)
    {
        SimNode node = _cluster.Nodes[leader];
        long run = node.Run;
        _cluster.World.RunWhile(() => !isDone() && node.IsUp && node.Run == run, until);
    }

    private int WaitForLeader(long shard, TimeSpan until)
    {
        _cluster.World.RunWhile(() => FindLeader(shard) < 0, until);
        int leader = FindLeader(shard);
        return leader >= 0 ? leader : throw new ShardUnavailableException(shard, $"Nobody has led for {_options.OperationTimeout} of virtual time. Are more than half of the nodes up, and do they reach each other?");
    }

    /// <summary>The one that serves in the highest term.</summary>
    private int FindLeader(long shard)
    {
        int found = -1;
        long term = -1;
        foreach (SimNode node in _cluster.Nodes)
        {
            if (!node.Drivers.TryGetValue(shard, out SimDriver? driver) || !driver.Host.TakesCommands) continue;
            if (driver.Host.Core.Term > term) (found, term) = (node.Node, driver.Host.Core.Term);
        }

        return found;
    }

    private long ShardOf(Topic topic, int partition)
    {
        ClusterTopic? found = _cluster.Store.Status!.Topics.GetValueOrDefault(topic.Name);
        if (found is null || !ReferenceEquals(Topics.Find(topic.Name), topic)) throw new ArgumentException($"There is no topic '{topic.Name}' of this cluster.", nameof(topic));
        ArgumentOutOfRangeException.ThrowIfNegative(partition);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(partition, found.Shards.Count);
        return found.Shards[partition];
    }

    private bool IsWhole(long shard)
    {
        if (!_cluster.Oracles.TryGetValue(shard, out ShardOracle? oracle)) return false;
        long committed = oracle.Committed;
        return FindLeader(shard) >= 0 && _cluster.Nodes.All(node => node.Drivers.TryGetValue(shard, out SimDriver? driver)
            && driver.Host.Core is { IsLost: false, Role: ReplicaRole.Leader or ReplicaRole.Follower } core && core.Applied == committed && core.Log.End == committed);
    }

    private SimNode NodeOf(int node)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(node);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(node, _options.NodeCount);
        return _cluster.Nodes[node];
    }

    private readonly ref struct Turn
    {
        private readonly Lock _gate;
        private readonly SynchronizationContext? _context;

        internal Turn(Lock gate)
        {
            _gate = gate;
            gate.Enter();
            _context = SynchronizationContext.Current;
            SynchronizationContext.SetSynchronizationContext(null);
        }

        public void Dispose()
        {
            SynchronizationContext.SetSynchronizationContext(_context);
            _gate.Exit();
        }
    }
}

using Tidemark.Replication.Cluster;
using Tidemark.Replication.Consumers;
using Tidemark.Replication.Nodes;
using Tidemark.Replication.Topics;
using Tidemark.Replication.Wire;

namespace Tidemark.Testing.Simulation.Topics;

/// <summary>The topic of a simulation: its partitions with what must hold of them, who consumes it, and the programs that use it.</summary>
internal sealed class SimTopic
{
    internal const string Name = "topic";

    private const int MostPartitions = 3;
    private const int Members = 3;

    private static readonly TimeSpan _longestEnd = TimeSpan.FromMinutes(5);   // Some read message by message, and ask nodes that do not keep the partition.

    private readonly ClusterSimulation _cluster;
    private readonly SimWorld _world;
    private readonly List<ShardOracle> _partitions = [];
    private readonly List<(SimProcess Process, int Guess, PartitionedTopic Face)> _faces = [];
    private readonly List<GroupMember> _remaining = [];
    private TopicOptions _options;
    private int _living;   // Places in the group.
    private int _producing;
    private bool _isStarted, _isDone;
    private int _guesses;

    internal SimTopic(ClusterSimulation cluster, TopicOptions options)
    {
        (_cluster, _world, _options) = (cluster, cluster.World, options);
        Consumers = new GroupLaws(_world, partition => _partitions[partition].Topic!.Start);
    }

    /// <summary>What must hold of who consumes it.</summary>
    internal GroupLaws Consumers { get; }

    /// <summary>Whether the last member has left.</summary>
    internal bool IsOver => _living == 0;

    /// <summary>How many messages each partition ever had.</summary>
    internal IReadOnlyList<long> Ends => [.. _partitions.Select(partition => partition.Topic!.End)];

    /// <summary>Settings of one of four kinds, by which messages go after a short while.</summary>
    internal static TopicOptions Retained(TopicOptions topic, int kind) => kind switch
    {
        0 => topic with { RetentionAge = TimeSpan.FromSeconds(6), RetentionBytes = null, RetentionConsumer = null },
        1 => topic with { RetentionAge = null, RetentionBytes = 40 * 1024, RetentionConsumer = null },
        2 => topic with { RetentionAge = null, RetentionBytes = 20 * 1024, RetentionConsumer = SimConsumer.Group },
        _ => topic with { RetentionAge = TimeSpan.FromSeconds(7), RetentionBytes = 200 * 1024, RetentionConsumer = SimConsumer.Group },
    };

    /// <summary>Watches a partition from its first entry on.</summary>
    internal ShardOracle NewOracle(ClusterPartition partition, IStateMachine machine)
    {
        int number = partition.Number;
        SimWorld.Require(number == _partitions.Count, $"partition {number} comes as number {_partitions.Count}");
        ConsumerLaws consumers = Consumers[number];
        var laws = new TopicLaws(_world, number, _options, () => consumers.Stored) { LogStartMoved = start => CountLacking(partition.Shard, start) };
        var oracle = new ShardOracle(_world, partition.Shard, machine) { Topic = laws };
        _partitions.Add(oracle);
        if (_isStarted) Use(oracle);
        return oracle;
    }

    /// <summary>The topic as a process sees it: it hears of changes a while later.</summary>
    internal PartitionedTopic Open(SimProcess process, int guess)
    {
        var face = new PartitionedTopic(Name, _partitions[0].ShardId, ViewOf(process, guess), new SimTime(_world, process), _world.NewId);
        _faces.Add((process, guess, face));
        return face;
    }

    internal void Start()
    {
        _isStarted = true;
        foreach (ShardOracle partition in _partitions) Use(partition);
        if (!_cluster.Plan.HasGroup)
        {
            for (int i = 0; i < 2; i++) _world.Begin(new SimConsumer(_cluster, this, _guesses++).LiveAsync);
            return;
        }

        var nobody = new SimProcess(_world);
        Consumers.Follow(new ConsumerRows(new SimRoute(_cluster, nobody, 0).OpenStore(), Open(nobody, 0), SimConsumer.Group));
        _living = Members;
        for (int i = 0; i < Members; i++)
        {
            var member = new SimMember(_cluster, this, i);
            _world.Begin(() => LiveAsync(member));
        }

        _world.Begin(ChangeAsync);
    }

    /// <summary>All else is over: completes when a member may leave for good.</summary>
    internal async Task EndAsync(GroupMember member)
    {
        _remaining.Add(member);
        for (TimeSpan until = _world.Now + _longestEnd; _world.Now < until && !_isDone; await _world.Delay(100, 100).ConfigureAwait(false))
            _isDone = _producing == 0 && _remaining.Count == _living && Consumers.AreHandled(Ends) && Consumers.AreShared(_partitions.Count, [.. _remaining.Select(other => other.Id)]);
        SimWorld.Require(_isDone, $"of {string.Join(", ", Ends)} messages not all are handled, or members do not share the partitions evenly: {Consumers}");
    }

    /// <summary>Every replica of each partition has every message that is kept.</summary>
    internal void CheckEnd()
    {
        foreach (ShardOracle partition in _partitions) CheckMessages(partition);
        if (_cluster.Plan.HasGroup) Consumers.CheckEnd(Ends);
    }

    /// <summary>Begins the programs that use one partition. Where there are several each has fewer.</summary>
    private void Use(ShardOracle oracle)
    {
        TopicLaws laws = oracle.Topic!;
        AppendStyle[] styles = _cluster.Plan.HasGroup
            ? [AppendStyle.Numbered, laws.Number % 2 == 0 ? AppendStyle.Named : AppendStyle.Expecting]
            : [AppendStyle.Numbered, AppendStyle.Named, AppendStyle.Numbered, AppendStyle.Expecting];
        foreach (AppendStyle style in styles)
        {
            var producer = new SimProducer(_cluster, NewPartition(), laws, style);
            _producing++;
            _world.Begin(() => LiveAsync(producer));
        }

        if (laws.Number > 0) return;
        _world.Begin(new SimTopicReader(_cluster, NewPartition(), laws).LiveAsync);
        _world.Begin(new SimTrimmer(_cluster, NewPartition()).LiveAsync);

        SimPartition NewPartition() => new(_cluster, oracle, new SimProcess(_world), _guesses++);
    }

    private async Task LiveAsync(SimProducer producer)
    {
        await producer.LiveAsync().ConfigureAwait(false);
        _producing--;
    }

    private async Task LiveAsync(SimMember member)
    {
        await member.LiveAsync().ConfigureAwait(false);
        _living--;
    }

    /// <summary>Changes what is kept, now and then, and adds partitions.</summary>
    private async Task ChangeAsync()
    {
        await _world.Delay(8000, 25_000).ConfigureAwait(false);
        for (; _cluster.AreFaultsOn; await _world.Delay(8000, 25_000).ConfigureAwait(false))
        {
            bool isMore = _options.Partitions < MostPartitions && _world.Chance.Below(3) == 0;
            _options = Retained(_options, _world.Chance.Below(4)) with { Partitions = _options.Partitions + (isMore ? 1 : 0) };
            foreach (ShardOracle partition in _partitions) partition.Topic!.Wish(_options);
            var change = new ChangeTopic(Name, _options);
            while (_cluster.Store.Status!.Topics[Name].Options != _options || _partitions.Count < _options.Partitions)
            {
                if (_cluster.Nodes[_world.Chance.Below(_cluster.Nodes.Count)].Host is { } host) host.Post(() => host.Coordinator.TryRewrite(known => NodeTopics.Apply(change, known, IsUp) ?? known));
                await _world.Delay(100, 500).ConfigureAwait(false);
            }

            if (isMore) _world.Count("partition added");
            foreach ((SimProcess process, int guess, PartitionedTopic face) in _faces) process.After(_world.Between(10, 3000), () => face.Change(ViewOf(process, guess)));
            _faces.RemoveAll(face => face.Process.IsDead);
        }

        bool IsUp(int node) => _cluster.Nodes[node].IsUp;
    }

    private TopicView ViewOf(SimProcess process, int guess) => new(_options with { Partitions = _partitions.Count }, [.. _partitions.Select(partition => new SimPartition(_cluster, partition, process, guess))]);

    /// <summary>The log of a partition begins later from now on.</summary>
    private void CountLacking(long shard, long logStart)
    {
        if (_cluster.Nodes.Any(node => node.Drivers.TryGetValue(shard, out SimDriver? driver) && driver.Host.Core.Log.End < logStart)) _world.Count("trim of what a replica lacks");
    }

    private void CheckMessages(ShardOracle oracle)
    {
        TopicLaws laws = oracle.Topic!;
        laws.CheckSettings(_options);
        foreach (int member in _cluster.Store.Status!.Shards[oracle.ShardId].Ensemble)
        {
            if (_cluster.Nodes[member].HasHiddenDamage) continue;   // It is whole on the others.
            PartitionReads reads = _cluster.Nodes[member].Drivers[oracle.ShardId].Replica.Reads!;
            SimWorld.Require(reads.Bounds.Start == laws.Start && reads.Bounds.End == laws.End, $"node {member} has messages {reads.Bounds.Start} to {reads.Bounds.End} at the end, not {laws.Start} to {laws.End}");
            for (long at = laws.Start; at < laws.End;)
            {
                TopicPage page = reads.Read(TopicPosition.At(at), TopicReadOptions.Default);
                laws.Read(laws.Moment, at, isReverse: false, page);
                at = page.Next;
            }
        }
    }
}

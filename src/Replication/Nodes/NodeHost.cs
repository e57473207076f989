using System.Buffers;
using System.Collections.Concurrent;

using Microsoft.Extensions.Logging;

using Tidemark.Core.Replication;
using Tidemark.Replication.Cluster;
using Tidemark.Replication.Wire;

namespace Tidemark.Replication.Nodes;

/// <summary>What a node's host is made of.</summary>
internal sealed record NodeHostOptions
{
    public required int Node { get; init; }

    public required BootedNode Booted { get; init; }

    public required NodeDisk Disk { get; init; }

    /// <summary>The kind of each shard, given which partition it is, where it is one.</summary>
    public required Func<long, ClusterPartition?, ShardKind> KindOf { get; init; }

    public required ITransport Transport { get; init; }

    public required Func<NodeHost, IStatusCalls> Store { get; init; }

    public required TimeProvider TimeProvider { get; init; }

    public CoordinatorTimes Times { get; init; } = CoordinatorTimes.Default;

    /// <summary>How long a leader goes on without a majority.</summary>
    public TimeSpan LeaderPatience { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>How often replicas compare their states, where entries came.</summary>
    public TimeSpan MarkInterval { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How often each state is read again; null for never.</summary>
    public TimeSpan? ScrubInterval { get; init; }

    /// <summary>How much log of a key-value shard is kept until it was archived, in bytes; null for none.</summary>
    public long? MostHeldBytes { get; init; }

    /// <summary>How often a node looks whether it leads more shards than others, and where shards are to be placed; null for never.</summary>
    public TimeSpan? BalanceInterval { get; init; }

    /// <summary>Called with each status that is another than the last, on the node's thread.</summary>
    public Action<ClusterStatus>? Followed { get; init; }

    /// <summary>Called when the state of a shard has changed, on the shard's thread.</summary>
    public Action<ReplicaHost>? Published { get; init; }

    /// <summary>Told of each entry once it is applied, on the shard's thread.</summary>
    public Action<ReplicaHost, LogRecord>? Applied { get; init; }
}

/// <summary>One node of a cluster as a synchronous object: its replicas, its coordinator, what comes from other nodes. Whoever drives it decides when.</summary>
/// <remarks>
/// <see cref="Receive"/> and <see cref="Post"/> may be called from any thread. <see cref="Turn"/>, and with it the coordinator, belongs to one thread at a time, and so does each replica, which
/// has its own turns.
/// </remarks>
internal sealed class NodeHost
{
    private const long NoShard = -1;

    private readonly NodeHostOptions _options;
    private readonly ConcurrentQueue<(int From, ShardMessage Message)> _arrived = new();
    private readonly ConcurrentQueue<Action> _posted = new();
    private readonly NodeReplicas _replicas;
    private readonly ClockWatch _clock;
    private readonly LeaderBalance _balance;
    private DateTimeOffset _balanceAt;
    private bool _isClockFit = true;   // As it was reported last.
    private ClusterStatus? _seen;
    private bool _isPlacementDue;
    private DateTimeOffset _helloAt;
    private bool _isMute;

    internal NodeHost(NodeHostOptions options)
    {
        _options = options;
        string name = FormattableString.Invariant($"{options.Node}.{options.Booted.Run}");
        _clock = new ClockWatch(options.TimeProvider, options.Node);
        _balance = new LeaderBalance(options.Node);
        Coordinator = new CoordinatorHost(options.Node, name, options.Times, Send, options.Store(this));
        _replicas = new NodeReplicas(options, new ReplicaLinks(Send, Tell, Post, () => _clock.IsFit));
    }

    internal int Node => _options.Node;

    internal CoordinatorHost Coordinator { get; }

    internal IReadOnlyDictionary<long, ReplicaHost> Replicas => _replicas.All;

    /// <summary>Called from any thread when the node itself has something to do.</summary>
    internal Action? Wake { get; set; }

    /// <summary>Called from any thread with a request, or an answer to one, and which member sent it.</summary>
    internal Action<int, ReadOnlyMemory<byte>>? Requested { get; set; }

    /// <summary>Called from any thread with whatever a caller sent, and its number; and with what a member asks of the store, or answers.</summary>
    internal Action<int, ReadOnlyMemory<byte>>? Called { get; set; }

    /// <inheritdoc cref="NodeReplicas.Opened"/>
    internal Action<ReplicaHost>? Opened
    {
        set => _replicas.Opened = value;
    }

    /// <inheritdoc cref="NodeReplicas.Released"/>
    internal Action<ReplicaHost, Action>? Released
    {
        set => _replicas.Released = value;
    }

    internal bool HasWork => !_arrived.IsEmpty || !_posted.IsEmpty;

    internal DateTimeOffset NextDue => _isMute || _helloAt < Coordinator.NextDue ? _helloAt : Coordinator.NextDue;

    private ClusterStatus Status => Coordinator.Status ?? _options.Booted.Status;

    /// <summary>Any thread: a message came from another node, or from this one. Who is no member has nothing to say to replicas and elections.</summary>
    internal void Receive(int from, ReadOnlyMemory<byte> bytes)
    {
        if (from < 0 || StoreRequestCodec.Is(bytes.Span))
        {
            Called?.Invoke(from, bytes);
            return;
        }

        if (RouteMessageCodec.Is(bytes.Span))
        {
            Requested?.Invoke(from, bytes);
            return;
        }

        ShardMessage message;
        try
        {
            message = ShardMessageCodec.Read(bytes);
        }
        catch (MalformedDataException e)
        {
            Report(from, e);
            return;
        }

        if (message.Message is Hello or { IsForElection: true })
        {
            _arrived.Enqueue((from, message));
            Wake?.Invoke();
        }
        else if (Replicas.TryGetValue(message.ShardId, out ReplicaHost? replica))
        {
            replica.Host.Receive(from, message);
        }
    }

    /// <summary>Any thread: somebody said what is no message.</summary>
    internal void Report(int from, MalformedDataException what) => NodeMessages.Malformed(_options.Disk.Logger, from, what);

    /// <summary>Any thread: has something done on the node's own.</summary>
    internal void Post(Action action)
    {
        _posted.Enqueue(action);
        Wake?.Invoke();
    }

    /// <summary>Takes what came in, and does what is due.</summary>
    internal void Turn(DateTimeOffset now)
    {
        while (_posted.TryDequeue(out Action? action)) action();
        while (_arrived.TryDequeue(out (int From, ShardMessage Message) arrived))
        {
            Coordinator.Heard(arrived.From, now);
            if (arrived.Message.Message is Hello hello) _clock.Heard(arrived.From, hello);
            else if (!_isMute) Coordinator.Take(arrived.From, arrived.Message);
        }

        if (now >= _helloAt)
        {
            _helloAt = now + _options.Times.Beat;
            LookAtDisk();
            foreach (int node in Status.Nodes.Keys)
            {
                if (node != Node && !_isMute) Send(node, new ShardMessage(NoShard, _clock.HelloTo(node, _options.Booted.Run)));
            }

            LookAtClock();
        }

        if (_isMute) return;
        Coordinator.Tick(now);
        LookAtStatus(now);
        Place(now);
        Balance(now);
    }

    private void Balance(DateTimeOffset now)
    {
        if (_options.BalanceInterval is not { } interval || now < _balanceAt || _seen is not { } status) return;
        (_balanceAt, _isPlacementDue) = (now + interval, true);
        foreach (ReplicaHost tired in Replicas.Values.Where(replica => replica.Host is { Leads: true, WantsRelief: true }))
        {
            if (_balance.Relief(status.Shards[tired.ShardId], node => IsUp(node, now), now) is { } heir) tired.Host.HandOverTo(heir);   // Where there is room, writes go on.
        }

        if (_balance.Next(status.Shards, node => IsUp(node, now), now) is not { } gift) return;
        if (Replicas.TryGetValue(gift.Shard, out ReplicaHost? replica)) replica.Host.HandOverTo(gift.Heir);
    }

    /// <summary>What is led here cannot go on while its disk does not answer. So the node says nothing: it is taken for dead, and others lead.</summary>
    private void LookAtDisk()
    {
        bool wasMute = _isMute;
        _isMute = Replicas.Any(replica => replica.Value.Host is { Leads: true } host && host.FlushTime > 2 * _options.Times.Suspicion);
        if (!wasMute && _isMute) NodeMessages.DiskHangs(_options.Disk.Logger, Node);
        else if (wasMute && !_isMute) NodeMessages.DiskAnswers(_options.Disk.Logger, Node);
    }

    private void LookAtClock()
    {
        bool wasFit = _isClockFit;
        _clock.Look(Status.Nodes.Values.Count(node => node.Keeps));
        _isClockFit = _clock.IsFit;
        if (wasFit && !_isClockFit) NodeMessages.ClockUnfit(_options.Disk.Logger, Node);
        else if (!wasFit && _isClockFit) NodeMessages.ClockFit(_options.Disk.Logger, Node);
    }

    /// <summary>A shard may have come to this node since it was started, or gone from it.</summary>
    private void LookAtStatus(DateTimeOffset now)
    {
        if (ReferenceEquals(_seen, Coordinator.Status) || Coordinator.Status is not { } status) return;
        (_seen, _isPlacementDue) = (status, true);
        _replicas.Follow(status, now);
        _options.Followed?.Invoke(status);
    }

    /// <summary>Has shards placed as they shall be, step by step: each when the one before shows in the status, or when something else may have changed.</summary>
    private void Place(DateTimeOffset now)
    {
        if (!_isPlacementDue || _options.BalanceInterval is null || _seen is not { } status || !Coordinator.IsActing(now)) return;
        _isPlacementDue = false;
        if (status.NextStep(node => IsUp(node, now), Coordinator.CanChange) is { } step) Coordinator.Change(step.Shard, step.Ensemble);
    }

    /// <summary>Has shards placed on a node from now on, or on it no more. Called again until it is so.</summary>
    /// <returns>Whether it is so: the node keeps all it shall, or nothing.</returns>
    /// <exception cref="InvalidOperationException">It is the last where they may.</exception>
    /// <exception cref="LimitExceededException">There would be more nodes than keep shards together.</exception>
    internal bool TryPlace(int node, bool keeps, DateTimeOffset now)
    {
        if (Coordinator.Status is not { } status) return false;
        if (keeps && !status.Nodes.ContainsKey(node)) return false;   // It was never started.
        if (status.NodeOf(node).Keeps != keeps)
        {
            Coordinator.TryRewrite(known => known.WithKeeps(node, keeps));
            return false;
        }

        if (!keeps) return status.Shards.Values.All(shard => !shard.IsKeptBy(node));
        return IsUp(node, now) && !status.Shards.Values.Any(shard => shard.IsChanging) && status.NextStep(other => IsUp(other, now), static _ => true) is null;
    }

    /// <summary>Whether a node can be counted on at the moment.</summary>
    internal bool IsUp(int node, DateTimeOffset now) => node == Node || Coordinator.IsHeard(node, now);

    private void Tell(ShardMessage message)
    {
        foreach (int node in Status.Nodes.Keys) Send(node, message);
    }

    private void Send(int node, ShardMessage message)
    {
        var bytes = new ArrayBufferWriter<byte>();
        ShardMessageCodec.Write(bytes, message);
        if (node == Node) Receive(Node, bytes.WrittenMemory);
        else _options.Transport.TrySend(node, bytes.WrittenMemory);
    }
}

/// <summary>What nodes report. Event ids are stable: 400 to 499.</summary>
internal static partial class NodeMessages
{
    [LoggerMessage(400, LogLevel.Warning, "A message of node {Node} is malformed and was dropped.")]
    internal static partial void Malformed(ILogger logger, int node, Exception cause);

    [LoggerMessage(401, LogLevel.Warning, "The clock of node {Node} differs from most others, or has jumped: it leads no shard until they agree.")]
    internal static partial void ClockUnfit(ILogger logger, int node);

    [LoggerMessage(403, LogLevel.Information, "Node {Node} keeps shard {Shard} no more, which nodes {Ensemble} do. Its files are deleted.")]
    internal static partial void ShardLeft(ILogger logger, int node, long shard, string ensemble);

    [LoggerMessage(404, LogLevel.Information, "Shard {Shard} is no more: its topic was deleted. Its files on node {Node} are deleted too.")]
    internal static partial void ShardDeleted(ILogger logger, int node, long shard);

    [LoggerMessage(405, LogLevel.Warning, "The disk of node {Node} does not answer: the node says nothing until it does, so that others lead what it leads.")]
    internal static partial void DiskHangs(ILogger logger, int node);

    [LoggerMessage(406, LogLevel.Information, "The disk of node {Node} answers again.")]
    internal static partial void DiskAnswers(ILogger logger, int node);

    [LoggerMessage(402, LogLevel.Information, "The clock of node {Node} agrees with most others.")]
    internal static partial void ClockFit(ILogger logger, int node);
}

using System.Buffers;
using System.Collections.Concurrent;
using System.Collections.Immutable;

using Microsoft.Extensions.Logging;

using Tidemark.Core.Replication;
using Tidemark.Replication.Cluster;
using Tidemark.Replication.Shards;
using Tidemark.Replication.Wire;

namespace Tidemark.Replication.Nodes;

/// <summary>What a node's host is made of.</summary>
internal sealed record NodeHostOptions
{
    public required int Node { get; init; }

    public required BootedNode Booted { get; init; }

    public required NodeDisk Disk { get; init; }

    /// <summary>The kind of each shard.</summary>
    public required Func<long, ShardKind> KindOf { get; init; }

    public required ITransport Transport { get; init; }

    public required Func<NodeHost, IStatusCalls> Store { get; init; }

    public required TimeProvider TimeProvider { get; init; }

    public CoordinatorTimes Times { get; init; } = CoordinatorTimes.Default;

    /// <summary>How long a leader goes on without a majority.</summary>
    public TimeSpan LeaderPatience { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>How often replicas compare their states, where entries came.</summary>
    public TimeSpan MarkInterval { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How often a node looks whether it leads more shards than others; null for never.</summary>
    public TimeSpan? BalanceInterval { get; init; }

    /// <summary>Called when the state of a shard has changed, on the shard's thread.</summary>
    public Action<ReplicaHost>? Published { get; init; }

    /// <summary>Told of each entry once it is applied, on the shard's thread.</summary>
    public Action<ReplicaHost, LogRecord>? Applied { get; init; }
}

/// <summary>A shard of a node: its host, and the machine that its host has at the moment.</summary>
internal sealed class ReplicaHost
{
    internal required long ShardId { get; init; }

    internal ShardHost Host { get; set; } = null!;   // Set right after: the host is made with this object's hooks.

    internal IStateMachine Machine { get; set; } = null!;
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
    private readonly ConcurrentDictionary<long, ReplicaHost> _replicas = new();
    private readonly ClockWatch _clock;
    private readonly LeaderBalance _balance;
    private DateTimeOffset _balanceAt;
    private bool _isClockFit = true;   // As it was reported last.
    private ClusterStatus? _seen;
    private DateTimeOffset _helloAt;

    internal NodeHost(NodeHostOptions options)
    {
        _options = options;
        string name = FormattableString.Invariant($"{options.Node}.{options.Booted.Run}");
        _clock = new ClockWatch(options.TimeProvider, options.Node);
        _balance = new LeaderBalance(options.Node);
        Coordinator = new CoordinatorHost(options.Node, name, options.Times, Send, options.Store(this));
        try
        {
            foreach ((long shard, ShardStatus status) in NodeBoot.ShardsOf(options.Booted.Status, Node)) Open(shard, status, options.Booted.IsLost);
            if (options.Booted.IsLost) NodeBoot.Confirm(options.Disk.Pool.Files, options.Disk.Directory, options.Disk.Cluster, Node, options.Booted.Run);
        }
        catch
        {
            foreach (ReplicaHost replica in _replicas.Values) replica.Host.Dispose();
            throw;
        }
    }

    internal int Node => _options.Node;

    internal CoordinatorHost Coordinator { get; }

    internal IReadOnlyDictionary<long, ReplicaHost> Replicas => _replicas;

    /// <summary>Called from any thread when the node itself has something to do.</summary>
    internal Action? Wake { get; set; }

    /// <summary>Called from any thread with a request, or an answer to one, and which member sent it.</summary>
    internal Action<int, ReadOnlyMemory<byte>>? Requested { get; set; }

    /// <summary>Called from any thread with whatever a caller sent, and its number; and with what a member asks of the store, or answers.</summary>
    internal Action<int, ReadOnlyMemory<byte>>? Called { get; set; }

    /// <summary>Called when a replica was opened, before anything reaches it.</summary>
    internal Action<ReplicaHost>? Opened { get; set; }

    internal bool HasWork => !_arrived.IsEmpty || !_posted.IsEmpty;

    internal DateTimeOffset NextDue => _helloAt < Coordinator.NextDue ? _helloAt : Coordinator.NextDue;

    private ImmutableSortedDictionary<int, long> Nodes => (Coordinator.Status ?? _options.Booted.Status).Nodes;

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
        else if (_replicas.TryGetValue(message.ShardId, out ReplicaHost? replica))
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
            else Coordinator.Take(arrived.From, arrived.Message);
        }

        if (now >= _helloAt)
        {
            _helloAt = now + _options.Times.Beat;
            foreach (int node in Nodes.Keys)
            {
                if (node != Node) Send(node, new ShardMessage(NoShard, _clock.HelloTo(node, _options.Booted.Run)));
            }

            LookAtClock();
        }

        Coordinator.Tick(now);
        LookAtStatus();
        Balance(now);
    }

    private void Balance(DateTimeOffset now)
    {
        if (_options.BalanceInterval is not { } interval || now < _balanceAt || _seen is not { } status) return;
        _balanceAt = now + interval;
        foreach (ReplicaHost full in _replicas.Values.Where(replica => replica.Host is { Leads: true, HasNoRoom: true }))
        {
            if (_balance.Relief(status.Shards[full.ShardId], IsUp, now) is { } heir) full.Host.HandOverTo(heir);   // Where there is room, writes go on.
        }

        if (_balance.Next(status.Shards, IsUp, now) is not { } gift) return;
        if (_replicas.TryGetValue(gift.Shard, out ReplicaHost? replica)) replica.Host.HandOverTo(gift.Heir);

        bool IsUp(int node) => Coordinator.IsHeard(node, now);
    }

    private void LookAtClock()
    {
        bool wasFit = _isClockFit;
        _clock.Look(Nodes.Count);
        _isClockFit = _clock.IsFit;
        if (wasFit && !_isClockFit) NodeMessages.ClockUnfit(_options.Disk.Logger, Node);
        else if (!wasFit && _isClockFit) NodeMessages.ClockFit(_options.Disk.Logger, Node);
    }

    /// <summary>A shard may have come to this node since it was started, or gone from it: no election asks that one any more, and it may lead without knowing.</summary>
    private void LookAtStatus()
    {
        if (ReferenceEquals(_seen, Coordinator.Status) || Coordinator.Status is not { } status) return;
        _seen = status;
        foreach ((long shard, ShardStatus found) in NodeBoot.ShardsOf(status, Node))
        {
            if (!_replicas.ContainsKey(shard)) Open(shard, found, isLost: false);
        }

        foreach (ReplicaHost replica in _replicas.Values)
        {
            if (status.Shards.TryGetValue(replica.ShardId, out ShardStatus? found) && !found.IsKeptBy(Node))
                replica.Host.Receive(Node, new ShardMessage(replica.ShardId, new NewTerm(found.Term)));
        }
    }

    private void Open(long shard, ShardStatus status, bool isLost)
    {
        ShardKind kind = _options.KindOf(shard);
        (ReplicaDirectory directory, ShardState state, LogTerms terms) = ReplicaDirectory.Open(_options.Disk, shard, kind, status.Term, isLost);
        var replica = new ReplicaHost { ShardId = shard, Machine = state.Machine };
        replica.Host = new ShardHost(new ShardHostOptions
        {
            ShardId = shard,
            Name = FormattableString.Invariant($"node {Node} shard {shard}"),
            State = state,
            Pool = _options.Disk.Pool,
            Publish = () =>
            {
                kind.Publish(replica.Machine, isLed: replica.Host?.Leader is not null);
                _options.Published?.Invoke(replica);
            },
            Applied = _options.Applied is { } applied ? record => applied(replica, record) : null,
            CreateLeader = kind.CreateLeader,
            Clock = _options.Disk.Clock,
            TimeProvider = _options.TimeProvider,
            Logger = _options.Disk.Logger,
            Replica = new ReplicaOptions
            {
                Node = Node,
                Run = _options.Booted.Run,
                StatusTerm = status.Term,
                Terms = terms,
                Disk = directory,
                Send = Send,
                Tell = Tell,
                IsClockFit = () => _clock.IsFit,
                Replaced = next => replica.Machine = next.Machine,
                Heartbeat = _options.Times.Beat,
                Patience = _options.LeaderPatience,
                MarkInterval = _options.MarkInterval,
            },
        });
        Opened?.Invoke(replica);
        _replicas[shard] = replica;
    }

    private void Tell(ShardMessage message)
    {
        foreach (int node in Nodes.Keys) Send(node, message);
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

    [LoggerMessage(402, LogLevel.Information, "The clock of node {Node} agrees with most others.")]
    internal static partial void ClockFit(ILogger logger, int node);
}

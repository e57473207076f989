using System.Globalization;
using System.Security.Cryptography;

using Microsoft.Extensions.Logging;

using Tidemark.Core.Replication;
using Tidemark.Replication.Cluster;
using Tidemark.Replication.KeyValue;
using Tidemark.Replication.Shards;
using Tidemark.Replication.Transport;
using Tidemark.Replication.Wire;
using Tidemark.Storage.Files;
using Tidemark.Storage.Log;
using Tidemark.Storage.Replica;

namespace Tidemark.Replication.Nodes;

/// <summary>What of a node outlives its runs.</summary>
/// <param name="Space">The namespace.</param>
/// <param name="Topics">The topics.</param>
/// <param name="Archiver">What copies shards; null where the node has no archive.</param>
/// <param name="Published">Told of a shard whose state here has changed.</param>
internal sealed record NodeFaces(LocalNamespace Space, NodeTopics Topics, NodeArchiver? Archiver, Action<long> Published);

/// <summary>One start of a node with all that drives it: threads, transport, the way to the status store. It ends with its first failure, and another begins.</summary>
internal sealed class NodeRun : IAsyncDisposable
{
    private const int MaxIdleFiles = 64;

    private static readonly TimeSpan _handOverPatience = TimeSpan.FromSeconds(2);

    private readonly TidemarkNodeOptions _options;
    private readonly ShardExecutors _executors;
    private readonly CancellationTokenSource _stopping = new();
    private readonly TaskCompletionSource<Exception> _failed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly SteadyTime _time;
    private readonly ITransport _transport;
    private readonly NodeLoop _loop;
    private readonly ClusterStatus _booted;
    private readonly StoreService _callers, _members;

    private NodeRun(TidemarkNodeOptions options, BootedNode booted, ITransport transport, ILogger logger, NodeFaces faces)
    {
        (_options, _transport, _booted, _time) = (options, transport, booted.Status, new SteadyTime(options.TimeProvider));
        _executors = new ShardExecutors(options.Executors, options.TimeProvider, () => _time.Now);
        Desk = new RequestDesk<RouteAnswer>(transport, options.TimeProvider, options.AnswerPatience, booted.Run);
        StoreDesk = new RequestDesk<StoreAnswer>(transport, options.TimeProvider, options.AnswerPatience, booted.Run);
        Clock = new HybridClock(options.TimeProvider);
        var disk = new NodeDisk(
            options.Directory, booted.Status.Cluster, booted.Run, new FilePool(options.FileSystem, MaxIdleFiles), Clock, new FlushBatches(2 * ShardExecutors.FlushesEach),
            new Random(RandomNumberGenerator.GetInt32(int.MaxValue)), options.LogSegmentBytes, logger);
        var kind = new KeyValueShardKind(options.Namespace, options.SnapshotLogBytes) { Engine = options.Engine, EngineBatchBytes = options.EngineBatchBytes, Mutators = options.Mutators };
        StatusCalls? calls = null;
        Host = new NodeHost(new NodeHostOptions
        {
            Node = options.Node,
            Booted = booted,
            Disk = disk,
            KindOf = (_, partition) => partition is null ? kind : new TopicShardKind(partition, options.SnapshotLogBytes),
            Transport = transport,
            Store = node => calls = new StatusCalls(node, options.Status, options.TimeProvider, options.AnswerPatience, _stopping.Token),
            TimeProvider = options.TimeProvider,
            Times = new(options.Heartbeat, options.Suspicion),
            LeaderPatience = 2 * options.Suspicion,
            BalanceInterval = 2 * options.Suspicion,
            ScrubInterval = options.ScrubInterval,
            MostHeldBytes = options.Archive?.MaxLagBytes,
            Followed = faces.Topics.Follow,
            Published = replica => faces.Published(replica.ShardId),
        });
        Host.Requested = new RouteService(Host, transport, Desk, new ProposalPool(), faces.Archiver).Take;
        Operations = new StoreOperations(options.Node, disk.Cluster, faces.Space, new TopicOperations(faces.Topics), LeaderOf);
        _callers = new StoreService(Operations, new CallerRights(faces.Space, shard => faces.Topics.FindShard(shard)?.Topic, options.Authorize), new CallerLimits(), disk.Cluster, transport, options.TimeProvider, logger, _stopping.Token);
        _members = new StoreService(Operations, rights: null, CallerLimits.OfMembers, disk.Cluster, transport, options.TimeProvider, logger, _stopping.Token);
        Host.Called = Called;
        foreach (ReplicaHost replica in Host.Replicas.Values) _executors.Add(replica.Host);
        Host.Opened = replica => _executors.Add(replica.Host);
        Host.Released = (replica, end) => _executors.RemoveAsync(replica.Host, end);
        _loop = new NodeLoop(Host, _time, Turned);
        _ = Task.Run(calls!.WatchAsync, CancellationToken.None);
    }

    internal NodeHost Host { get; }

    /// <summary>Stamps entries.</summary>
    internal HybridClock Clock { get; }

    /// <summary>What is asked of those who lead.</summary>
    internal RequestDesk<RouteAnswer> Desk { get; }

    /// <summary>What is asked of those who keep what this node does not.</summary>
    internal RequestDesk<StoreAnswer> StoreDesk { get; }

    internal StoreOperations Operations { get; }

    /// <summary>The cluster's status as it is known here.</summary>
    internal ClusterStatus Status => Host.Coordinator.Status ?? _booted;

    /// <summary>Completes with what ended the run, unless it is disposed before.</summary>
    internal Task<Exception> Failed => _failed.Task;

    /// <summary>Starts the node.</summary>
    /// <exception cref="FormatMismatchException">The directory is another node's, cluster's or engine's, or the status is another cluster's.</exception>
    /// <exception cref="IOException">Disk or status store could not be reached.</exception>
    internal static async Task<NodeRun> StartAsync(TidemarkNodeOptions options, ILogger logger, NodeFaces faces, CancellationToken cancellationToken)
    {
        EngineFile.Claim(options.FileSystem, options.Directory, options.Engine.Name);
        BootedNode booted = await NodeBoot.RunAsync(options.FileSystem, options.Directory, new NodeStart(options.Node, options.Zone) { Versions = options.Versions }, options.Status, FirstStatus, cancellationToken).ConfigureAwait(false);
        int shards = booted.Status.Shards.Count - booted.Status.Topics.Values.Sum(topic => topic.Shards.Count);
        if (shards != options.Namespace.ShardCount) throw new FormatMismatchException(options.Directory, $"a cluster of {options.Namespace.ShardCount} shards", $"one of {shards}: the count never changes");
        if (options.Replicas is { } replicas && replicas != booted.Status.Replicas) TidemarkNodeMessages.OtherReplicas(logger, options.Node, replicas, $"{booted.Status.Replicas?.ToString(CultureInfo.InvariantCulture) ?? "all"}");
        ClusterStatus FirstStatus() => options.Members.Contains(options.Node)
            ? options.NewStatus()
            : throw new FormatMismatchException(options.Directory, $"a cluster that node {options.Node} can join", "none: its first members make it");

        ITransport transport = options.CreateTransport(booted.Status.Cluster);
        NodeRun run;
        try
        {
            RequireRoom(transport, options.Namespace.MaxBatchBytes);
            foreach (ClusterTopic topic in booted.Status.Topics.Values) RequireRoom(transport, topic.Options.MaxBatchBytes);
            run = new NodeRun(options, booted, transport, logger, faces);
            faces.Topics.Follow(booted.Status);
        }
        catch
        {
            await transport.DisposeAsync().ConfigureAwait(false);
            throw;
        }

        try
        {
            await transport.StartAsync(run.Host.Receive, cancellationToken).ConfigureAwait(false);
            return run;
        }
        catch
        {
            await run.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Who leads a shard, as far as is known here; or <see cref="ShardStatus.Nobody"/>.</summary>
    internal int LeaderOf(long shard)
    {
        int known = Kept(shard)?.Host.KnownLeader ?? ShardStatus.Nobody;
        return known >= 0 ? known : Host.Coordinator.Status?.Shards.GetValueOrDefault(shard)?.Leader ?? ShardStatus.Nobody;
    }

    /// <summary>The replica of a shard that this node keeps; null where it does not. One that came and went again stands still, one that is to come may have nothing yet.</summary>
    internal ReplicaHost? Kept(long shard) =>
        Host.Replicas.TryGetValue(shard, out ReplicaHost? replica) && Status.Shards.GetValueOrDefault(shard)?.IsMember(Host.Node) == true ? replica : null;

    /// <summary>The other nodes that keep a shard, whoever leads first.</summary>
    internal int[] OtherKeepersOf(long shard)
    {
        int leader = LeaderOf(shard);
        return Status.Shards.GetValueOrDefault(shard) is { } found ? [.. found.Quorum.Members.Where(node => node != Host.Node).OrderBy(node => node == leader ? 0 : 1)] : [];
    }

    /// <summary>Tells the other nodes something that needs no answer. It may be lost.</summary>
    internal void Tell(RouteRequest news)
    {
        ReadOnlyMemory<byte> bytes = RouteMessageCodec.ToBytes(news);
        try
        {
            foreach (int node in Status.Nodes.Keys.Where(node => node != Host.Node)) _transport.TrySend(node, bytes);
        }
        catch (ObjectDisposedException)
        {
            // The run is over.
        }
    }

    /// <exception cref="LimitExceededException">The transport's messages are too short for such batches.</exception>
    internal void RequireRoom(int batchBytes) => RequireRoom(_transport, batchBytes);

    /// <summary>Has another status take the place of the one that is known here.</summary>
    /// <param name="change">Makes it, given whether a node can be counted on at the moment; null where all is as it shall be. On the node's thread.</param>
    /// <param name="cancellationToken">Ends the wait, as the end of the run does: it may still be written.</param>
    /// <returns>Whether it is so. Where not, it is tried again, with what is known then.</returns>
    internal Task<bool> TryRewriteAsync(Func<ClusterStatus, Func<int, bool>, ClusterStatus?> change, CancellationToken cancellationToken) => AskNodeAsync(
        answer =>
        {
            ClusterStatus? next = null;
            if (Host.Coordinator.Status is not { } status) answer.SetResult(false);
            else if ((next = change(status, node => Host.IsUp(node, _time.Now))) is null) answer.SetResult(true);
            else if (!Host.Coordinator.TryRewrite(_ => next, answer.SetResult)) answer.SetResult(false);
        },
        cancellationToken);

    /// <summary>Has shards placed on a node, or none any more, and waits until that is so.</summary>
    /// <param name="node">The node.</param>
    /// <param name="keeps">Whether it keeps shards.</param>
    /// <param name="cancellationToken">Ends the wait, as the end of the run does: what was begun goes on.</param>
    /// <exception cref="InvalidOperationException">It is the last that keeps shards.</exception>
    /// <exception cref="LimitExceededException">There would be more nodes than keep shards together.</exception>
    internal async Task PlaceAsync(int node, bool keeps, CancellationToken cancellationToken)
    {
        while (!await AskNodeAsync(answer => answer.SetResult(Host.TryPlace(node, keeps, _time.Now)), cancellationToken).ConfigureAwait(false))
        {
            using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _stopping.Token);
            await Task.Delay(_options.Heartbeat, _options.TimeProvider, either.Token).ConfigureAwait(false);
        }
    }

    /// <summary>The nodes of the cluster as they are known here.</summary>
    internal IReadOnlyList<NodeOverview> DescribeNodes() => [.. Status.Nodes.Select(node => new NodeOverview(node.Key, node.Value.Zone, node.Value.Keeps, node.Value.Run, node.Value.Version, Host.IsUp(node.Key, _time.Now)))];

    /// <summary>The shards of the cluster as they are known here.</summary>
    internal IReadOnlyList<ShardOverview> Describe() => [.. Status.Shards.Select(shard => Describe(shard.Key, shard.Value))];

    private static void RequireRoom(ITransport transport, int batchBytes)
    {
        int most = batchBytes + NamespaceOptions.CommandRoom;
        if (transport.MaxMessageBytes < most) throw new LimitExceededException("message that batches need", most, transport.MaxMessageBytes, nameof(ITransport.MaxMessageBytes));
    }

    /// <summary>Has something done on the node's thread, and waits for its answer.</summary>
    private async Task<bool> AskNodeAsync(Action<TaskCompletionSource<bool>> ask, CancellationToken cancellationToken)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _stopping.Token);
        var answer = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
        Host.Post(() =>
        {
            try
            {
                ask(answer);
            }
            catch (Exception e) when (e is TidemarkException or InvalidOperationException or ArgumentException)
            {
                answer.SetException(e);
            }
        });
        return await answer.Task.WaitAsync(either.Token).ConfigureAwait(false);
    }

    private ShardOverview Describe(long shard, ShardStatus status)
    {
        ReplicaGlance? replica = Host.Replicas.TryGetValue(shard, out ReplicaHost? host) ? host.Host.Glance : null;
        (int leader, long term) = replica is { KnownLeader: >= 0 } ? (replica.KnownLeader, replica.Term) : (status.Leader, status.Term);
        return new ShardOverview(shard, leader, term, status.Quorum.Members, replica?.ToOverview());
    }

    /// <summary>Has others lead what is led here, as far as there is somebody who has everything.</summary>
    internal async Task HandOverAsync()
    {
        long start = _options.TimeProvider.GetTimestamp();
        for (int attempt = 0; _options.TimeProvider.GetElapsedTime(start) < _handOverPatience; attempt++)
        {
            ReplicaHost[] led = [.. Host.Replicas.Values.Where(replica => replica.Host.Leads)];
            if (led.All(replica => OtherKeepersOf(replica.ShardId).Length == 0)) return;   // Nothing is led, or nobody else has it.
            if (attempt % 10 == 0)
            {
                foreach (ReplicaHost replica in led)
                {
                    int[] others = [.. (Status.Shards.GetValueOrDefault(replica.ShardId)?.Ensemble ?? []).Where(node => node != Host.Node)];
                    if (others.Length > 0) replica.Host.HandOverTo(others[attempt / 10 % others.Length]);
                }
            }

            await Task.Delay(TimeSpan.FromMilliseconds(20), _options.TimeProvider).ConfigureAwait(false);
        }
    }

    /// <summary>Ends all threads, finishes what was begun, and closes all files.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync().ConfigureAwait(false);
        _loop.Stop();
        Desk.Close();
        StoreDesk.Close();
        try
        {
            await _executors.DisposeAsync().ConfigureAwait(false);
        }
        finally
        {
            await _transport.DisposeAsync().ConfigureAwait(false);
            foreach (ReplicaHost replica in Host.Replicas.Values) replica.Dispose();
            _stopping.Dispose();
        }
    }

    /// <summary>Any thread: a request to the store came, of whomever, or a member's answer to one.</summary>
    private void Called(int from, ReadOnlyMemory<byte> bytes)
    {
        if (from < 0) _callers.Take(from, bytes);
        else if (!StoreAnswerCodec.Is(bytes.Span)) _members.Take(from, bytes);
        else Answered(from, bytes);
    }

    private void Answered(int from, ReadOnlyMemory<byte> bytes)
    {
        try
        {
            (long id, StoreAnswer answer) = StoreAnswerCodec.Read(bytes);
            StoreDesk.Answered(from, id, answer);
        }
        catch (MalformedDataException e)
        {
            Host.Report(from, e);
        }
    }

    private void Turned(Exception? failure)
    {
        Desk.Look();
        StoreDesk.Look();
        failure ??= Host.Replicas.Values.Select(replica => replica.Host.Failure).FirstOrDefault(cause => cause is not null);
        if (failure is not null) _failed.TrySetResult(failure);
    }
}

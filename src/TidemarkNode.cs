using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

using Tidemark.Core.Replication;
using Tidemark.Replication.KeyValue;
using Tidemark.Replication.Nodes;
using Tidemark.Replication.Shards;
using Tidemark.Storage.Log;

namespace Tidemark;

/// <summary>One node of a cluster, in this process: <c>await using var node = await TidemarkNode.StartAsync(options);</c></summary>
/// <remarks>
/// Every shard is kept by several nodes, and any node gives the same <see cref="Store"/>: what it cannot do itself it asks of whoever leads. While most nodes are up and reach each other, nothing that
/// was acknowledged is lost. A disk that fails ends the node's run; it begins another by itself, and what it lost it gets from the others. Safe for concurrent calls. docs/cluster.md.
/// </remarks>
public sealed class TidemarkNode : IAsyncDisposable, INodeRuns
{
    private static readonly TimeSpan _firstPause = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan _longestPause = TimeSpan.FromSeconds(10);

    private readonly TidemarkNodeOptions _options;
    private readonly ILogger _logger;
    private readonly IDisposable _lock;
    private readonly KeyValueRoute[] _routes;
    private readonly LocalShard[] _shards;
    private readonly LocalNamespace _namespace;
    private readonly NodeTopics _topics;
    private readonly NodeArchiver? _archiver;
    private readonly NodeFaces _faces;
    private readonly CancellationTokenSource _stopping = new();
    private readonly Lock _gate = new();
    private volatile NodeRun? _run;
    private volatile NodeDescription _before;   // Of the last run, once it is over.
    private Task _supervision = Task.CompletedTask;
    private Task? _disposal;
    private bool _isEnded;

    private TidemarkNode(TidemarkNodeOptions options, IDisposable held)
    {
        (_options, _lock) = (options, held);
        _before = new NodeDescription(options.Node, IsRunning: false, options.Versions.Lowest, [], []);
        _logger = options.LoggerFactory?.CreateLogger("Tidemark.Node") ?? (ILogger)NullLogger.Instance;
        _routes = [.. Enumerable.Range(0, options.Namespace.ShardCount).Select(shard => new KeyValueRoute(shard, this, options.TimeProvider, options.OperationTimeout))];
        var proposals = new ProposalPool();
        _shards = [.. _routes.Select(route => new LocalShard(route, proposals))];
        var router = new HashRangeRouter(HashRangeRouter.CreateEven(_shards.Length).Ranges);
        _namespace = new LocalNamespace(TidemarkStore.DefaultNamespaceName, options.Namespace, router, _shards, options.TimeProvider, TidemarkNodeOptions.NewId);
        var calls = new NodeCalls(this, _namespace, options.TimeProvider, options.OperationTimeout, options.AnswerPatience);
        Store = new NodeKeyValueStore(_namespace, calls);
        _topics = new NodeTopics(this, options, calls, Store);
        if (options.Archive is not null) _archiver = new NodeArchiver(this, _routes, _namespace, options, _logger);
        _faces = new NodeFaces(_namespace, _topics, _archiver, Published);
    }

    /// <summary>The node's number.</summary>
    public int Node => _options.Node;

    /// <summary>The cluster's default namespace.</summary>
    public KeyValueStore Store { get; }

    /// <summary>The cluster's topics. What is created or changed on another node is known here a moment later.</summary>
    public TopicCollection Topics => _topics;

    NodeRun? INodeRuns.Current => _run;

    bool INodeRuns.IsEnded => Volatile.Read(ref _isEnded);

    /// <summary>Starts a node. The first node that is started anywhere makes the cluster, of the members it names.</summary>
    /// <param name="options">The settings.</param>
    /// <param name="cancellationToken">Ends the attempt.</param>
    /// <exception cref="DirectoryLockedException">The directory is another process's.</exception>
    /// <exception cref="FormatMismatchException">The directory is another node's, cluster's or engine's, or the cluster has another count of shards.</exception>
    /// <exception cref="AddressUnavailableException">The transport cannot listen.</exception>
    /// <exception cref="IOException">Disk or status store could not be reached. Try again.</exception>
    /// <remarks>It completes when the node has opened what it keeps. Operations wait for a leader by themselves.</remarks>
    public static async Task<TidemarkNode> StartAsync(TidemarkNodeOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        options = options with { Directory = Path.GetFullPath(options.Directory) };
        options.FileSystem.CreateDirectory(options.Directory);
        var node = new TidemarkNode(options, options.FileSystem.Lock(Path.Combine(options.Directory, LogFiles.LockName)));
        try
        {
            node._run = await Task.Run(() => NodeRun.StartAsync(options, node._logger, node._faces, cancellationToken), cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            node._lock.Dispose();
            node._stopping.Dispose();
            throw;
        }

        node._supervision = Task.Run(node.SuperviseAsync, CancellationToken.None);
        node._archiver?.Start();
        return node;
    }

    /// <summary>Who leads each shard of the namespace, as far as this node knows; -1 for nobody. For partitions of topics see <see cref="Describe"/>.</summary>
    public IReadOnlyList<int> GetLeaders() => [.. _routes.Select(route => _run?.LeaderOf(route.ShardId) ?? ShardStatus.Nobody)];

    /// <summary>Has a node keep shards too. It must have been started: it is given all there is of a shard, and counts from then on. Completes when it keeps what it is to keep: every shard, or its share where the cluster has a number of replicas.</summary>
    /// <param name="node">The node's number. One that keeps its share already is no error.</param>
    /// <param name="cancellationToken">Ends the wait alone: that the node keeps shards is in the status then, and goes on.</param>
    /// <exception cref="ArgumentOutOfRangeException">The number is negative.</exception>
    /// <exception cref="LimitExceededException">There would be more than 32 nodes; more than 9 where all keep every shard.</exception>
    /// <exception cref="ShardUnavailableException">This node is between two runs. Call again.</exception>
    /// <remarks>Shards are given over one after the other, each while it is written to and read, which costs its writers a moment. While most nodes of a shard are not up it does not come to an end.</remarks>
    public Task AddNodeAsync(int node, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(node);
        return PlaceAsync(node, keeps: true, cancellationToken);
    }

    /// <summary>Has a node keep nothing any more: one that is to go, or is gone and does not come back. Others get what it kept first, as far as there are enough. Completes when it keeps nothing; what is left of its files it deletes itself.</summary>
    /// <param name="node">The node's number, this one's too. One that keeps nothing is no error.</param>
    /// <param name="cancellationToken">Ends the wait alone: that the node keeps nothing is in the status then, and goes on.</param>
    /// <exception cref="InvalidOperationException">It is the last one that keeps shards.</exception>
    /// <exception cref="ShardUnavailableException">This node is between two runs. Call again.</exception>
    /// <remarks>To replace a machine that is lost, start the same node in an empty directory instead: the others give it everything.</remarks>
    public Task RemoveNodeAsync(int node, CancellationToken cancellationToken = default) => PlaceAsync(node, keeps: false, cancellationToken);

    /// <summary>How the node and its cluster are, as far as it knows. Any thread, at any time; it waits for nothing.</summary>
    public NodeDescription Describe() => (_run is { } run
        ? new NodeDescription(Node, IsRunning: true, run.Status.Speaks, run.DescribeNodes(), run.Describe())
        : _before) with { Archive = _archiver?.Health };

    /// <summary>Copies what is new in the namespace to the cluster's archive, as is done every <see cref="ArchiveOptions.Interval"/>. Any node may be asked.</summary>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>A moment behind all that was acknowledged before the call, on whichever node: the namespace can be restored to it from now on.</returns>
    /// <exception cref="InvalidOperationException">The node has no archive.</exception>
    /// <exception cref="FormatMismatchException">The archive is another cluster's, or has more than this one: it was set back.</exception>
    /// <exception cref="IOException">The archive, or a disk, refused, here or on the node that copies a shard. It is tried again with the next.</exception>
    /// <exception cref="StoreFullException">There is no room.</exception>
    /// <exception cref="ShardUnavailableException">A shard had nobody in time who leads it and copies it.</exception>
    /// <exception cref="ObjectDisposedException">The node was disposed, before or meanwhile.</exception>
    /// <remarks>Writers go on. Each shard is copied by the node that leads it. docs/archive.md.</remarks>
    public async Task<HybridTimestamp> ArchiveAsync(CancellationToken cancellationToken = default)
    {
        if (_archiver is null) throw new InvalidOperationException($"The node has no archive: give all nodes one as {nameof(TidemarkNodeOptions)}.{nameof(TidemarkNodeOptions.Archive)}.");
        ObjectDisposedException.ThrowIf(Volatile.Read(ref _isEnded), this);
        return await _archiver.ArchiveAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Hands over what it leads, ends what was begun, and closes all files. Later calls of <see cref="Store"/> throw <see cref="ObjectDisposedException"/>.</summary>
    public ValueTask DisposeAsync()
    {
        lock (_gate) return new ValueTask(_disposal ??= EndAsync(isAbrupt: false));
    }

    /// <summary>As if the process were killed, as far as that can be done in one: nothing is handed over.</summary>
    internal ValueTask AbortAsync()
    {
        lock (_gate) return new ValueTask(_disposal ??= EndAsync(isAbrupt: true));
    }

    private async Task PlaceAsync(int node, bool keeps, CancellationToken cancellationToken)
    {
        try
        {
            NodeRun run = _run ?? throw new OperationCanceledException();
            await run.PlaceAsync(node, keeps, cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            ObjectDisposedException.ThrowIf(Volatile.Read(ref _isEnded), this);
            throw new ShardUnavailableException(0, $"Node {Node} is between two runs. Call again.", ShardStatus.Nobody);
        }
    }

    private async Task EndAsync(bool isAbrupt)
    {
        await Task.Yield();
        if (!isAbrupt && _run is { } leading) await leading.HandOverAsync().ConfigureAwait(false);
        foreach (LocalShard shard in _shards) shard.Close();
        _topics.Close();
        Volatile.Write(ref _isEnded, true);
        await _stopping.CancelAsync().ConfigureAwait(false);
        await _supervision.ConfigureAwait(false);
        if (_archiver is not null) await _archiver.DisposeAsync().ConfigureAwait(false);
        try
        {
            if (_run is { } run) await run.DisposeAsync().ConfigureAwait(false);
        }
        finally
        {
            if (_run is { } ended) Forget(ended);
            _lock.Dispose();
            _stopping.Dispose();
        }
    }

    /// <summary>Begins a new run whenever one has failed.</summary>
    private async Task SuperviseAsync()
    {
        TimeSpan pause = _firstPause;
        try
        {
            while (true)
            {
                if (_run is { } run)
                {
                    long began = _options.TimeProvider.GetTimestamp();
                    Exception cause = await run.Failed.WaitAsync(_stopping.Token).ConfigureAwait(false);
                    if (_options.TimeProvider.GetElapsedTime(began) > _longestPause) pause = _firstPause;   // It held: this is no longer the same failure.
                    TidemarkNodeMessages.RunFailed(_logger, Node, cause);
                    Forget(run);
                    await EndRunAsync(run).ConfigureAwait(false);
                }

                await Task.Delay(pause, _options.TimeProvider, _stopping.Token).ConfigureAwait(false);
                pause = pause * 2 < _longestPause ? pause * 2 : _longestPause;
                try
                {
                    _run = await NodeRun.StartAsync(_options, _logger, _faces, _stopping.Token).ConfigureAwait(false);
                }
                catch (Exception e) when (e is not OperationCanceledException)   // What the host's own parts throw ends no node.
                {
                    TidemarkNodeMessages.NotStarted(_logger, Node, e);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The node ends.
        }
    }

    /// <summary>The run is over. What it knew of the cluster is still told, but for leaders: of those it heard no more.</summary>
    private void Forget(NodeRun run)
    {
        _before = new NodeDescription(
            Node, IsRunning: false, run.Status.Speaks, [.. run.DescribeNodes().Select(node => node with { IsUp = false })],
            [.. run.Describe().Select(shard => shard with { Leader = ShardStatus.Nobody, Replica = null })]);
        _run = null;
    }

    private async Task EndRunAsync(NodeRun run)
    {
        try
        {
            await run.DisposeAsync().ConfigureAwait(false);
        }
        catch (Exception e)
        {
            TidemarkNodeMessages.NotClosed(_logger, Node, e);   // What failed is closed as well as it can be.
        }
    }

    private void Published(long shard)
    {
        if (shard < _routes.Length) _routes[shard].Signal();
        else _topics.Published(shard);
    }
}

/// <summary>What a node reports of its runs. Event ids are stable: 410 to 419.</summary>
internal static partial class TidemarkNodeMessages
{
    [LoggerMessage(410, LogLevel.Error, "A run of node {Node} has failed. Another is begun.")]
    internal static partial void RunFailed(ILogger logger, int node, Exception cause);

    [LoggerMessage(411, LogLevel.Warning, "Node {Node} could not be started again. It is tried again.")]
    internal static partial void NotStarted(ILogger logger, int node, Exception cause);

    [LoggerMessage(413, LogLevel.Warning, "Node {Node} was started for {Replicas} replicas of a shard. The cluster was made for {Kept}, and keeps to that.")]
    internal static partial void OtherReplicas(ILogger logger, int node, int replicas, string kept);

    [LoggerMessage(412, LogLevel.Warning, "Not everything of a failed run of node {Node} could be closed.")]
    internal static partial void NotClosed(ILogger logger, int node, Exception cause);
}

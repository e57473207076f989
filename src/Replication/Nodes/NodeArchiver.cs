using Microsoft.Extensions.Logging;

using Tidemark.Core.KeyValue;
using Tidemark.Core.Replication;
using Tidemark.Replication.Archive;
using Tidemark.Replication.KeyValue;
using Tidemark.Replication.Wire;
using Tidemark.Storage.Archive;
using Tidemark.Storage.Catalog;

namespace Tidemark.Replication.Nodes;

/// <summary>A node's part in archiving its cluster: has what is new copied by whoever leads each shard, says that it is there, and lets go of logs that were copied. Pages: docs/archive.md.</summary>
internal sealed class NodeArchiver : IAsyncDisposable
{
    private const int PrunesWhileKept = 16;

    private readonly INodeRuns _runs;
    private readonly KeyValueRoute[] _routes;
    private readonly LocalNamespace _space;
    private readonly TidemarkNodeOptions _options;
    private readonly ArchiveOptions _archiving;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly ArchivePoints _points;
    private readonly ArchivedChanges _changes;
    private readonly ShardCopier _copier;
    private readonly ShardCopies _copies;
    private readonly CopyRequests _requests;
    private readonly ArchiveRuns _archiveRuns;
    private readonly SemaphoreSlim _look = new(1);
    private readonly CancellationTokenSource _closing = new();
    private volatile bool _isOwn;          // The archive was looked at, and is this cluster's.
    private volatile NodeRun? _followed;   // Whose replicas know what was copied before.
    private long? _prunedAt;

    internal NodeArchiver(INodeRuns runs, KeyValueRoute[] routes, LocalNamespace space, TidemarkNodeOptions options, ILogger logger)
    {
        (_runs, _routes, _space, _options, _archiving, _time, _logger) = (runs, routes, space, options, options.Archive!, options.TimeProvider, logger);
        string directory = Path.Combine(options.Directory, "archive");
        _copier = new ShardCopier(_archiving.Archive, options.FileSystem, directory, _time, logger);
        _changes = new ArchivedChanges(_archiving.Archive, new ArchiveReader(_archiving.Archive, options.FileSystem, directory), logger);
        _points = new ArchivePoints(_archiving.Archive);
        _copies = new ShardCopies(runs, space, _copier, options) { RequireOwnAsync = RequireOwnAsync };
        _requests = new CopyRequests(runs, _copies, options);
        _archiveRuns = new ArchiveRuns(_archiving, _time, logger, RunAsync, IsWantedAsync);
        foreach (LocalShard shard in space.Shards) shard.FindPastAsync = (behind, mostBytes, cancellationToken) => FindChangesAsync(shard.Id, behind, mostBytes, cancellationToken);
    }

    internal ArchiveHealth Health => new(_points.Newest?.Point.Time, _copier.Bytes, _archiveRuns.Failure ?? _copies.Failure);

    /// <summary>Has part in it by itself from now on.</summary>
    internal void Start()
    {
        _copier.Clear();
        _archiveRuns.Start();
    }

    /// <summary>Copies what is new on all shards.</summary>
    /// <returns>The moment that can be restored from now on: all that was acknowledged before the call is before it.</returns>
    internal async Task<HybridTimestamp> ArchiveAsync(CancellationToken cancellationToken)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _closing.Token);
        try
        {
            return await Task.Run(() => _archiveRuns.RunAsync(either.Token), CancellationToken.None).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (_runs.IsEnded && !cancellationToken.IsCancellationRequested)
        {
            throw new ObjectDisposedException(nameof(TidemarkNode));
        }
    }

    /// <inheritdoc cref="ShardCopies.AskAsync"/>
    internal Task<CopyAnswer> CopyAsync(long shardId, CopyDemand demand) => _copies.AskAsync(shardId, demand);

    /// <summary>Any thread: another node has created a point.</summary>
    internal void Tell(ArchivedNews news)
    {
        if (_runs.Current is not { } run) return;
        _points.Tell(new KnownPoint(new ArchivePoint(news.Time, CatalogOf(run), news.Ends), news.IsAhead));
        _copies.AllCopied();
        LetGo(run);
    }

    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync().ConfigureAwait(false);
        await _archiveRuns.DisposeAsync().ConfigureAwait(false);
        await _copies.DisposeAsync().ConfigureAwait(false);
        _closing.Dispose();
    }

    /// <summary>Whoever leads the first shard writes points; and whoever has a shard of which too much waits.</summary>
    private async Task<bool> IsWantedAsync(bool isTime, CancellationToken cancellationToken)
    {
        if (_runs.Current is not { } run) return false;
        await RequireOwnAsync(run, cancellationToken).ConfigureAwait(false);
        if (_followed != run) LetGo(run);
        _followed = run;
        if (isTime) return run.Kept(_routes[0].ShardId) is { Host.Leads: true };
        foreach (KeyValueRoute route in _routes)
        {
            if (run.Kept(route.ShardId) is { Host: { Leads: true } host } && await IsLateAsync(host).ConfigureAwait(false)) return true;
        }

        return false;
    }

    private async Task<bool> IsLateAsync(Shards.ShardHost host)
    {
        try
        {
            return await host.LogBytesFromAsync(_points.Newest?.Point.Ends.GetValueOrDefault(host.ShardId) ?? 0).ConfigureAwait(false) >= _archiving.LateBytes;
        }
        catch (Exception e) when (e is StoreFailedException or ObjectDisposedException)
        {
            return false;   // It is being closed: somebody else will lead.
        }
    }

    private async Task<HybridTimestamp> RunAsync(CancellationToken cancellationToken)
    {
        NodeRun run = _runs.Current ?? throw new ShardUnavailableException(0, $"Node {_runs.Node} is between two runs. Call again.", ShardStatus.Nobody);
        await RequireOwnAsync(run, cancellationToken).ConfigureAwait(false);
        StatePosition[] ends = await Task.WhenAll(_routes.Select(route => route.FindEndAsync(cancellationToken))).ConfigureAwait(false);
        KnownPoint? known = _points.Newest;
        StoreCatalog catalog = CatalogOf(run);
        for (int i = 0; i < ends.Length; i++)
        {
            if (known?.Point.Ends.GetValueOrDefault(_routes[i].ShardId) is { } next && ends[i].Offset + 1 < next)
                throw ShardCopies.SetBack(_archiving.Archive, _routes[i].ShardId, ends[i].Offset, next);
        }

        bool isNew = known is not { IsAhead: false } || !known.Point.IsOf(catalog) || ends.Where((end, i) => end.Offset >= known.Point.Ends.GetValueOrDefault(_routes[i].ShardId)).Any();
        if (isNew) known = await CopyNewAsync(catalog, ends, cancellationToken).ConfigureAwait(false);
        run.Tell(RouteRequest.Archived(new ArchivedNews(known!.Point.Time, known.IsAhead, known.Point.Ends)));   // Once more where nothing is new: the last may have been lost.
        LetGo(run);
        await PruneAsync(run, cancellationToken).ConfigureAwait(false);
        return known.Point.Time;
    }

    private async Task<KnownPoint> CopyNewAsync(StoreCatalog catalog, StatePosition[] before, CancellationToken cancellationToken)
    {
        // Nothing that was acknowledged before is later than this. Each shard is copied up to an entry that is later still, so at the earliest of those everything is there.
        HybridTimestamp after = before.Max(static end => end.Timestamp);
        CopyAnswer[] copied = await Task.WhenAll(_routes.Select(route => _requests.CopyAsync(route.ShardId, after, cancellationToken))).ConfigureAwait(false);
        var ends = new SortedDictionary<long, long>();
        for (int i = 0; i < copied.Length; i++) ends[_routes[i].ShardId] = copied[i].End.Offset + 1;
        bool isAhead = copied.Where((copy, i) => copy.LastCommand > before[i].Offset).Any();
        var made = new KnownPoint(new ArchivePoint(copied.Min(static copy => copy.End.Timestamp), catalog, ends), isAhead);
        await _points.CreateAsync(made, cancellationToken).ConfigureAwait(false);
        _copies.AllCopied();
        ArchiveMessages.Archived(_logger, made.Point.Time);
        return made;
    }

    /// <exception cref="FormatMismatchException">It is another's archive.</exception>
    private async Task RequireOwnAsync(NodeRun run, CancellationToken cancellationToken)
    {
        if (_isOwn) return;
        await _look.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (!_isOwn) await _points.LookAsync(run.Status.Cluster, cancellationToken).ConfigureAwait(false);
            _isOwn = true;
        }
        finally
        {
            _look.Release();
        }
    }

    /// <summary>Now and then: it takes a look at everything.</summary>
    private async Task PruneAsync(NodeRun run, CancellationToken cancellationToken)
    {
        if (_archiving.KeepFor is not { } kept || (_prunedAt is { } last && _time.GetElapsedTime(last) < kept / PrunesWhileKept)) return;
        await _points.LookAsync(run.Status.Cluster, cancellationToken).ConfigureAwait(false);
        ArchivedShard[] shards = await Task.WhenAll(_routes.Select(route => _archiving.Archive.ListShardAsync(route.ShardId, cancellationToken))).ConfigureAwait(false);
        await _points.PruneAsync(HybridTimestamp.FromDateTimeOffset(_time.GetUtcNow() - kept), shards, cancellationToken).ConfigureAwait(false);
        _prunedAt = _time.GetTimestamp();
    }

    /// <summary>The replicas here need keep nothing for the archive that it has.</summary>
    private void LetGo(NodeRun run)
    {
        if (_points.Newest is not { } known) return;
        foreach ((long shardId, long next) in known.Point.Ends)
        {
            if (run.Host.Replicas.GetValueOrDefault(shardId) is { } replica) replica.Host.Copied(next);
        }
    }

    /// <summary>The cluster as if it were a store: the same on all nodes.</summary>
    private StoreCatalog CatalogOf(NodeRun run) => new()
    {
        StoreId = run.Status.Cluster,
        Created = DateTimeOffset.UnixEpoch,   // Nobody knows, and what is restored is new.
        Engine = StorageEngine.Memory.Name,   // Each node has its own, and a restore says which it wants.
        NextShardId = _routes.Length,
        Namespaces = [new CatalogNamespace { Id = 0, Name = _space.Name, Options = _options.Namespace, Shards = _space.Ranges }],
        Topics = [],
    };

    private async Task<PastChanges?> FindChangesAsync(long shardId, long behind, int mostBytes, CancellationToken cancellationToken)
    {
        if (_runs.Current is not { } run) return null;
        using var deadline = new Deadline(_options.AnswerPatience / 2, _time, cancellationToken);   // Who asks over the network waits for twice as long, and downloads everything then.
        try
        {
            return await _changes.FindAsync(run.Status.Cluster, shardId, behind, mostBytes, deadline.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (deadline.HasPassed)
        {
            return null;
        }
    }
}

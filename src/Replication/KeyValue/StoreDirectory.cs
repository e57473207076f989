using System.Runtime.ExceptionServices;

using Tidemark.Replication.Archive;
using Tidemark.Replication.Consumers;
using Tidemark.Replication.Shards;
using Tidemark.Replication.Topics;
using Tidemark.Storage.Catalog;

namespace Tidemark.Replication.KeyValue;

/// <summary>A local store's directory: its catalog, and the namespaces and topics the catalog names, opened.</summary>
internal sealed class StoreDirectory : IAsyncDisposable
{
    private readonly TidemarkStoreOptions _options;
    private readonly StoreRuntime _runtime;
    private readonly OpenCatalog _catalog;
    private readonly Lock _gate = new();
    private readonly Dictionary<string, LocalNamespace> _open = new(StringComparer.Ordinal);
    private readonly CancellationTokenSource _closing = new();
    private readonly HashSet<Task> _readings = [];
    private readonly StoreArchiver? _archiver;
    private Task? _disposal;

    private StoreDirectory(string directory, TidemarkStoreOptions options, StoreRuntime runtime, StoreCatalog catalog)
    {
        Directory = directory;
        _options = options;
        _runtime = runtime;
        _catalog = new OpenCatalog(options.FileSystem, directory, catalog);
        if (options.Archive is not null) _archiver = new StoreArchiver(this, options, runtime.Logger);
        Topics = new LocalTopics(
            _catalog, runtime, topic => ConsumerRows.ForgetTopicAsync(new ShardedKeyValueStore(Find(TidemarkStore.DefaultNamespaceName)!), topic, CancellationToken.None));
    }

    internal string Directory { get; }

    internal StoreCatalog Catalog => _catalog.Current;

    internal LocalTopics Topics { get; }

    internal IReadOnlyList<string> Names => [.. Catalog.Namespaces.Select(space => space.Name)];

    internal static async Task<StoreDirectory> OpenAsync(string directory, TidemarkStoreOptions options)
    {
        var runtime = StoreRuntime.Open(directory, options);
        try
        {
            StoreCatalog catalog = CatalogFile.TryOpen(options.FileSystem, directory) ?? Create(directory, options, runtime);
            RequireEngine(directory, catalog, options);
            var store = new StoreDirectory(directory, options, runtime, catalog);
            store.RequireShards();
            runtime.RemoveShardsBut(catalog.ShardIds.ToHashSet(), catalog.NextShardId);
            foreach (CatalogNamespace space in catalog.Namespaces) await store.OpenNamespaceAsync(space).ConfigureAwait(false);
            await store.Topics.OpenAsync().ConfigureAwait(false);
            if (store.Find(TidemarkStore.DefaultNamespaceName) is null)
                await store.CreateNamespaceAsync(TidemarkStore.DefaultNamespaceName, options.DefaultNamespace ?? new NamespaceOptions()).ConfigureAwait(false);
            store._archiver?.Start();
            return store;
        }
        catch
        {
            await runtime.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <exception cref="FormatMismatchException">The store is on another engine, or a restore was interrupted.</exception>
    internal static void RequireEngine(string directory, StoreCatalog catalog, TidemarkStoreOptions options)
    {
        if (catalog.Engine == StoreRestore.Unfinished)
            throw new FormatMismatchException(directory, "a store", "a restore that was interrupted: delete the directory and restore again");
        if (catalog.Engine != options.Engine.Name)
            throw new FormatMismatchException(directory, $"a store on the engine '{options.Engine}'", $"one on '{catalog.Engine}': export it and import it into another");
    }

    /// <summary>The catalog, and the namespaces and topics that are in it, opened.</summary>
    internal (StoreCatalog Catalog, IReadOnlyList<LocalNamespace> Namespaces, IReadOnlyList<LocalTopic> Topics) View()
    {
        LocalTopic[] topics = [.. Topics.All];   // Before the catalog, which has given out the numbers of their shards by then.
        lock (_gate)
        {
            StoreCatalog catalog = Catalog;
            CatalogNamespace[] open = [.. catalog.Namespaces.Where(space => _open.ContainsKey(space.Name))];
            return (catalog with { Namespaces = open, Topics = [.. topics.Select(topic => topic.Entry)] }, [.. open.Select(space => _open[space.Name])], topics);
        }
    }

    /// <summary>Runs, on the pool, what reads the state for long. Closing the store cancels it and waits for its end, so that nothing closes under it.</summary>
    /// <exception cref="ObjectDisposedException">The store was closed before, or meanwhile.</exception>
    internal async Task<TResult> ReadAsync<TResult>(Func<CancellationToken, Task<TResult>> work, CancellationToken cancellationToken)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _closing.Token);
        Task<TResult> reading;
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposal is not null, typeof(TidemarkStore));
            reading = Task.Run(() => work(either.Token), CancellationToken.None);
            _readings.Add(reading);
        }

        try
        {
            return await reading.ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (_closing.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new ObjectDisposedException(nameof(TidemarkStore));
        }
        finally
        {
            lock (_gate) _readings.Remove(reading);
        }
    }

    /// <summary>Has every state read and compared with its running sum.</summary>
    internal async Task<ScrubReport> ScrubAsync(CancellationToken cancellationToken)
    {
        ShardHost[] hosts;
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposal is not null, typeof(TidemarkStore));
            hosts = [.. _open.Values.SelectMany(local => local.Shards).Select(shard => shard.Host), .. Topics.All.SelectMany(topic => topic.Partitions).Select(partition => partition.Host)];
        }

        long rows = 0;
        foreach (ShardHost host in hosts)
        {
            var read = new TaskCompletionSource<ScrubbedState>(TaskCreationOptions.RunContinuationsAsynchronously);
            host.Scrub(read.SetResult);
            ScrubbedState found = await read.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
            ObjectDisposedException.ThrowIf(found.Failure is OperationCanceledException, typeof(TidemarkStore));
            if (found.Failure is { } failure) ExceptionDispatchInfo.Throw(failure);
            if (host.Failure is { } cause) ExceptionDispatchInfo.Throw(cause);
            rows += found.Found.Rows;
        }

        return new ScrubReport(hosts.Length, rows);
    }

    internal StoreHealth GetHealth()
    {
        LocalNamespace[] open;
        lock (_gate) open = [.. _open.Values];
        return new StoreHealth([.. open.SelectMany(local => local.Shards.Select(shard => new ShardHealth(
            local.Name, shard.Id, shard.Host.Failure?.Message, shard.View.AppliedOffset, shard.Host.LogStart, shard.Host.PendingBytes,
            shard.IsClosed ? 0 : shard.Machine.Table.Engine.ApproximateBytes)))], [.. Topics.All.SelectMany(topic => topic.GetHealth())])
        {
            Archive = _archiver?.Health,
        };
    }

    /// <summary>Copies what is new to the archive.</summary>
    /// <exception cref="InvalidOperationException">The store has none.</exception>
    internal Task<HybridTimestamp> ArchiveAsync(CancellationToken cancellationToken) => _archiver is { } archiver
        ? ReadAsync(archiver.ArchiveAsync, cancellationToken)
        : throw new InvalidOperationException($"The store has no archive: give it one as {nameof(TidemarkStoreOptions)}.{nameof(TidemarkStoreOptions.Archive)}.");

    internal LocalNamespace? Find(string name)
    {
        lock (_gate) return _open.GetValueOrDefault(name);
    }

    internal ValueTask<LocalNamespace> CreateNamespaceAsync(string name, NamespaceOptions settings) => _catalog.ChangeAsync(async () =>
    {
        if (Find(name) is not null) throw new ArgumentException($"There is a namespace '{name}' already.", nameof(name));
        IReadOnlyList<ShardHashRange> even = HashRangeRouter.CreateEven(settings.ShardCount).Ranges;
        long firstShard = _catalog.TakeShardIds(even.Count);
        var space = new CatalogNamespace
        {
            Id = Catalog.Namespaces.Count == 0 ? 0 : Catalog.Namespaces.Max(other => other.Id) + 1,
            Name = name,
            Options = settings,
            Shards = [.. even.Select(range => range with { ShardId = firstShard + range.ShardId })],
        };
        foreach (ShardHashRange range in space.Shards) _runtime.RemoveShard(range.ShardId);   // What an interrupted creation left.
        // The shards come first: once the catalog names one, its log is there, and one that is not there was lost.
        LocalNamespace local = await OpenShardsAsync(space).ConfigureAwait(false);
        _catalog.Replace(Catalog with { Namespaces = [.. Catalog.Namespaces, space] });
        lock (_gate) _open.Add(name, local);
        return local;
    });

    public ValueTask DisposeAsync()
    {
        _closing.Cancel();
        lock (_gate) return new ValueTask(_disposal ??= Task.Run(CloseAsync));
    }

    private async Task CloseAsync()
    {
        Task[] readings;
        lock (_gate) readings = [.. _readings];
        await Task.WhenAll(readings).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);   // How they ended, their callers hear.
        if (_archiver is not null) await _archiver.DisposeAsync().ConfigureAwait(false);
        await _catalog.DisposeAsync().ConfigureAwait(false);
        await _runtime.DisposeAsync().ConfigureAwait(false);
    }

    private static StoreCatalog Create(string directory, TidemarkStoreOptions options, StoreRuntime runtime)
    {
        if (runtime.HasShard(0)) throw new CorruptDataException(directory, 0, "a catalog beside the shards", "none");
        var catalog = new StoreCatalog
        {
            StoreId = runtime.NewId(),
            Created = options.TimeProvider.GetUtcNow(),
            Engine = options.Engine.Name,
            NextShardId = 0,
            Namespaces = [],
            Topics = [],
        };
        CatalogFile.Write(options.FileSystem, directory, catalog);
        return catalog;
    }

    /// <exception cref="CorruptDataException">A shard that the catalog names is not there.</exception>
    private void RequireShards()
    {
        foreach (long shardId in Catalog.ShardIds)
        {
            if (_runtime.HasShard(shardId)) continue;
            if (BackupFolder.HasShard(_options.FileSystem, Directory, shardId)) throw new FormatMismatchException(Directory, "a store", "a backup: restore it into another directory");
            throw new CorruptDataException(Directory, 0, $"the log of shard {shardId}, which the catalog names", "none");
        }
    }

    private async ValueTask OpenNamespaceAsync(CatalogNamespace space)
    {
        if (space.Name == TidemarkStore.DefaultNamespaceName && _options.DefaultNamespace is { } wanted && wanted != space.Options) space = Change(space, wanted);
        LocalNamespace local = await OpenShardsAsync(space).ConfigureAwait(false);
        lock (_gate) _open.Add(space.Name, local);
    }

    private CatalogNamespace Change(CatalogNamespace space, NamespaceOptions wanted)
    {
        if (wanted.KeyOrder != space.Options.KeyOrder || wanted.ShardCount != space.Options.ShardCount)
        {
            throw new FormatMismatchException(Directory, $"a default namespace of {wanted.ShardCount} shards in {wanted.KeyOrder} order",
                $"one of {space.Options.ShardCount} in {space.Options.KeyOrder} order: these never change");
        }

        CatalogNamespace changed = space with { Options = wanted };
        _catalog.Replace(Catalog with { Namespaces = [.. Catalog.Namespaces.Select(other => other.Id == space.Id ? changed : other)] });
        return changed;
    }

    private async ValueTask<LocalNamespace> OpenShardsAsync(CatalogNamespace space)
    {
        var shards = new List<LocalShard>(space.Shards.Count);
        foreach (ShardHashRange range in space.Shards)
        {
            LocalShard shard = await _runtime.OpenShardAsync(Catalog.StoreId, range.ShardId, space.Options).ConfigureAwait(false);
            if (_archiver is { } archiver) shard.FindPastAsync = (behind, mostBytes, cancellationToken) => archiver.FindChangesAsync(shard.Id, behind, mostBytes, cancellationToken);
            shards.Add(shard);
        }

        return new LocalNamespace(space.Name, space.Options, new HashRangeRouter(space.Shards), shards, _runtime.TimeProvider, _runtime.NewId);
    }
}

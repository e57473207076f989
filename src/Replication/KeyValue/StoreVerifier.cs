using System.Runtime.CompilerServices;

using Tidemark.Core.KeyValue;
using Tidemark.Core.Topics;
using Tidemark.Replication.Topics;
using Tidemark.Storage.Catalog;
using Tidemark.Storage.Files;
using Tidemark.Storage.Log;
using Tidemark.Storage.Snapshots;

namespace Tidemark.Replication.KeyValue;

/// <summary>Reads all of a closed store and checks it: catalog, logs, snapshot files, states. Pages: docs/backup.md.</summary>
internal sealed class StoreVerifier
{
    private readonly StoreRuntime _runtime;
    private readonly TidemarkStoreOptions _options;
    private readonly string _directory;
    private readonly StoreCatalog _catalog;
    private readonly CancellationToken _cancellation;
    private readonly ProgressMeter _meter;
    private readonly List<TidemarkException> _damage = [];

    private StoreVerifier(
        StoreRuntime runtime, TidemarkStoreOptions options, string directory, StoreCatalog catalog, IProgress<BackupProgress>? progress, CancellationToken cancellation)
    {
        _runtime = runtime;
        _options = options;
        _directory = directory;
        _catalog = catalog;
        _cancellation = cancellation;
        _meter = new ProgressMeter(progress, catalog.ShardIds.Count(), cancellation);
    }

    internal static async Task<VerifyReport> RunAsync(string directory, TidemarkStoreOptions options, IProgress<BackupProgress>? progress, CancellationToken cancellation)
    {
        options.FileSystem.ListFiles(directory);   // A store that is not there is not made by looking for it.
        StoreCatalog? catalog;
        try
        {
            catalog = CatalogFile.TryRead(options.FileSystem, directory);
        }
        catch (CorruptDataException damaged)
        {
            return new VerifyReport([], [], [damaged]);
        }

        if (catalog is null)
        {
            if (DirectoryFiles.Names(options.FileSystem, StoreLayout.Log(directory, 0)).Count == 0) throw new FormatMismatchException(directory, "a store", "no catalog");
            return new VerifyReport([], [], [new CorruptDataException(directory, 0, "a catalog beside the shards", "none")]);
        }

        StoreDirectory.RequireEngine(directory, catalog, options);
        var runtime = StoreRuntime.Open(directory, options);
        await using ConfiguredAsyncDisposable opened = runtime.ConfigureAwait(false);
        return new StoreVerifier(runtime, options, directory, catalog, progress, cancellation).Run();
    }

    private VerifyReport Run()
    {
        var shards = new List<ShardVerification>();
        foreach ((CatalogNamespace space, long shardId) in BackupFolder.ShardsOf(_catalog))
        {
            shards.Add(Verify(space, shardId));
            _meter.EndShard();
        }

        var partitions = new List<PartitionVerification>();
        foreach (CatalogTopic topic in _catalog.Topics)
        {
            for (int number = 0; number < topic.Shards.Count; number++)
            {
                partitions.Add(Verify(topic, number));
                _meter.EndShard();
            }
        }

        return new VerifyReport(shards, partitions, _damage);
    }

    private ShardVerification Verify(CatalogNamespace space, long shardId)
    {
        if (!IsThere(shardId)) return new ShardVerification(space.Name, shardId, 0, 0, 0, 0);
        int snapshots = VerifySnapshots(shardId, KvMachine.Number, reader => BackupFolder.VerifyState(reader, _meter));
        LogVerification? log = VerifyLog(() => _runtime.OpenLog(_catalog.StoreId, shardId, space.Options));
        long rows = log is { IsWhole: true } ? Try(() => VerifyState(space, shardId)) : 0;   // Else it could not be brought up to the log's end.
        return new ShardVerification(space.Name, shardId, log?.Records ?? 0, log?.Bytes ?? 0, snapshots, rows);
    }

    private PartitionVerification Verify(CatalogTopic topic, int number)
    {
        long shardId = topic.Shards[number];
        if (!IsThere(shardId)) return new PartitionVerification(topic.Name, number, shardId, 0, 0, 0);
        int snapshots = VerifySnapshots(shardId, TopicMachine.Number, reader =>
        {
            using var machine = new TopicMachine(new KvIdentity(_catalog.StoreId, shardId));
            machine.Restore(_meter.Watch(reader.Pieces()), reader.Info.Position);   // Computes the hash of its rows anew.
        });
        LogVerification? log = VerifyLog(() => _runtime.OpenLog(_catalog.StoreId, shardId, topic.Options));
        if (log is { IsWhole: true }) Try(() => VerifyState(topic, number));
        return new PartitionVerification(topic.Name, number, shardId, log?.Records ?? 0, log?.Bytes ?? 0, snapshots);
    }

    private bool IsThere(long shardId)
    {
        if (_runtime.HasShard(shardId)) return true;
        _damage.Add(new CorruptDataException(_directory, 0, $"the log of shard {shardId}, which the catalog names", "none"));
        return false;
    }

    private int VerifySnapshots(long shardId, ushort machine, Action<SnapshotReader> check)
    {
        string directory = StoreLayout.State(_directory, shardId);
        return BackupFolder.SnapshotNames(_options.FileSystem, directory).Count(name => Try(() =>
        {
            using SnapshotReader reader = SnapshotReader.Open(_options.FileSystem, Path.Combine(directory, name), new SnapshotIdentity(_catalog.StoreId, shardId, machine));
            check(reader);
            return true;
        }));
    }

    private LogVerification? VerifyLog(Func<LogEngine> open)
    {
        LogVerification? found = Try(() =>
        {
            LogEngine log = open();
            try
            {
                return LogVerifier.Run(_runtime.Pool, [.. log.Segments.All], log.Flushed, null, _cancellation);
            }
            finally
            {
                log.Close();
            }
        });
        _damage.AddRange(found?.Damage ?? []);
        return found;
    }

    /// <summary>Brings a partition's state up to the log's end.</summary>
    private bool VerifyState(CatalogTopic topic, int number)
    {
        using LocalPartition partition = _runtime.RecoverPartition(_catalog.StoreId, topic.Shards[number], number, topic.Options);
        partition.Host.Close(_options.TimeProvider.GetUtcNow(), remembers: false);
        return true;
    }

    private long VerifyState(CatalogNamespace space, long shardId)
    {
        LocalShard shard = _runtime.Recover(_catalog.StoreId, shardId, space.Options);
        try
        {
            StateHash hash = shard.Machine.ComputeHash();
            if (hash != shard.Machine.Hash)
                throw new CorruptDataException(StoreLayout.State(_directory, shardId), 0, $"rows of the hash {shard.Machine.Hash}", $"{hash}");
            return hash.Rows;
        }
        finally
        {
            shard.Host.Close(_options.TimeProvider.GetUtcNow(), remembers: false);
        }
    }

    /// <summary>Does a part of the check; where damage ends it, notes that and goes on with the next.</summary>
    private T? Try<T>(Func<T> part)
    {
        try
        {
            return part();
        }
        catch (TidemarkException damaged) when (damaged is CorruptDataException or FormatMismatchException or MalformedDataException)
        {
            _damage.Add(damaged);
            return default;
        }
    }
}

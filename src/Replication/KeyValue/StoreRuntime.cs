using System.Globalization;
using System.Security.Cryptography;

using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

using Tidemark.Core.KeyValue;
using Tidemark.Core.Routing;
using Tidemark.Replication.Shards;
using Tidemark.Storage.Files;
using Tidemark.Storage.Log;
using Tidemark.Storage.Snapshots;
using Tidemark.Storage.State;

namespace Tidemark.Replication.KeyValue;

/// <summary>What the shards of a local store share, and how one is opened: files, clock, threads.</summary>
internal sealed class StoreRuntime : IAsyncDisposable
{
    private const int FlushThreadCount = 4;
    private const int MaxIdleFiles = 64;

    private readonly TidemarkStoreOptions _options;
    private readonly string _directory;
    private readonly IDisposable _lock;
    private readonly ILogger _logger;
    private readonly FilePool _pool;
    private readonly FlushBatches _batches = new(2 * FlushThreadCount);
    private readonly FlushThreads _threads = new(FlushThreadCount);
    private readonly ProposalPool _proposals = new();
    private readonly List<ShardExecutor> _executors = [];
    private readonly List<LocalShard> _shards = [];
    private readonly Lock _randomGate = new();
    private readonly Random _random;

    private StoreRuntime(TidemarkStoreOptions options, string directory, IDisposable held)
    {
        _options = options;
        _directory = directory;
        _lock = held;
        _logger = options.LoggerFactory?.CreateLogger("Tidemark.Store") ?? (ILogger)NullLogger.Instance;
        _pool = new FilePool(options.FileSystem, MaxIdleFiles);
        _random = options.Random ?? new Random(RandomNumberGenerator.GetInt32(int.MaxValue));
        Clock = new HybridClock(options.TimeProvider);
    }

    internal HybridClock Clock { get; }

    internal TimeProvider TimeProvider => _options.TimeProvider;

    /// <summary>Takes the store's directory for this process.</summary>
    internal static StoreRuntime Open(string directory, TidemarkStoreOptions options)
    {
        options.FileSystem.CreateDirectory(directory);
        return new StoreRuntime(options, directory, options.FileSystem.Lock(Path.Combine(directory, LogFiles.LockName)));
    }

    internal Guid NewId()
    {
        Span<byte> bytes = stackalloc byte[RowKeys.IdBytes];
        lock (_randomGate) _random.NextBytes(bytes);
        return new Guid(bytes, bigEndian: true);
    }

    /// <summary>Whether a shard has been opened in this directory before.</summary>
    internal bool HasShard(long shardId) => _options.FileSystem.FileExists(Path.Combine(LogDirectory(shardId), LogFiles.ManifestName));

    /// <summary>Opens a shard's log and state, brings the state up to the log's end, and drives it from then on.</summary>
    internal async ValueTask<LocalShard> OpenShardAsync(Guid storeId, long shardId, NamespaceOptions settings)
    {
        LocalShard shard = Recover(storeId, shardId, settings);
        _shards.Add(shard);
        ExecutorFor(_shards.Count - 1).Add(shard.Host);
        var wanted = KvSettings.Of(settings);
        if (shard.Machine.Settings == wanted) return shard;
        Proposal configure = shard.Rent(KvCommand.Configure);
        wanted.Write(configure.Payload);
        StoreStatus status = await shard.CommandAsync(configure, CancellationToken.None).ConfigureAwait(false);
        if (status != StoreStatus.Ok) throw new WriteRefusedException(status, $"Shard {shardId} refused its settings: {status}.");
        return shard;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (LocalShard shard in _shards) shard.Close();
        try
        {
            List<Exception> failures = [];
            foreach (ShardExecutor executor in _executors)
            {
                try
                {
                    await executor.DisposeAsync().ConfigureAwait(false);
                }
                catch (Exception e)
                {
                    failures.Add(e);
                }
            }

            if (failures.Count > 0) throw new AggregateException(failures).Flatten();
        }
        finally
        {
            _threads.Stop();
            _lock.Dispose();
        }
    }

    private LocalShard Recover(Guid storeId, long shardId, NamespaceOptions settings)
    {
        string directory = ShardDirectory(shardId);
        string stateDirectory = Path.Combine(directory, "state");
        _options.FileSystem.CreateDirectory(stateDirectory);
        _options.FileSystem.CreateDirectory(LogDirectory(shardId));
        LogEngine log = OpenLog(storeId, shardId, settings);
        IOrderedEngine engine = _options.Engine.Open(stateDirectory);
        KvMachine? machine = null;
        try
        {
            int needed = settings.MaxKeyBytes + KvSettings.RowSlack;
            if (engine.MaxKeyBytes < needed)
                throw new LimitExceededException($"row key of this namespace on the engine '{engine.Name}'", needed, engine.MaxKeyBytes, nameof(NamespaceOptions.MaxKeyBytes));
            machine = new KvMachine(engine, new KvIdentity(storeId, shardId));
            IStateKeeper keeper = Keeper(machine, stateDirectory, storeId, shardId);
            var shard = new LocalShard(machine, _proposals);
            shard.Host = new ShardHost(new ShardHostOptions
            {
                ShardId = shardId,
                Name = directory,
                Log = log,
                Pool = _pool,
                Machine = machine,
                Publish = shard.Publish,
                CreateLeader = () => shard.Leader = new KvLeader(machine, _options.TimeProvider.GetUtcNow()),
                Keeper = keeper,
                Clock = Clock,
                TimeProvider = _options.TimeProvider,
                MaxPendingBytes = _options.MaxPendingBytes,
                Logger = _logger,
            });
            ShardMessages.Opened(_logger, shardId, machine.Position.Offset, log.Start, log.NextOffset);
            return shard;
        }
        catch
        {
            machine?.Dispose();
            engine.Dispose();
            log.Close();
            throw;
        }
    }

    private IStateKeeper Keeper(KvMachine machine, string stateDirectory, Guid storeId, long shardId)
    {
        if (!machine.Table.IsVolatile) return new EngineKeeper(machine, _options.EngineBatchBytes);
        var folder = SnapshotFolder.Open(_options.FileSystem, stateDirectory, new SnapshotIdentity(storeId, shardId, KvMachine.Number), _logger);
        using (SnapshotReader? newest = folder.OpenNewest())
        {
            if (newest is not null) machine.Restore(newest.Pieces(), newest.Info.Position);
        }

        return new SnapshotKeeper(machine, folder, _options.SnapshotLogBytes);
    }

    private LogEngine OpenLog(Guid storeId, long shardId, NamespaceOptions settings)
    {
        // A command is as long as the namespace allows, and a little more that is about it.
        int record = Math.Max(8 * 1024 * 1024, settings.MaxBatchBytes + (64 * 1024));
        var options = new LogOptions
        {
            StoreId = storeId,
            ShardId = shardId,
            SegmentBytes = _options.LogSegmentBytes,
            MaxRecordBytes = record,
            MaxBatchBytes = record + (64 * 1024),
            Clock = Clock,
        };
        options.Validate();
        Random random;
        lock (_randomGate) random = new Random(_random.Next());
        return LogEngine.Open(new LogFiles(_pool, LogDirectory(shardId)), options, Clock, _batches, random, _logger);
    }

    private ShardExecutor ExecutorFor(int index)
    {
        int number = index < ShardPlacement.ShardsPerExecutorForHash * _options.Executors
            ? index % _options.Executors
            : ShardPlacement.PlaceByHash(index, _options.Executors);
        while (_executors.Count <= number) _executors.Add(new ShardExecutor(_executors.Count, _options.TimeProvider, _threads));
        return _executors[number];
    }

    private string LogDirectory(long shardId) => Path.Combine(ShardDirectory(shardId), "log");

    private string ShardDirectory(long shardId) => Path.Combine(_directory, "shards", shardId.ToString("D6", CultureInfo.InvariantCulture));
}

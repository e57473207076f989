using System.Security.Cryptography;

using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

using Tidemark.Core.KeyValue;
using Tidemark.Core.Replication;
using Tidemark.Core.Topics;
using Tidemark.Replication.Shards;
using Tidemark.Replication.Topics;
using Tidemark.Storage.Files;
using Tidemark.Storage.Log;
using Tidemark.Storage.Snapshots;
using Tidemark.Storage.State;

namespace Tidemark.Replication.KeyValue;

/// <summary>What the shards of a local store share, and how one is opened: files, clock, threads.</summary>
internal sealed class StoreRuntime : IAsyncDisposable
{
    private const int MaxIdleFiles = 64;

    private readonly TidemarkStoreOptions _options;
    private readonly string _directory;
    private readonly IDisposable _lock;
    private readonly ILogger _logger;
    private readonly FilePool _pool;
    private readonly FlushBatches _batches = new(2 * ShardExecutors.FlushesEach);
    private readonly ProposalPool _proposals = new();
    private readonly ShardExecutors _executors;
    private readonly List<LocalShard> _shards = [];
    private readonly List<LocalPartition> _partitions = [];
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
        _executors = new ShardExecutors(options.Executors, options.TimeProvider);
    }

    internal HybridClock Clock { get; }

    internal FilePool Pool => _pool;

    internal TimeProvider TimeProvider => _options.TimeProvider;

    internal ILogger Logger => _logger;

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
    internal bool HasShard(long shardId) => _options.FileSystem.FileExists(Path.Combine(StoreLayout.Log(_directory, shardId), LogFiles.ManifestName));

    /// <summary>Deletes all files of a shard, which nobody has open. Its directories stay.</summary>
    internal void RemoveShard(long shardId)
    {
        foreach (string place in StoreLayout.Places(_directory, shardId)) DirectoryFiles.Remove(_options.FileSystem, place, isForGood: true);
    }

    /// <summary>Deletes the files of shards that nothing is kept in any more: a crash may have left them.</summary>
    /// <param name="kept">The shards that stay.</param>
    /// <param name="end">Behind the last one that was given out.</param>
    internal void RemoveShardsBut(IReadOnlySet<long> kept, long end)
    {
        for (long shardId = 0; shardId < end; shardId++)
        {
            if (!kept.Contains(shardId) && StoreLayout.Places(_directory, shardId).Any(place => DirectoryFiles.Names(_options.FileSystem, place).Count > 0)) RemoveShard(shardId);
        }
    }

    /// <summary>Opens a shard's log and state, brings the state up to the log's end, and drives it from then on.</summary>
    internal async ValueTask<LocalShard> OpenShardAsync(Guid storeId, long shardId, NamespaceOptions settings)
    {
        LocalShard shard = Recover(storeId, shardId, settings);
        _shards.Add(shard);
        _executors.Add(shard.Host);
        var wanted = KvSettings.Of(settings);
        if (shard.Machine.Settings == wanted) return shard;
        StoreStatus status = await shard.CommandAsync(KvCommand.Configure, wanted.Write, CancellationToken.None).ConfigureAwait(false);
        if (status != StoreStatus.Ok) throw new WriteRefusedException(status, $"Shard {shardId} refused its settings: {status}.");
        return shard;
    }

    /// <summary>Opens a partition's log and state, brings the state up to the log's end, and drives it from then on.</summary>
    /// <remarks>One call at a time, with <see cref="ClosePartitionAsync"/>.</remarks>
    internal async ValueTask<LocalPartition> OpenPartitionAsync(Guid storeId, long shardId, int number, TopicOptions options)
    {
        LocalPartition partition = RecoverPartition(storeId, shardId, number, options);
        lock (_partitions) _partitions.Add(partition);
        _executors.Add(partition.Host);
        await partition.ConfigureAsync(options, CancellationToken.None).ConfigureAwait(false);
        return partition;
    }

    /// <summary>Closes a partition: nobody reads or writes it from now on, and its files may be removed then.</summary>
    internal async ValueTask ClosePartitionAsync(LocalPartition partition)
    {
        partition.Close();
        lock (_partitions) _partitions.Remove(partition);
        await _executors.RemoveAsync(partition.Host, () => partition.Host.Close(_options.TimeProvider.GetUtcNow(), remembers: false)).ConfigureAwait(false);
        partition.Dispose();
    }

    public async ValueTask DisposeAsync()
    {
        foreach (LocalShard shard in _shards) shard.Close();
        lock (_partitions)
        {
            foreach (LocalPartition partition in _partitions) partition.Close();
        }

        try
        {
            await _executors.DisposeAsync().ConfigureAwait(false);
        }
        finally
        {
            foreach (LocalPartition partition in _partitions) partition.Dispose();
            _lock.Dispose();
        }
    }

    /// <summary>Makes a shard that is not there out of a state: it is remembered under its new identity, with an empty log behind it.</summary>
    /// <remarks>The log comes last: where there is one, the state before it is there too.</remarks>
    internal void CreateShard(Guid storeId, long shardId, NamespaceOptions settings, IEnumerable<ReadOnlyMemory<byte>> state, StatePosition position)
    {
        string stateDirectory = MakeDirectories(shardId);
        using (IOrderedEngine engine = _options.Engine.Open(stateDirectory, settings))
        using (var machine = new KvMachine(engine, new KvIdentity(storeId, shardId)))
        {
            machine.Restore(state, position);
            if (machine.Table.IsVolatile)
            {
                using IStateSnapshot restored = machine.TakeSnapshot();
                SnapshotWriter.Write(_options.FileSystem, stateDirectory, new SnapshotIdentity(storeId, shardId, KvMachine.Number), restored);
            }
        }

        OpenLog(storeId, shardId, settings, position.Offset + 1).Close();
    }

    /// <summary>Makes a partition that is not there out of what a backup holds of it: its base is remembered under its new identity, and behind it are the same entries at the same offsets.</summary>
    /// <exception cref="CorruptDataException">The backup is damaged.</exception>
    /// <exception cref="StoreFullException">There is no room.</exception>
    internal void CreatePartition(Guid storeId, long shardId, TopicOptions options, SavedLog saved)
    {
        string stateDirectory = MakeDirectories(shardId);
        using var machine = new TopicMachine(new KvIdentity(storeId, shardId));
        saved.RestoreBase(machine);
        if (saved.Base.Offset >= 0) Remember();
        LogEngine log = OpenLog(storeId, shardId, options, saved.Base);
        try
        {
            // Each entry is appended at its own time, so that segments become old where they were.
            DateTimeOffset time = saved.Base.Timestamp.Physical;
            saved.Replay(machine, entry =>
            {
                time = entry.Timestamp!.Value.Physical;
                while (!log.TryAppend([entry], time, out _)) Work();
            });
            while (log.HasBytes) Work();

            void Work()
            {
                FlushRound round = log.Begin(time);
                log.Execute(round);
                log.Complete(round);
                log.ThrowIfFailed();
                if (round.NoRoom is { } full) throw full;
            }
        }
        finally
        {
            log.Close();
        }

        if (saved.Entries > 0) Remember();   // Opening it reads no more than this.

        void Remember()
        {
            using IStateSnapshot state = machine.TakeSnapshot();
            SnapshotWriter.Write(_options.FileSystem, stateDirectory, new SnapshotIdentity(storeId, shardId, TopicMachine.Number), state);
        }
    }

    /// <summary>Opens a shard's log and state and brings the state up to the log's end. Nobody drives it yet.</summary>
    internal LocalShard Recover(Guid storeId, long shardId, NamespaceOptions settings)
    {
        string stateDirectory = MakeDirectories(shardId);
        LogEngine log = OpenLog(storeId, shardId, settings);
        IOrderedEngine? engine = null;
        KvMachine? machine = null;
        try
        {
            engine = _options.Engine.Open(stateDirectory, settings);
            machine = new KvMachine(engine, new KvIdentity(storeId, shardId));
            IStateKeeper keeper = Keeper(machine, stateDirectory, storeId, shardId);
            var shard = new LocalShard(machine, _proposals);
            shard.Host = OpenHost(
                shardId, new ShardState(log, machine, keeper), shard.Publish, (_, now) => shard.Leader = new KvLeader(machine, now, wanted: null, _options.Mutators, _options.SnapshotLogBytes), _options.Archive?.MaxLagBytes);
            return shard;
        }
        catch
        {
            machine?.Dispose();
            engine?.Dispose();
            log.Close();
            throw;
        }
    }

    /// <summary>Opens a partition's log and state and brings the state up to the log's end. Nobody drives it yet.</summary>
    internal LocalPartition RecoverPartition(Guid storeId, long shardId, int number, TopicOptions options)
    {
        string stateDirectory = MakeDirectories(shardId);
        LogEngine log = OpenLog(storeId, shardId, options);
        TopicMachine? machine = null;
        try
        {
            var identity = new KvIdentity(storeId, shardId);
            machine = new TopicMachine(identity);
            var keeper = LogBaseKeeper.Open(
                machine, _options.FileSystem, stateDirectory, new SnapshotIdentity(storeId, shardId, TopicMachine.Number), () => new TopicMachine(identity), log, _pool, _options.SnapshotLogBytes, _logger);
            var state = new ShardState(log, machine, keeper);
            var partition = new LocalPartition(number, state, _pool, _proposals, _options.TimeProvider);
            partition.Host = OpenHost(shardId, state, partition.Publish, partition.CreateLeader);
            return partition;
        }
        catch
        {
            machine?.Dispose();
            log.Close();
            throw;
        }
    }

    /// <returns>The directory of its state.</returns>
    private string MakeDirectories(long shardId)
    {
        _options.FileSystem.CreateDirectory(StoreLayout.State(_directory, shardId));
        _options.FileSystem.CreateDirectory(StoreLayout.Log(_directory, shardId));
        return StoreLayout.State(_directory, shardId);
    }

    /// <summary>Brings a state up to the end of its log.</summary>
    private ShardHost OpenHost(long shardId, ShardState state, Action publish, Func<ShardState, DateTimeOffset, ILeaderRole> createLeader, long? mostHeldBytes = null)
    {
        var host = new ShardHost(new ShardHostOptions
        {
            ShardId = shardId,
            Name = StoreLayout.Shard(_directory, shardId),
            State = state,
            Pool = _pool,
            Publish = publish,
            CreateLeader = createLeader,
            Clock = Clock,
            TimeProvider = _options.TimeProvider,
            MaxPendingBytes = _options.MaxPendingBytes,
            ScrubInterval = _options.ScrubInterval,
            MostHeldBytes = mostHeldBytes,
            Logger = _logger,
        });
        ShardMessages.Opened(_logger, shardId, state.Machine.Position.Offset, state.Log.Start, state.Log.NextOffset);
        return host;
    }

    private IStateKeeper Keeper(KvMachine machine, string stateDirectory, Guid storeId, long shardId)
    {
        if (!machine.Table.IsVolatile) return new EngineKeeper(machine, _options.EngineBatchBytes);
        return SnapshotKeeper.Open(machine, _options.FileSystem, stateDirectory, new SnapshotIdentity(storeId, shardId, KvMachine.Number), _options.SnapshotLogBytes, _logger);
    }

    /// <summary>Opens a shard's log, or creates it.</summary>
    internal LogEngine OpenLog(Guid storeId, long shardId, NamespaceOptions settings, long firstOffset = 0) => OpenLog(shardId, new LogOptions
    {
        StoreId = storeId,
        ShardId = shardId,
        SegmentBytes = _options.LogSegmentBytes,
        MaxRecordBytes = settings.MaxCommandBytes,
        MaxBatchBytes = settings.MaxCommandBytes + NamespaceOptions.CommandRoom,
        FirstOffset = firstOffset,
        Clock = Clock,
    });

    /// <summary>Opens a partition's log, or creates it.</summary>
    internal LogEngine OpenLog(Guid storeId, long shardId, TopicOptions options, StatePosition? before = null) => OpenLog(shardId, new LogOptions
    {
        StoreId = storeId,
        ShardId = shardId,
        SegmentBytes = options.SegmentBytes,
        MaxSegmentAge = options.EffectiveSegmentAge,
        MaxRecordBytes = TopicOptions.LargestCommandBytes,
        MaxBatchBytes = TopicOptions.LargestCommandBytes + NamespaceOptions.CommandRoom,
        FirstOffset = (before?.Offset ?? -1) + 1,
        Before = before,
        Clock = Clock,
    });

    private LogEngine OpenLog(long shardId, LogOptions options)
    {
        options.Validate();
        Random random;
        lock (_randomGate) random = new Random(_random.Next());
        return LogEngine.Open(new LogFiles(_pool, StoreLayout.Log(_directory, shardId)), options, Clock, _batches, random, _logger);
    }
}

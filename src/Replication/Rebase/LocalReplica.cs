using Microsoft.Extensions.Logging;

using Tidemark.Core.KeyValue;
using Tidemark.Core.Rebase;
using Tidemark.Replication.Shards;
using Tidemark.Storage.Catalog;
using Tidemark.Storage.Files;
using Tidemark.Storage.Log;
using Tidemark.Storage.Snapshots;
using Tidemark.Storage.State;

namespace Tidemark.Replication.Rebase;

/// <summary>What the shard of a local store is opened with.</summary>
internal sealed record LocalReplicaOptions
{
    public required Mutators Mutators { get; init; }

    public required HybridClock Clock { get; init; }

    public required TimeProvider TimeProvider { get; init; }

    public required FilePool Pool { get; init; }

    public required FlushBatches Batches { get; init; }

    public required Random Random { get; init; }

    public required ILogger Logger { get; init; }

    public long SnapshotLogBytes { get; init; } = 16L * 1024 * 1024;

    public long LogSegmentBytes { get; init; } = 16L * 1024 * 1024;

    public long MaxPendingBytes { get; init; } = 64L * 1024 * 1024;

    public Action<long, Exception>? Threw { get; init; }

    public Action<IReadOnlyList<TimelineMove>>? Settled { get; init; }

    public Action? Published { get; init; }
}

/// <summary>The shard of a local store: its log and state, brought up to the log's end. Whoever drives the host decides when.</summary>
internal sealed class LocalReplica
{
    private const int MaxAnswerBytes = 64 * 1024 * 1024;
    private const int MaxBatchBytes = MaxAnswerBytes + (64 * 1024);

    private LocalReplica(LocalMachine machine) => Machine = machine;

    internal LocalMachine Machine { get; }

    internal ShardHost Host { get; private set; } = null!;   // Set right after: the host is made with hooks of this.

    internal LocalLeader Leader { get; private set; } = null!;

    /// <summary>What readers see, of any thread.</summary>
    internal LocalView View => Leader.Visible.View;

    /// <summary>Opens the shard of a directory, which nobody else has; creates it where it is missing.</summary>
    /// <exception cref="FormatMismatchException">A store of another kind is there.</exception>
    /// <exception cref="CorruptDataException">Files are damaged or missing in a way no crash explains.</exception>
    internal static LocalReplica Open(IFileSystem files, string directory, LocalReplicaOptions options)
    {
        if (files.FileExists(Path.Combine(directory, CatalogFile.Name))) throw new FormatMismatchException(directory, "a local store", "a store with a catalog: open it as a TidemarkStore");
        string logDirectory = Path.Combine(directory, "log"), stateDirectory = Path.Combine(directory, "state");
        files.CreateDirectory(logDirectory);
        files.CreateDirectory(stateDirectory);
        var logOptions = new LogOptions { ShardId = 0, SegmentBytes = options.LogSegmentBytes, MaxRecordBytes = MaxAnswerBytes, MaxBatchBytes = MaxBatchBytes, Clock = options.Clock };
        var log = LogEngine.Open(new LogFiles(options.Pool, logDirectory), logOptions, options.Clock, options.Batches, options.Random, options.Logger);
        LocalMachine? machine = null;
        try
        {
            machine = new LocalMachine(new KvIdentity(log.Identity.StoreId, log.Identity.ShardId));
            var keeper = SnapshotKeeper.Open(machine, files, stateDirectory, new SnapshotIdentity(log.Identity.StoreId, log.Identity.ShardId, LocalMachine.Number), options.SnapshotLogBytes, options.Logger);
            var replica = new LocalReplica(machine);
            replica.Host = new ShardHost(new ShardHostOptions
            {
                ShardId = 0,
                Name = directory,
                State = new ShardState(log, machine, keeper),
                Pool = options.Pool,
                Publish = () =>
                {
                    replica.Leader.Publish();
                    options.Published?.Invoke();
                },
                CreateLeader = (_, now) => replica.Lead(options, now),
                Clock = options.Clock,
                TimeProvider = options.TimeProvider,
                MaxPendingBytes = options.MaxPendingBytes,
                Logger = options.Logger,
            });
            ShardMessages.Opened(options.Logger, 0, machine.Position.Offset, log.Start, log.NextOffset);
            return replica;
        }
        catch
        {
            machine?.Dispose();
            log.Close();
            throw;
        }
    }

    private LocalLeader Lead(LocalReplicaOptions options, DateTimeOffset now) => Leader = new LocalLeader(Machine, options.Mutators, now) { Threw = options.Threw, Settled = options.Settled };
}

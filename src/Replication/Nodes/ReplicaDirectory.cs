using System.Globalization;

using Microsoft.Extensions.Logging.Abstractions;

using Tidemark.Core.Replication;
using Tidemark.Replication.Shards;
using Tidemark.Storage.Files;
using Tidemark.Storage.Log;
using Tidemark.Storage.Replica;
using Tidemark.Storage.Snapshots;
using Tidemark.Storage.State;

namespace Tidemark.Replication.Nodes;

/// <summary>The directory of one replica: its record, and for each generation a log and a state. Layout and crashes: docs/format/replica.md.</summary>
internal sealed class ReplicaDirectory : IReplicaDisk
{
    private const string StateName = "state";
    private const string RowsName = "rows";
    private const string LogName = "log";

    private readonly NodeDisk _disk;
    private readonly string _directory;
    private readonly LogIdentity _identity;
    private readonly ShardKind _kind;

    private ReplicaDirectory(NodeDisk disk, string directory, LogIdentity identity, ShardKind kind, ReplicaRecord record)
    {
        (_disk, _directory, _identity, _kind, Record) = (disk, directory, identity, kind, record);
    }

    public ReplicaRecord Record { get; private set; }

    private IFileSystem Files => _disk.Pool.Files;

    private SnapshotIdentity SnapshotIdentity => new(_identity.StoreId, _identity.ShardId, _kind.Machine);

    /// <summary>Opens a replica. What is damaged or missing makes it a lost one with nothing; what there was stays on the disk until it has caught up.</summary>
    /// <param name="disk">The node's disk.</param>
    /// <param name="shardId">The shard.</param>
    /// <param name="kind">Its machine.</param>
    /// <param name="statusTerm">The shard's term in the status.</param>
    /// <param name="isFirst">Whether nothing of the shard can have been here before: that no file is there means no loss then.</param>
    /// <param name="isLost">Whether the node's disk is known to be older than what the node has said.</param>
    internal static (ReplicaDirectory Directory, ShardState State, LogTerms Terms) Open(NodeDisk disk, long shardId, ShardKind kind, long statusTerm, bool isFirst, bool isLost)
    {
        string path = PathOf(disk, shardId);
        disk.Pool.Files.CreateDirectory(path);
        RemoveDiscarded(disk, path, shardId);
        var identity = new LogIdentity(disk.Cluster, shardId);
        ReplicaRecord record = new(statusTerm, IsLost: true, Generation: 0, Previous: 0);
        try
        {
            record = ReplicaFile.TryRead(disk.Pool.Files, path, identity) ?? new ReplicaRecord(statusTerm, IsLost: !isFirst, Generation: Fresh(disk), Previous: 0);
            if (isLost) record = record with { IsLost = true, Term = Math.Max(record.Term, statusTerm) };
            return OpenAs(disk, path, identity, kind, record);
        }
        catch (Exception e) when (e is CorruptDataException or FormatMismatchException)
        {
            // Nothing of it can be believed: what it may have acknowledged, others must give it back.
            ShardMessages.ReplicaLost(disk.Logger, shardId, e);
            record = new ReplicaRecord(Math.Max(record.Term, statusTerm), IsLost: true, Math.Max(record.Generation + 1, Fresh(disk)), Previous: record.Generation, record.Quarantines);
            return OpenAs(disk, path, identity, kind, record);
        }
    }

    /// <summary>Deletes all files of a replica, which nobody has open. Needs no room on the disk. A crash leaves what the next call, or <see cref="Open"/>, goes on with.</summary>
    internal static void Remove(NodeDisk disk, long shardId)
    {
        IFileSystem files = disk.Pool.Files;
        string path = PathOf(disk, shardId);
        RemoveDiscarded(disk, path, shardId);
        if (!files.FileExists(Path.Combine(path, ReplicaFile.Name))) return;
        files.Move(Path.Combine(path, ReplicaFile.Name), Path.Combine(path, ReplicaFile.DiscardedName));   // No replica from here on: that is in the file that has the name.
        files.FlushDirectory(path);
        RemoveDiscarded(disk, path, shardId);
    }

    public void Save(long term, bool isLost)
    {
        ReplicaRecord record = Record with { Term = term, IsLost = isLost };
        ReplicaFile.Write(Files, _directory, _identity, record);
        Record = record;
    }

    public IIncomingState BeginGeneration(StatePosition position, StateHash hash)
    {
        long next = Record.Generation + 1;
        Remove(next);
        Files.CreateDirectory(StateOf(next));
        return new IncomingState(this, next, new SnapshotWriter(Files, StateOf(next), new SnapshotHeader(SnapshotIdentity, position, hash)), position, hash);
    }

    public void Switch()
    {
        ReplicaRecord record = Record with { Generation = Record.Generation + 1, Previous = Record.Generation };
        ReplicaFile.Write(Files, _directory, _identity, record);
        Record = record;
    }

    public void Condemn() => Condemn(Record);

    public void Quarantine() => Condemn(Record with { Quarantines = Record.Quarantines + 1 });

    private void Condemn(ReplicaRecord record)
    {
        record = record with { IsLost = true, Generation = Math.Max(Record.Generation + 1, Fresh(_disk)), Previous = Record.Generation };
        Remove(record.Generation);
        ReplicaFile.Write(Files, _directory, _identity, record);
        Record = record;
    }

    public void RemovePrevious()
    {
        if (Record.IsLost || Record.Previous == 0) return;   // Of a lost one it is all there is.
        Remove(Record.Previous);
    }

    private static string PathOf(NodeDisk disk, long shardId) => Path.Combine(disk.Directory, "shards", shardId.ToString("D6", CultureInfo.InvariantCulture));

    /// <summary>Deletes what a replica that was given up left: its generations for good first, then the file that names them.</summary>
    private static void RemoveDiscarded(NodeDisk disk, string path, long shardId)
    {
        IFileSystem files = disk.Pool.Files;
        if (!files.FileExists(Path.Combine(path, ReplicaFile.DiscardedName))) return;
        try
        {
            if (ReplicaFile.TryRead(files, path, new LogIdentity(disk.Cluster, shardId), ReplicaFile.DiscardedName) is { } record)
            {
                foreach (long generation in (long[])[record.Generation, record.Generation + 1, record.Previous])
                {
                    foreach (string part in (string[])[StateName, RowsName, LogName]) DirectoryFiles.Remove(files, Path.Combine(path, NodeDisk.GenerationName(generation), part), isForGood: true);
                }
            }
        }
        catch (CorruptDataException)
        {
            // It does not say any more where the rest is.
        }

        DirectoryFiles.Remove(files, path, isForGood: true);
    }

    /// <summary>A generation that no run before this one has used.</summary>
    private static long Fresh(NodeDisk disk) => disk.Run * 1000;

    private static (ReplicaDirectory Directory, ShardState State, LogTerms Terms) OpenAs(NodeDisk disk, string path, LogIdentity identity, ShardKind kind, ReplicaRecord record)
    {
        var directory = new ReplicaDirectory(disk, path, identity, kind, record);
        ShardState state = directory.OpenGeneration(record.Generation, before: null);
        try
        {
            state.RequireFit(directory.GenerationOf(record.Generation));
            LogTerms terms = LogTermsReader.Read(state.Log, disk.Pool);
            // Written once more before it is believed: a process may have ended between a failed flush of the directory and its report.
            ReplicaFile.Write(disk.Pool.Files, path, identity, record);
            directory.RemovePrevious();
            directory.Remove(record.Generation + 1);   // What an unfinished transfer left.
            return (directory, state, terms);
        }
        catch
        {
            state.Log.Close();
            state.Keeper.Dispose();
            throw;
        }
    }

    private string GenerationOf(long generation) => Path.Combine(_directory, NodeDisk.GenerationName(generation));

    private string StateOf(long generation) => Path.Combine(GenerationOf(generation), StateName);

    private string RowsOf(long generation) => Path.Combine(GenerationOf(generation), RowsName);

    private string LogOf(long generation) => Path.Combine(GenerationOf(generation), LogName);

    private ShardState OpenGeneration(long generation, StatePosition? before)
    {
        string stateDirectory = StateOf(generation), logDirectory = LogOf(generation);
        Files.CreateDirectory(stateDirectory);
        Files.CreateDirectory(logDirectory);
        var options = new LogOptions
        {
            StoreId = _identity.StoreId,
            ShardId = _identity.ShardId,
            SegmentBytes = _kind.SegmentBytes ?? _disk.SegmentBytes,
            MaxSegmentAge = _kind.SegmentAge,
            MaxRecordBytes = _kind.MaxCommandBytes,
            MaxBatchBytes = _kind.MaxCommandBytes + NamespaceOptions.CommandRoom,
            FirstOffset = (before?.Offset ?? -1) + 1,
            Before = before,
            Clock = _disk.Clock,
        };
        options.Validate();
        LogEngine log = LogEngine.Open(new LogFiles(_disk.Pool, logDirectory), options, _disk.Clock, _disk.Batches, new Random(_disk.Random.Next()), NullLogger.Instance);
        try
        {
            (IStateMachine machine, IStateKeeper keeper) = _kind.Open(new StatePlace(Files, stateDirectory, RowsOf(generation), SnapshotIdentity, log, _disk.Pool));
            return new ShardState(log, machine, keeper);
        }
        catch
        {
            log.Close();
            throw;
        }
    }

    private void Remove(long generation)
    {
        DirectoryFiles.Remove(Files, StateOf(generation));
        DirectoryFiles.Remove(Files, RowsOf(generation));
        DirectoryFiles.Remove(Files, LogOf(generation));
    }

    private sealed class IncomingState(ReplicaDirectory home, long generation, SnapshotWriter writer, StatePosition position, StateHash hash) : IIncomingState
    {
        public void Add(ReadOnlySpan<byte> part) => writer.Add(part);

        public ShardState Complete()
        {
            writer.Complete();
            ShardState state = home.OpenGeneration(generation, position);
            StateHash found = home._kind.Recount(state.Machine);
            if (state.Machine.Position == position && found == hash && state.Machine.Hash == hash) return state;
            state.Log.Close();
            state.Keeper.Dispose();
            throw new CorruptDataException(home.StateOf(generation), 0, $"a state at {position.Term}:{position.Offset} of hash {hash}", $"one at {state.Machine.Position.Term}:{state.Machine.Position.Offset} of hash {found}");
        }

        public void Dispose() => writer.Dispose();
    }
}

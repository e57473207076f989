using Microsoft.Extensions.Logging.Abstractions;

using Tidemark.Core.KeyValue;
using Tidemark.Replication.Shards;
using Tidemark.Storage.Files;
using Tidemark.Storage.Log;
using Tidemark.Storage.Snapshots;
using Tidemark.Storage.State;
using Tidemark.Testing;

namespace Tidemark.Tests.Crash;

/// <summary>A shard without threads: the host that production drives, stepped by hand, so that a crash can be put between any two disk operations.</summary>
internal sealed class SyncShard
{
    private static readonly KvIdentity _identity = new(new Guid("00112233445566778899aabbccddeeff"), 3);
    private static readonly string _logDirectory = Path.GetFullPath("/shard/log");

    private readonly ProposalPool _proposals = new();
    private readonly ManualTimeProvider _time = new();
    private readonly FilePool _pool;
    private readonly LogEngine _log;

    private SyncShard(IFileSystem disk)
    {
        disk.CreateDirectory(_logDirectory);
        disk.CreateDirectory(StateDirectory);
        _pool = new FilePool(disk, 4);
        var clock = new HybridClock(_time);
        var options = new LogOptions { StoreId = _identity.StoreId, ShardId = _identity.ShardId, SegmentBytes = 4096 };
        _log = LogEngine.Open(new LogFiles(_pool, _logDirectory), options, clock, new FlushBatches(2), new Random(3), NullLogger.Instance);
        Machine = new KvMachine(new MemoryEngine(), _identity);
        var folder = SnapshotFolder.Open(disk, StateDirectory, new SnapshotIdentity(_identity.StoreId, _identity.ShardId, KvMachine.Number));
        using (SnapshotReader? newest = folder.OpenNewest())
        {
            if (newest is not null) Machine.Restore(newest.Pieces(), newest.Info.Position);
        }

        Host = new ShardHost(new ShardHostOptions
        {
            ShardId = _identity.ShardId,
            Name = "/shard",
            State = new ShardState(_log, Machine, new SnapshotKeeper(Machine, folder, minLogBytes: 2048)),
            Pool = _pool,
            Publish = () => Machine.Table.Publish(Machine.Position.Offset),
            CreateLeader = (_, now) => new KvLeader(Machine, now, cutLogBytes: 2048),
            Clock = clock,
            TimeProvider = _time,
            Logger = NullLogger.Instance,
        });
    }

    internal static string StateDirectory { get; } = Path.GetFullPath("/shard/state");

    internal KvMachine Machine { get; }

    internal ShardHost Host { get; }

    internal static SyncShard Open(IFileSystem disk)
    {
        var shard = new SyncShard(disk);
        if (shard.Machine.Settings is null)
        {
            Proposal configure = shard._proposals.Rent((ushort)KvCommand.Configure);
            KvSettings.Of(new NamespaceOptions { ChangeLogEntries = 64 }).Write(configure.Payload);
            shard.Run(configure);
        }

        return shard;
    }

    /// <summary>Puts several records as one, and returns once they are answered.</summary>
    internal StoreStatus Put(params (string Key, byte[] Value)[] records)
    {
        Proposal proposal = _proposals.Rent((ushort)KvCommand.Write);
        var transaction = new StoreTransaction();
        foreach ((string key, byte[] value) in records) transaction.Put(key, value);
        transaction.Write(proposal.Payload, null);
        return Run(proposal);
    }

    /// <summary>Cuts the log, and returns once the next generation has begun.</summary>
    internal void Cut()
    {
        long before = Machine.Generation.Number;
        Proposal proposal = _proposals.Rent((ushort)KvCommand.Cut);
        new CutCommand(Before: null).Write(proposal.Payload);
        Host.Submit(proposal);
        Assert.True(TakeTurns(() => Machine.Generation.Number > before), "a cut is made in a few turns");
    }

    /// <summary>Takes turns until something holds.</summary>
    /// <returns>Whether it does.</returns>
    internal bool TakeTurns(Func<bool> holds, int turns = 1_000)
    {
        for (; !holds() && turns > 0; turns--) Turn();
        return holds();
    }

    /// <summary>The entries that the log has.</summary>
    internal IEnumerable<LogRecord> Entries() => LogReplay.Read(_log, _pool, _log.Start);

    internal void Close() => Host.Close(_time.GetUtcNow());

    private StoreStatus Run(Proposal proposal)
    {
        ValueTask done = proposal.Completion(default);
        Host.Submit(proposal);
        for (int turns = 0; !done.IsCompleted; turns++)
        {
            Assert.True(turns < 1000, "a command is answered in a few turns");
            Turn();
        }

        done.GetAwaiter().GetResult();
        StoreStatus status = KvAnswer.ReadSingle(proposal.Answer.WrittenSpan, out _).Status;
        proposal.LetGo();
        return status;
    }

    private void Turn()
    {
        DateTimeOffset now = _time.GetUtcNow();
        Host.Turn(now);
        if (!Host.BeginFlush(now)) return;
        Host.Execute();
        Host.EndFlush(now);
    }
}

using System.Text;

using Microsoft.Extensions.Logging.Abstractions;

using Tidemark.Core.KeyValue;
using Tidemark.Core.Topics;
using Tidemark.Replication.Shards;
using Tidemark.Replication.Topics;
using Tidemark.Storage.Files;
using Tidemark.Storage.Log;
using Tidemark.Storage.Snapshots;
using Tidemark.Storage.State;
using Tidemark.Testing;

namespace Tidemark.Tests.Crash;

/// <summary>A partition without threads: the host that production drives, stepped by hand, so that a crash can be put between any two disk operations.</summary>
internal sealed class SyncPartition
{
    private static readonly KvIdentity _identity = new(new Guid("00112233445566778899aabbccddeeff"), 3);
    private static readonly string _logDirectory = Path.GetFullPath("/partition/log");
    private static readonly string _stateDirectory = Path.GetFullPath("/partition/state");

    private readonly ManualTimeProvider _time = new();

    private SyncPartition(IFileSystem disk)
    {
        disk.CreateDirectory(_logDirectory);
        disk.CreateDirectory(_stateDirectory);
        var pool = new FilePool(disk, 4);
        var clock = new HybridClock(_time);
        var options = new LogOptions { StoreId = _identity.StoreId, ShardId = _identity.ShardId, SegmentBytes = 4096 };
        LogEngine log = LogEngine.Open(new LogFiles(pool, _logDirectory), options, clock, new FlushBatches(2), new Random(3), NullLogger.Instance);
        Machine = new TopicMachine(_identity);
        var keeper = LogBaseKeeper.Open(
            Machine, disk, _stateDirectory, new SnapshotIdentity(_identity.StoreId, _identity.ShardId, TopicMachine.Number), () => new TopicMachine(_identity), log, pool, minLogBytes: 2048);
        var state = new ShardState(log, Machine, keeper);
        Partition = new LocalPartition(0, state, pool, new ProposalPool(), _time);
        Partition.Host = Host = new ShardHost(new ShardHostOptions
        {
            ShardId = _identity.ShardId,
            Name = "/partition",
            State = state,
            Pool = pool,
            Publish = Partition.Publish,
            CreateLeader = Partition.CreateLeader,
            Clock = clock,
            TimeProvider = _time,
            Logger = NullLogger.Instance,
        });
    }

    internal TopicMachine Machine { get; }

    internal ShardHost Host { get; }

    internal LocalPartition Partition { get; }

    internal static SyncPartition Open(IFileSystem disk, TopicOptions options)
    {
        var partition = new SyncPartition(disk);
        partition.Run(partition.Partition.ConfigureAsync(options, default).AsTask());
        return partition;
    }

    internal AppendResult Append(ProducerTicket? ticket, params string[] texts) =>
        Run(Partition.AppendAsync([.. texts.Select(text => new TopicMessage(Encoding.UTF8.GetBytes(text)) { Id = Topics.PartitionHarness.IdOf(text) })], ticket, null, default).AsTask());

    internal void Register(Guid producer) => Run(Partition.RegisterAsync(producer, default).AsTask());

    internal void Trim(long before) => Run(Partition.TrimAsync(before, default).AsTask());

    internal void Close()
    {
        Partition.Close();
        Host.Close(_time.GetUtcNow());
        Partition.Dispose();
    }

    /// <summary>All messages from the start to the end, which follow each other without a hole.</summary>
    internal (long Start, List<string> Texts) ReadAll()
    {
        var texts = new List<string>();
        TopicBounds bounds = Machine.Bounds;
        for (long next = bounds.Start; next < bounds.End;)
        {
            TopicPage page = Partition.ReadAsync(TopicPosition.At(next), new TopicReadOptions { MaxMessages = 7 }, default).AsTask().GetAwaiter().GetResult();
            Assert.NotEmpty(page.Messages);
            foreach (StoredMessage message in page.Messages)
            {
                Assert.Equal(next++, message.Offset);
                texts.Add(Topics.PartitionHarness.Text(message));
            }
        }

        return (bounds.Start, texts);
    }

    private T Run<T>(Task<T> task)
    {
        Run((Task)task);
        return task.Result;
    }

    private void Run(Task task)
    {
        for (int turns = 0; !task.IsCompleted; turns++)
        {
            Assert.True(turns < 60_000, "a command is answered in a few turns");
            DateTimeOffset now = _time.GetUtcNow();
            Host.Turn(now);
            if (!Host.BeginFlush(now))
            {
                Task.WhenAny(task, Task.Delay(1)).Wait();   // The answer is on its way to who awaits it.
                continue;
            }

            Host.Execute();
            Host.EndFlush(now);
        }

        task.GetAwaiter().GetResult();
    }
}

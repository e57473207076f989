using System.Buffers;
using System.Collections.Concurrent;

using Tidemark.Replication.Shards;
using Tidemark.Replication.Topics;
using Tidemark.Testing;

using static Tidemark.Tests.Topics.FakeTopic;

using static Tidemark.Tests.Eventually;

namespace Tidemark.Tests.Topics;

/// <summary>Topics in backups of a store.</summary>
public sealed class TopicBackupTests
{
    private readonly MemoryFileSystem _disk = new();

    private TidemarkStoreOptions Options => new() { FileSystem = _disk, SnapshotLogBytes = 4096 };

    [Fact]
    public async Task A_restored_topic_has_its_settings_messages_producers_and_remembered_ids_and_goes_on()
    {
        var settings = new TopicOptions { Partitions = 2, DeduplicationIds = 5, RetentionConsumer = "reader", MaxProducers = 7 };
        var producer = new Guid(1, 2, 3, new byte[8]);
        var numbered = new TopicMessage("numbered"u8.ToArray()) { Id = producer };
        TopicPage saved;
        AppendResult first;
        await using (TidemarkStore store = await TidemarkStore.OpenAsync("d", Options))
        {
            Topic orders = await store.Topics.CreateAsync("orders", settings);
            await store.Topics.CreateAsync("nothing");
            for (int i = 0; i < 20; i++)
                await orders.AppendAsync(Message($"{i}", $"key {i % 7}") with { Id = new Guid(i, 0, 0, new byte[8]), Headers = [new MessageHeader("h", new byte[] { 1 })] }, new AppendOptions { Partition = 0 });
            TopicPartition partition = ((PartitionedTopic)orders).View[0];
            await partition.RegisterAsync(producer, default);
            first = await partition.AppendAsync([numbered], new ProducerTicket(producer, 1), null, default);
            await orders.TrimAsync(0, 4);
            await using (var reader = new TopicConsumer(store, orders, "reader")) Assert.True(await reader.StoreOffsetAsync(0, 9));
            BackupReport report = await store.BackupAsync("b");
            Assert.Equal([("nothing", 0, 0L, 0L), ("orders", 0, 4L, 21L), ("orders", 1, 0L, 0L)], report.Partitions.Select(saved => (saved.Topic, saved.Partition, saved.Start, saved.End)));
            Assert.Equal(report.Bytes, report.Partitions.Sum(saved => saved.Bytes) + report.Shards.Sum(shard => shard.Bytes));
            await orders.AppendAsync(Message("after"), new AppendOptions { Partition = 0 });
            saved = await orders.ReadAsync(0, TopicPosition.First);
        }

        StoreDescription described = TidemarkStore.Describe("b", _disk);
        Assert.True(described.IsBackup);
        Assert.Equal(["nothing", "orders"], described.Topics.Select(topic => topic.Name));
        await TidemarkStore.RestoreAsync("b", "r", Options);
        Assert.True((await TidemarkStore.VerifyAsync("r", Options)).IsWhole);
        await using (TidemarkStore store = await TidemarkStore.OpenAsync("r", Options))
        {
            Assert.Equal(["nothing", "orders"], store.Topics.Names);
            Topic orders = store.Topics.Get("orders");
            Assert.Equal(settings, orders.Options);
            TopicPage page = await orders.ReadAsync(0, TopicPosition.First);
            Assert.Equal((4, 21), (page.Start, page.End));
            Assert.Equal(saved.Messages.SkipLast(1).Select(Line), page.Messages.Select(Line));
            Assert.Equal(first, await ((PartitionedTopic)orders).View[0].AppendAsync([numbered], new ProducerTicket(producer, 1), null, default));
            AppendResult again = await orders.AppendAsync(Message("x") with { Id = new Guid(17, 0, 0, new byte[8]) }, new AppendOptions { Partition = 0 });
            Assert.Equal((AppendStatus.Duplicate, 17), (again.Status, again.Offset));
            AppendResult forgotten = await orders.AppendAsync(Message("x") with { Id = new Guid(15, 0, 0, new byte[8]) }, new AppendOptions { Partition = 0 });
            Assert.Equal((AppendStatus.Appended, 21), (forgotten.Status, forgotten.Offset));
            Assert.True(forgotten.Timestamp.Value > saved.Messages[^2].Timestamp.Value);
            await using var reader = new TopicConsumer(store, orders, "reader");
            Assert.Equal(9, await reader.GetOffsetAsync(0));
            Assert.Equal(0, (await store.Topics.Get("nothing").DescribeAsync(0)).End);
        }

        await using TidemarkStore opened = await TidemarkStore.OpenAsync("r", Options);
        Assert.Equal(22, (await opened.Topics.Get("orders").DescribeAsync(0)).End);
    }

    [Fact]
    public async Task A_backup_under_appends_trims_and_retention_is_every_partition_cut_at_one_offset()
    {
        int based = 0;
        for (int seed = 1; seed <= Soak.Times(6); seed++) based += await CutAsync(seed);
        Assert.True(based > 0, "no backup began behind the first entry: nothing was trimmed before one");
    }

    private async Task<int> CutAsync(int seed)
    {
        const int Partitions = 2, Remembered = 50;
        (string directory, string folder, string restored) = ($"d{seed}", $"b{seed}", $"r{seed}");
        var chance = new Random(seed);
        var settings = new TopicOptions { Partitions = Partitions, SegmentBytes = 64 * 1024, DeduplicationIds = Remembered, RetentionBytes = seed % 2 == 0 ? 200 * 1024 : null };
        var appended = new ConcurrentDictionary<(int Partition, long Offset), (Guid Id, HybridTimestamp Timestamp, int Length)>();
        long[] acknowledged = new long[Partitions];
        BackupReport report;
        long[] before;
        await using (TidemarkStore store = await TidemarkStore.OpenAsync(directory, Options))
        {
            Topic topic = await store.Topics.CreateAsync("t", settings);
            using var stop = new CancellationTokenSource();
            var running = new TaskCompletionSource();
            int wanted = chance.Next(100, 400);
            Task[] writers = [.. Enumerable.Range(0, 3).Select(writer => Task.Run(() => WriteAsync(new Random((seed * 10) + writer))))];
            await running.Task;
            if (seed % 2 == 1)
            {
                await UntilAsync(() =>
                {
                    _ = topic.TrimAsync(0, Math.Max(0, Volatile.Read(ref acknowledged[0]) - 5)).AsTask();
                    return PartitionOf(topic, 0).Host.LogStart > 0;
                });
            }

            before = [.. Enumerable.Range(0, Partitions).Select(partition => Volatile.Read(ref acknowledged[partition]))];
            report = await store.BackupAsync(folder);
            await stop.CancelAsync();
            await Task.WhenAll(writers);

            async Task WriteAsync(Random random)
            {
                await using TopicProducer producer = topic.CreateProducer();
                while (!stop.IsCancellationRequested)
                {
                    int partition = random.Next(Partitions);
                    if (random.Next(40) == 0)
                    {
                        long end = Volatile.Read(ref acknowledged[partition]);
                        await topic.TrimAsync(partition, Math.Max(0, end - random.Next(200)));
                    }

                    TopicMessage[] messages = [.. Enumerable.Range(0, random.Next(1, 6)).Select(_ => new TopicMessage(new byte[random.Next(2000)]) { Id = Guid.NewGuid() })];
                    AppendResult result = random.Next(2) == 0
                        ? await topic.AppendAsync(messages, new AppendOptions { Partition = partition })
                        : await producer.AppendAsync(messages, new AppendOptions { Partition = partition });
                    for (int i = 0; i < messages.Length; i++) appended[(partition, result.Offset + i)] = (messages[i].Id, result.Timestamp, messages[i].Payload.Length);
                    long next = result.Offset + messages.Length;
                    for (long known; (known = Volatile.Read(ref acknowledged[partition])) < next;) Interlocked.CompareExchange(ref acknowledged[partition], next, known);
                    if (appended.Count > wanted) running.TrySetResult();
                }
            }
        }

        Assert.True((await TidemarkStore.VerifyBackupAsync(folder, Options)).IsWhole);
        await TidemarkStore.RestoreAsync(folder, restored, Options);
        Assert.True((await TidemarkStore.VerifyAsync(restored, Options)).IsWhole);
        await using TidemarkStore opened = await TidemarkStore.OpenAsync(restored, Options);
        int based = 0;
        foreach (PartitionBackup saved in report.Partitions)
        {
            Assert.True(saved.End >= before[saved.Partition], $"seed {seed}: {before[saved.Partition]} were acknowledged, {saved.End} are in the backup");
            Topic topic = opened.Topics.Get("t");
            if (PartitionOf(topic, saved.Partition).Host.LogStart > 0) based++;
            TopicPage page = await topic.ReadAsync(saved.Partition, TopicPosition.First, new TopicReadOptions { MaxMessages = int.MaxValue, MaxBytes = int.MaxValue });
            // Where bytes are limited, more may go as soon as it is opened: it is in other segments.
            Assert.True(page.Start == saved.Start || (settings.RetentionBytes is not null && page.Start > saved.Start), $"seed {seed}: it starts at {page.Start}, and {saved.Start} was saved");
            Assert.Equal(saved.End, page.End);
            var model = new List<(long, Guid, HybridTimestamp, int)>();
            for (long offset = page.Start; offset < saved.End; offset++)
            {
                (Guid id, HybridTimestamp timestamp, int length) = appended[(saved.Partition, offset)];
                model.Add((offset, id, timestamp, length));
            }

            Assert.Equal(model, page.Messages.Select(message => (message.Offset, message.Id, message.Timestamp, message.Payload.Length)));
            for (long offset = Math.Max(0, saved.End - Remembered); offset < saved.End; offset += 7)
            {
                AppendResult repeated = await topic.AppendAsync(Message() with { Id = appended[(saved.Partition, offset)].Id }, new AppendOptions { Partition = saved.Partition });
                Assert.Equal((AppendStatus.Duplicate, offset), (repeated.Status, repeated.Offset));
            }

            Assert.Equal(AppendStatus.Appended, (await topic.AppendAsync(Message(), new AppendOptions { Partition = saved.Partition, ExpectedOffset = saved.End })).Status);
        }

        return based;
    }

    [Fact]
    public async Task What_is_trimmed_under_a_backup_stays_until_it_is_written_and_goes_then()
    {
        await using TidemarkStore store = await TidemarkStore.OpenAsync("d", Options);
        Topic topic = await store.Topics.CreateAsync("t", new TopicOptions { SegmentBytes = 64 * 1024 });
        for (int i = 0; i < 400; i++) await topic.AppendAsync(new TopicMessage(new byte[2000]));
        LocalPartition partition = PartitionOf(topic, 0);
        int segments = Segments();
        Assert.True(segments > 5);
        bool isTrimmed = false;
        var progress = new Act(reached =>
        {
            // The partition comes last, and its file has begun.
            if (isTrimmed || reached.ShardsDone == 0 || reached.Bytes < 100 * 1024) return;
            isTrimmed = true;
            topic.TrimAsync(0, 350).AsTask().GetAwaiter().GetResult();
            topic.AppendAsync(Message("later")).AsTask().GetAwaiter().GetResult();
            UntilAsync(() => partition.Host.LogStart > 300).GetAwaiter().GetResult();
        });
        BackupReport report = await store.BackupAsync("b", progress);
        Assert.True(isTrimmed);
        Assert.Equal((0, 400), (report.Partitions[0].Start, report.Partitions[0].End));
        await UntilAsync(() => Segments() < segments - 4);

        await TidemarkStore.RestoreAsync("b", "r", Options);
        await using TidemarkStore restored = await TidemarkStore.OpenAsync("r", Options);
        Assert.Equal(400, (await ReadAllAsync(restored.Topics.Get("t"))).Count);

        int Segments() => _disk.ListFiles(Path.GetFullPath("d/shards/000001/log")).Count(name => name.EndsWith(".log", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_topic_that_is_deleted_under_a_backup_is_not_in_it()
    {
        await using TidemarkStore store = await TidemarkStore.OpenAsync("d", Options);
        foreach (string name in (string[])["kept", "late"])
        {
            Topic topic = await store.Topics.CreateAsync(name, new TopicOptions { Partitions = 2 });
            for (int i = 0; i < 300; i++) await topic.AppendAsync(new TopicMessage(new byte[2000]), new AppendOptions { Partition = i % 2 });
        }

        bool isDeleted = false;
        var progress = new Act(reached =>
        {
            if (isDeleted || reached.ShardsDone < 4) return;   // One shard, two partitions of the first, and one of the second.
            isDeleted = true;
            Assert.True(store.Topics.DeleteAsync("late").AsTask().GetAwaiter().GetResult());
        });
        BackupReport report = await store.BackupAsync("b", progress);
        Assert.True(isDeleted);
        Assert.Equal(["kept", "kept"], report.Partitions.Select(partition => partition.Topic));
        Assert.True((await TidemarkStore.VerifyBackupAsync("b", Options)).IsWhole);
        await TidemarkStore.RestoreAsync("b", "r", Options);
        await using TidemarkStore restored = await TidemarkStore.OpenAsync("r", Options);
        Assert.Equal(["kept"], restored.Topics.Names);
    }

    [Fact]
    public async Task A_batch_longer_than_a_piece_is_restored_and_so_is_an_append_without_a_message()
    {
        byte[] large = new byte[700 * 1024];
        new Random(1).NextBytes(large);
        await using (TidemarkStore store = await TidemarkStore.OpenAsync("d", Options))
        {
            Topic topic = await store.Topics.CreateAsync("t");
            await topic.AppendAsync(Message("small"));
            await topic.AppendAsync([new TopicMessage(large), Message("beside"), new TopicMessage(large)]);
            await topic.AppendAsync(Message("refused"), new AppendOptions { Partition = 0, ExpectedOffset = 9 });
            await topic.AppendAsync(Message("last"));
            await store.BackupAsync("b");
        }

        await TidemarkStore.RestoreAsync("b", "r", Options);
        await using TidemarkStore restored = await TidemarkStore.OpenAsync("r", Options);
        List<StoredMessage> messages = await ReadAllAsync(restored.Topics.Get("t"));
        Assert.Equal(5, messages.Count);
        Assert.Equal(large, messages[1].Payload.ToArray());
        Assert.Equal(large, messages[3].Payload.ToArray());
        Assert.Equal(["small", "beside", "last"], [messages[0].Text(), messages[2].Text(), messages[4].Text()]);
    }

    [Fact]
    public async Task Every_flipped_byte_of_a_partition_in_a_backup_is_found_and_nothing_is_restored_from_it()
    {
        await using (TidemarkStore store = await TidemarkStore.OpenAsync("d", Options))
        {
            Topic topic = await store.Topics.CreateAsync("t", new TopicOptions { DeduplicationIds = 3, SegmentBytes = 64 * 1024 });
            // So much that the first segments go, and the backup has a base.
            for (int i = 0; i < 60; i++) await topic.AppendAsync(new TopicMessage(new byte[4000]));
            await topic.TrimAsync(0, 58);
            await UntilAsync(() => PartitionOf(topic, 0).Host.LogStart > 0);
            await store.BackupAsync("b");
        }

        string directory = Path.GetFullPath("b/shards/000001");
        string path = Path.Combine(directory, _disk.ListFiles(directory).Single());
        using (IFile file = _disk.Open(path, FileOpenMode.Existing))
        {
            byte[] bytes = new byte[file.Length];
            file.Read(0, bytes);
            // Every byte but the zeros within payloads, of which there are thousands of a kind: one in fifty.
            for (int i = 0; i < bytes.Length; i += i > 2000 && i < bytes.Length - 2000 ? 50 : 1)
            {
                file.Write(i, [(byte)(bytes[i] ^ 1)]);
                Assert.False((await TidemarkStore.VerifyBackupAsync("b", Options)).IsWhole, $"byte {i} of {bytes.Length}");
                if (i % 500 == 0) await Assert.ThrowsAnyAsync<TidemarkException>(async () => await TidemarkStore.RestoreAsync("b", "r", Options));
                file.Write(i, [bytes[i]]);
            }
        }

        Assert.Throws<DirectoryNotFoundException>(() => _disk.ListFiles(Path.GetFullPath("r")));
        Assert.True((await TidemarkStore.VerifyBackupAsync("b", Options)).IsWhole);
        _disk.Delete(path);
        Assert.IsType<CorruptDataException>((await TidemarkStore.VerifyBackupAsync("b", Options)).Damage.Single());
    }

    [Fact]
    public async Task Entries_that_do_not_lead_to_the_state_are_refused_though_every_checksum_fits()
    {
        await using TidemarkStore store = await TidemarkStore.OpenAsync("d", Options);
        Topic topic = await store.Topics.CreateAsync("t");
        for (int i = 0; i < 5; i++) await topic.AppendAsync(Message($"{i}"));
        LocalPartition partition = PartitionOf(topic, 0);
        await store.BackupAsync("b");
        string directory = Path.GetFullPath("b/shards/000001");
        _disk.Delete(Path.Combine(directory, _disk.ListFiles(directory).Single()));
        using (PartitionCut cut = await partition.TakeCutAsync())
        using (var other = new Misled(cut.Log))
            Storage.Snapshots.SnapshotWriter.Write(_disk, directory, new Storage.Snapshots.SnapshotIdentity(store.StoreId, 1, PartitionCut.Number), other);
        var damage = Assert.IsType<CorruptDataException>((await TidemarkStore.VerifyBackupAsync("b", Options)).Damage.Single());
        Assert.Contains("entries that lead to", damage.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<CorruptDataException>(async () => await TidemarkStore.RestoreAsync("b", "r", Options));
    }

    [Fact]
    public async Task Whatever_a_power_cut_leaves_of_a_backup_is_all_of_it_or_none()
    {
        var disk = new FaultyFileSystem(1);
        TidemarkStoreOptions On(IFileSystem files) => new() { FileSystem = files, Random = new Random(3), LogSegmentBytes = 4096 };
        var states = new List<CrashState>();
        await using (TidemarkStore store = await TidemarkStore.OpenAsync("d", On(disk)))
        {
            Topic topic = await store.Topics.CreateAsync("t", new TopicOptions { Partitions = 2 });
            for (int i = 0; i < 20; i++) await topic.AppendAsync(Message($"{i}"));
            disk.BeforeOperation = _ => states.AddRange(disk.CrashStates(2));
            await store.BackupAsync("b");
            disk.BeforeOperation = null;
            states.AddRange(disk.CrashStates(2));
        }

        int whole = 0, none = 0;
        foreach (CrashState state in states)
        {
            try
            {
                Assert.True((await TidemarkStore.VerifyBackupAsync("b", On(state.Disk))).IsWhole, $"{state}");
                await TidemarkStore.RestoreAsync("b", "r", On(state.Disk));
                await using TidemarkStore restored = await TidemarkStore.OpenAsync("r", On(state.Disk));
                Assert.Equal(20, (await ReadAllAsync(restored.Topics.Get("t"))).Count);
                whole++;
            }
            catch (Exception e) when (e is FormatMismatchException or DirectoryNotFoundException)
            {
                none++;
            }
        }

        Assert.True(whole > 0 && none > 10, $"{whole} whole, {none} none");
    }

    internal static async Task<List<StoredMessage>> ReadAllAsync(Topic topic)
    {
        var all = new List<StoredMessage>();
        for (int partition = 0; partition < topic.Options.Partitions; partition++)
            all.AddRange((await topic.ReadAsync(partition, TopicPosition.First, new TopicReadOptions { MaxMessages = int.MaxValue, MaxBytes = int.MaxValue })).Messages);
        return all;
    }

    private static LocalPartition PartitionOf(Topic topic, int number) => (LocalPartition)((PartitionedTopic)topic).View[number];

    private static string Line(StoredMessage message) =>
        $"{message.Offset} {message.Id} {message.Key} {message.Text()} {message.Timestamp} {message.ProducedAt:O} {string.Join(',', message.Headers.Select(header => $"{header.Name}={Convert.ToHexString(header.Value.Span)}"))}";

    private sealed class Act(Action<BackupProgress> act) : IProgress<BackupProgress>
    {
        public void Report(BackupProgress value) => act(value);
    }

    /// <summary>A cut that says another hash than its entries lead to.</summary>
    private sealed class Misled(LogCut cut) : IStateSnapshot
    {
        public StatePosition Position => cut.Position;

        public StateHash Hash => cut.Hash with { Low = cut.Hash.Low + 1 };

        public bool WriteNext(IBufferWriter<byte> piece) => cut.WriteNext(piece);

        public void Dispose()
        {
        }
    }
}

using Tidemark.Testing;

using static Tidemark.Tests.Topics.FakeTopic;

namespace Tidemark.Tests.Topics;

/// <summary>The topics of a store: made, found, changed, deleted, and there again when it is opened again.</summary>
public sealed class StoreTopicTests
{
    private readonly MemoryFileSystem _disk = new();

    private TidemarkStoreOptions Options => new() { FileSystem = _disk };

    [Fact]
    public async Task A_topic_is_there_with_its_settings_and_messages_when_the_store_is_opened_again()
    {
        var settings = new TopicOptions { Partitions = 3, MaxMessageBytes = 1000, DeduplicationIds = 10 };
        await using (TidemarkStore store = await TidemarkStore.OpenAsync("d", Options))
        {
            Topic orders = await store.Topics.CreateAsync("orders", settings);
            await store.Topics.CreateAsync("Zebra");
            await store.Topics.CreateAsync("audit");
            for (int i = 0; i < 30; i++) await orders.AppendAsync(Message($"{i}", $"key {i % 7}"));
            Assert.Equal(["Zebra", "audit", "orders"], store.Topics.Names);
            Assert.Same(orders, store.Topics.Get("orders"));
            await Assert.ThrowsAsync<ArgumentException>(async () => await store.Topics.CreateAsync("orders"));
        }

        await using (TidemarkStore store = await TidemarkStore.OpenAsync("d", Options))
        {
            Assert.Equal(["Zebra", "audit", "orders"], store.Topics.Names);
            Topic orders = await store.Topics.GetOrCreateAsync("orders", new TopicOptions { Partitions = 9 });   // As it is: it is there.
            Assert.Equal(settings, orders.Options);
            HashSet<string> found = [];
            for (int partition = 0; partition < 3; partition++)
            {
                string[] texts = await ReadAsync(orders, partition);
                Assert.Equal(texts.OrderBy(int.Parse), texts);
                found.UnionWith(texts);
            }

            Assert.Equal(30, found.Count);
            Assert.Equal("orders", orders.Name);
            await Assert.ThrowsAsync<LimitExceededException>(async () => await orders.AppendAsync(new TopicMessage(new byte[1000])));
        }

        Assert.True((await TidemarkStore.VerifyAsync("d", Options)).IsWhole);
    }

    [Fact]
    public async Task Names_and_settings_outside_their_limits_are_refused_and_make_nothing()
    {
        await using TidemarkStore store = await TidemarkStore.OpenAsync("d", Options);
        foreach (string name in (string[])["", "a\nb", new string('ü', 65), "\ud800"])
        {
            await Assert.ThrowsAsync<ArgumentException>(async () => await store.Topics.CreateAsync(name));
            await Assert.ThrowsAsync<ArgumentException>(async () => await store.Topics.GetOrCreateAsync(name));
        }

        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(async () => await store.Topics.CreateAsync("a", new TopicOptions { Partitions = 0 }));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await store.Topics.CreateAsync("a", null, new CancellationToken(canceled: true)));
        Assert.Throws<ArgumentException>(() => store.Topics.Get("a"));
        Assert.Null(store.Topics.Find("a"));
        Assert.False(await store.Topics.DeleteAsync("a"));
        await Assert.ThrowsAsync<ArgumentException>(async () => await store.Topics.ChangeAsync("a", new TopicOptions()));
        Assert.Empty(TidemarkStore.Describe("d", _disk).Topics);
    }

    [Fact]
    public async Task A_change_adds_partitions_and_settings_and_takes_no_partition_away()
    {
        await using (TidemarkStore store = await TidemarkStore.OpenAsync("d", Options))
        {
            Topic orders = await store.Topics.CreateAsync("orders", new TopicOptions { Partitions = 2 });
            await orders.AppendAsync(Message("before"), new AppendOptions { Partition = 1 });
            var wider = new TopicOptions { Partitions = 4, MaxMessageBytes = 16 * 1024 * 1024, MaxBatchBytes = 16 * 1024 * 1024, DeduplicationIds = 5 };
            Assert.Same(orders, await store.Topics.ChangeAsync("orders", wider));
            Assert.Equal(wider, orders.Options);
            Assert.True((await orders.AppendAsync(Message("after"), new AppendOptions { Partition = 3 })).IsAppended);
            Assert.True((await orders.AppendAsync(new TopicMessage(new byte[12 * 1024 * 1024]) { Id = new Guid(1, 2, 3, new byte[8]) }, new AppendOptions { Partition = 1 })).IsAppended);
            Assert.Equal(AppendStatus.Duplicate, (await orders.AppendAsync(new TopicMessage(default) { Id = new Guid(1, 2, 3, new byte[8]) }, new AppendOptions { Partition = 1 })).Status);
            await Assert.ThrowsAsync<ArgumentException>(async () => await store.Topics.ChangeAsync("orders", new TopicOptions { Partitions = 3 }));
            Assert.Equal(wider, orders.Options);
        }

        await using (TidemarkStore store = await TidemarkStore.OpenAsync("d", Options))
        {
            Topic orders = store.Topics.Get("orders");
            Assert.Equal(4, orders.Options.Partitions);
            Assert.Equal(["before"], (await ReadAsync(orders, 1))[..1]);
            Assert.Equal(["after"], await ReadAsync(orders, 3));
        }
    }

    [Fact]
    public async Task A_topic_that_is_deleted_goes_with_its_files_and_whoever_waits_on_it_hears_so()
    {
        await using TidemarkStore store = await TidemarkStore.OpenAsync("d", Options);
        Topic orders = await store.Topics.CreateAsync("orders", new TopicOptions { Partitions = 2 });
        await orders.AppendAsync(Message());
        await using IAsyncEnumerator<StoredMessage> tail = orders.TailAsync(1, TopicPosition.End).GetAsyncEnumerator();
        Task<bool> waiting = tail.MoveNextAsync().AsTask();
        string[] places = [.. TidemarkStore.Describe("d", _disk).Topics.Single().Partitions.Select(partition => Path.GetFullPath($"d/shards/{partition.ShardId:D6}/log"))];
        Assert.All(places, place => Assert.NotEmpty(_disk.ListFiles(place)));

        Assert.True(await store.Topics.DeleteAsync("orders"));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => waiting.WaitAsync(TimeSpan.FromSeconds(60)));
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await orders.AppendAsync(Message()));
        Assert.All(places, place => Assert.Empty(_disk.ListFiles(place)));
        Assert.Empty(TidemarkStore.Describe("d", _disk).Topics);

        Topic anew = await store.Topics.CreateAsync("orders");
        Assert.Equal(0, (await anew.AppendAsync(Message())).Offset);   // Nothing of the old one is in it.
    }

    [Fact]
    public async Task A_store_that_is_closed_closes_its_topics()
    {
        TidemarkStore store = TidemarkStore.InMemory();
        Topic orders = await store.Topics.CreateAsync("orders");
        await using IAsyncEnumerator<StoredMessage> tail = orders.TailAsync(0, TopicPosition.First).GetAsyncEnumerator();
        Task<bool> waiting = tail.MoveNextAsync().AsTask();
        await store.DisposeAsync();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => waiting.WaitAsync(TimeSpan.FromSeconds(60)));
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await orders.AppendAsync(Message()));
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await orders.ReadAsync(0, TopicPosition.First));
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await store.Topics.CreateAsync("late"));
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await store.Topics.DeleteAsync("orders"));
    }

    [Fact]
    public async Task A_producers_appends_to_a_store_are_numbered_and_it_is_forgotten_when_it_is_idle()
    {
        var time = new ManualTimeProvider();
        await using TidemarkStore store = TidemarkStore.InMemory(new TidemarkStoreOptions { TimeProvider = time });
        Topic orders = await store.Topics.CreateAsync("orders", new TopicOptions { Partitions = 2, ProducerIdleTimeout = TimeSpan.FromMinutes(1) });
        await using TopicProducer producer = orders.CreateProducer();
        AppendResult[] results = await Task.WhenAll(Enumerable.Range(0, 4).Select(i => producer.AppendAsync(Message($"{i}")).AsTask()));
        Assert.Equal([0, 1, 0, 1], results.Select(result => result.Partition));
        Assert.Equal(["0", "2"], await ReadAsync(orders, 0));
        Assert.Equal(AppendStatus.OffsetConflict, (await producer.AppendAsync(Message(), new AppendOptions { Partition = 0, ExpectedOffset = 7 })).Status);
        Assert.Equal(2, (await producer.AppendAsync(Message("4"), new AppendOptions { Partition = 0, ExpectedOffset = 2 })).Offset);

        WriteRefusedException? refused = null;
        for (DateTime end = DateTime.UtcNow.AddSeconds(60); refused is null; await Task.Delay(5))
        {
            Assert.True(DateTime.UtcNow < end, "it is never forgotten");
            time.Advance(TimeSpan.FromMinutes(3));   // The leader looks now and then.
            refused = (WriteRefusedException?)await Record.ExceptionAsync(async () => await producer.AppendAsync(Message("x"), new AppendOptions { Partition = 1 }));
        }

        Assert.Equal(StoreStatus.ClientNotFound, refused.Status);
    }

    [Fact]
    public async Task Health_description_and_verification_tell_of_every_partition()
    {
        await using (TidemarkStore store = await TidemarkStore.OpenAsync("d", Options))
        {
            Topic orders = await store.Topics.CreateAsync("orders", new TopicOptions { Partitions = 2 });
            await orders.AppendAsync([Message(), Message(), Message()], new AppendOptions { Partition = 1 });
            StoreHealth health = store.GetHealth();
            Assert.True(health.IsHealthy);
            Assert.Equal([("orders", 0, 0L), ("orders", 1, 3L)], health.Partitions.Select(partition => (partition.Topic, partition.Info.Partition, partition.Info.End)));
        }

        TopicDescription topic = TidemarkStore.Describe("d", _disk).Topics.Single();
        Assert.Equal(("orders", 2), (topic.Name, topic.Options.Partitions));
        Assert.All(topic.Partitions, partition => Assert.True(partition.Log is { IsClosed: true, Segments: > 0 }));

        VerifyReport report = await TidemarkStore.VerifyAsync("d", Options);
        Assert.True(report.IsWhole);
        Assert.Equal([("orders", 0), ("orders", 1)], report.Partitions.Select(partition => (partition.Topic, partition.Partition)));
        Assert.All(report.Partitions, partition => Assert.True(partition is { LogRecords: > 0, LogBytes: > 0 }, $"{partition}"));

        string log = Path.GetFullPath($"d/shards/{topic.Partitions[1].ShardId:D6}/log");
        string segment = Path.Combine(log, _disk.ListFiles(log).First(name => name.EndsWith(".log", StringComparison.Ordinal)));
        using (IFile file = _disk.Open(segment, FileOpenMode.Existing)) file.Write(200, [0xFF, 0xFE, 0xFD]);
        Assert.Contains((await TidemarkStore.VerifyAsync("d", Options)).Damage, damage => damage is CorruptDataException found && found.File == segment);
        _disk.Delete(Path.Combine(log, "manifest"));
        Assert.Contains((await TidemarkStore.VerifyAsync("d", Options)).Damage, damage => damage.Message.Contains("which the catalog names", StringComparison.Ordinal));
        await Assert.ThrowsAsync<CorruptDataException>(async () => await TidemarkStore.OpenAsync("d", Options));
    }

    [Fact]
    public async Task Another_length_of_segments_counts_from_the_next_one_on()
    {
        await using TidemarkStore store = await TidemarkStore.OpenAsync("d", Options);
        var settings = new TopicOptions { SegmentBytes = 1024 * 1024 };
        Topic topic = await store.Topics.CreateAsync("t", settings);
        await FillAsync(300);
        Assert.Equal(1, Segments());
        await store.Topics.ChangeAsync("t", settings with { SegmentBytes = 64 * 1024 });
        await FillAsync(300);
        int small = Segments();
        Assert.InRange(small, 5, 8);
        await store.Topics.ChangeAsync("t", settings);
        await FillAsync(300);
        Assert.Equal(small, Segments());

        async Task FillAsync(int messages)
        {
            for (int i = 0; i < messages; i++) await topic.AppendAsync(new TopicMessage(new byte[1000]));
        }

        int Segments() => _disk.ListFiles(Path.GetFullPath("d/shards/000001/log")).Count(name => name.EndsWith(".log", StringComparison.Ordinal) && char.IsAsciiDigit(name[0]));
    }

    [Fact]
    public async Task Callers_who_want_the_same_new_topic_get_one_and_changes_of_many_take_turns()
    {
        await using TidemarkStore store = TidemarkStore.InMemory();
        Topic[] topics = await Task.WhenAll(Enumerable.Range(0, 20).Select(i => store.Topics.GetOrCreateAsync($"t{i % 2}").AsTask()));
        Assert.Equal(2, topics.Distinct().Count());
        Task[] changes = [.. Enumerable.Range(0, 10).Select(i => store.Topics.DeleteAsync($"t{i % 2}").AsTask()), store.CreateNamespaceAsync("n").AsTask()];
        await Task.WhenAll(changes);
        Assert.Empty(store.Topics.Names);
    }

    internal static async Task<string[]> ReadAsync(Topic topic, int partition)
    {
        List<string> texts = [];
        for (var from = TopicPosition.First; ;)
        {
            TopicPage page = await topic.ReadAsync(partition, from, new TopicReadOptions { MaxMessages = 7 });
            if (page.Messages.Count == 0) return [.. texts];
            texts.AddRange(page.Messages.Select(FakeTopic.Text));
            from = TopicPosition.At(page.Next);
        }
    }
}

using System.Text;

using static Tidemark.Tests.Eventually;

namespace Tidemark.Tests.Topics;

public class TopicOutboxTests
{
    private static readonly TopicOptions _options = new() { Partitions = 3, DeduplicationIds = 100 };

    [Fact]
    public async Task A_message_comes_with_its_transaction_and_never_without()
    {
        await using TidemarkStore store = TidemarkStore.InMemory();
        Topic topic = await store.Topics.CreateAsync("t", _options);
        var outbox = new TopicOutbox(store, store.Topics);
        Assert.Equal(StoreStatus.Ok, (await CommitAsync(store, outbox, topic, "a")).Status);
        Assert.Equal(StoreStatus.VersionMismatch, (await CommitAsync(store, outbox, topic, "a")).Status);
        Assert.Equal(1, await outbox.RelayAsync());
        Assert.Equal(0, await outbox.RelayAsync());
        Assert.Equal(["a"], await TextsAsync(topic));
    }

    [Fact]
    public async Task What_a_relay_appended_and_did_not_delete_comes_once()
    {
        await using TidemarkStore store = TidemarkStore.InMemory();
        Topic topic = await store.Topics.CreateAsync("t", _options);
        var outbox = new TopicOutbox(store, store.Topics);
        for (int i = 0; i < 10; i++) await CommitAsync(store, outbox, topic, $"m{i}");
        var dying = new TopicOutbox(store, new DyingTopics(store.Topics, afterAppends: 2));
        await Assert.ThrowsAsync<IOException>(async () => await dying.RelayAsync());
        Assert.NotEmpty(await TextsAsync(topic));
        await Task.WhenAll(outbox.RelayAsync().AsTask(), outbox.RelayAsync().AsTask());   // And two at once.
        Assert.Equal(Enumerable.Range(0, 10).Select(i => $"m{i}"), (await TextsAsync(topic)).Order(StringComparer.Ordinal));
        Assert.Equal(0, await outbox.RelayAsync());
    }

    [Fact]
    public async Task A_relay_that_runs_follows_commits_on_every_shard_in_their_order()
    {
        await using TidemarkStore store = TidemarkStore.InMemory(new TidemarkStoreOptions { DefaultNamespace = new NamespaceOptions { ShardCount = 4 } });
        Topic topic = await store.Topics.CreateAsync("t", _options with { DeduplicationIds = 1000 });
        var outbox = new TopicOutbox(store, store.Topics);
        using var stop = new CancellationTokenSource();
        Task running = outbox.RunAsync(stop.Token);
        await Task.WhenAll(Enumerable.Range(0, 8).Select(async customer =>
        {
            for (int i = 0; i < 25; i++)
            {
                var transaction = new StoreTransaction($"c{customer}");
                transaction.Put($"/{customer}/{i}", default);
                outbox.Add(transaction, topic, new TopicMessage(Encoding.UTF8.GetBytes($"{i}")) { Key = $"c{customer}" });
                (await store.CommitAsync(transaction)).ThrowIfRefused();
            }
        }));
        await UntilAsync(async () => (await MessagesAsync(topic)).Count == 200);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);
        foreach (IGrouping<StoreKey?, StoredMessage> customer in (await MessagesAsync(topic)).GroupBy(message => message.Key))
            Assert.Equal(Enumerable.Range(0, 25).Select(i => $"{i}"), customer.Select(PartitionHarness.Text));
    }

    [Fact]
    public async Task Who_could_not_be_told_once_is_refused_and_a_missing_topic_holds_up_no_other()
    {
        await using TidemarkStore store = TidemarkStore.InMemory();
        Topic forgetful = await store.Topics.CreateAsync("forgetful"), gone = await store.Topics.CreateAsync("gone", _options), topic = await store.Topics.CreateAsync("t", _options with { MaxMessageBytes = 100 });
        var outbox = new TopicOutbox(store, store.Topics);
        Assert.Throws<ArgumentException>(() => outbox.Add(new StoreTransaction(), forgetful, new TopicMessage(default)));
        Assert.Throws<LimitExceededException>(() => outbox.Add(new StoreTransaction(), topic, new TopicMessage(new byte[101])));
        await CommitAsync(store, outbox, gone, "x");
        await CommitAsync(store, outbox, topic, "y");
        await store.Topics.DeleteAsync("gone");
        Assert.Contains("'gone'", (await Assert.ThrowsAsync<ArgumentException>(async () => await outbox.RelayAsync())).Message, StringComparison.Ordinal);
        Assert.Equal(["y"], await TextsAsync(topic));
        await store.Topics.CreateAsync("gone", _options);
        Assert.Equal(1, await outbox.RelayAsync());
    }

    private static async Task<TransactionResult> CommitAsync(KeyValueStore store, TopicOutbox outbox, Topic topic, string text)
    {
        StoreTransaction transaction = new StoreTransaction().RequireMissing($"/{text}").Put($"/{text}", default);
        outbox.Add(transaction, topic, new TopicMessage(Encoding.UTF8.GetBytes(text)));
        return await store.CommitAsync(transaction);
    }

    private static async Task<List<StoredMessage>> MessagesAsync(Topic topic)
    {
        var messages = new List<StoredMessage>();
        for (int partition = 0; partition < topic.Options.Partitions; partition++) messages.AddRange((await topic.ReadAsync(partition, TopicPosition.First)).Messages);
        return messages;
    }

    private static async Task<string[]> TextsAsync(Topic topic) => [.. (await MessagesAsync(topic)).Select(PartitionHarness.Text)];

    /// <summary>A process that dies right behind an append.</summary>
    private sealed class DyingTopics(TopicCollection topics, int afterAppends) : TopicCollection
    {
        private int _left = afterAppends;

        public override IReadOnlyList<string> Names => topics.Names;

        public override Topic? Find(string name) => topics.Find(name) is { } topic ? new DyingTopic(topic, this) : null;

        public override ValueTask<Topic> CreateAsync(string name, TopicOptions? options = null, CancellationToken cancellationToken = default) => topics.CreateAsync(name, options, cancellationToken);

        public override ValueTask<Topic> GetOrCreateAsync(string name, TopicOptions? options = null, CancellationToken cancellationToken = default) => topics.GetOrCreateAsync(name, options, cancellationToken);

        public override ValueTask<Topic> ChangeAsync(string name, TopicOptions options, CancellationToken cancellationToken = default) => topics.ChangeAsync(name, options, cancellationToken);

        public override ValueTask<bool> DeleteAsync(string name, CancellationToken cancellationToken = default) => topics.DeleteAsync(name, cancellationToken);

        private sealed class DyingTopic(Topic topic, DyingTopics owner) : Topic
        {
            public override string Name => topic.Name;

            public override TopicOptions Options => topic.Options;

            public override async ValueTask<AppendResult> AppendAsync(IReadOnlyList<TopicMessage> messages, AppendOptions? options = null, CancellationToken cancellationToken = default)
            {
                AppendResult result = await topic.AppendAsync(messages, options, cancellationToken);
                return --owner._left > 0 ? result : throw new IOException("the process died");
            }

            public override ValueTask<AppendResult> AppendAsync(TopicMessage message, AppendOptions? options = null, CancellationToken cancellationToken = default) => topic.AppendAsync(message, options, cancellationToken);

            public override TopicProducer CreateProducer() => topic.CreateProducer();

            public override ValueTask<TopicPage> ReadAsync(int partition, TopicPosition from, TopicReadOptions? options = null, CancellationToken cancellationToken = default) => topic.ReadAsync(partition, from, options, cancellationToken);

            public override IAsyncEnumerable<StoredMessage> TailAsync(int partition, TopicPosition from, TopicReadOptions? options = null, CancellationToken cancellationToken = default) => topic.TailAsync(partition, from, options, cancellationToken);

            public override ValueTask<PartitionInfo> DescribeAsync(int partition, ReadLevel level = default, CancellationToken cancellationToken = default) => topic.DescribeAsync(partition, level, cancellationToken);

            public override ValueTask TrimAsync(int partition, long before, CancellationToken cancellationToken = default) => topic.TrimAsync(partition, before, cancellationToken);

            public override ValueTask PurgeAsync(CancellationToken cancellationToken = default) => topic.PurgeAsync(cancellationToken);
        }
    }
}

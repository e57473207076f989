using System.Buffers;
using System.Runtime.CompilerServices;
using System.Text;

using Tidemark.Core.Hashing;
using Tidemark.Core.MessagePack;
using Tidemark.Core.Topics;
using Tidemark.Replication.Topics;

namespace Tidemark;

/// <summary>Messages that are appended to topics because a transaction was committed, each once, and only then.</summary>
/// <remarks>
/// The transaction puts a row into the store for each message; a relay, in this process or another, appends them in the order of the commits and deletes the rows. A relay that dies in between, or two at once, append
/// again what is there already: the topic remembers its ids and leaves it out. Safe for concurrent calls. docs/topics.md.
/// </remarks>
public sealed class TopicOutbox
{
    private const int PageRows = 256;
    private const int Fields = 2;

    private static readonly TimeSpan _pause = TimeSpan.FromMilliseconds(200);

    private readonly KeyValueStore _store;
    private readonly TopicCollection _topics;
    private readonly TimeProvider _time;
    private readonly string _prefix;
    private readonly KeyRange _rows;

    /// <param name="store">Where the transactions are committed.</param>
    /// <param name="topics">Where the messages go.</param>
    /// <param name="prefix">What the keys of the rows begin with, followed by a dash and a number. Nothing else should have such keys.</param>
    /// <param name="timeProvider">For pauses; null for the system's.</param>
    public TopicOutbox(KeyValueStore store, TopicCollection topics, string prefix = "outbox", TimeProvider? timeProvider = null)
    {
        ArgumentNullException.ThrowIfNull(store);
        ArgumentNullException.ThrowIfNull(topics);
        ArgumentException.ThrowIfNullOrEmpty(prefix);
        (_store, _topics, _prefix, _time) = (store, topics, prefix, timeProvider ?? TimeProvider.System);
        _rows = KeyRange.Between(prefix + "-", prefix + ".");
    }

    /// <summary>Has a message appended once a transaction is committed.</summary>
    /// <param name="transaction">The transaction. One row of it is the message: it takes part in its limits.</param>
    /// <param name="topic">The topic. It must remember ids: <see cref="TopicOptions.DeduplicationIds"/>.</param>
    /// <param name="message">The message. One without a key goes to a partition that its row decides.</param>
    /// <exception cref="ArgumentException">The topic remembers no ids, or the message is not as messages are.</exception>
    /// <exception cref="LimitExceededException">The message is too long for the topic.</exception>
    public void Add(StoreTransaction transaction, Topic topic, TopicMessage message)
    {
        ArgumentNullException.ThrowIfNull(transaction);
        ArgumentNullException.ThrowIfNull(topic);
        ArgumentNullException.ThrowIfNull(message);
        if (topic.Options.DeduplicationIds == 0) throw new ArgumentException($"The topic '{topic.Name}' remembers no ids, so a message could come twice. Set {nameof(TopicOptions.DeduplicationIds)}.", nameof(topic));
        BatchRules.Check([message], topic.Options);
        var row = new ArrayBufferWriter<byte>();
        var writer = new MessagePackWriter(row);
        writer.WriteArrayHeader(Fields);
        writer.Write(topic.Name);
        MessageCodec.Write(ref writer, message, _time.GetUtcNow());
        writer.Flush();
        transaction.PutNext(_prefix, row.WrittenMemory, [1]);
    }

    /// <summary>Appends what committed transactions have left, and deletes its rows.</summary>
    /// <param name="cancellationToken">Ends it between two batches.</param>
    /// <returns>How many messages were appended, or were there already.</returns>
    /// <exception cref="ArgumentException">A topic is missing. The messages for others were appended.</exception>
    /// <exception cref="MalformedDataException">A row is none of an outbox.</exception>
    /// <remarks>
    /// A message comes twice only if its relay dies between the append and the deletion, and <see cref="TopicOptions.DeduplicationIds"/> others come to its partition before the next relay; or if partitions are added in
    /// between.
    /// </remarks>
    public async ValueTask<long> RelayAsync(CancellationToken cancellationToken = default)
    {
        long relayed = 0;
        string? missing = null;
        for (string? token = null; ;)
        {
            ScanPage page = await _store.ScanPageAsync(_rows, new ScanOptions { Limit = PageRows, ContinuationToken = token }, cancellationToken).ConfigureAwait(false);
            foreach (IGrouping<(string Topic, int Partition), Row> batch in page.Records.Select(Read).GroupBy(row => (row.Topic, row.Partition)))
            {
                if (_topics.Find(batch.Key.Topic) is not { } topic)
                {
                    missing = batch.Key.Topic;
                    continue;
                }

                foreach (Row[] rows in Chunks(batch, topic.Options.MaxBatchBytes))
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    await topic.AppendAsync([.. rows.Select(row => row.Message)], new AppendOptions { Partition = batch.Key.Partition }, CancellationToken.None).ConfigureAwait(false);
                    await DeleteAsync(rows).ConfigureAwait(false);
                    relayed += rows.Length;
                }
            }

            token = page.ContinuationToken;
            if (token is null) break;
        }

        return missing is null ? relayed : throw new ArgumentException($"The outbox has messages for the topic '{missing}', which is not there. Create it, or delete their rows.");
    }

    /// <summary>Relays until it is cancelled: at once what there is, then whatever is committed.</summary>
    /// <param name="cancellationToken">Ends it, with an <see cref="OperationCanceledException"/>.</param>
    /// <inheritdoc cref="RelayAsync" path="/exception"/>
    /// <remarks>Woken by a watch. What may pass by itself, as a shard without a leader does, is tried again.</remarks>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                await FollowAsync(cancellationToken).ConfigureAwait(false);
            }
            catch (TidemarkException e) when (e.IsTransient || e is OutcomeUnknownException)
            {
                await Task.Delay(_pause, _time, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    private async Task FollowAsync(CancellationToken cancellationToken)
    {
        using var watching = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        IAsyncEnumerator<StoreEvent> events = _store.WatchAsync(_rows, new WatchOptions { LatestOnly = true }, watching.Token).GetAsyncEnumerator(watching.Token);
        await using ConfiguredAsyncDisposable disposal = events.ConfigureAwait(false);
        Task<bool> more = events.MoveNextAsync().AsTask();   // Watched before it is looked, so that nothing falls between.
        try
        {
            while (true)
            {
                await RelayAsync(cancellationToken).ConfigureAwait(false);
                if (!await more.ConfigureAwait(false)) return;
                more = events.MoveNextAsync().AsTask();
            }
        }
        finally
        {
            await watching.CancelAsync().ConfigureAwait(false);
            await ((Task)more).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);   // It is not to be disposed of before.
        }
    }

    private Row Read(StoreRecord record)
    {
        var reader = new MessagePackReader(record.Value.Span);
        if (reader.ReadArrayHeader() != Fields) throw new MalformedDataException(0, $"the record '{record.Key}' is no row of an outbox");
        string topic = reader.ReadString() ?? throw new MalformedDataException(1, "a row of an outbox has a topic");
        StoredMessage stored = MessageCodec.Read(ref reader, record.Value, 0, 0, default);
        reader.ReadEnd();
        ReadOnlySpan<byte> routing = (stored.Key ?? record.Key).Span;
        int partitions = _topics.Find(topic)?.Options.Partitions ?? 1;
        var message = new TopicMessage(stored.Payload) { Id = stored.Id == Guid.Empty ? IdOf(record) : stored.Id, Key = stored.Key, Headers = stored.Headers, ProducedAt = stored.ProducedAt };
        return new Row(record, topic, (int)(XxHash32.HashToUInt32(routing) % (uint)partitions), message);
    }

    /// <summary>The same for a row whenever it is read, and no other's: it is made of what no two rows share.</summary>
    private static Guid IdOf(StoreRecord record)
    {
        string name = $"{record.Key} {record.PartitionKey} {record.Version} {record.Created}";
        Span<byte> id = stackalloc byte[ContentId.SizeInBytes];
        ContentId.Compute(Encoding.UTF8.GetBytes(name)).WriteTo(id);
        return new Guid(id[..MessageCodec.IdBytes], bigEndian: true);
    }

    private static IEnumerable<Row[]> Chunks(IEnumerable<Row> rows, int mostBytes)
    {
        var chunk = new List<Row>();
        long bytes = 0;
        foreach (Row row in rows)
        {
            int length = MessageCodec.LengthOf(row.Message);
            if (chunk.Count > 0 && bytes + length > mostBytes)
            {
                yield return [.. chunk];
                chunk.Clear();
                bytes = 0;
            }

            chunk.Add(row);
            bytes += length;
        }

        if (chunk.Count > 0) yield return [.. chunk];
    }

    private async ValueTask DeleteAsync(Row[] rows)
    {
        foreach (IGrouping<StoreKey?, Row> group in rows.GroupBy(row => row.Record.PartitionKey))
        {
            var transaction = new StoreTransaction(group.Key);
            foreach (Row row in group) transaction.Delete(row.Record.Key);
            await _store.CommitAsync(transaction, CancellationToken.None).ConfigureAwait(false);
        }
    }

    private sealed record Row(StoreRecord Record, string Topic, int Partition, TopicMessage Message);
}

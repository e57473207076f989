using System.Buffers;

using Tidemark.Core.KeyValue;
using Tidemark.Core.MessagePack;
using Tidemark.Core.Topics;
using Tidemark.Replication.Cluster;
using Tidemark.Replication.Wire;

namespace Tidemark.Tests.Client;

/// <summary>What clients and nodes say to each other: whole, cut off, altered.</summary>
public sealed class StoreMessageTests
{
    private static readonly Guid _cluster = new("00112233-4455-6677-8899-aabbccddeeff");
    private static readonly WatchToken _place = new(new Dictionary<long, WatchPlace> { [0] = new(17, 2), [3] = new(400, WatchPlace.All) });

    private static readonly ScanOptions _scan = new() { Reverse = true, Limit = 9, ContinuationToken = "AQID", Level = ReadLevel.Bounded(TimeSpan.FromSeconds(1)) };

    private static readonly TopicOptions _topic = new() { Partitions = 2, RetentionAge = TimeSpan.FromDays(7), RetentionConsumer = "c", DeduplicationIds = 9 };

    private static readonly StoreRequest[] _requests =
    [
        new DescribeRequest(),
        new CommandRequest(3, (ushort)KvCommand.Write, new byte[] { 1, 2, 3 }),
        new KeepAliveRequest(3, _cluster),
        new GetRequest(3, null, "/a"),
        new GetRequest(3, "i", "/a", KeyComparison.Floor, ReadLevel.Local),
        new ScanRequest(3, KeyRange.Children("/a"), true, _scan),
        new IndexScanRequest(3, "i", "a", "b", new ScanOptions()),
        new WatchRequest(3, KeyRange.Prefix("/a"), _place, true, false),
        new WatchRequest(3, KeyRange.Between("a", "b"), null, false, true),
        new SequenceRequest(3, "/a", "/a-1"),
        new OutcomeRequest(new WriteId(_cluster, 3, 99)),
        new TopicsRequest(4),
        new CreateTopic("t", _cluster, _topic),
        new ChangeTopic("t", new TopicOptions()),
        new DeleteTopic("t", _cluster),
        new MessagesRequest(3, 0, TopicPosition.Last(5), new TopicReadOptions { MaxMessages = 7, MaxBytes = 8, Reverse = true, OutOfRange = OutOfRangePolicy.End, Level = ReadLevel.Local }),
        new MessagesRequest(3, 0, TopicPosition.AtTime(HybridTimestamp.MaxValue), new TopicReadOptions()),
        new BoundsRequest(3, 17, ReadLevel.Local),
        new BoundsRequest(3, null, default),
        new TrimRequest(3, 17),
    ];

    private static readonly byte[] _row = RecordRow.Write(
        new RecordFields
        {
            Version = 5,
            Modifications = 1,
            Created = new HybridTimestamp(77),
            Modified = new HybridTimestamp(88),
            Session = new byte[16],
            Identity = "me"u8,
            HasPartitionKey = true,
            PartitionKey = "p"u8,
            Expiry = new HybridTimestamp(99),
            Indexes = new[] { new IndexEntry("i", "k") },
        },
        "value"u8);

    private static readonly (ReadOnlyMemory<byte> Bytes, Action<ReadOnlyMemory<byte>> Read)[] _bodies =
    [
        (StoreAnswerCodec.Write(new StoreDescriptionBody(_cluster, "default", KvSettings.Of(new NamespaceOptions()), HashRangeRouter.CreateEven(3).Ranges)), bytes => StoreAnswerCodec.ReadDescription(bytes.Span)),
        (StoreAnswerCodec.Write(new PageBody([new StoreRecord("/a", _row)], "AQID", _place)), bytes => StoreAnswerCodec.ReadPage(bytes.Span, isKeysOnly: false)),
        (StoreAnswerCodec.Write(new PageBody([new StoreRecord("/a", default)], null, null)), bytes => StoreAnswerCodec.ReadPage(bytes.Span, isKeysOnly: true)),
        (StoreAnswerCodec.Write(new PageBody([new StoreRecord("/a", _row)], null, null) { SortKeys = [new byte[] { 1, 2 }] }), bytes => StoreAnswerCodec.ReadPage(bytes.Span, isKeysOnly: false)),
        (StoreAnswerCodec.Write(new EventsBody([Event(StoreEventKind.Modified), Event(StoreEventKind.RangeDeleted)], _place)), bytes => StoreAnswerCodec.ReadEvents(bytes.Span)),
        (StoreAnswerCodec.Write(new OutcomeBody(new WriteOutcome(StoreStatus.Ok, new WriteResult(StoreStatus.Ok, "/a", 7, new HybridTimestamp(9), 1)))), bytes => StoreAnswerCodec.ReadOutcome(bytes.Span)),
        (StoreAnswerCodec.Write(new TopicsBody(4, [new ClusterTopic("t", _cluster, _topic, [5, 6])])), bytes => TopicAnswerCodec.ReadTopics(bytes.Span)),
        (StoreAnswerCodec.Write(new MessagesBody(new TopicPage([Message("h"), Message(null)], 9, 1, 10), null)), bytes => TopicAnswerCodec.ReadMessages(bytes, 2)),
        (StoreAnswerCodec.Write(new BoundsBody(1, 10, new HybridTimestamp(77))), bytes => TopicAnswerCodec.ReadBounds(bytes.Span)),
        (StoreAnswerCodec.Write(7, new StoreAnswer(RequestOutcome.Unavailable, 2, "why", new BytesBody(new byte[] { 1 }))), bytes => StoreAnswerCodec.Read(bytes)),
    ];

    [Fact]
    public void What_is_written_is_read()
    {
        foreach (StoreRequest request in _requests)
        {
            ReadOnlyMemory<byte> bytes = Bytes(request);
            Assert.Equal(new StoreRequestHead(request.Kind, 7, _cluster, TimeSpan.FromMilliseconds(1500)), StoreRequestCodec.ReadHead(bytes.Span));
            StoreRequest read = StoreRequestCodec.Read(bytes);
            Assert.Equal(request.GetType(), read.GetType());
            Assert.Equal(bytes.ToArray(), Bytes(read).ToArray());   // Ranges and buffers are equal by what they hold.
        }
    }

    [Fact]
    public void Messages_and_topics_are_read_as_they_were_written()
    {
        TopicsBody topics = TopicAnswerCodec.ReadTopics(StoreAnswerCodec.Write(new TopicsBody(4, [new ClusterTopic("t", _cluster, _topic, [5, 6])])).Span);
        ClusterTopic topic = Assert.Single(topics.Topics);
        Assert.Equal((4L, "t", _cluster, _topic), (topics.Changes, topic.Name, topic.Id, topic.Options));
        Assert.Equal([5L, 6L], topic.Shards);

        MessagesBody found = TopicAnswerCodec.ReadMessages(StoreAnswerCodec.Write(new MessagesBody(new TopicPage([Message("h"), Message(null)], 9, 1, 10), 17)), partition: 2);
        Assert.Equal((9L, 1L, 10L, 17L), (found.Page.Next, found.Page.Start, found.Page.End, found.OutOfRange));
        foreach ((StoredMessage message, string? header) in found.Page.Messages.Zip((string?[])["h", null]))
        {
            StoredMessage expected = Message(header);
            Assert.Equal((2, expected.Offset, expected.Timestamp, expected.Id, expected.Key, expected.ProducedAt), (message.Partition, message.Offset, message.Timestamp, message.Id, message.Key, message.ProducedAt));
            Assert.Equal(expected.Payload.ToArray(), message.Payload.ToArray());
            Assert.Equal(expected.Headers.Select(part => part.Name), message.Headers.Select(part => part.Name));
        }
    }

    [Fact]
    public void Bodies_are_read_as_they_were_written()
    {
        StoreDescriptionBody description = StoreAnswerCodec.ReadDescription(_bodies[0].Bytes.Span);
        Assert.Equal((_cluster, "default", KvSettings.Of(new NamespaceOptions())), (description.Cluster, description.Name, description.Settings));
        Assert.Equal(HashRangeRouter.CreateEven(3).Ranges, description.Shards);
        Assert.Equal(new NamespaceOptions { ShardCount = 3 }, description.Settings.ToOptions(3));

        PageBody page = StoreAnswerCodec.ReadPage(_bodies[1].Bytes.Span, isKeysOnly: false);
        StoreRecord record = Assert.Single(page.Records);
        Assert.Equal(("/a", "value", 5L, "me", "AQID"), (record.Key.ToString(), record.GetString(), record.Version, record.ClientIdentity, page.ContinuationToken));
        Assert.Equal(_place, page.Place);

        PageBody indexed = StoreAnswerCodec.ReadPage(_bodies[3].Bytes.Span, isKeysOnly: false);
        Assert.Equal([1, 2], indexed.SortKeyOf(0, KeyOrder.Hierarchical).ToArray());
        Assert.Equal(KeyOrder.Hierarchical.Encode("/a"u8), page.SortKeyOf(0, KeyOrder.Hierarchical).ToArray());

        EventsBody events = StoreAnswerCodec.ReadEvents(_bodies[4].Bytes.Span);
        Assert.Equal([StoreEventKind.Modified, StoreEventKind.RangeDeleted], events.Events.Select(change => change.Kind));
        Assert.Equal((3L, "value", _place), (events.Events[0].Shard, events.Events[0].Record?.GetString(), events.Place));

        WriteOutcome outcome = StoreAnswerCodec.ReadOutcome(_bodies[5].Bytes.Span).Outcome;
        Assert.Equal(new WriteOutcome(StoreStatus.Ok, new WriteResult(StoreStatus.Ok, "/a", 7, new HybridTimestamp(9), 1)), outcome);
    }

    [Fact]
    public void What_is_cut_off_anywhere_or_longer_is_refused()
    {
        foreach ((ReadOnlyMemory<byte> bytes, Action<ReadOnlyMemory<byte>> read) in All())
        {
            for (int length = 0; length < bytes.Length; length++) Assert.Throws<MalformedDataException>(() => read(bytes[..length]));
            Assert.Throws<MalformedDataException>(() => read((byte[])[.. bytes.Span, 0]));
        }
    }

    /// <summary>Also a row that lies about its parts: reading it later would go beyond its end.</summary>
    [Fact]
    public void What_is_altered_is_read_or_refused_and_does_nothing_else()
    {
        foreach ((ReadOnlyMemory<byte> bytes, Action<ReadOnlyMemory<byte>> read) in All())
        {
            for (int at = 0; at < bytes.Length; at++)
            {
                foreach (byte other in (byte[])[0, 1, 9, 0x7F, 0x80, 0x9F, 0xC0, 0xC1, 0xC6, 0xCF, 0xDD, 0xFF])
                {
                    byte[] altered = bytes.ToArray();
                    altered[at] = other;
                    if (Record.Exception(() => read(altered)) is { } failure) Assert.IsType<MalformedDataException>(failure);
                }
            }
        }
    }

    [Fact]
    public void Rows_that_are_read_can_be_looked_at_in_every_part()
    {
        for (int at = 0; at < _row.Length; at++)
        {
            foreach (byte other in (byte[])[0, 1, 31, 32, 0xFF])
            {
                byte[] altered = [.. _row];
                altered[at] = other;
                if (!RecordRow.IsWhole(altered)) continue;
                var record = new StoreRecord("/a", altered);
                _ = (record.Value, record.SessionId, record.ClientIdentity, record.PartitionKey, record.Expires, record.Indexes.Count);
            }

            Assert.True(at >= _row.Length - 5 || !RecordRow.IsWhole(_row.AsSpan(0, at)), $"cut at {at}");   // The value may have any length.
        }
    }

    [Theory]
    [InlineData("another version", 1L)]
    [InlineData("an answer", 3L, 0L)]
    [InlineData("no such kind", 3L, 10L)]
    [InlineData("too few fields", 3L, 4L)]
    public void What_does_not_begin_as_a_request_is_none(string what, params long[] beginning)
    {
        var output = new ArrayBufferWriter<byte>();
        var writer = new MessagePackWriter(output);
        writer.WriteArrayHeader(beginning.Length);
        foreach (long field in beginning) writer.Write(field);
        writer.Flush();
        Assert.True(Record.Exception(() => StoreRequestCodec.ReadHead(output.WrittenSpan)) is MalformedDataException, what);
    }

    private static IEnumerable<(ReadOnlyMemory<byte> Bytes, Action<ReadOnlyMemory<byte>> Read)> All() =>
        _requests.Select(request => (Bytes(request), (Action<ReadOnlyMemory<byte>>)(bytes => StoreRequestCodec.Read(bytes)))).Concat(_bodies);

    private static ReadOnlyMemory<byte> Bytes(StoreRequest request) => StoreRequestCodec.Write(7, _cluster, TimeSpan.FromMilliseconds(1500), request);

    private static StoreEvent Event(StoreEventKind kind) => new()
    {
        Kind = kind,
        Key = kind == StoreEventKind.Modified ? "/a" : default(StoreKey),
        Range = kind == StoreEventKind.RangeDeleted ? KeyRange.Children("/a") : null,
        Version = 5,
        Record = kind == StoreEventKind.Modified ? new StoreRecord("/a", _row) : null,
        Shard = 3,
        Token = _place,
    };

    /// <summary>A message as it is in a log.</summary>
    private static StoredMessage Message(string? header)
    {
        var output = new ArrayBufferWriter<byte>();
        var writer = new MessagePackWriter(output);
        MessageHeader[] headers = header is null ? [] : [new MessageHeader(header, new byte[] { 1 })];
        MessageCodec.Write(ref writer, new TopicMessage("payload"u8.ToArray()) { Id = _cluster, Key = header is null ? null : (StoreKey?)"k", Headers = headers }, new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero));
        writer.Flush();
        var reader = new MessagePackReader(output.WrittenSpan);
        return MessageCodec.Read(ref reader, output.WrittenMemory, 2, 8, new HybridTimestamp(99));
    }
}

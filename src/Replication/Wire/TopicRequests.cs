using Tidemark.Core.KeyValue;
using Tidemark.Core.MessagePack;
using Tidemark.Storage.Catalog;

namespace Tidemark.Replication.Wire;

/// <summary>Which topics there are, once they are others than were known.</summary>
/// <param name="Known">How often topics have changed, as far as is known; -1 where nothing is.</param>
internal sealed record TopicsRequest(long Known) : StoreRequest<TopicsBody>(StoreRequestKind.Topics, DescribeRequest.NoShard)
{
    protected override TopicsBody Read(ReadOnlyMemory<byte> bytes) => TopicAnswerCodec.ReadTopics(bytes.Span);
}

/// <summary>Another topic, other settings of one, or one less. Once more does no harm.</summary>
internal abstract record TopicChange(StoreRequestKind Kind, string Name) : StoreRequest<NoBody>(Kind, DescribeRequest.NoShard)
{
    protected override NoBody Read(ReadOnlyMemory<byte> bytes) => NoBody.Instance;
}

/// <param name="Name">Its name.</param>
/// <param name="Id">An id that nobody has: so the topic is known again where the answer was lost.</param>
/// <param name="Options">Its settings.</param>
internal sealed record CreateTopic(string Name, Guid Id, TopicOptions Options) : TopicChange(StoreRequestKind.CreateTopic, Name);

/// <param name="Name">Its name.</param>
/// <param name="Options">All its settings from now on.</param>
internal sealed record ChangeTopic(string Name, TopicOptions Options) : TopicChange(StoreRequestKind.ChangeTopic, Name);

/// <param name="Name">Its name.</param>
/// <param name="Id">Its id: another of the same name stays.</param>
internal sealed record DeleteTopic(string Name, Guid Id) : TopicChange(StoreRequestKind.DeleteTopic, Name);

/// <summary>A page of messages.</summary>
/// <param name="Shard">The shard.</param>
/// <param name="Partition">Which partition of its topic that is, for whoever asks: it does not travel.</param>
/// <param name="From">Where to begin.</param>
/// <param name="Options">How.</param>
internal sealed record MessagesRequest(long Shard, int Partition, TopicPosition From, TopicReadOptions Options) : StoreRequest<MessagesBody>(StoreRequestKind.Messages, Shard)
{
    protected override MessagesBody Read(ReadOnlyMemory<byte> bytes) => TopicAnswerCodec.ReadMessages(bytes, Partition);
}

/// <summary>Where a partition begins and ends; once it ends behind an offset, where one is given.</summary>
internal sealed record BoundsRequest(long Shard, long? Behind, ReadLevel Level) : StoreRequest<BoundsBody>(StoreRequestKind.Bounds, Shard)
{
    protected override BoundsBody Read(ReadOnlyMemory<byte> bytes) => TopicAnswerCodec.ReadBounds(bytes.Span);
}

/// <summary>Let the messages before an offset go.</summary>
internal sealed record TrimRequest(long Shard, long Before) : StoreRequest<BoundsBody>(StoreRequestKind.Trim, Shard)
{
    protected override BoundsBody Read(ReadOnlyMemory<byte> bytes) => TopicAnswerCodec.ReadBounds(bytes.Span);
}

/// <summary>Requests that are about topics as bytes. Format: docs/format/client.md.</summary>
internal static class TopicRequestCodec
{
    internal static int FieldsOf(StoreRequestKind kind) => kind switch
    {
        StoreRequestKind.Topics => 1,
        StoreRequestKind.CreateTopic => 4,
        StoreRequestKind.ChangeTopic or StoreRequestKind.Bounds => 3,
        StoreRequestKind.DeleteTopic or StoreRequestKind.Trim => 2,
        _ => 8,
    };

    internal static void WriteFields(ref MessagePackWriter writer, StoreRequest request)
    {
        switch (request)
        {
            case TopicsRequest topics:
                writer.Write(topics.Known);
                break;
            case CreateTopic create:
                writer.Write(create.Name);
                CommandWriter.WriteId(ref writer, create.Id);
                Write(ref writer, create.Options);
                break;
            case ChangeTopic change:
                writer.Write(change.Name);
                Write(ref writer, change.Options);
                break;
            case DeleteTopic delete:
                writer.Write(delete.Name);
                CommandWriter.WriteId(ref writer, delete.Id);
                break;
            case MessagesRequest messages:
                writer.Write(messages.Shard);
                writer.Write((long)messages.From.Kind);
                writer.Write(messages.From.Number);
                writer.Write((long)messages.Options.MaxMessages);
                writer.Write((long)messages.Options.MaxBytes);
                writer.Write(messages.Options.Reverse);
                writer.Write((long)messages.Options.OutOfRange);
                StoreParts.Write(ref writer, messages.Options.Level);
                break;
            case BoundsRequest bounds:
                writer.Write(bounds.Shard);
                if (bounds.Behind is { } offset) writer.Write(offset);
                else writer.WriteNil();
                StoreParts.Write(ref writer, bounds.Level);
                break;
            case TrimRequest trim:
                writer.Write(trim.Shard);
                writer.Write(trim.Before);
                break;
        }
    }

    internal static StoreRequest Read(StoreRequestKind kind, ref MessagePackReader reader) => kind switch
    {
        StoreRequestKind.Topics => new TopicsRequest(reader.ReadInt64()),
        StoreRequestKind.CreateTopic => new CreateTopic(ReadName(ref reader), CommandParts.ReadGuid(ref reader), ReadOptions(ref reader)),
        StoreRequestKind.ChangeTopic => new ChangeTopic(ReadName(ref reader), ReadOptions(ref reader)),
        StoreRequestKind.DeleteTopic => new DeleteTopic(ReadName(ref reader), CommandParts.ReadGuid(ref reader)),
        StoreRequestKind.Messages => new MessagesRequest(reader.ReadInt64(), 0, ReadPosition(ref reader), ReadReadOptions(ref reader)),
        StoreRequestKind.Bounds => new BoundsRequest(reader.ReadInt64(), reader.TryReadNil() ? null : reader.ReadInt64(), StoreParts.ReadLevel(ref reader)),
        _ => new TrimRequest(reader.ReadInt64(), reader.ReadInt64()),
    };

    /// <summary>Settings, and how many partitions there are.</summary>
    internal static void Write(ref MessagePackWriter writer, TopicOptions options)
    {
        writer.Write((long)options.Partitions);
        CatalogTopicCodec.WriteSettings(ref writer, options);
    }

    internal static TopicOptions ReadOptions(ref MessagePackReader reader)
    {
        int partitions = reader.ReadInt32();
        return CatalogTopicCodec.ReadSettings(ref reader) with { Partitions = partitions };
    }

    internal static string ReadName(ref MessagePackReader reader) => reader.ReadString() ?? throw ShardMessageCodec.Wrong(reader, "a name");

    private static TopicPosition ReadPosition(ref MessagePackReader reader)
    {
        (var kind, long number) = ((TopicPositionKind)reader.ReadByte(), reader.ReadInt64());
        return kind switch
        {
            TopicPositionKind.First => TopicPosition.First,
            TopicPositionKind.Offset when number >= 0 => TopicPosition.At(number),
            TopicPositionKind.Time => TopicPosition.AtTime(new HybridTimestamp(unchecked((ulong)number))),
            TopicPositionKind.Last when number >= 0 => TopicPosition.Last(number),
            TopicPositionKind.End => TopicPosition.End,
            _ => throw ShardMessageCodec.Wrong(reader, $"a position, not {kind} with {number}"),
        };
    }

    private static TopicReadOptions ReadReadOptions(ref MessagePackReader reader)
    {
        var options = new TopicReadOptions
        {
            MaxMessages = reader.ReadInt32(),
            MaxBytes = reader.ReadInt32(),
            Reverse = reader.ReadBoolean(),
            OutOfRange = (OutOfRangePolicy)reader.ReadByte(),
            Level = StoreParts.ReadLevel(ref reader),
        };
        return options is { MaxMessages: > 0, MaxBytes: > 0, OutOfRange: <= OutOfRangePolicy.End } ? options : throw ShardMessageCodec.Wrong(reader, "limits above zero, and a policy");
    }
}

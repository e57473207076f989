using System.Buffers;

using Tidemark.Core.KeyValue;
using Tidemark.Core.MessagePack;
using Tidemark.Core.Topics;
using Tidemark.Replication.Cluster;

namespace Tidemark.Replication.Wire;

/// <summary>Nothing: it was done.</summary>
internal sealed record NoBody : StoreBody
{
    internal static NoBody Instance { get; } = new();
}

/// <summary>The topics of a cluster.</summary>
/// <param name="Changes">How often topics have changed.</param>
/// <param name="Topics">All there are.</param>
internal sealed record TopicsBody(long Changes, IReadOnlyList<ClusterTopic> Topics) : StoreBody;

/// <summary>A page of messages.</summary>
/// <param name="Page">The page.</param>
/// <param name="OutOfRange">The offset that was asked for and is not there; null where all is well.</param>
internal sealed record MessagesBody(TopicPage Page, long? OutOfRange) : StoreBody;

/// <summary>Where a partition begins and ends, and when it was last appended to.</summary>
internal sealed record BoundsBody(long Start, long End, HybridTimestamp Timestamp) : StoreBody;

/// <summary>Answers that are about topics as bytes. Format: docs/format/client.md.</summary>
internal static class TopicAnswerCodec
{
    internal static ReadOnlyMemory<byte> Write(StoreBody body)
    {
        var output = new ArrayBufferWriter<byte>();
        var writer = new MessagePackWriter(output);
        switch (body)
        {
            case TopicsBody topics:
                Write(ref writer, topics);
                break;
            case MessagesBody messages:
                Write(ref writer, messages);
                break;
            case BoundsBody bounds:
                writer.WriteArrayHeader(3);
                writer.Write(bounds.Start);
                writer.Write(bounds.End);
                writer.Write(bounds.Timestamp.Value);
                break;
        }

        writer.Flush();
        return output.WrittenMemory;
    }

    internal static TopicsBody ReadTopics(ReadOnlySpan<byte> bytes)
    {
        var reader = new MessagePackReader(bytes);
        CommandParts.ReadArrayOf(2, ref reader);
        long changes = reader.ReadInt64();
        var topics = new ClusterTopic[reader.ReadArrayHeader()];
        foreach (ref ClusterTopic topic in topics.AsSpan())
        {
            CommandParts.ReadArrayOf(5, ref reader);
            topic = new ClusterTopic(TopicRequestCodec.ReadName(ref reader), CommandParts.ReadGuid(ref reader), TopicRequestCodec.ReadOptions(ref reader), ReadShards(ref reader));
            if (topic.Shards.Count != topic.Options.Partitions || topic.Shards.Count == 0) throw ShardMessageCodec.Wrong(reader, $"a shard for each of {topic.Options.Partitions} partitions, not {topic.Shards.Count}");
        }

        reader.ReadEnd();
        return new TopicsBody(changes, topics);
    }

    internal static MessagesBody ReadMessages(ReadOnlyMemory<byte> bytes, int partition)
    {
        var reader = new MessagePackReader(bytes.Span);
        CommandParts.ReadArrayOf(5, ref reader);
        var messages = new StoredMessage[reader.ReadArrayHeader()];
        foreach (ref StoredMessage message in messages.AsSpan())
        {
            CommandParts.ReadArrayOf(3, ref reader);
            (long offset, ulong timestamp) = (reader.ReadInt64(), reader.ReadUInt64());
            message = MessageCodec.Read(ref reader, bytes, partition, offset, new HybridTimestamp(timestamp));
        }

        var body = new MessagesBody(new TopicPage(messages, reader.ReadInt64(), reader.ReadInt64(), reader.ReadInt64()), reader.TryReadNil() ? null : reader.ReadInt64());
        reader.ReadEnd();
        return body;
    }

    internal static BoundsBody ReadBounds(ReadOnlySpan<byte> bytes)
    {
        var reader = new MessagePackReader(bytes);
        CommandParts.ReadArrayOf(3, ref reader);
        var body = new BoundsBody(reader.ReadInt64(), reader.ReadInt64(), new HybridTimestamp(reader.ReadUInt64()));
        reader.ReadEnd();
        return body;
    }

    private static void Write(ref MessagePackWriter writer, TopicsBody body)
    {
        writer.WriteArrayHeader(2);
        writer.Write(body.Changes);
        writer.WriteArrayHeader(body.Topics.Count);
        foreach (ClusterTopic topic in body.Topics)
        {
            writer.WriteArrayHeader(5);
            writer.Write(topic.Name);
            CommandWriter.WriteId(ref writer, topic.Id);
            TopicRequestCodec.Write(ref writer, topic.Options);
            writer.WriteArrayHeader(topic.Shards.Count);
            foreach (long shard in topic.Shards) writer.Write(shard);
        }
    }

    private static void Write(ref MessagePackWriter writer, MessagesBody body)
    {
        writer.WriteArrayHeader(5);
        writer.WriteArrayHeader(body.Page.Messages.Count);
        foreach (StoredMessage message in body.Page.Messages)
        {
            writer.WriteArrayHeader(3);
            writer.Write(message.Offset);
            writer.Write(message.Timestamp.Value);
            MessageCodec.Write(ref writer, message);
        }

        writer.Write(body.Page.Next);
        writer.Write(body.Page.Start);
        writer.Write(body.Page.End);
        if (body.OutOfRange is { } offset) writer.Write(offset);
        else writer.WriteNil();
    }

    private static long[] ReadShards(ref MessagePackReader reader)
    {
        var shards = new long[reader.ReadArrayHeader()];
        foreach (ref long shard in shards.AsSpan()) shard = reader.ReadInt64();
        return shards;
    }
}

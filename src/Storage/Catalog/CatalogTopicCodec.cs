using Tidemark.Core.MessagePack;

namespace Tidemark.Storage.Catalog;

/// <summary>A topic in a catalog, as MessagePack. Bytes: docs/format/catalog.md.</summary>
internal static class CatalogTopicCodec
{
    private const int TopicFields = 3;
    private const int SettingFields = 10;

    internal static void Write(ref MessagePackWriter writer, CatalogTopic topic)
    {
        writer.WriteArrayHeader(TopicFields);
        writer.Write(topic.Name);
        WriteSettings(ref writer, topic.Options);
        writer.WriteArrayHeader(topic.Shards.Count);
        foreach (long shard in topic.Shards) writer.Write(shard);
    }

    internal static CatalogTopic Read(ref MessagePackReader reader)
    {
        CatalogParts.RequireFields(ref reader, TopicFields, "topic");
        string name = CatalogParts.ReadText(ref reader);
        TopicOptions settings = ReadSettings(ref reader);
        long[] shards = new long[reader.ReadArrayHeader()];
        foreach (ref long shard in shards.AsSpan()) shard = reader.ReadInt64();
        return new CatalogTopic { Name = name, Options = settings with { Partitions = shards.Length }, Shards = shards };
    }

    internal static void WriteSettings(ref MessagePackWriter writer, TopicOptions settings)
    {
        writer.WriteArrayHeader(SettingFields);
        writer.Write((long)settings.MaxMessageBytes);
        writer.Write((long)settings.MaxBatchBytes);
        WriteOptional(ref writer, settings.RetentionAge);
        if (settings.RetentionBytes is { } bytes) writer.Write(bytes);
        else writer.WriteNil();
        writer.Write(settings.RetentionConsumer);
        writer.Write(settings.SegmentBytes);
        WriteOptional(ref writer, settings.SegmentAge);
        writer.Write((long)settings.DeduplicationIds);
        CatalogParts.Write(ref writer, settings.ProducerIdleTimeout);
        writer.Write((long)settings.MaxProducers);
    }

    internal static TopicOptions ReadSettings(ref MessagePackReader reader)
    {
        CatalogParts.RequireFields(ref reader, SettingFields, "topic's settings");
        return new TopicOptions
        {
            MaxMessageBytes = reader.ReadInt32(),
            MaxBatchBytes = reader.ReadInt32(),
            RetentionAge = ReadOptional(ref reader),
            RetentionBytes = reader.TryReadNil() ? null : reader.ReadInt64(),
            RetentionConsumer = reader.ReadString(),
            SegmentBytes = reader.ReadInt64(),
            SegmentAge = ReadOptional(ref reader),
            DeduplicationIds = reader.ReadInt32(),
            ProducerIdleTimeout = CatalogParts.ReadMilliseconds(ref reader),
            MaxProducers = reader.ReadInt32(),
        };
    }

    private static void WriteOptional(ref MessagePackWriter writer, TimeSpan? time)
    {
        if (time is { } span) CatalogParts.Write(ref writer, span);
        else writer.WriteNil();
    }

    private static TimeSpan? ReadOptional(ref MessagePackReader reader) => reader.TryReadNil() ? null : CatalogParts.ReadMilliseconds(ref reader);
}

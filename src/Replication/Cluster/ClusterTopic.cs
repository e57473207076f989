using System.Text.Json;

using Tidemark.Storage.Catalog;

namespace Tidemark.Replication.Cluster;

/// <summary>What a cluster knows of a topic.</summary>
/// <param name="Name">The name users know it by.</param>
/// <param name="Id">Tells it from every other one, also of the same name.</param>
/// <param name="Options">Its settings. <see cref="TopicOptions.Partitions"/> is the number of its shards.</param>
/// <param name="Shards">The shards that its partitions are, in their order.</param>
internal sealed record ClusterTopic(string Name, Guid Id, TopicOptions Options, IReadOnlyList<long> Shards)
{
    internal void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteString("topic", Name);
        writer.WriteString("id", Id);
        writer.WriteNumber("maxMessageBytes", Options.MaxMessageBytes);
        writer.WriteNumber("maxBatchBytes", Options.MaxBatchBytes);
        if (Options.RetentionAge is { } age) writer.WriteNumber("retentionMs", MillisecondsOf(age));
        if (Options.RetentionBytes is { } bytes) writer.WriteNumber("retentionBytes", bytes);
        if (Options.RetentionConsumer is { } consumer) writer.WriteString("retentionConsumer", consumer);
        writer.WriteNumber("segmentBytes", Options.SegmentBytes);
        if (Options.SegmentAge is { } segmentAge) writer.WriteNumber("segmentMs", MillisecondsOf(segmentAge));
        writer.WriteNumber("deduplicationIds", Options.DeduplicationIds);
        writer.WriteNumber("producerIdleMs", MillisecondsOf(Options.ProducerIdleTimeout));
        writer.WriteNumber("maxProducers", Options.MaxProducers);
        writer.WriteStartArray("shards");
        foreach (long shard in Shards) writer.WriteNumberValue(shard);
        writer.WriteEndArray();
        writer.WriteEndObject();
    }

    /// <exception cref="ArgumentException">A name or setting is none that a topic may have.</exception>
    internal static ClusterTopic Read(JsonElement topic)
    {
        long[] shards = [.. topic.GetProperty("shards").EnumerateArray().Select(shard => shard.GetInt64())];
        var options = new TopicOptions
        {
            Partitions = shards.Length,
            MaxMessageBytes = topic.GetProperty("maxMessageBytes").GetInt32(),
            MaxBatchBytes = topic.GetProperty("maxBatchBytes").GetInt32(),
            RetentionAge = OptionalTime("retentionMs"),
            RetentionBytes = topic.TryGetProperty("retentionBytes", out JsonElement bytes) ? bytes.GetInt64() : null,
            RetentionConsumer = topic.TryGetProperty("retentionConsumer", out JsonElement consumer) ? consumer.GetString() : null,
            SegmentBytes = topic.GetProperty("segmentBytes").GetInt64(),
            SegmentAge = OptionalTime("segmentMs"),
            DeduplicationIds = topic.GetProperty("deduplicationIds").GetInt32(),
            ProducerIdleTimeout = TimeOf(topic.GetProperty("producerIdleMs")),
            MaxProducers = topic.GetProperty("maxProducers").GetInt32(),
        };
        options.Validate();
        string name = topic.GetProperty("topic").GetString() ?? "";
        CatalogName.Require(name, "topic");
        return new ClusterTopic(name, topic.GetProperty("id").GetGuid(), options, shards);

        TimeSpan? OptionalTime(string field) => topic.TryGetProperty(field, out JsonElement time) ? TimeOf(time) : null;
    }

    private static long MillisecondsOf(TimeSpan time) => time.Ticks / TimeSpan.TicksPerMillisecond;

    private static TimeSpan TimeOf(JsonElement milliseconds) => TimeSpan.FromMilliseconds(milliseconds.GetInt64(), 0);
}

/// <summary>What a shard is that is a partition.</summary>
/// <param name="Topic">Of which topic.</param>
/// <param name="Number">Which of its partitions, from 0.</param>
internal sealed record ClusterPartition(ClusterTopic Topic, int Number)
{
    internal long Shard => Topic.Shards[Number];
}

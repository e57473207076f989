using System.Buffers;

using Tidemark.Core.KeyValue;
using Tidemark.Core.MessagePack;

namespace Tidemark.Core.Topics;

/// <summary>What decides how a partition's commands are judged and what it keeps. Comes from the log alone, so that all replicas judge alike.</summary>
/// <param name="RetentionMilliseconds">How long messages are kept at least; null for ever.</param>
/// <param name="RetentionBytes">How many bytes of the log are kept at least; null for all.</param>
/// <param name="IsHeld">Whether messages stay that were not released.</param>
/// <param name="DeduplicationIds">How many ids are remembered.</param>
/// <param name="ProducerIdleMilliseconds">How long a producer stays known.</param>
/// <param name="MaxProducers">How many are known at once.</param>
internal sealed record TopicSettings(long? RetentionMilliseconds, long? RetentionBytes, bool IsHeld, int DeduplicationIds, long ProducerIdleMilliseconds, int MaxProducers)
{
    private const int Fields = 6;

    internal static TopicSettings Of(TopicOptions options) => new(
        (long?)options.RetentionAge?.TotalMilliseconds, options.RetentionBytes, options.RetentionConsumer is not null, options.DeduplicationIds,
        (long)options.ProducerIdleTimeout.TotalMilliseconds, options.MaxProducers);

    internal void Write(IBufferWriter<byte> output)
    {
        var writer = new MessagePackWriter(output);
        writer.WriteArrayHeader(Fields);
        CommandWriter.WriteOptional(ref writer, RetentionMilliseconds);
        CommandWriter.WriteOptional(ref writer, RetentionBytes);
        writer.Write(IsHeld);
        writer.Write((long)DeduplicationIds);
        writer.Write(ProducerIdleMilliseconds);
        writer.Write((long)MaxProducers);
        writer.Flush();
    }

    /// <exception cref="MalformedDataException">The bytes are no settings, or settings nobody may have.</exception>
    internal static TopicSettings Read(ReadOnlySpan<byte> bytes)
    {
        var reader = new MessagePackReader(bytes);
        if (reader.ReadArrayHeader() != Fields) throw new MalformedDataException(0, $"settings have {Fields} fields");
        var settings = new TopicSettings(CommandParts.ReadOptionalInt64(ref reader), CommandParts.ReadOptionalInt64(ref reader), reader.ReadBoolean(), reader.ReadInt32(), reader.ReadInt64(), reader.ReadInt32());
        reader.ReadEnd();
        bool isSane = settings is { RetentionMilliseconds: null or > 0, RetentionBytes: null or > 0, DeduplicationIds: >= 0, ProducerIdleMilliseconds: > 0, MaxProducers: >= 0 };
        return isSane ? settings : throw new MalformedDataException(1, "a limit is below zero");
    }
}

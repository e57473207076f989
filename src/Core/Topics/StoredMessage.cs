namespace Tidemark;

/// <summary>A message as it was read.</summary>
/// <remarks>Immutable. Its bytes are shared with others of its batch; keep it as long as you like.</remarks>
public sealed class StoredMessage
{
    private IReadOnlyList<MessageHeader>? _headers;

    internal StoredMessage(
        int partition, long offset, HybridTimestamp timestamp, Guid id, StoreKey? key, DateTimeOffset producedAt, ReadOnlyMemory<byte> headerBytes, ReadOnlyMemory<byte> payload) =>
        (Partition, Offset, Timestamp, Id, Key, ProducedAt, HeaderBytes, Payload) = (partition, offset, timestamp, id, key, producedAt, headerBytes, payload);

    /// <summary>The partition it is in.</summary>
    public int Partition { get; }

    /// <summary>Its place there.</summary>
    public long Offset { get; }

    /// <summary>When it was appended. Messages of one batch share it; later batches of the partition have higher ones.</summary>
    public HybridTimestamp Timestamp { get; }

    /// <summary>What tells it from others.</summary>
    public Guid Id { get; }

    /// <summary>Its key, or null.</summary>
    public StoreKey? Key { get; }

    /// <summary>When its producer says it was made, in microseconds.</summary>
    public DateTimeOffset ProducedAt { get; }

    /// <summary>Its headers, in the order they were given in.</summary>
    public IReadOnlyList<MessageHeader> Headers => _headers ??= Core.Topics.MessageCodec.ReadHeaders(HeaderBytes);

    /// <summary>The headers as they are in the log, where most readers do not look; empty where there are none.</summary>
    internal ReadOnlyMemory<byte> HeaderBytes { get; }

    /// <summary>Its bytes.</summary>
    public ReadOnlyMemory<byte> Payload { get; }
}

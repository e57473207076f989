using System.Buffers.Binary;

namespace Tidemark.Replication.Topics;

/// <summary>Makes ids for messages that have none: UUIDs of version 7, which begin with the time in milliseconds.</summary>
/// <param name="time">The time.</param>
/// <param name="draw">Sixteen bytes of chance.</param>
internal sealed class MessageIds(TimeProvider time, Func<Guid> draw)
{
    private const int TimeBytes = 6;

    internal Guid Next()
    {
        Span<byte> bytes = stackalloc byte[16], now = stackalloc byte[sizeof(long)];
        draw().TryWriteBytes(bytes, bigEndian: true, out _);
        BinaryPrimitives.WriteInt64BigEndian(now, time.GetUtcNow().ToUnixTimeMilliseconds());
        now[^TimeBytes..].CopyTo(bytes);
        bytes[6] = (byte)(0x70 | (bytes[6] & 0x0F));   // The version.
        bytes[8] = (byte)(0x80 | (bytes[8] & 0x3F));   // The variant.
        return new Guid(bytes, bigEndian: true);
    }

    /// <summary>The messages, each with an id.</summary>
    internal IReadOnlyList<TopicMessage> Complete(IReadOnlyList<TopicMessage> messages)
    {
        var complete = new TopicMessage[messages.Count];
        for (int i = 0; i < complete.Length; i++) complete[i] = messages[i].Id == Guid.Empty ? messages[i] with { Id = Next() } : messages[i];
        return complete;
    }
}

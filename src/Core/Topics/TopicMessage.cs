namespace Tidemark;

/// <summary>A message to be appended to a topic.</summary>
/// <param name="Payload">Its bytes. Not copied until it is appended: do not change them before.</param>
public sealed record TopicMessage(ReadOnlyMemory<byte> Payload)
{
    /// <summary>The longest key, in bytes.</summary>
    public const int LargestKeyBytes = 64 * 1024;

    /// <summary>The most headers.</summary>
    public const int MostHeaders = 1_000;

    /// <summary>The longest name of a header, in bytes of UTF-8.</summary>
    public const int LargestHeaderNameBytes = 1024;

    /// <summary>What tells it from others; empty, the default, to have one made (UUID version 7). One made of the content, with <see cref="ContentId"/>, makes replays deduplicate.</summary>
    public Guid Id { get; init; }

    /// <summary>The key: stored with the message, and what chooses the partition where none is named. Null for none. Up to <see cref="LargestKeyBytes"/>.</summary>
    public StoreKey? Key { get; init; }

    /// <summary>Headers, in this order; a name may come more than once. Up to <see cref="MostHeaders"/>.</summary>
    public IReadOnlyList<MessageHeader> Headers { get; init; } = [];

    /// <summary>When it was produced; null for the time of the append. Kept in microseconds.</summary>
    public DateTimeOffset? ProducedAt { get; init; }
}

/// <summary>A header of a message.</summary>
/// <param name="Name">1 to <see cref="TopicMessage.LargestHeaderNameBytes"/> bytes of UTF-8.</param>
/// <param name="Value">Any bytes.</param>
public readonly record struct MessageHeader(string Name, ReadOnlyMemory<byte> Value);

using Tidemark.Core.Replication;

namespace Tidemark.Replication.Wire;

/// <summary>A message about a shard, with the bytes that travel with it.</summary>
/// <param name="ShardId">The shard.</param>
/// <param name="Message">What the cores see of it.</param>
/// <param name="Entries">The entries of an <see cref="Append"/>; else none.</param>
/// <param name="Bytes">The bytes of a <see cref="StatePart"/>; else none.</param>
internal readonly record struct ShardMessage(long ShardId, ReplicaMessage Message, IReadOnlyList<LogRecord> Entries, ReadOnlyMemory<byte> Bytes)
{
    internal ShardMessage(long shardId, ReplicaMessage message)
        : this(shardId, message, [], default)
    {
    }
}

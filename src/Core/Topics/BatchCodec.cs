using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.InteropServices;

using Tidemark.Core.KeyValue;
using Tidemark.Core.MessagePack;

namespace Tidemark.Core.Topics;

/// <summary>What stands before the messages of a batch.</summary>
/// <param name="First">The offset of the first message. Before the leader has admitted the batch, nothing.</param>
/// <param name="ExpectedOffset">The offset that it must be; null for any.</param>
/// <param name="Producer">Who numbered the batch; null for nobody.</param>
/// <param name="Sequence">The producer's number for it.</param>
/// <param name="Duplicates">How many messages the leader left out because their ids are known.</param>
/// <param name="Count">How many messages follow.</param>
internal readonly record struct BatchHead(long First, long? ExpectedOffset, Guid? Producer, long Sequence, int Duplicates, int Count);

/// <summary>A batch of messages as bytes: the command that appends it, and the entry it becomes. Format: docs/format/topic-entries.md.</summary>
internal static class BatchCodec
{
    private const int Fields = 6;
    private const byte UInt64Code = 0xCF;
    private const int RoomOfHead = 64;   // More than it takes.
    private const int FirstAt = 2;   // Behind the array's header and the number's code: always eight bytes, so that it can be filled in.

    internal static void Write(IBufferWriter<byte> output, in BatchHead head, IReadOnlyList<TopicMessage> messages, DateTimeOffset now)
    {
        int length = 0;
        for (int i = 0; i < messages.Count; i++) length += MessageCodec.LengthOf(messages[i]);
        output.GetSpan(length + RoomOfHead);   // At once, not by doubling and copying.
        var writer = new MessagePackWriter(output);
        WriteHead(ref writer, head);
        for (int i = 0; i < messages.Count; i++) MessageCodec.Write(ref writer, messages[i], now);   // By index: a list's enumerator would be allocated.
        writer.Flush();
    }

    /// <summary>Writes what stands before the messages; as many as it says must follow.</summary>
    internal static void WriteHead(ref MessagePackWriter writer, in BatchHead head)
    {
        Span<byte> first = stackalloc byte[1 + sizeof(ulong)];
        first[0] = UInt64Code;
        BinaryPrimitives.WriteInt64BigEndian(first[1..], head.First);
        writer.WriteArrayHeader(Fields);
        writer.WriteRaw(first);
        CommandWriter.WriteOptional(ref writer, head.ExpectedOffset);
        if (head.Producer is { } producer) CommandWriter.WriteId(ref writer, producer);
        else writer.WriteNil();
        writer.Write(head.Sequence);
        writer.Write((long)head.Duplicates);
        writer.WriteArrayHeader(head.Count);
    }

    /// <summary>Fills in where the first message is.</summary>
    /// <param name="batch">The bytes of a batch, in memory that may be written to.</param>
    /// <param name="first">Its offset.</param>
    internal static void Place(ReadOnlyMemory<byte> batch, long first) => BinaryPrimitives.WriteInt64BigEndian(MemoryMarshal.AsMemory(batch).Span[FirstAt..], first);

    /// <summary>Reads up to the first message.</summary>
    /// <exception cref="MalformedDataException">It is no batch.</exception>
    internal static BatchHead ReadHead(ref MessagePackReader reader)
    {
        if (reader.ReadArrayHeader() != Fields) throw new MalformedDataException(0, $"a batch has {Fields} fields");
        if (reader.NextCode != UInt64Code) throw new MalformedDataException(1, "a batch begins with a number of eight bytes");
        long first = reader.ReadInt64();
        long? expected = reader.TryReadNil() ? null : reader.ReadInt64();
        Guid? producer = reader.TryReadNil() ? null : CommandParts.ReadGuid(ref reader);
        return new BatchHead(first, expected, producer, reader.ReadInt64(), reader.ReadInt32(), reader.ReadArrayHeader());
    }
}

/// <summary>What became of an append, as its answer says it and as it is kept for its producer.</summary>
/// <param name="Status">The end of it; <see cref="StoreStatus.VersionMismatch"/> for another offset than was expected.</param>
/// <param name="Offset">The first message's; of a refused one see <see cref="AppendResult.Offset"/>.</param>
/// <param name="Count">How many messages were appended.</param>
/// <param name="Duplicates">How many were left out.</param>
/// <param name="Timestamp">When.</param>
internal readonly record struct TopicAnswer(StoreStatus Status, long Offset, int Count, int Duplicates, HybridTimestamp Timestamp)
{
    private const int Fields = 5;

    internal void Write(IBufferWriter<byte> output)
    {
        var writer = new MessagePackWriter(output);
        writer.WriteArrayHeader(Fields);
        Write(ref writer);
        writer.Flush();
    }

    internal void Write(ref MessagePackWriter writer)
    {
        writer.Write((long)Status);
        writer.Write(Offset);
        writer.Write((long)Count);
        writer.Write((long)Duplicates);
        writer.Write(Timestamp.Value);
    }

    internal static TopicAnswer Read(ReadOnlySpan<byte> bytes)
    {
        var reader = new MessagePackReader(bytes);
        CommandParts.ReadArrayOf(Fields, ref reader);
        TopicAnswer answer = Read(ref reader);
        reader.ReadEnd();
        return answer;
    }

    internal static TopicAnswer Read(ref MessagePackReader reader) =>
        new((StoreStatus)reader.ReadInt32(), reader.ReadInt64(), reader.ReadInt32(), reader.ReadInt32(), new HybridTimestamp(reader.ReadUInt64()));
}

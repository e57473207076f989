using System.Text;

using Tidemark.Core.KeyValue;
using Tidemark.Core.MessagePack;

namespace Tidemark.Core.Topics;

/// <summary>A message as bytes: id, key or nil, microseconds since 1970, headers as names and values in turn, payload. Format: docs/format/topic-entries.md.</summary>
internal static class MessageCodec
{
    internal const int Fields = 5;
    internal const int IdBytes = 16;

    private const int RoomOfParts = 32;   // Array, id, time, and the lengths of key, headers and payload, at most.
    private const int RoomOfHeader = 10;

    /// <summary>No fewer bytes than the message takes.</summary>
    internal static int LengthOf(TopicMessage message)
    {
        int length = RoomOfParts + IdBytes + (message.Key?.Length ?? 0) + message.Payload.Length;
        foreach (MessageHeader header in message.Headers) length += RoomOfHeader + Encoding.UTF8.GetByteCount(header.Name) + header.Value.Length;
        return length;
    }

    /// <summary>No fewer bytes than the message takes.</summary>
    internal static int LengthOf(StoredMessage message) => RoomOfParts + IdBytes + (message.Key?.Length ?? 0) + message.HeaderBytes.Length + message.Payload.Length;

    /// <param name="writer">The output.</param>
    /// <param name="message">The message, which has its id.</param>
    /// <param name="now">When it was produced, where it does not say.</param>
    internal static void Write(ref MessagePackWriter writer, TopicMessage message, DateTimeOffset now)
    {
        WriteStart(ref writer, message.Id, message.Key, message.ProducedAt ?? now);
        writer.WriteArrayHeader(2 * message.Headers.Count);
        foreach (MessageHeader header in message.Headers)
        {
            writer.Write(header.Name);
            writer.Write(header.Value.Span);
        }

        writer.Write(message.Payload.Span);
    }

    /// <summary>Writes a message as it was read.</summary>
    internal static void Write(ref MessagePackWriter writer, StoredMessage message)
    {
        WriteStart(ref writer, message.Id, message.Key, message.ProducedAt);
        if (message.HeaderBytes.IsEmpty) writer.WriteArrayHeader(0);
        else writer.WriteRaw(message.HeaderBytes.Span);
        writer.Write(message.Payload.Span);
    }

    /// <summary>Reads the next message of an entry.</summary>
    /// <param name="reader">Stands at it.</param>
    /// <param name="entry">The entry's bytes, which the reader reads: what is read are parts of them.</param>
    /// <param name="partition">Its partition.</param>
    /// <param name="offset">Its offset.</param>
    /// <param name="timestamp">The entry's.</param>
    internal static StoredMessage Read(ref MessagePackReader reader, ReadOnlyMemory<byte> entry, int partition, long offset, HybridTimestamp timestamp)
    {
        RequireFields(ref reader);
        Guid id = CommandParts.ReadGuid(ref reader);
        StoreKey? key = reader.TryReadNil() ? default(StoreKey?) : new StoreKey(Part(ref reader, entry));
        DateTimeOffset produced = ReadTime(ref reader);
        long headers = reader.Consumed;
        bool hasHeaders = SkipHeaders(ref reader) > 0;
        ReadOnlyMemory<byte> headerBytes = hasHeaders ? entry[(int)headers..(int)reader.Consumed] : default;
        return new StoredMessage(partition, offset, timestamp, id, key, produced, headerBytes, Part(ref reader, entry));
    }

    /// <summary>Reads the id of the next message, and steps over the rest.</summary>
    internal static Guid ReadIdAlone(ref MessagePackReader reader)
    {
        RequireFields(ref reader);
        Guid id = CommandParts.ReadGuid(ref reader);
        for (int i = 1; i < Fields; i++) reader.Skip();
        return id;
    }

    /// <summary>Reads all of the next message and looks whether it is one.</summary>
    internal static void Check(ref MessagePackReader reader)
    {
        RequireFields(ref reader);
        CommandParts.ReadGuid(ref reader);
        if (!reader.TryReadNil()) reader.ReadBytes();
        ReadTime(ref reader);
        SkipHeaders(ref reader);
        reader.ReadBytes();
    }

    internal static IReadOnlyList<MessageHeader> ReadHeaders(ReadOnlyMemory<byte> bytes)
    {
        if (bytes.IsEmpty) return [];
        var reader = new MessagePackReader(bytes.Span);
        var headers = new MessageHeader[reader.ReadArrayHeader() / 2];
        foreach (ref MessageHeader header in headers.AsSpan()) header = new MessageHeader(reader.ReadString()!, Part(ref reader, bytes));
        return headers;
    }

    private static long MicrosecondsOf(DateTimeOffset time) => (time.UtcTicks - DateTimeOffset.UnixEpoch.Ticks) / TimeSpan.TicksPerMicrosecond;

    private static int SkipHeaders(ref MessagePackReader reader)
    {
        long at = reader.Consumed;
        int count = reader.ReadArrayHeader();
        if ((count & 1) != 0) throw new MalformedDataException(at, "headers are names and values in turn");
        for (int i = 0; i < count; i += 2)
        {
            if (!reader.TryReadStringSpan(out _)) throw new MalformedDataException(reader.Consumed, "a header has a name");
            reader.ReadBytes();
        }

        return count;
    }

    private static void RequireFields(ref MessagePackReader reader)
    {
        long at = reader.Consumed;
        if (reader.ReadArrayHeader() != Fields) throw new MalformedDataException(at, $"a message has {Fields} fields");
    }

    private static void WriteStart(ref MessagePackWriter writer, Guid id, StoreKey? key, DateTimeOffset producedAt)
    {
        writer.WriteArrayHeader(Fields);
        CommandWriter.WriteId(ref writer, id);
        if (key is { } given) writer.Write(given.Span);
        else writer.WriteNil();
        writer.Write(MicrosecondsOf(producedAt));
    }

    private static DateTimeOffset ReadTime(ref MessagePackReader reader)
    {
        long at = reader.Consumed;
        long micros = reader.ReadInt64();
        const long First = -62_135_596_800_000_000, Last = 253_402_300_799_999_999;   // Years 1 to 9999.
        return micros is >= First and <= Last ? new DateTimeOffset(DateTimeOffset.UnixEpoch.Ticks + (micros * TimeSpan.TicksPerMicrosecond), TimeSpan.Zero) : throw new MalformedDataException(at, "there is no such time");
    }

    private static ReadOnlyMemory<byte> Part(ref MessagePackReader reader, ReadOnlyMemory<byte> of)
    {
        int length = reader.ReadBytes().Length;
        return of.Slice((int)reader.Consumed - length, length);
    }
}

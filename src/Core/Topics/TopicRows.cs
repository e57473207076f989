using System.Buffers;
using System.Buffers.Binary;

using Tidemark.Core.KeyValue;
using Tidemark.Core.MessagePack;

namespace Tidemark.Core.Topics;

/// <summary>The keys of a partition's rows, by their first byte, and the values that are offsets.</summary>
internal static class TopicRows
{
    internal const byte ProducerTable = 2;

    private const byte SettingsTable = 1, IdTable = 3, IdAtTable = 4;

    internal static byte[] Settings { get; } = [SettingsTable];

    internal static byte[] Producer(Guid producer) => WithId(ProducerTable, producer);

    /// <summary>Where the message with an id is.</summary>
    internal static byte[] Id(Guid id) => WithId(IdTable, id);

    /// <summary>The id of the message at an offset, while it is remembered.</summary>
    internal static byte[] IdAt(long offset)
    {
        byte[] key = new byte[1 + sizeof(long)];
        key[0] = IdAtTable;
        BinaryPrimitives.WriteInt64BigEndian(key.AsSpan(1), offset);
        return key;
    }

    internal static byte[] Offset(long offset)
    {
        byte[] value = new byte[sizeof(long)];
        BinaryPrimitives.WriteInt64BigEndian(value, offset);
        return value;
    }

    internal static long ReadOffset(ReadOnlySpan<byte> value) => BinaryPrimitives.ReadInt64BigEndian(value);

    private static byte[] WithId(byte table, Guid id)
    {
        byte[] key = new byte[1 + RowKeys.IdBytes];
        key[0] = table;
        id.TryWriteBytes(key.AsSpan(1), bigEndian: true, out _);
        return key;
    }
}

/// <summary>What a partition keeps of a producer.</summary>
/// <param name="Sequence">The number of its last append; 0 for none.</param>
/// <param name="Result">What that came to.</param>
/// <param name="LastUsed">When.</param>
internal readonly record struct ProducerRow(long Sequence, TopicAnswer Result, HybridTimestamp LastUsed)
{
    private const int Fields = 7;

    internal byte[] ToBytes()
    {
        var output = new ArrayBufferWriter<byte>(48);
        var writer = new MessagePackWriter(output);
        writer.WriteArrayHeader(Fields);
        writer.Write(Sequence);
        writer.Write(LastUsed.Value);
        Result.Write(ref writer);
        writer.Flush();
        return output.WrittenSpan.ToArray();
    }

    internal static ProducerRow Read(ReadOnlySpan<byte> row)
    {
        var reader = new MessagePackReader(row);
        CommandParts.ReadArrayOf(Fields, ref reader);
        (long sequence, var lastUsed) = (reader.ReadInt64(), new HybridTimestamp(reader.ReadUInt64()));
        return new ProducerRow(sequence, TopicAnswer.Read(ref reader), lastUsed);
    }
}

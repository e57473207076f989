using System.Buffers;

using Tidemark.Core.MessagePack;

namespace Tidemark.Core.KeyValue;

/// <summary>What one operation came to.</summary>
/// <param name="Status">Its own end: done, or nothing was there to delete; where the write failed, why.</param>
/// <param name="Version">The version it gave or took away; after a failed check the one found, 0 for none.</param>
/// <param name="Key">The key that a sequence came to, else null.</param>
/// <param name="Count">How many records it deleted.</param>
internal readonly record struct KvResult(StoreStatus Status, long Version, byte[]? Key, long Count);

/// <summary>The answer to a command: written by the machine, kept for exactly-once writes, read by whoever proposed it.</summary>
internal readonly record struct KvAnswer(StoreStatus Status, int Index, HybridTimestamp Timestamp, KvResult[] Results)
{
    internal static void Write(IBufferWriter<byte> output, StoreStatus status, int index, HybridTimestamp timestamp, ReadOnlySpan<KvResult> results)
    {
        var writer = new MessagePackWriter(output);
        writer.WriteArrayHeader(4);
        writer.Write((long)status);
        writer.Write((long)index);
        writer.Write(timestamp.Value);
        writer.WriteArrayHeader(results.Length);
        foreach (ref readonly KvResult result in results)
        {
            writer.WriteArrayHeader(4);
            writer.Write((long)result.Status);
            writer.Write(result.Version);
            if (result.Key is null) writer.WriteNil();
            else writer.Write(result.Key.AsSpan());
            writer.Write(result.Count);
        }

        writer.Flush();
    }

    /// <summary>Reads an answer to a single operation without making room for a list.</summary>
    internal static KvAnswer ReadSingle(ReadOnlySpan<byte> bytes, out KvResult result)
    {
        var reader = new MessagePackReader(bytes);
        KvAnswer answer = ReadHead(ref reader, out int count);
        result = count > 0 ? ReadResult(ref reader) : default;
        return answer;
    }

    internal static KvAnswer Read(ReadOnlySpan<byte> bytes)
    {
        var reader = new MessagePackReader(bytes);
        KvAnswer answer = ReadHead(ref reader, out int count);
        var results = new KvResult[count];
        foreach (ref KvResult result in results.AsSpan()) result = ReadResult(ref reader);
        reader.ReadEnd();
        return answer with { Results = results };
    }

    private static KvAnswer ReadHead(ref MessagePackReader reader, out int count)
    {
        CommandParts.ReadArrayOf(4, ref reader);
        var answer = new KvAnswer((StoreStatus)reader.ReadInt32(), reader.ReadInt32(), new HybridTimestamp(reader.ReadUInt64()), []);
        count = reader.ReadArrayHeader();
        return answer;
    }

    private static KvResult ReadResult(ref MessagePackReader reader)
    {
        CommandParts.ReadArrayOf(4, ref reader);
        return new KvResult((StoreStatus)reader.ReadInt32(), reader.ReadInt64(), reader.TryReadNil() ? null : reader.ReadBytes().ToArray(), reader.ReadInt64());
    }
}

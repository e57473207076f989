using System.Buffers;

using Tidemark.Core.MessagePack;

namespace Tidemark.Core.KeyValue;

/// <summary>What decides how commands are judged. Comes from the log alone, so that all replicas judge alike.</summary>
internal sealed record KvSettings(
    KeyOrder KeyOrder, int MaxKeyBytes, int MaxValueBytes, int MaxBatchBytes, int ChangeRows, long ChangeBytes,
    long ClientIdleMilliseconds, int MaxClients, int MaxSessions)
{
    /// <summary>What a row's key may be longer than a user's. 480 + 31 is what the smallest engine holds.</summary>
    internal const int RowSlack = 31;

    /// <summary>What a key's encoding may be longer than the key: its depth and a few escapes. With a table byte and a session's id before it, it is a row's key.</summary>
    internal const int EncodingSlack = RowSlack - 1 - RowKeys.IdBytes;

    private const int Fields = 9;

    internal int MaxEncodedKeyBytes => MaxKeyBytes + EncodingSlack;

    internal int MaxRowKeyBytes => MaxKeyBytes + RowSlack;

    internal static KvSettings Of(NamespaceOptions options) => new(
        options.KeyOrder, options.MaxKeyBytes, options.MaxValueBytes, options.MaxBatchBytes, options.ChangeLogEntries, options.ChangeLogBytes,
        (long)options.ClientIdleTimeout.TotalMilliseconds, options.MaxClients, options.MaxSessions);

    internal NamespaceOptions ToOptions(int shardCount) => new()
    {
        KeyOrder = KeyOrder,
        ShardCount = shardCount,
        MaxKeyBytes = MaxKeyBytes,
        MaxValueBytes = MaxValueBytes,
        MaxBatchBytes = MaxBatchBytes,
        ChangeLogEntries = ChangeRows,
        ChangeLogBytes = ChangeBytes,
        ClientIdleTimeout = TimeSpan.FromMilliseconds(ClientIdleMilliseconds),
        MaxClients = MaxClients,
        MaxSessions = MaxSessions,
    };

    internal void Write(IBufferWriter<byte> output)
    {
        var writer = new MessagePackWriter(output);
        writer.WriteArrayHeader(Fields);
        writer.Write((long)KeyOrder.Number);
        writer.Write((long)MaxKeyBytes);
        writer.Write((long)MaxValueBytes);
        writer.Write((long)MaxBatchBytes);
        writer.Write((long)ChangeRows);
        writer.Write(ChangeBytes);
        writer.Write(ClientIdleMilliseconds);
        writer.Write((long)MaxClients);
        writer.Write((long)MaxSessions);
        writer.Flush();
    }

    /// <exception cref="MalformedDataException">The bytes are no settings, or settings nobody may have.</exception>
    internal static KvSettings Read(ReadOnlySpan<byte> bytes)
    {
        var reader = new MessagePackReader(bytes);
        if (reader.ReadArrayHeader() != Fields) throw new MalformedDataException(0, $"settings have {Fields} fields");
        if (!KeyOrder.TryGet(reader.ReadByte(), out KeyOrder? order)) throw new MalformedDataException(1, "there is no such key order");
        var settings = new KvSettings(
            order, reader.ReadInt32(), reader.ReadInt32(), reader.ReadInt32(), reader.ReadInt32(), reader.ReadInt64(),
            reader.ReadInt64(), reader.ReadInt32(), reader.ReadInt32());
        reader.ReadEnd();
        bool isSane = settings is { MaxKeyBytes: > 0, MaxValueBytes: >= 0, MaxBatchBytes: > 0, ChangeRows: >= 0, ChangeBytes: >= 0,
            ClientIdleMilliseconds: > 0, MaxClients: >= 0, MaxSessions: >= 0, MaxKeyBytes: <= 60_000 };
        return isSane ? settings : throw new MalformedDataException(1, "a limit is below zero or absurd");
    }
}

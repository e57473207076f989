using System.Buffers;

using Tidemark.Core.MessagePack;

namespace Tidemark.Core.KeyValue;

/// <summary>What a put asks for besides key and value.</summary>
internal readonly record struct PutArguments(
    long? ExpectedVersion, Guid? Session, StoreKey? PartitionKey, long? TimeToLiveMilliseconds, IReadOnlyList<IndexEntry>? Indexes, IReadOnlyList<long>? Steps);

/// <summary>Which of a client's writes a write is, for its command.</summary>
internal readonly record struct WriteTicket(Guid Client, long Sequence, long Floor);

/// <summary>Writes commands. Formats: docs/format/kv-state.md.</summary>
internal static class CommandWriter
{
    internal static void WritePut(IBufferWriter<byte> output, WriteTicket? ticket, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value, in PutArguments put)
    {
        var writer = new MessagePackWriter(output);
        BeginWrite(ref writer, ticket);
        writer.WriteArrayHeader(0);
        writer.WriteArrayHeader(1);
        Put(ref writer, key, value, put);
        writer.Flush();
    }

    internal static void WriteDelete(IBufferWriter<byte> output, WriteTicket? ticket, ReadOnlySpan<byte> key, long? expectedVersion)
    {
        var writer = new MessagePackWriter(output);
        BeginWrite(ref writer, ticket);
        writer.WriteArrayHeader(0);
        writer.WriteArrayHeader(1);
        Delete(ref writer, key, expectedVersion);
        writer.Flush();
    }

    internal static void WriteDeleteRange(IBufferWriter<byte> output, WriteTicket? ticket, KeyRange range)
    {
        var writer = new MessagePackWriter(output);
        BeginWrite(ref writer, ticket);
        writer.WriteArrayHeader(0);
        writer.WriteArrayHeader(1);
        DeleteRange(ref writer, range);
        writer.Flush();
    }

    /// <summary>The beginning of a write: its array and its origin. Conditions and operations follow.</summary>
    /// <param name="writer">The output.</param>
    /// <param name="ticket">Which of a client's it is.</param>
    /// <param name="isOwn">Whether it is the library's own: it may be about reserved keys.</param>
    internal static void BeginWrite(ref MessagePackWriter writer, WriteTicket? ticket, bool isOwn = false)
    {
        writer.WriteArrayHeader(isOwn ? 4 : 3);
        if (isOwn) writer.Write(true);
        if (ticket is not { } origin)
        {
            writer.WriteNil();
            return;
        }

        writer.WriteArrayHeader(3);
        WriteId(ref writer, origin.Client);
        writer.Write(origin.Sequence);
        writer.Write(origin.Floor);
    }

    internal static void Condition(ref MessagePackWriter writer, ReadOnlySpan<byte> key, long version)
    {
        writer.WriteArrayHeader(2);
        writer.Write(key);
        writer.Write(version);
    }

    internal static void Put(ref MessagePackWriter writer, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value, in PutArguments put)
    {
        writer.WriteArrayHeader(9);
        writer.Write((long)KvOperation.Put);
        writer.Write(key);
        writer.Write(value);
        WriteOptional(ref writer, put.ExpectedVersion);
        if (put.Session is { } session) WriteId(ref writer, session);
        else writer.WriteNil();
        if (put.PartitionKey is { } partition) writer.Write(partition.Span);
        else writer.WriteNil();
        WriteOptional(ref writer, put.TimeToLiveMilliseconds);
        WriteIndexes(ref writer, put.Indexes);
        WriteSteps(ref writer, put.Steps);
    }

    internal static void Delete(ref MessagePackWriter writer, ReadOnlySpan<byte> key, long? expectedVersion)
    {
        writer.WriteArrayHeader(3);
        writer.Write((long)KvOperation.Delete);
        writer.Write(key);
        WriteOptional(ref writer, expectedVersion);
    }

    internal static void DeleteRange(ref MessagePackWriter writer, KeyRange range)
    {
        writer.WriteArrayHeader(4);
        writer.Write((long)KvOperation.DeleteRange);
        writer.Write((long)range.Kind);
        writer.Write(range.Start.Span);
        writer.Write(range.End.Span);
    }

    internal static void WriteOpenSession(IBufferWriter<byte> output, Guid session, long timeoutMilliseconds, ReadOnlySpan<byte> identity)
    {
        var writer = new MessagePackWriter(output);
        writer.WriteArrayHeader(3);
        WriteId(ref writer, session);
        writer.Write(timeoutMilliseconds);
        if (identity.IsEmpty) writer.WriteNil();
        else writer.Write(identity);
        writer.Flush();
    }

    /// <summary>A command that is one id: close session, register client.</summary>
    internal static void WriteIdAlone(IBufferWriter<byte> output, Guid id)
    {
        var writer = new MessagePackWriter(output);
        writer.WriteArrayHeader(1);
        WriteId(ref writer, id);
        writer.Flush();
    }

    internal static void WriteForgetClient(IBufferWriter<byte> output, Guid client)
    {
        var writer = new MessagePackWriter(output);
        writer.WriteArrayHeader(1);
        writer.WriteArrayHeader(2);
        WriteId(ref writer, client);
        writer.WriteNil();
        writer.Flush();
    }

    /// <summary>Forgets clients, or producers, that were not used since.</summary>
    internal static void WriteForget(IBufferWriter<byte> output, IReadOnlyList<(Guid Id, HybridTimestamp LastUsed)> idle)
    {
        var writer = new MessagePackWriter(output);
        writer.WriteArrayHeader(idle.Count);
        foreach ((Guid id, HybridTimestamp lastUsed) in idle)
        {
            writer.WriteArrayHeader(2);
            WriteId(ref writer, id);
            writer.Write(lastUsed.Value);
        }

        writer.Flush();
    }

    internal static void WriteId(ref MessagePackWriter writer, Guid id)
    {
        Span<byte> bytes = stackalloc byte[RowKeys.IdBytes];
        id.TryWriteBytes(bytes, bigEndian: true, out _);
        writer.Write(bytes);
    }

    internal static void WriteOptional(ref MessagePackWriter writer, long? value)
    {
        if (value is { } number) writer.Write(number);
        else writer.WriteNil();
    }

    private static void WriteIndexes(ref MessagePackWriter writer, IReadOnlyList<IndexEntry>? entries)
    {
        if (entries is not { Count: > 0 })
        {
            writer.WriteNil();
            return;
        }

        writer.WriteArrayHeader(entries.Count);
        foreach (IndexEntry entry in entries)
        {
            writer.WriteArrayHeader(2);
            writer.Write(entry.Index.Span);
            writer.Write(entry.Key.Span);
        }
    }

    private static void WriteSteps(ref MessagePackWriter writer, IReadOnlyList<long>? steps)
    {
        if (steps is null)
        {
            writer.WriteNil();
            return;
        }

        writer.WriteArrayHeader(steps.Count);
        foreach (long step in steps) writer.Write(step);
    }
}

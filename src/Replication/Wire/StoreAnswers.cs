using System.Buffers;

using Tidemark.Core.KeyValue;
using Tidemark.Core.MessagePack;

namespace Tidemark.Replication.Wire;

/// <summary>The answer to a request.</summary>
/// <param name="Outcome">What came of it.</param>
/// <param name="Leader">Who leads as far as is known, or -1.</param>
/// <param name="Text">Where it was not done, why; for people.</param>
/// <param name="Body">What was asked for, as it belongs to the kind of the request; null for nothing.</param>
internal readonly record struct StoreAnswer(RequestOutcome Outcome, int Leader, string Text, StoreBody? Body);

/// <summary>What was asked for.</summary>
internal abstract record StoreBody;

/// <summary>A body as bytes: a machine's answer to a command, or any other before it is read.</summary>
internal sealed record BytesBody(ReadOnlyMemory<byte> Bytes) : StoreBody;

/// <summary>What a client must know of a namespace before it asks for anything.</summary>
internal sealed record StoreDescriptionBody(Guid Cluster, string Name, KvSettings Settings, IReadOnlyList<ShardHashRange> Shards) : StoreBody;

/// <summary>Some records or keys of one shard, and where to go on.</summary>
internal sealed record PageBody(IReadOnlyList<StoreRecord> Records, string? ContinuationToken, WatchToken? Place) : StoreBody
{
    /// <summary>What the order goes by where that is not the key: a sort key for each record.</summary>
    internal IReadOnlyList<ReadOnlyMemory<byte>>? SortKeys { get; init; }

    /// <summary>What the order of all shards' records goes by.</summary>
    internal ReadOnlyMemory<byte> SortKeyOf(int record, KeyOrder order) => SortKeys is { } keys ? keys[record] : order.Encode(Records[record].Key.Span);
}

/// <summary>Some events of one shard, and the place behind them.</summary>
internal sealed record EventsBody(IReadOnlyList<StoreEvent> Events, WatchToken Place) : StoreBody;

/// <summary>What a client's write came to.</summary>
internal sealed record OutcomeBody(WriteOutcome Outcome) : StoreBody;

/// <summary>Answers to clients as bytes. Format: docs/format/client.md.</summary>
internal static class StoreAnswerCodec
{
    private const int AnswerFields = 7;

    internal static ReadOnlyMemory<byte> Write(long id, in StoreAnswer answer)
    {
        ReadOnlyMemory<byte> body = answer.Body is null ? default : Write(answer.Body);
        var output = new ArrayBufferWriter<byte>(body.Length + answer.Text.Length + 64);
        var writer = new MessagePackWriter(output);
        writer.WriteArrayHeader(AnswerFields);
        writer.Write((long)StoreRequestCodec.Version);
        writer.Write((long)StoreRequestKind.Answer);
        writer.Write(id);
        writer.Write((long)answer.Outcome);
        writer.Write(answer.Leader);
        writer.Write(answer.Text);
        writer.Write(body.Span);
        writer.Flush();
        return output.WrittenMemory;
    }

    /// <summary>Whether a message is an answer and no request, as far as its beginning tells.</summary>
    internal static bool Is(ReadOnlySpan<byte> bytes) => StoreRequestCodec.Is(bytes) && bytes.Length > 2 && bytes[2] == (byte)StoreRequestKind.Answer;

    /// <summary>Reads an answer. Its body stays bytes, a part of the given memory.</summary>
    /// <exception cref="MalformedDataException">It is none.</exception>
    internal static (long Id, StoreAnswer Answer) Read(ReadOnlyMemory<byte> bytes)
    {
        var reader = new MessagePackReader(bytes.Span);
        CommandParts.ReadArrayOf(AnswerFields, ref reader);
        byte version = reader.ReadByte();
        if (version != StoreRequestCodec.Version) throw ShardMessageCodec.Wrong(reader, $"an answer of version {StoreRequestCodec.Version}, not {version}");
        byte kind = reader.ReadByte();
        if (kind != (byte)StoreRequestKind.Answer) throw ShardMessageCodec.Wrong(reader, $"an answer, not kind {kind}");
        long id = reader.ReadInt64();
        var outcome = (RequestOutcome)reader.ReadByte();
        if (outcome > RequestOutcome.NotKept) throw ShardMessageCodec.Wrong(reader, $"an outcome, not {outcome}");
        int leader = reader.ReadInt32();
        string text = reader.ReadString() ?? throw ShardMessageCodec.Wrong(reader, "a text");
        var answer = new StoreAnswer(outcome, leader, text, new BytesBody(ShardMessageCodec.ReadBytes(ref reader, bytes)));
        reader.ReadEnd();
        return (id, answer);
    }

    internal static ReadOnlyMemory<byte> Write(StoreBody body) => body switch
    {
        BytesBody bytes => bytes.Bytes,
        PageBody page => Write(page),
        EventsBody events => Write(events),
        OutcomeBody outcome => Write(outcome.Outcome),
        StoreDescriptionBody description => Write(description),
        SyncBody sync => sync.Write(),
        PushedBody pushed => pushed.Write(),
        _ => TopicAnswerCodec.Write(body),
    };

    private static ReadOnlyMemory<byte> Write(StoreDescriptionBody body)
    {
        var output = new ArrayBufferWriter<byte>();
        var settings = new ArrayBufferWriter<byte>();
        body.Settings.Write(settings);
        var writer = new MessagePackWriter(output);
        writer.WriteArrayHeader(4);
        CommandWriter.WriteId(ref writer, body.Cluster);
        writer.Write(body.Name);
        writer.Write(settings.WrittenSpan);
        writer.WriteArrayHeader(body.Shards.Count);
        foreach (ShardHashRange shard in body.Shards)
        {
            writer.WriteArrayHeader(3);
            writer.Write(shard.ShardId);
            writer.Write(shard.Start);
            writer.Write(shard.End);
        }

        writer.Flush();
        return output.WrittenMemory;
    }

    internal static StoreDescriptionBody ReadDescription(ReadOnlySpan<byte> bytes)
    {
        var reader = new MessagePackReader(bytes);
        CommandParts.ReadArrayOf(4, ref reader);
        Guid cluster = CommandParts.ReadGuid(ref reader);
        string name = reader.ReadString() ?? throw ShardMessageCodec.Wrong(reader, "a name");
        KvSettings settings = KvSettings.Read(reader.ReadBytes());
        var shards = new ShardHashRange[reader.ReadArrayHeader()];
        foreach (ref ShardHashRange shard in shards.AsSpan())
        {
            CommandParts.ReadArrayOf(3, ref reader);
            shard = new ShardHashRange(reader.ReadInt64(), reader.ReadInt64(), reader.ReadInt64());
        }

        reader.ReadEnd();
        return new StoreDescriptionBody(cluster, name, settings, shards);
    }

    private static ReadOnlyMemory<byte> Write(PageBody body)
    {
        var output = new ArrayBufferWriter<byte>();
        var writer = new MessagePackWriter(output);
        writer.WriteArrayHeader(4);
        writer.WriteArrayHeader(body.Records.Count);
        foreach (StoreRecord record in body.Records)
        {
            writer.WriteArrayHeader(2);
            writer.Write(record.Key.Span);
            if (record.RowBytes.IsEmpty) writer.WriteNil();
            else writer.Write(record.RowBytes.Span);
        }

        writer.Write(body.ContinuationToken);
        writer.Write(body.Place?.ToString());
        if (body.SortKeys is { } keys)
        {
            writer.WriteArrayHeader(keys.Count);
            foreach (ReadOnlyMemory<byte> key in keys) writer.Write(key.Span);
        }
        else
        {
            writer.WriteNil();
        }

        writer.Flush();
        return output.WrittenMemory;
    }

    internal static PageBody ReadPage(ReadOnlySpan<byte> bytes, bool isKeysOnly)
    {
        var reader = new MessagePackReader(bytes);
        CommandParts.ReadArrayOf(4, ref reader);
        var records = new StoreRecord[reader.ReadArrayHeader()];
        foreach (ref StoreRecord record in records.AsSpan())
        {
            CommandParts.ReadArrayOf(2, ref reader);
            StoreKey key = StoreParts.ReadKey(ref reader);
            if (isKeysOnly) reader.ReadNil();
            record = new StoreRecord(key, isKeysOnly ? [] : StoreParts.ReadRow(ref reader));
        }

        (string? token, WatchToken? place) = (reader.ReadString(), StoreParts.ReadPlace(ref reader));
        ReadOnlyMemory<byte>[]? sortKeys = reader.TryReadNil() ? null : new ReadOnlyMemory<byte>[reader.ReadArrayHeader()];
        if (sortKeys is not null && sortKeys.Length != records.Length) throw ShardMessageCodec.Wrong(reader, $"a sort key for each of {records.Length} records, not {sortKeys.Length}");
        foreach (ref ReadOnlyMemory<byte> key in sortKeys.AsSpan()) key = reader.ReadBytes().ToArray();
        var page = new PageBody(records, token, place) { SortKeys = sortKeys };
        reader.ReadEnd();
        return page;
    }

    private static ReadOnlyMemory<byte> Write(EventsBody body)
    {
        var output = new ArrayBufferWriter<byte>();
        var writer = new MessagePackWriter(output);
        writer.WriteArrayHeader(2);
        writer.WriteArrayHeader(body.Events.Count);
        foreach (StoreEvent change in body.Events)
        {
            writer.WriteArrayHeader(8);
            writer.Write((long)change.Kind);
            writer.Write(change.Key.Span);
            if (change.Range is { } range) StoreParts.Write(ref writer, range);
            else writer.WriteNil();
            writer.Write(change.Version);
            writer.Write(change.Timestamp.Value);
            if (change.Record is { } record) writer.Write(record.RowBytes.Span);
            else writer.WriteNil();
            writer.Write(change.Shard);
            writer.Write(change.Token.ToString());
        }

        writer.Write(body.Place.ToString());
        writer.Flush();
        return output.WrittenMemory;
    }

    internal static EventsBody ReadEvents(ReadOnlySpan<byte> bytes)
    {
        var reader = new MessagePackReader(bytes);
        CommandParts.ReadArrayOf(2, ref reader);
        var events = new StoreEvent[reader.ReadArrayHeader()];
        foreach (ref StoreEvent change in events.AsSpan()) change = ReadEvent(ref reader);
        var body = new EventsBody(events, StoreParts.ReadPlace(ref reader) ?? throw ShardMessageCodec.Wrong(reader, "a place"));
        reader.ReadEnd();
        return body;
    }

    private static ReadOnlyMemory<byte> Write(WriteOutcome outcome)
    {
        var output = new ArrayBufferWriter<byte>();
        var writer = new MessagePackWriter(output);
        writer.WriteArrayHeader(2);
        writer.Write((long)outcome.Status);
        if (outcome.Result is { } result)
        {
            writer.WriteArrayHeader(5);
            writer.Write((long)result.Status);
            writer.Write(result.Key.Span);
            writer.Write(result.Version);
            writer.Write(result.Timestamp.Value);
            writer.Write(result.Count);
        }
        else
        {
            writer.WriteNil();
        }

        writer.Flush();
        return output.WrittenMemory;
    }

    internal static OutcomeBody ReadOutcome(ReadOnlySpan<byte> bytes)
    {
        var reader = new MessagePackReader(bytes);
        CommandParts.ReadArrayOf(2, ref reader);
        var status = (StoreStatus)reader.ReadInt32();
        WriteResult? result = null;
        if (!reader.TryReadNil())
        {
            CommandParts.ReadArrayOf(5, ref reader);
            result = new WriteResult((StoreStatus)reader.ReadInt32(), StoreParts.ReadKey(ref reader), reader.ReadInt64(), new HybridTimestamp(reader.ReadUInt64()), reader.ReadInt64());
        }

        reader.ReadEnd();
        return new OutcomeBody(new WriteOutcome(status, result));
    }

    private static StoreEvent ReadEvent(ref MessagePackReader reader)
    {
        CommandParts.ReadArrayOf(8, ref reader);
        var kind = (StoreEventKind)reader.ReadByte();
        if (kind is < StoreEventKind.Created or > StoreEventKind.Compacted) throw ShardMessageCodec.Wrong(reader, $"a kind of event, not {kind}");
        StoreKey key = StoreParts.ReadKey(ref reader);
        KeyRange? range = reader.TryReadNil() ? null : StoreParts.ReadRange(ref reader);
        (long version, ulong timestamp) = (reader.ReadInt64(), reader.ReadUInt64());
        StoreRecord? record = reader.TryReadNil() ? null : new StoreRecord(key, StoreParts.ReadRow(ref reader));
        return new StoreEvent
        {
            Kind = kind,
            Key = key,
            Range = range,
            Version = version,
            Timestamp = new HybridTimestamp(timestamp),
            Record = record,
            Shard = reader.ReadInt64(),
            Token = StoreParts.ReadPlace(ref reader) ?? throw ShardMessageCodec.Wrong(reader, "a place"),
        };
    }
}

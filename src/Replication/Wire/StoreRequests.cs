using System.Buffers;

using Tidemark.Core.KeyValue;
using Tidemark.Core.MessagePack;
using Tidemark.Core.Rebase;

namespace Tidemark.Replication.Wire;

/// <summary>What a client, or another node, asks of a node's store.</summary>
internal enum StoreRequestKind : byte
{
    /// <summary>No request: the answer to one.</summary>
    Answer = 0,
    Describe = 1,
    Command = 2,
    KeepAlive = 3,
    Get = 4,
    Scan = 5,
    ScanIndex = 6,
    Watch = 7,
    WatchSequence = 8,
    Outcome = 9,
    Topics = 10,
    CreateTopic = 11,
    ChangeTopic = 12,
    DeleteTopic = 13,
    Messages = 14,
    Bounds = 15,
    Trim = 16,
    Pull = 17,
    Push = 18,
}

/// <summary>Something a client, or another node, asks of a node.</summary>
/// <param name="Kind">What.</param>
/// <param name="Shard">The one shard that it is about.</param>
internal abstract record StoreRequest(StoreRequestKind Kind, long Shard);

/// <summary>One that is answered with a body.</summary>
internal abstract record StoreRequest<TBody>(StoreRequestKind Kind, long Shard) : StoreRequest(Kind, Shard)
    where TBody : StoreBody
{
    /// <summary>What was answered; read, where it came as bytes.</summary>
    /// <exception cref="MalformedDataException">The bytes are no such body.</exception>
    internal TBody BodyOf(in StoreAnswer answer) => answer.Body as TBody ?? Read(answer.Body is BytesBody came ? came.Bytes : default);

    protected abstract TBody Read(ReadOnlyMemory<byte> bytes);
}

/// <summary>Which cluster, namespace and shards there are.</summary>
internal sealed record DescribeRequest() : StoreRequest<StoreDescriptionBody>(StoreRequestKind.Describe, NoShard)
{
    internal const long NoShard = -1;

    protected override StoreDescriptionBody Read(ReadOnlyMemory<byte> bytes) => StoreAnswerCodec.ReadDescription(bytes.Span);
}

/// <summary>Bring a command through a shard's log. Its kind is one of the shard's machine.</summary>
internal sealed record CommandRequest(long Shard, ushort Command, ReadOnlyMemory<byte> Payload) : StoreRequest<BytesBody>(StoreRequestKind.Command, Shard)
{
    protected override BytesBody Read(ReadOnlyMemory<byte> bytes) => new(bytes);
}

/// <summary>Keep a session alive on a shard.</summary>
internal sealed record KeepAliveRequest(long Shard, Guid Session) : StoreRequest(StoreRequestKind.KeepAlive, Shard);

/// <summary>The shard's record nearest to a key, or to that of an index.</summary>
internal sealed record GetRequest(long Shard, StoreKey? Index, StoreKey Key, KeyComparison Comparison = KeyComparison.Equal, ReadLevel Level = default) : StoreRequest<PageBody>(StoreRequestKind.Get, Shard)
{
    protected override PageBody Read(ReadOnlyMemory<byte> bytes) => StoreAnswerCodec.ReadPage(bytes.Span, isKeysOnly: false);
}

/// <summary>A page of a scan or list. A partition key has said its part once the shard is known: it does not travel.</summary>
internal sealed record ScanRequest(long Shard, KeyRange Range, bool IsKeysOnly, ScanOptions Options) : StoreRequest<PageBody>(StoreRequestKind.Scan, Shard)
{
    protected override PageBody Read(ReadOnlyMemory<byte> bytes) => StoreAnswerCodec.ReadPage(bytes.Span, IsKeysOnly);
}

/// <summary>A page of the records of an index. The token says where the page before ended.</summary>
internal sealed record IndexScanRequest(long Shard, StoreKey Index, StoreKey Start, StoreKey End, ScanOptions Options) : StoreRequest<PageBody>(StoreRequestKind.ScanIndex, Shard)
{
    protected override PageBody Read(ReadOnlyMemory<byte> bytes) => StoreAnswerCodec.ReadPage(bytes.Span, isKeysOnly: false);
}

/// <summary>What happens behind a place; without one, where a watch begins: any node can say that.</summary>
internal sealed record WatchRequest(long Shard, KeyRange Range, WatchToken? After, bool IncludeValues, bool LatestOnly) : StoreRequest<EventsBody>(StoreRequestKind.Watch, Shard)
{
    protected override EventsBody Read(ReadOnlyMemory<byte> bytes) => StoreAnswerCodec.ReadEvents(bytes.Span);
}

/// <summary>The key a sequence has come to, once it is another than the one known.</summary>
internal sealed record SequenceRequest(long Shard, StoreKey Prefix, StoreKey? Known) : StoreRequest<PageBody>(StoreRequestKind.WatchSequence, Shard)
{
    protected override PageBody Read(ReadOnlyMemory<byte> bytes) => StoreAnswerCodec.ReadPage(bytes.Span, isKeysOnly: true);
}

/// <summary>What a client's write came to.</summary>
internal sealed record OutcomeRequest(WriteId Write) : StoreRequest<OutcomeBody>(StoreRequestKind.Outcome, Write.Shard)
{
    protected override OutcomeBody Read(ReadOnlyMemory<byte> bytes) => StoreAnswerCodec.ReadOutcome(bytes.Span);
}

/// <summary>What stands before a request's own fields.</summary>
/// <param name="Kind">What is asked.</param>
/// <param name="Id">Given back with the answer.</param>
/// <param name="Cluster">Of which cluster the client takes the node to be; empty where it does not know.</param>
/// <param name="Patience">How long the node may try, and a watch wait.</param>
internal readonly record struct StoreRequestHead(StoreRequestKind Kind, long Id, Guid Cluster, TimeSpan Patience);

/// <summary>Requests of clients as bytes. Format: docs/format/client.md.</summary>
internal static class StoreRequestCodec
{
    internal const byte Version = 3;   // Those between nodes have 1 and 2 there.
    private const int HeadFields = 5;

    /// <summary>Whether bytes are a request or an answer, as far as their beginning tells.</summary>
    internal static bool Is(ReadOnlySpan<byte> bytes) => bytes.Length > 1 && bytes[1] == Version;

    internal static ReadOnlyMemory<byte> Write(long id, Guid cluster, TimeSpan patience, StoreRequest request)
    {
        var output = new ArrayBufferWriter<byte>(request is CommandRequest { Payload.Length: var length } ? length + 64 : 128);
        var writer = new MessagePackWriter(output);
        writer.WriteArrayHeader(HeadFields + FieldsOf(request.Kind));
        writer.Write((long)Version);
        writer.Write((long)request.Kind);
        writer.Write(id);
        CommandWriter.WriteId(ref writer, cluster);
        writer.Write((long)patience.TotalMilliseconds);
        WriteFields(ref writer, request);
        writer.Flush();
        return output.WrittenMemory;
    }

    /// <summary>Reads what says where the answer goes.</summary>
    /// <exception cref="MalformedDataException">The bytes do not begin as a request.</exception>
    internal static StoreRequestHead ReadHead(ReadOnlySpan<byte> bytes)
    {
        var reader = new MessagePackReader(bytes);
        return ReadHead(ref reader);
    }

    /// <summary>Reads all of it. A command is a part of the given memory.</summary>
    /// <exception cref="MalformedDataException">It is no request.</exception>
    internal static StoreRequest Read(ReadOnlyMemory<byte> bytes)
    {
        var reader = new MessagePackReader(bytes.Span);
        StoreRequestHead head = ReadHead(ref reader);
        StoreRequest request = head.Kind switch
        {
            StoreRequestKind.Describe => new DescribeRequest(),
            StoreRequestKind.Command => new CommandRequest(reader.ReadInt64(), reader.ReadUInt16(), ShardMessageCodec.ReadBytes(ref reader, bytes)),
            StoreRequestKind.KeepAlive => new KeepAliveRequest(reader.ReadInt64(), CommandParts.ReadGuid(ref reader)),
            StoreRequestKind.Get => new GetRequest(
                reader.ReadInt64(), StoreParts.ReadOptionalKey(ref reader), StoreParts.ReadKey(ref reader), ReadComparison(ref reader), StoreParts.ReadLevel(ref reader)),
            StoreRequestKind.Scan => new ScanRequest(reader.ReadInt64(), StoreParts.ReadRange(ref reader), reader.ReadBoolean(), ReadScanOptions(ref reader)),
            StoreRequestKind.ScanIndex => new IndexScanRequest(
                reader.ReadInt64(), StoreParts.ReadKey(ref reader), StoreParts.ReadKey(ref reader), StoreParts.ReadKey(ref reader), ReadScanOptions(ref reader)),
            StoreRequestKind.Watch => new WatchRequest(
                reader.ReadInt64(), StoreParts.ReadRange(ref reader), StoreParts.ReadPlace(ref reader), reader.ReadBoolean(), reader.ReadBoolean()),
            StoreRequestKind.WatchSequence => new SequenceRequest(reader.ReadInt64(), StoreParts.ReadKey(ref reader), StoreParts.ReadOptionalKey(ref reader)),
            StoreRequestKind.Outcome => ReadOutcome(ref reader),
            StoreRequestKind.Pull => new PullRequest(reader.ReadInt64(), SyncCodec.ReadPull(reader.ReadBytes()), reader.ReadBoolean()),
            StoreRequestKind.Push => new PushRequest(reader.ReadInt64(), SyncCodec.ReadPush(reader.ReadBytes())),
            _ => TopicRequestCodec.Read(head.Kind, ref reader),
        };
        reader.ReadEnd();
        return request;
    }

    private static StoreRequestHead ReadHead(ref MessagePackReader reader)
    {
        int fields = reader.ReadArrayHeader();
        byte version = reader.ReadByte();
        if (version != Version) throw ShardMessageCodec.Wrong(reader, $"a client's message of version {Version}, not {version}");
        var kind = (StoreRequestKind)reader.ReadByte();
        if (kind is < StoreRequestKind.Describe or > StoreRequestKind.Push || fields != HeadFields + FieldsOf(kind))
            throw ShardMessageCodec.Wrong(reader, $"a kind of request with its fields, not {kind} with {fields}");
        (long id, Guid cluster, int patience) = (reader.ReadInt64(), CommandParts.ReadGuid(ref reader), reader.ReadInt32());
        if (patience < 0) throw ShardMessageCodec.Wrong(reader, $"no negative time, not {patience}");
        return new StoreRequestHead(kind, id, cluster, TimeSpan.FromMilliseconds(patience));
    }

    private static int FieldsOf(StoreRequestKind kind) => kind switch
    {
        >= StoreRequestKind.Topics and <= StoreRequestKind.Trim => TopicRequestCodec.FieldsOf(kind),
        StoreRequestKind.Describe => 0,
        StoreRequestKind.KeepAlive or StoreRequestKind.Push => 2,
        StoreRequestKind.Command or StoreRequestKind.WatchSequence or StoreRequestKind.Outcome or StoreRequestKind.Pull => 3,
        StoreRequestKind.Get or StoreRequestKind.Watch => 5,
        StoreRequestKind.Scan => 7,
        _ => 8,
    };

    private static void WriteFields(ref MessagePackWriter writer, StoreRequest request)
    {
        if (request.Kind is >= StoreRequestKind.Topics and <= StoreRequestKind.Trim)
        {
            TopicRequestCodec.WriteFields(ref writer, request);
            return;
        }

        if (request is not DescribeRequest) writer.Write(request.Shard);
        switch (request)
        {
            case CommandRequest command:
                writer.Write((long)command.Command);
                writer.Write(command.Payload.Span);
                break;
            case KeepAliveRequest alive:
                CommandWriter.WriteId(ref writer, alive.Session);
                break;
            case GetRequest get:
                StoreParts.Write(ref writer, get.Index);
                writer.Write(get.Key.Span);
                writer.Write((long)get.Comparison);
                StoreParts.Write(ref writer, get.Level);
                break;
            case ScanRequest scan:
                StoreParts.Write(ref writer, scan.Range);
                writer.Write(scan.IsKeysOnly);
                Write(ref writer, scan.Options);
                break;
            case IndexScanRequest scan:
                writer.Write(scan.Index.Span);
                writer.Write(scan.Start.Span);
                writer.Write(scan.End.Span);
                Write(ref writer, scan.Options);
                break;
            case WatchRequest watch:
                StoreParts.Write(ref writer, watch.Range);
                writer.Write(watch.After?.ToString());
                writer.Write(watch.IncludeValues);
                writer.Write(watch.LatestOnly);
                break;
            case SequenceRequest watch:
                writer.Write(watch.Prefix.Span);
                StoreParts.Write(ref writer, watch.Known);
                break;
            case PullRequest pull:
                writer.Write(pull.PullBytes());
                writer.Write(pull.Waits);
                break;
            case PushRequest push:
                writer.Write(push.PushBytes());
                break;
            case OutcomeRequest outcome:
                CommandWriter.WriteId(ref writer, outcome.Write.Client);
                writer.Write(outcome.Write.Sequence);
                break;
        }
    }

    private static void Write(ref MessagePackWriter writer, ScanOptions options)
    {
        writer.Write(options.Reverse);
        if (options.Limit is { } limit) writer.Write((long)limit);
        else writer.WriteNil();
        writer.Write(options.ContinuationToken);
        StoreParts.Write(ref writer, options.Level);
    }

    private static KeyComparison ReadComparison(ref MessagePackReader reader)
    {
        var comparison = (KeyComparison)reader.ReadByte();
        return comparison <= KeyComparison.Higher ? comparison : throw ShardMessageCodec.Wrong(reader, $"a comparison, not {comparison}");
    }

    private static OutcomeRequest ReadOutcome(ref MessagePackReader reader)
    {
        long shard = reader.ReadInt64();
        return new OutcomeRequest(new WriteId(CommandParts.ReadGuid(ref reader), shard, reader.ReadInt64()));
    }

    private static ScanOptions ReadScanOptions(ref MessagePackReader reader)
    {
        bool isReverse = reader.ReadBoolean();
        int? limit = reader.TryReadNil() ? null : reader.ReadInt32();
        if (limit is < 1) throw ShardMessageCodec.Wrong(reader, $"a limit above zero, not {limit}");
        return new ScanOptions
        {
            Reverse = isReverse,
            Limit = limit,
            ContinuationToken = reader.ReadString(),
            Level = StoreParts.ReadLevel(ref reader),
        };
    }
}

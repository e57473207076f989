using System.Buffers;

using Tidemark.Core.KeyValue;
using Tidemark.Core.MessagePack;

namespace Tidemark.Replication.Wire;

/// <summary>What a client asks of a node.</summary>
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
}

/// <summary>Something a client asks of a node's store.</summary>
internal abstract record StoreRequest(StoreRequestKind Kind);

/// <summary>Which cluster, namespace and shards there are.</summary>
internal sealed record DescribeRequest() : StoreRequest(StoreRequestKind.Describe);

/// <summary>Bring a command through a shard's log.</summary>
internal sealed record CommandRequest(long Shard, KvCommand Command, ReadOnlyMemory<byte> Payload) : StoreRequest(StoreRequestKind.Command);

/// <summary>Keep a session alive on a shard.</summary>
internal sealed record KeepAliveRequest(long Shard, Guid Session) : StoreRequest(StoreRequestKind.KeepAlive);

/// <summary>A record, by its key or by that of an index.</summary>
internal sealed record GetRequest(StoreKey? Index, StoreKey Key, GetOptions Options) : StoreRequest(StoreRequestKind.Get);

/// <summary>A page of a scan or list.</summary>
internal sealed record ScanRequest(KeyRange Range, bool IsKeysOnly, ScanOptions Options) : StoreRequest(StoreRequestKind.Scan);

/// <summary>A page of the records of an index. The token says where the page before ended.</summary>
internal sealed record IndexScanRequest(StoreKey Index, StoreKey Start, StoreKey End, ScanOptions Options) : StoreRequest(StoreRequestKind.ScanIndex);

/// <summary>What happens behind a place; without one, where a watch begins.</summary>
internal sealed record WatchRequest(KeyRange Range, WatchToken? After, bool IncludeValues, bool LatestOnly) : StoreRequest(StoreRequestKind.Watch);

/// <summary>The key a sequence has come to, once it is another than the one known.</summary>
internal sealed record SequenceRequest(StoreKey Prefix, StoreKey? PartitionKey, StoreKey? Known) : StoreRequest(StoreRequestKind.WatchSequence);

/// <summary>What a client's write came to.</summary>
internal sealed record OutcomeRequest(WriteId Write) : StoreRequest(StoreRequestKind.Outcome);

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
            StoreRequestKind.Command => new CommandRequest(reader.ReadInt64(), (KvCommand)reader.ReadUInt16(), ShardMessageCodec.ReadBytes(ref reader, bytes)),
            StoreRequestKind.KeepAlive => new KeepAliveRequest(reader.ReadInt64(), StoreParts.ReadId(ref reader)),
            StoreRequestKind.Get => new GetRequest(StoreParts.ReadOptionalKey(ref reader), StoreParts.ReadKey(ref reader), ReadGetOptions(ref reader)),
            StoreRequestKind.Scan => new ScanRequest(StoreParts.ReadRange(ref reader), reader.ReadBoolean(), ReadScanOptions(ref reader)),
            StoreRequestKind.ScanIndex => new IndexScanRequest(
                StoreParts.ReadKey(ref reader), StoreParts.ReadKey(ref reader), StoreParts.ReadKey(ref reader), ReadScanOptions(ref reader)),
            StoreRequestKind.Watch => new WatchRequest(
                StoreParts.ReadRange(ref reader), StoreParts.ReadPlace(ref reader), reader.ReadBoolean(), reader.ReadBoolean()),
            StoreRequestKind.WatchSequence => new SequenceRequest(
                StoreParts.ReadKey(ref reader), StoreParts.ReadOptionalKey(ref reader), StoreParts.ReadOptionalKey(ref reader)),
            _ => new OutcomeRequest(new WriteId(StoreParts.ReadId(ref reader), reader.ReadInt64(), reader.ReadInt64())),
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
        if (kind is < StoreRequestKind.Describe or > StoreRequestKind.Outcome || fields != HeadFields + FieldsOf(kind))
            throw ShardMessageCodec.Wrong(reader, $"a kind of request with its fields, not {kind} with {fields}");
        (long id, Guid cluster, int patience) = (reader.ReadInt64(), StoreParts.ReadId(ref reader), reader.ReadInt32());
        if (patience < 0) throw ShardMessageCodec.Wrong(reader, $"no negative time, not {patience}");
        return new StoreRequestHead(kind, id, cluster, TimeSpan.FromMilliseconds(patience));
    }

    private static int FieldsOf(StoreRequestKind kind) => kind switch
    {
        StoreRequestKind.Describe => 0,
        StoreRequestKind.KeepAlive => 2,
        StoreRequestKind.Command or StoreRequestKind.WatchSequence or StoreRequestKind.Outcome => 3,
        StoreRequestKind.Watch => 4,
        StoreRequestKind.Get => 5,
        StoreRequestKind.Scan => 7,
        _ => 8,
    };

    private static void WriteFields(ref MessagePackWriter writer, StoreRequest request)
    {
        switch (request)
        {
            case CommandRequest command:
                writer.Write(command.Shard);
                writer.Write((long)command.Command);
                writer.Write(command.Payload.Span);
                break;
            case KeepAliveRequest alive:
                writer.Write(alive.Shard);
                CommandWriter.WriteId(ref writer, alive.Session);
                break;
            case GetRequest get:
                StoreParts.Write(ref writer, get.Index);
                writer.Write(get.Key.Span);
                writer.Write((long)get.Options.Comparison);
                StoreParts.Write(ref writer, get.Options.PartitionKey);
                StoreParts.Write(ref writer, get.Options.Level);
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
                StoreParts.Write(ref writer, watch.PartitionKey);
                StoreParts.Write(ref writer, watch.Known);
                break;
            case OutcomeRequest outcome:
                CommandWriter.WriteId(ref writer, outcome.Write.Client);
                writer.Write(outcome.Write.Shard);
                writer.Write(outcome.Write.Sequence);
                break;
        }
    }

    private static void Write(ref MessagePackWriter writer, ScanOptions options)
    {
        writer.Write(options.Reverse);
        if (options.Limit is { } limit) writer.Write((long)limit);
        else writer.WriteNil();
        StoreParts.Write(ref writer, options.PartitionKey);
        writer.Write(options.ContinuationToken);
        StoreParts.Write(ref writer, options.Level);
    }

    private static GetOptions ReadGetOptions(ref MessagePackReader reader)
    {
        var comparison = (KeyComparison)reader.ReadByte();
        if (comparison > KeyComparison.Higher) throw ShardMessageCodec.Wrong(reader, $"a comparison, not {comparison}");
        return new GetOptions { Comparison = comparison, PartitionKey = StoreParts.ReadOptionalKey(ref reader), Level = StoreParts.ReadLevel(ref reader) };
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
            PartitionKey = StoreParts.ReadOptionalKey(ref reader),
            ContinuationToken = reader.ReadString(),
            Level = StoreParts.ReadLevel(ref reader),
        };
    }
}

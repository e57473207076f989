using System.Buffers;

using Tidemark.Core.MessagePack;

namespace Tidemark.Replication.Wire;

/// <summary>What is asked of a shard's leader, or of who keeps it, from another node.</summary>
internal enum RouteKind : byte
{
    /// <summary>Bring a command through the log, and answer what the machine answers.</summary>
    Command = 1,

    /// <summary>Say how far one must have applied to see what the read has to see.</summary>
    Read = 2,

    /// <summary>Keep a session alive.</summary>
    KeepAlive = 3,

    /// <summary>Copy the shard to the archive: a <see cref="CopyDemand"/>.</summary>
    Copy = 4,

    /// <summary>No request: a point was created in the archive, <see cref="ArchivedNews"/>. About no shard alone.</summary>
    Archived = 5,

    /// <summary>No request: the answer to one.</summary>
    Answer = 9,
}

/// <summary>A request to whoever leads a shard.</summary>
/// <param name="Kind">What is asked.</param>
/// <param name="Shard">The shard.</param>
/// <param name="Id">Given back with the answer.</param>
/// <param name="Command">Of a command: what the payload is.</param>
/// <param name="Staleness">Of a read: how long before it the leader may last have known.</param>
/// <param name="Payload">The command, the session's id, the demand or the news.</param>
internal readonly record struct RouteRequest(RouteKind Kind, long Shard, long Id, ushort Command, TimeSpan Staleness, ReadOnlyMemory<byte> Payload)
{
    /// <summary>A shard is to be copied.</summary>
    internal static RouteRequest Copy(long shard, long id, CopyDemand demand) => new(RouteKind.Copy, shard, id, 0, default, demand.ToBytes());

    /// <summary>A point was created.</summary>
    internal static RouteRequest Archived(ArchivedNews news) => new(RouteKind.Archived, -1, 0, 0, default, news.ToBytes());
}

/// <summary>The answer to a request.</summary>
/// <param name="Shard">The shard.</param>
/// <param name="Id">Of the request.</param>
/// <param name="Outcome">What came of it.</param>
/// <param name="Leader">Who leads as far as is known, or -1.</param>
/// <param name="Text">Where it was not done, why; for people.</param>
/// <param name="Position">Where the command stands in the log; of a read, the entry that must be applied; of a copy, its end.</param>
/// <param name="Bytes">What the machine answered; of a copy, the rest of a <see cref="CopyAnswer"/>.</param>
internal readonly record struct RouteAnswer(long Shard, long Id, RequestOutcome Outcome, int Leader, string Text, StatePosition Position, ReadOnlyMemory<byte> Bytes);

/// <summary>Requests and answers as bytes. Format: docs/format/messages.md.</summary>
internal static class RouteMessageCodec
{
    private const byte Version = 2;   // Those of replicas have 1 there: so the first field tells the two apart.
    private const int RequestFields = 7;
    private const int AnswerFields = 11;

    /// <summary>Whether bytes are a request or an answer, as far as their beginning tells.</summary>
    internal static bool Is(ReadOnlySpan<byte> bytes) => bytes.Length > 1 && bytes[1] == Version;

    internal static ReadOnlyMemory<byte> ToBytes(in RouteRequest request)
    {
        var output = new ArrayBufferWriter<byte>(request.Payload.Length + 64);
        Write(output, request);
        return output.WrittenMemory;
    }

    internal static void Write(IBufferWriter<byte> output, in RouteRequest request)
    {
        var writer = new MessagePackWriter(output);
        Begin(ref writer, RequestFields, request.Kind, request.Shard, request.Id);
        writer.Write((ulong)request.Command);
        writer.Write(request.Staleness.Ticks);
        writer.Write(request.Payload.Span);
        writer.Flush();
    }

    internal static void Write(IBufferWriter<byte> output, in RouteAnswer answer)
    {
        var writer = new MessagePackWriter(output);
        Begin(ref writer, AnswerFields, RouteKind.Answer, answer.Shard, answer.Id);
        writer.Write((long)answer.Outcome);
        writer.Write(answer.Leader);
        writer.Write(answer.Text);
        writer.Write(answer.Position.Term);
        writer.Write(answer.Position.Offset);
        writer.Write(answer.Position.Timestamp.Value);
        writer.Write(answer.Bytes.Span);
        writer.Flush();
    }

    /// <summary>Reads a request, or an answer. Payloads are parts of the given memory.</summary>
    /// <exception cref="MalformedDataException">It is neither.</exception>
    internal static (RouteRequest? Request, RouteAnswer? Answer) Read(ReadOnlyMemory<byte> bytes)
    {
        var reader = new MessagePackReader(bytes.Span);
        int fields = reader.ReadArrayHeader();
        if (fields is not (RequestFields or AnswerFields)) throw ShardMessageCodec.Wrong(reader, $"{RequestFields} or {AnswerFields} fields, not {fields}");
        byte version = reader.ReadByte();
        if (version != Version) throw ShardMessageCodec.Wrong(reader, $"a request of version {Version}, not {version}");
        var kind = (RouteKind)reader.ReadByte();
        long shard = reader.ReadInt64(), id = reader.ReadInt64();
        if (kind == RouteKind.Answer && fields == AnswerFields)
        {
            var outcome = (RequestOutcome)reader.ReadByte();
            if (outcome > RequestOutcome.Refused) throw ShardMessageCodec.Wrong(reader, $"an outcome, not {outcome}");
            int leader = reader.ReadInt32();
            string text = reader.ReadString() ?? "";
            var position = new StatePosition(reader.ReadInt64(), reader.ReadInt64(), new HybridTimestamp(reader.ReadUInt64()));
            var answer = new RouteAnswer(shard, id, outcome, leader, text, position, ShardMessageCodec.ReadBytes(ref reader, bytes));
            reader.ReadEnd();
            return (null, answer);
        }

        if (kind is not (>= RouteKind.Command and <= RouteKind.Archived) || fields != RequestFields) throw ShardMessageCodec.Wrong(reader, $"a kind of request with its fields, not {kind} with {fields}");
        ushort command = reader.ReadUInt16();
        long staleness = reader.ReadInt64();
        if (staleness < 0) throw ShardMessageCodec.Wrong(reader, $"no negative time, not {staleness}");
        var request = new RouteRequest(kind, shard, id, command, TimeSpan.FromTicks(staleness), ShardMessageCodec.ReadBytes(ref reader, bytes));
        reader.ReadEnd();
        return (request, null);
    }

    private static void Begin(ref MessagePackWriter writer, int fields, RouteKind kind, long shard, long id)
    {
        writer.WriteArrayHeader(fields);
        writer.Write((long)Version);
        writer.Write((long)kind);
        writer.Write(shard);
        writer.Write(id);
    }
}

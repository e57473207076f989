using System.Buffers;

using Tidemark.Core.MessagePack;
using Tidemark.Core.Replication;

namespace Tidemark.Replication.Wire;

/// <summary>Messages as bytes, and back. Format: docs/format/messages.md.</summary>
internal static class ShardMessageCodec
{
    private const byte Version = 1;
    private const int CommonFields = 4;
    private const int MemberFields = 7;
    private const int EntryFields = 4;

    private enum Kind : byte
    {
        NewTerm = 1,
        TermAnswer = 2,
        BecomeLeader = 3,
        LeaderReady = 4,
        Settle = 5,
        AddFollower = 6,
        Truncate = 7,
        Truncated = 8,
        Install = 9,
        Append = 10,
        Ack = 11,
        Restore = 12,
        Restored = 13,
        Resign = 14,
        StateRequest = 15,
        StatePart = 16,
        Hello = 17,
        StateAtMark = 18,
        Quarantine = 19,
        Join = 20,
        Joined = 21,
    }

    internal static void Write(IBufferWriter<byte> output, in ShardMessage message)
    {
        var writer = new MessagePackWriter(output);
        switch (message.Message)
        {
            case NewTerm: Begin(ref writer, message, Kind.NewTerm, 0); break;
            case TermAnswer answer:
                Begin(ref writer, message, Kind.TermAnswer, MemberFields);
                Write(ref writer, answer.Member);
                break;
            case BecomeLeader order: Write(ref writer, message, order); break;
            case LeaderReady ready:
                Begin(ref writer, message, Kind.LeaderReady, 1);
                writer.Write(ready.IsSettled);
                break;
            case Settle: Begin(ref writer, message, Kind.Settle, 0); break;
            case AddFollower add:
                Begin(ref writer, message, Kind.AddFollower, MemberFields);
                Write(ref writer, add.Member);
                break;
            case Join join:
                Begin(ref writer, message, Kind.Join, 1);
                writer.Write(join.Node);
                break;
            case Joined joined:
                Begin(ref writer, message, Kind.Joined, 1);
                writer.Write(joined.Node);
                break;
            case Truncate order:
                Begin(ref writer, message, Kind.Truncate, 4);
                Write(ref writer, order.Found);
                Write(ref writer, order.To);
                break;
            case Truncated left:
                Begin(ref writer, message, Kind.Truncated, 3);
                writer.Write(left.Run);
                Write(ref writer, left.Head);
                break;
            case Install install:
                Begin(ref writer, message, Kind.Install, 3);
                writer.Write(install.Run);
                Write(ref writer, install.Last);
                break;
            case Append append: Write(ref writer, message, append); break;
            case Ack ack:
                Begin(ref writer, message, Kind.Ack, 4);
                writer.Write(ack.Run);
                writer.Write(ack.Durable);
                writer.Write(ack.IsLost);
                writer.Write(ack.Round);
                break;
            case Restore restore:
                Begin(ref writer, message, Kind.Restore, 1);
                writer.Write(restore.Run);
                break;
            case Restored restored:
                Begin(ref writer, message, Kind.Restored, 1);
                writer.Write(restored.Run);
                break;
            case Resign resign:
                Begin(ref writer, message, Kind.Resign, 1);
                writer.Write(resign.Heir);
                break;
            case StateRequest request:
                Begin(ref writer, message, Kind.StateRequest, 3);
                Write(ref writer, request.Last);
                writer.Write(request.Part);
                break;
            case StatePart part: Write(ref writer, message, part); break;
            case Hello hello:
                Begin(ref writer, message, Kind.Hello, 4);
                writer.Write(hello.Run);
                writer.Write(hello.Time);
                writer.Write(hello.EchoTime);
                writer.Write(hello.EchoAge);
                break;
            case StateAtMark own:
                Begin(ref writer, message, Kind.StateAtMark, 5);
                writer.Write(own.Run);
                writer.Write(own.Mark);
                own.Hash.Write(ref writer);
                break;
            case Quarantine order:
                Begin(ref writer, message, Kind.Quarantine, 2);
                writer.Write(order.Run);
                writer.Write(order.Mark);
                break;
            default: throw new NotSupportedException($"{message.Message.GetType().Name} does not travel.");
        }

        writer.Flush();
    }

    /// <summary>Reads a message. Payloads and bytes are parts of the given memory.</summary>
    /// <exception cref="MalformedDataException">It is none, or of another version.</exception>
    internal static ShardMessage Read(ReadOnlyMemory<byte> bytes)
    {
        var reader = new MessagePackReader(bytes.Span);
        int fields = reader.ReadArrayHeader();
        if (fields < CommonFields) throw Wrong(reader, $"a message of {CommonFields} fields or more, not {fields}");
        byte version = reader.ReadByte();
        if (version != Version) throw Wrong(reader, $"a message of version {Version}, not {version}");
        long shard = reader.ReadInt64();
        byte kind = reader.ReadByte();
        long term = reader.ReadInt64();
        fields -= CommonFields;
        var message = new ShardMessage(shard, null!);
        message = (Kind)kind switch
        {
            Kind.NewTerm when fields == 0 => message with { Message = new NewTerm(term) },
            Kind.TermAnswer when fields == MemberFields => message with { Message = new TermAnswer(term, ReadMember(ref reader)) },
            Kind.BecomeLeader when fields == 3 => message with { Message = ReadOrder(ref reader, term) },
            Kind.LeaderReady when fields == 1 => message with { Message = new LeaderReady(term, reader.ReadBoolean()) },
            Kind.Settle when fields == 0 => message with { Message = new Settle(term) },
            Kind.AddFollower when fields == MemberFields => message with { Message = new AddFollower(term, ReadMember(ref reader)) },
            Kind.Join when fields == 1 => message with { Message = new Join(term, reader.ReadInt32()) },
            Kind.Joined when fields == 1 => message with { Message = new Joined(term, reader.ReadInt32()) },
            Kind.Truncate when fields == 4 => message with { Message = new Truncate(term, ReadHead(ref reader), ReadHead(ref reader)) },
            Kind.Truncated when fields == 3 => message with { Message = new Truncated(term, reader.ReadInt64(), ReadHead(ref reader)) },
            Kind.Install when fields == 3 => message with { Message = new Install(term, reader.ReadInt64(), ReadHead(ref reader)) },
            Kind.Append when fields == 5 => ReadAppend(ref reader, bytes, message, term),
            Kind.Ack when fields == 4 => message with { Message = new Ack(term, reader.ReadInt64(), reader.ReadInt64(), reader.ReadBoolean(), reader.ReadInt64()) },
            Kind.Restore when fields == 1 => message with { Message = new Restore(term, reader.ReadInt64()) },
            Kind.Restored when fields == 1 => message with { Message = new Restored(term, reader.ReadInt64()) },
            Kind.Resign when fields == 1 => message with { Message = new Resign(term, reader.ReadInt32()) },
            Kind.StateRequest when fields == 3 => message with { Message = new StateRequest(term, ReadHead(ref reader), reader.ReadInt64()) },
            Kind.StatePart when fields == 9 => ReadPart(ref reader, bytes, message, term),
            Kind.Hello when fields == 4 => message with { Message = ReadHello(ref reader) },
            Kind.StateAtMark when fields == 5 => message with { Message = new StateAtMark(term, reader.ReadInt64(), reader.ReadInt64(), StateHash.Read(ref reader)) },
            Kind.Quarantine when fields == 2 => message with { Message = new Quarantine(term, reader.ReadInt64(), reader.ReadInt64()) },
            _ => throw Wrong(reader, $"a kind of message with its fields, not kind {kind} with {fields}"),
        };
        reader.ReadEnd();
        return message;
    }

    private static void Begin(ref MessagePackWriter writer, in ShardMessage message, Kind kind, int fields)
    {
        writer.WriteArrayHeader(CommonFields + fields);
        writer.Write((long)Version);
        writer.Write(message.ShardId);
        writer.Write((long)kind);
        writer.Write(message.Message.Term);
    }

    private static void Write(ref MessagePackWriter writer, in ShardMessage message, BecomeLeader order)
    {
        Begin(ref writer, message, Kind.BecomeLeader, 3);
        WriteNodes(ref writer, order.Quorum.Ensemble);
        if (order.Quorum.Next is { } next) WriteNodes(ref writer, next);
        else writer.WriteNil();
        writer.WriteArrayHeader(order.Heads.Count);
        foreach (MemberHead member in order.Heads)
        {
            writer.WriteArrayHeader(MemberFields);
            Write(ref writer, member);
        }
    }

    private static BecomeLeader ReadOrder(ref MessagePackReader reader, long term)
    {
        int[] ensemble = ReadNodes(ref reader);
        int[]? next = reader.TryReadNil() ? null : ReadNodes(ref reader);
        if (ensemble.Length == 0 || next is { Length: 0 }) throw Wrong(reader, "an ensemble with a node");
        var heads = new MemberHead[reader.ReadArrayHeader()];
        for (int i = 0; i < heads.Length; i++)
        {
            RequireFields(ref reader, MemberFields);
            heads[i] = ReadMember(ref reader);
        }

        return new BecomeLeader(term, new Quorum(ensemble, next), heads);
    }

    private static void Write(ref MessagePackWriter writer, in ShardMessage message, Append append)
    {
        Begin(ref writer, message, Kind.Append, 5);
        Write(ref writer, append.Before);
        writer.Write(append.Commit);
        writer.Write(append.Round);
        writer.WriteArrayHeader(message.Entries.Count);
        foreach (LogRecord entry in message.Entries)
        {
            writer.WriteArrayHeader(EntryFields);
            writer.Write(entry.Term);
            writer.Write(entry.Timestamp.Value);
            writer.Write((ulong)entry.Kind);
            writer.Write(entry.Payload.Span);
        }
    }

    private static ShardMessage ReadAppend(ref MessagePackReader reader, ReadOnlyMemory<byte> bytes, ShardMessage message, long term)
    {
        LogHead before = ReadHead(ref reader);
        long commit = reader.ReadInt64(), round = reader.ReadInt64();
        var entries = new LogRecord[reader.ReadArrayHeader()];
        if (before.Offset >= long.MaxValue - entries.Length) throw Wrong(reader, $"no more entries than there are offsets behind {before.Offset}, not {entries.Length}");
        var runs = new List<TermRun>();
        long offset = before.Offset;
        foreach (ref LogRecord entry in entries.AsSpan())
        {
            RequireFields(ref reader, EntryFields);
            long entryTerm = reader.ReadInt64();
            if (entryTerm < (runs.Count > 0 ? runs[^1].Term : before.Term) || entryTerm > term) throw Wrong(reader, $"a term that does not fall and is at most {term}, not {entryTerm}");
            entry = new LogRecord(++offset, entryTerm, new HybridTimestamp(reader.ReadUInt64()), reader.ReadUInt16(), ReadBytes(ref reader, bytes));
            if (runs.Count > 0 && runs[^1].Term == entryTerm) runs[^1] = runs[^1] with { To = offset + 1 };
            else runs.Add(new TermRun(entryTerm, offset, offset + 1));
        }

        return message with { Message = new Append(term, before, runs, commit, round), Entries = entries };
    }

    private static void Write(ref MessagePackWriter writer, in ShardMessage message, StatePart part)
    {
        Begin(ref writer, message, Kind.StatePart, 9);
        Write(ref writer, part.Last);
        writer.Write(part.Position.Timestamp.Value);
        part.Hash.Write(ref writer);
        writer.Write(part.Part);
        writer.Write(part.IsEnd);
        writer.Write(message.Bytes.Span);
    }

    private static ShardMessage ReadPart(ref MessagePackReader reader, ReadOnlyMemory<byte> bytes, ShardMessage message, long term)
    {
        LogHead last = ReadHead(ref reader);
        var position = new StatePosition(last.Term, last.Offset, new HybridTimestamp(reader.ReadUInt64()));
        var part = new StatePart(term, position, StateHash.Read(ref reader), reader.ReadInt64(), reader.ReadBoolean());
        return message with { Message = part, Bytes = ReadBytes(ref reader, bytes) };
    }

    private static void Write(ref MessagePackWriter writer, LogHead head)
    {
        writer.Write(head.Term);
        writer.Write(head.Offset);
    }

    private static LogHead ReadHead(ref MessagePackReader reader)
    {
        long term = reader.ReadInt64(), offset = reader.ReadInt64();
        if (term < 0 || offset < -1) throw Wrong(reader, $"a head from 0:-1 on, not {term}:{offset}");
        return new LogHead(term, offset);
    }

    private static void Write(ref MessagePackWriter writer, MemberHead member)
    {
        writer.Write(member.Node);
        writer.Write(member.Run);
        Write(ref writer, member.Head);
        writer.Write(member.IsLost);
        writer.Write(member.MayLead);
        writer.Write(member.IsFit);
    }

    private static MemberHead ReadMember(ref MessagePackReader reader) =>
        new(reader.ReadInt32(), reader.ReadInt64(), ReadHead(ref reader), reader.ReadBoolean(), reader.ReadBoolean(), reader.ReadBoolean());

    private static Hello ReadHello(ref MessagePackReader reader)
    {
        var hello = new Hello(reader.ReadInt64(), reader.ReadInt64(), reader.ReadInt64(), reader.ReadInt64());
        long most = DateTime.MaxValue.Ticks / 4;   // So that their sums are times too.
        if (hello.Time < 0 || hello.Time > most || hello.EchoTime < 0 || hello.EchoTime > most || hello.EchoAge < 0 || hello.EchoAge > most) throw Wrong(reader, "times that can be");
        return hello;
    }

    private static void WriteNodes(ref MessagePackWriter writer, IReadOnlyList<int> nodes)
    {
        writer.WriteArrayHeader(nodes.Count);
        foreach (int node in nodes) writer.Write(node);
    }

    private static int[] ReadNodes(ref MessagePackReader reader)
    {
        int[] nodes = new int[reader.ReadArrayHeader()];
        for (int i = 0; i < nodes.Length; i++) nodes[i] = reader.ReadInt32();
        return nodes;
    }

    /// <summary>A binary as a part of the memory that is read.</summary>
    internal static ReadOnlyMemory<byte> ReadBytes(ref MessagePackReader reader, ReadOnlyMemory<byte> bytes)
    {
        int length = reader.ReadBytes().Length;
        return bytes.Slice((int)reader.Consumed - length, length);
    }

    private static void RequireFields(ref MessagePackReader reader, int fields)
    {
        int found = reader.ReadArrayHeader();
        if (found != fields) throw Wrong(reader, $"{fields} fields, not {found}");
    }

    internal static MalformedDataException Wrong(in MessagePackReader reader, string expected) => new(reader.Consumed, expected);
}

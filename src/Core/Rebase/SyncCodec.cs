using System.Buffers;

using Tidemark.Core.KeyValue;
using Tidemark.Core.MessagePack;

namespace Tidemark.Core.Rebase;

/// <summary>Pulls, pushes and their answers as bytes. Format: docs/format/sync.md.</summary>
internal static class SyncCodec
{
    private const int Changes = 1, Reset = 2;
    private const int PushedFields = 3;

    internal static void Write(IBufferWriter<byte> output, SyncPull pull)
    {
        var writer = new MessagePackWriter(output);
        writer.WriteArrayHeader(4);
        CommandWriter.WriteId(ref writer, pull.Client);
        WritePosition(ref writer, pull.Position);
        WriteOptional(ref writer, pull.Bound);
        writer.Write((long)pull.MostBytes);
        writer.Flush();
    }

    internal static void Write(IBufferWriter<byte> output, SyncPush push)
    {
        var writer = new MessagePackWriter(output);
        writer.WriteArrayHeader(4);
        CommandWriter.WriteId(ref writer, push.Client);
        writer.Write(push.Floor);
        WriteLink(ref writer, push.Before);
        writer.WriteArrayHeader(push.Mutations.Count);
        foreach (TimelineEntry mutation in push.Mutations) mutation.Write(ref writer);
        writer.Flush();
    }

    internal static void Write(IBufferWriter<byte> output, SyncAnswer answer)
    {
        var writer = new MessagePackWriter(output);
        if (answer is SyncReset reset)
        {
            writer.WriteArrayHeader(2);
            writer.Write((long)Reset);
            writer.Write((long)reset.Reason);
        }
        else
        {
            WriteChanges(ref writer, (SyncChanges)answer);
        }

        writer.Flush();
    }

    internal static void Write(IBufferWriter<byte> output, SyncPushed pushed)
    {
        var writer = new MessagePackWriter(output);
        writer.WriteArrayHeader(PushedFields);
        writer.Write(pushed.UpTo);
        writer.Write((long)pushed.Refusal);
        writer.Write(pushed.Text);
        writer.Flush();
    }

    /// <exception cref="MalformedDataException">It is no pull.</exception>
    internal static SyncPull ReadPull(ReadOnlySpan<byte> bytes)
    {
        var reader = new MessagePackReader(bytes);
        CommandParts.ReadArrayOf(4, ref reader);
        var pull = new SyncPull(CommandParts.ReadGuid(ref reader), ReadPosition(ref reader), reader.TryReadNil() ? null : reader.ReadBytes().ToArray(), reader.ReadInt32());
        reader.ReadEnd();
        if (pull.MostBytes < 0) throw new MalformedDataException(0, "an answer has no fewer than 0 bytes");
        return pull.Position is not null || pull.Bound is { Length: 0 } ? pull : throw new MalformedDataException(0, "a copy without a position has no rows");
    }

    /// <exception cref="MalformedDataException">It is no push.</exception>
    internal static SyncPush ReadPush(ReadOnlySpan<byte> bytes)
    {
        var reader = new MessagePackReader(bytes);
        CommandParts.ReadArrayOf(4, ref reader);
        Guid client = CommandParts.ReadGuid(ref reader);
        long floor = reader.ReadInt64();
        TimelineLink before = ReadLink(ref reader);
        var mutations = new TimelineEntry[reader.ReadArrayHeader()];
        for (int i = 0; i < mutations.Length; i++)
        {
            mutations[i] = TimelineEntry.Read(ref reader);
            if (i > 0 && mutations[i].Id != mutations[i - 1].Id + 1) throw new MalformedDataException(reader.Consumed, "mutations are pushed without holes");
        }

        reader.ReadEnd();
        if (mutations.Length == 0 || floor < 0 || floor >= mutations[0].Id) throw new MalformedDataException(0, "a push has mutations above its floor");
        return new SyncPush(client, floor, before, mutations);
    }

    /// <exception cref="MalformedDataException">It is no answer to a pull.</exception>
    internal static SyncAnswer ReadAnswer(ReadOnlySpan<byte> bytes)
    {
        var reader = new MessagePackReader(bytes);
        int fields = reader.ReadArrayHeader();
        int kind = reader.ReadInt32();
        SyncAnswer answer = (kind, fields) switch
        {
            (Changes, 8) => ReadChanges(ref reader),
            (Reset, 2) => ReadReset(ref reader),
            _ => throw new MalformedDataException(0, $"there is no answer {kind} of {fields} fields to a pull"),
        };
        reader.ReadEnd();
        return answer;
    }

    /// <exception cref="MalformedDataException">It is no answer to a push.</exception>
    internal static SyncPushed ReadPushed(ReadOnlySpan<byte> bytes)
    {
        var reader = new MessagePackReader(bytes);
        CommandParts.ReadArrayOf(PushedFields, ref reader);
        SyncPushed pushed = ReadPushed(ref reader);
        reader.ReadEnd();
        return pushed;
    }

    /// <summary>The fields of an answer to a push.</summary>
    internal static SyncPushed ReadPushed(scoped ref MessagePackReader reader)
    {
        var pushed = new SyncPushed(reader.ReadInt64(), (SyncRefusal)reader.ReadInt32(), reader.ReadString());
        return pushed.Refusal is >= SyncRefusal.None and <= SyncRefusal.OutcomesFull ? pushed : throw new MalformedDataException(reader.Consumed, $"there is no refusal {pushed.Refusal}");
    }

    /// <summary>A position, or nil.</summary>
    internal static void WritePosition(scoped ref MessagePackWriter writer, in SyncPosition? optional)
    {
        if (optional is not { } position)
        {
            writer.WriteNil();
            return;
        }

        writer.WriteArrayHeader(5);
        CommandWriter.WriteId(ref writer, position.LogId);
        writer.Write(position.Offset);
        position.Content.Write(ref writer);
    }

    internal static SyncPosition? ReadPosition(scoped ref MessagePackReader reader)
    {
        if (reader.TryReadNil()) return null;
        CommandParts.ReadArrayOf(5, ref reader);
        return new SyncPosition(CommandParts.ReadGuid(ref reader), reader.ReadInt64(), StateHash.Read(ref reader));
    }

    internal static void WriteLink(scoped ref MessagePackWriter writer, TimelineLink link)
    {
        writer.WriteArrayHeader(2);
        writer.Write(link.Low);
        writer.Write(link.High);
    }

    internal static TimelineLink ReadLink(scoped ref MessagePackReader reader)
    {
        CommandParts.ReadArrayOf(2, ref reader);
        return new TimelineLink(reader.ReadUInt64(), reader.ReadUInt64());
    }

    /// <summary>Why a mutation was rejected, without which it was.</summary>
    internal static void WriteReason(scoped ref MessagePackWriter writer, in SyncRejection rejection)
    {
        writer.WriteArrayHeader(2);
        writer.Write(rejection.Code);
        writer.Write(rejection.Text);
    }

    internal static SyncRejection ReadReason(long mutation, scoped ref MessagePackReader reader)
    {
        CommandParts.ReadArrayOf(2, ref reader);
        return new SyncRejection(mutation, reader.ReadString() ?? throw new MalformedDataException(reader.Consumed, "a rejection has a code"), reader.ReadString());
    }

    private static void WriteChanges(scoped ref MessagePackWriter writer, SyncChanges changes)
    {
        writer.WriteArrayHeader(8);
        writer.Write((long)Changes);
        WritePosition(ref writer, changes.Position);
        writer.Write(changes.Timestamp.Value);
        WriteOptional(ref writer, changes.Bound);
        writer.Write(changes.RowsInAll);
        writer.WriteArrayHeader(changes.Cleared.Count);
        foreach (EncodedKeyRange range in changes.Cleared)
        {
            writer.WriteArrayHeader(2);
            writer.Write(range.Start.Span);
            writer.Write(range.End.Span);
        }

        writer.WriteArrayHeader(changes.Rows.Count);
        foreach (SyncRow row in changes.Rows)
        {
            writer.WriteArrayHeader(row.Value is null ? 1 : 3);
            writer.Write(row.RowKey.AsSpan());
            if (row.Value is not { } value) continue;
            writer.Write(row.Number);
            writer.Write(value.Span);
        }

        writer.WriteArrayHeader(changes.Rejections.Count);
        foreach (SyncRejection rejection in changes.Rejections)
        {
            writer.WriteArrayHeader(2);
            writer.Write(rejection.Mutation);
            WriteReason(ref writer, rejection);
        }
    }

    private static SyncChanges ReadChanges(scoped ref MessagePackReader reader)
    {
        SyncPosition position = ReadPosition(ref reader) ?? throw new MalformedDataException(reader.Consumed, "changes lead to a position");
        var timestamp = new HybridTimestamp(reader.ReadUInt64());
        byte[]? bound = reader.TryReadNil() ? null : reader.ReadBytes().ToArray();
        long inAll = reader.ReadInt64();
        var cleared = new EncodedKeyRange[reader.ReadArrayHeader()];
        for (int i = 0; i < cleared.Length; i++)
        {
            CommandParts.ReadArrayOf(2, ref reader);
            cleared[i] = new EncodedKeyRange(reader.ReadBytes().ToArray(), reader.ReadBytes().ToArray());
        }

        var rows = new SyncRow[reader.ReadArrayHeader()];
        for (int i = 0; i < rows.Length; i++)
        {
            int fields = reader.ReadArrayHeader();
            byte[] key = reader.ReadBytes().ToArray();
            if (fields is not (1 or 3) || key.Length == 0 || (RowTable)key[0] is not (RowTable.Record or RowTable.SyncCursor))
                throw new MalformedDataException(reader.Consumed, "a row of a copy is a record or a cursor, with its value or without");
            if (i > 0 && key.AsSpan().SequenceCompareTo(rows[i - 1].RowKey) <= 0) throw new MalformedDataException(reader.Consumed, "rows ascend");
            rows[i] = fields == 1 ? new SyncRow(key, 0, null) : new SyncRow(key, reader.ReadInt64(), reader.ReadBytes().ToArray());
        }

        var rejections = new SyncRejection[reader.ReadArrayHeader()];
        for (int i = 0; i < rejections.Length; i++)
        {
            CommandParts.ReadArrayOf(2, ref reader);
            rejections[i] = ReadReason(reader.ReadInt64(), ref reader);
        }

        return new SyncChanges(position, timestamp, bound, inAll, cleared, rows, rejections);
    }

    private static SyncReset ReadReset(scoped ref MessagePackReader reader)
    {
        var reason = (SyncResetReason)reader.ReadInt32();
        return reason is >= SyncResetReason.TooOld and <= SyncResetReason.ClientUnknown ? new SyncReset(reason) : throw new MalformedDataException(reader.Consumed, $"there is no reason {reason}");
    }

    private static void WriteOptional(scoped ref MessagePackWriter writer, byte[]? bytes)
    {
        if (bytes is null) writer.WriteNil();
        else writer.Write(bytes.AsSpan());
    }

}

using System.Buffers;

using Tidemark.Core.MessagePack;
using Tidemark.Core.Rebase;

namespace Tidemark.Core.KeyValue;

/// <summary>A mutation as a push brings it to the leader.</summary>
/// <param name="Client">Whose it is.</param>
/// <param name="Floor">The client knows what came of all up to this one.</param>
/// <param name="Before">The link before it.</param>
/// <param name="Forbidden">Why the caller may not, or null.</param>
/// <param name="Mutation">The mutation.</param>
internal sealed record MutateCommand(Guid Client, long Floor, TimelineLink Before, string? Forbidden, TimelineEntry Mutation)
{
    internal void Write(IBufferWriter<byte> output)
    {
        var writer = new MessagePackWriter(output);
        writer.WriteArrayHeader(5);
        CommandWriter.WriteId(ref writer, Client);
        writer.Write(Floor);
        SyncCodec.WriteLink(ref writer, Before);
        writer.Write(Forbidden);
        Mutation.Write(ref writer);
        writer.Flush();
    }

    /// <summary>Reads one; null where the bytes are none: they take their place in the log as they are, and mean nothing there.</summary>
    internal static MutateCommand? TryRead(ReadOnlySpan<byte> payload)
    {
        try
        {
            return Read(payload);
        }
        catch (MalformedDataException)
        {
            return null;
        }
    }

    private static MutateCommand Read(ReadOnlySpan<byte> payload)
    {
        var reader = new MessagePackReader(payload);
        CommandParts.ReadArrayOf(5, ref reader);
        var command = new MutateCommand(
            CommandParts.ReadGuid(ref reader), reader.ReadInt64(), SyncCodec.ReadLink(ref reader), reader.ReadString(),
            TimelineEntry.Read(ref reader));
        reader.ReadEnd();
        return command;
    }
}

/// <summary>The head of the entry that decides on a mutation; the operations that it comes to follow. Format: docs/format/kv-state.md.</summary>
internal readonly ref struct DecideCommand
{
    private const int Fields = 6, RefusalFields = 3;

    /// <summary>The client's id.</summary>
    internal required ReadOnlySpan<byte> Client { get; init; }

    /// <summary>Where the client's cursor is then.</summary>
    internal required SyncCursor Cursor { get; init; }

    internal required long Floor { get; init; }

    /// <summary>Why the mutation was rejected; its operations are none then.</summary>
    internal SyncRejection? Rejection { get; init; }

    /// <summary>Why nothing was decided, and what the mutation was; null where it was.</summary>
    internal SyncPushed? Refusal { get; init; }

    /// <summary>Reads up to the operations.</summary>
    /// <exception cref="MalformedDataException">It is no such command.</exception>
    internal static DecideCommand Read(scoped ref MessagePackReader reader)
    {
        int fields = reader.ReadArrayHeader();
        if (fields == RefusalFields) return new DecideCommand { Client = default, Cursor = default, Floor = 0, Refusal = SyncCodec.ReadPushed(ref reader) };
        if (fields != Fields) throw new MalformedDataException(reader.Consumed, $"a decision has {Fields} fields, a refusal {RefusalFields}");
        ReadOnlySpan<byte> client = CommandParts.ReadId(ref reader);
        long mutation = reader.ReadInt64();
        TimelineLink link = SyncCodec.ReadLink(ref reader);
        long floor = reader.ReadInt64();
        if (mutation < 1 || floor < 0 || floor >= mutation) throw new MalformedDataException(reader.Consumed, "mutations are numbered from 1 and lie above their floor");
        return new DecideCommand { Client = client, Cursor = new SyncCursor(mutation, link), Floor = floor, Rejection = reader.TryReadNil() ? null : SyncCodec.ReadReason(mutation, ref reader) };
    }

    /// <summary>The whole command, where nothing is decided.</summary>
    internal static byte[] Refuse(MutateCommand asked, SyncRefusal refusal, string? text = null)
    {
        var output = new ArrayBufferWriter<byte>();
        SyncCodec.Write(output, new SyncPushed(asked.Mutation.Id, refusal, text));
        return output.WrittenSpan.ToArray();
    }

    /// <summary>The whole command.</summary>
    internal static byte[] Write(MutateCommand asked, TimelineLink link, SyncRejection? rejection, KeyOrder order, IReadOnlyDictionary<byte[], byte[]?> writes)
    {
        var output = new ArrayBufferWriter<byte>();
        var writer = new MessagePackWriter(output);
        writer.WriteArrayHeader(Fields);
        CommandWriter.WriteId(ref writer, asked.Client);
        writer.Write(asked.Mutation.Id);
        SyncCodec.WriteLink(ref writer, link);
        writer.Write(asked.Floor);
        if (rejection is { } reason) SyncCodec.WriteReason(ref writer, reason);
        else writer.WriteNil();
        writer.WriteArrayHeader(writes.Count);
        foreach ((byte[] encodedKey, byte[]? value) in writes)
        {
            byte[] key = order.Decode(encodedKey);
            if (value is null) CommandWriter.Delete(ref writer, key, null);
            else CommandWriter.Put(ref writer, key, value, default);
        }

        writer.Flush();
        return output.WrittenSpan.ToArray();
    }
}

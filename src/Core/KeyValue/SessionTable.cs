using System.Buffers;

using Tidemark.Core.MessagePack;
using Tidemark.Core.State;

namespace Tidemark.Core.KeyValue;

/// <summary>The sessions of a shard, and the end of what belongs to them.</summary>
internal sealed class SessionTable(KvState state, RecordTable records)
{
    internal const long MinTimeoutMilliseconds = 1_000;
    internal const long MaxTimeoutMilliseconds = 300_000;
    internal const int MaxIdentityBytes = 256;

    private const int Fields = 3;

    /// <summary>The sessions that were opened and closed since this was last emptied, for whoever watches their deadlines.</summary>
    internal List<(Guid Session, long TimeoutMilliseconds)> Moves { get; } = [];

    /// <summary>Opens a session; one that is open already stays as it is.</summary>
    internal StoreStatus Open(ReadOnlySpan<byte> session, long timeoutMilliseconds, ReadOnlySpan<byte> identity)
    {
        if (timeoutMilliseconds is < MinTimeoutMilliseconds or > MaxTimeoutMilliseconds || identity.Length > MaxIdentityBytes) return StoreStatus.SessionRefused;
        byte[] key = RowKeys.Session(session);
        if (state.Table.TryGet(key, out _)) return StoreStatus.Ok;
        if (state.Counters.Sessions >= state.Settings!.MaxSessions) return StoreStatus.TooManySessions;
        state.Table.Add(key, Write(timeoutMilliseconds, identity));
        state.Counters = state.Counters with { Sessions = state.Counters.Sessions + 1 };
        Moves.Add((IdOf(session), timeoutMilliseconds));
        return StoreStatus.Ok;
    }

    /// <summary>Ends a session and removes its ephemeral records.</summary>
    internal StoreStatus Close(ReadOnlySpan<byte> session)
    {
        byte[] key = RowKeys.Session(session);
        byte[]? row = state.Table.Find(key);
        if (row is null) return StoreStatus.SessionNotFound;
        foreach (byte[] encoded in Ephemerals(session)) records.Expire(encoded, version: null);
        state.Table.Remove(key, row);
        state.Counters = state.Counters with { Sessions = state.Counters.Sessions - 1 };
        Moves.Add((IdOf(session), 0));
        return StoreStatus.Ok;
    }

    /// <summary>All sessions with their timeouts.</summary>
    internal List<(Guid Session, long TimeoutMilliseconds)> All()
    {
        List<(Guid, long)> all = [];
        using RowCursor cursor = state.Table.OpenCursor();
        bool found = cursor.SeekAtOrAfter([(byte)RowTable.Session]);
        for (; found && cursor.Key[0] == (byte)RowTable.Session; found = cursor.MoveNext()) all.Add((IdOf(cursor.Key[1..]), TimeoutOf(cursor.Value)));
        return all;
    }

    internal static Guid IdOf(ReadOnlySpan<byte> session) => new(session, bigEndian: true);

    internal static long TimeoutOf(ReadOnlySpan<byte> row)
    {
        var reader = new MessagePackReader(row);
        CommandParts.ReadArrayOf(Fields, ref reader);
        return reader.ReadInt64();
    }

    internal static ReadOnlySpan<byte> IdentityOf(ReadOnlySpan<byte> row)
    {
        var reader = new MessagePackReader(row);
        CommandParts.ReadArrayOf(Fields, ref reader);
        reader.ReadInt64();
        return reader.TryReadNil() ? default : reader.ReadBytes();
    }

    private List<byte[]> Ephemerals(ReadOnlySpan<byte> session)
    {
        List<byte[]> found = [];
        byte[] prefix = RowKeys.Ephemeral(session, default);
        using RowCursor cursor = state.Table.OpenCursor();
        bool isThere = cursor.SeekAtOrAfter(prefix);
        for (; isThere && cursor.Key.StartsWith(prefix); isThere = cursor.MoveNext()) found.Add(cursor.Key[prefix.Length..].ToArray());
        return found;
    }

    private byte[] Write(long timeoutMilliseconds, ReadOnlySpan<byte> identity)
    {
        var output = new ArrayBufferWriter<byte>(32 + identity.Length);
        var writer = new MessagePackWriter(output);
        writer.WriteArrayHeader(Fields);
        writer.Write(timeoutMilliseconds);
        if (identity.IsEmpty) writer.WriteNil();
        else writer.Write(identity);
        writer.Write(state.Position.Timestamp.Value);
        writer.Flush();
        return output.WrittenSpan.ToArray();
    }
}

using System.Buffers;
using System.Buffers.Binary;

using Tidemark.Core.MessagePack;
using Tidemark.Core.Rebase;
using Tidemark.Core.State;

namespace Tidemark.Core.KeyValue;

/// <summary>How far the mutations of a client that syncs have been decided.</summary>
/// <param name="Mutation">The last one that was.</param>
/// <param name="Link">The link behind it.</param>
internal readonly record struct SyncCursor(long Mutation, TimelineLink Link)
{
    private const int Bytes = sizeof(long) + TimelineLink.Bytes;

    internal byte[] Write()
    {
        byte[] row = new byte[Bytes];
        BinaryPrimitives.WriteInt64LittleEndian(row, Mutation);
        Link.Write(row.AsSpan(sizeof(long)));
        return row;
    }

    internal static SyncCursor Read(ReadOnlySpan<byte> row) => new(BinaryPrimitives.ReadInt64LittleEndian(row), TimelineLink.Read(row[sizeof(long)..]));
}

/// <summary>The clients that sync: up to which of its mutations each was decided, and which were rejected. Rules: docs/rebase.md.</summary>
internal sealed class SyncTable(KvState state, ChangeLog changes)
{
    /// <summary>How many rejections are kept that a client has not said it knows of.</summary>
    internal const int MaxRejections = 1_000;

    private readonly record struct ClientRow(long Floor, HybridTimestamp LastUsed, int Rejections);

    /// <summary>Where a client is; null where it is unknown.</summary>
    internal SyncCursor? CursorOf(ReadOnlySpan<byte> client) => state.Table.TryGet(RowKeys.SyncCursor(client), out ReadOnlySpan<byte> row) ? SyncCursor.Read(row) : null;

    /// <summary>Whether a client keeps so many rejections open that it must say first which it knows.</summary>
    internal bool IsFull(ReadOnlySpan<byte> client, long floor)
    {
        if (!state.Table.TryGet(RowKeys.SyncClient(client), out ReadOnlySpan<byte> row)) return false;
        ClientRow found = Read(row);
        return found.Rejections >= MaxRejections && floor <= found.Floor;
    }

    /// <summary>Whether a mutation is its client's next.</summary>
    /// <returns>Ok; or <see cref="StoreStatus.OutcomeForgotten"/> for one that was decided before, <see cref="StoreStatus.SequenceGap"/>, <see cref="StoreStatus.ClientNotFound"/>.</returns>
    internal StoreStatus Judge(ReadOnlySpan<byte> client, long mutation)
    {
        if (CursorOf(client) is not { } cursor)
        {
            if (state.Table.TryGet(RowKeys.SyncHorizon, out ReadOnlySpan<byte> horizon) && IsPast(client, horizon)) return StoreStatus.ClientNotFound;
            cursor = default;
        }

        if (mutation <= cursor.Mutation) return StoreStatus.OutcomeForgotten;
        return mutation == cursor.Mutation + 1 ? StoreStatus.Ok : StoreStatus.SequenceGap;
    }

    /// <summary>Moves a client's cursor to its next mutation, whatever comes of it; one that was unknown is known from then on.</summary>
    internal void Advance(ReadOnlySpan<byte> client, SyncCursor cursor, long floor)
    {
        byte[] cursorKey = RowKeys.SyncCursor(client), clientKey = RowKeys.SyncClient(client);
        byte[] value = cursor.Write();
        ClientRow row = default;
        if (state.Table.Find(cursorKey) is { } before)
        {
            state.Content = state.Content.Without(cursorKey, before);
            row = Read(state.Table.Find(clientKey)!);
        }
        else
        {
            if (state.Counters.SyncClients >= Math.Max(1, state.Settings!.MaxClients)) ForgetLeastUsed();
            state.Counters = state.Counters with { SyncClients = state.Counters.SyncClients + 1 };
        }

        state.Table.Set(cursorKey, value);
        state.Content = state.Content.With(cursorKey, value);
        changes.MoveCursor(client);
        row = row with { LastUsed = state.Position.Timestamp };
        if (floor > row.Floor) row = row with { Floor = floor, Rejections = row.Rejections - ForgetRejections(client, floor) };
        state.Table.Set(clientKey, Write(row));
    }

    /// <summary>Remembers that the mutation that the cursor was just moved to was rejected.</summary>
    internal void Reject(ReadOnlySpan<byte> client, SyncRejection rejection)
    {
        byte[] key = RowKeys.SyncClient(client);
        ClientRow row = Read(state.Table.Find(key)!);
        state.Table.Set(key, Write(row with { Rejections = row.Rejections + 1 }));
        var output = new ArrayBufferWriter<byte>();
        var writer = new MessagePackWriter(output);
        SyncCodec.WriteReason(ref writer, rejection);
        writer.Flush();
        state.Table.Set(RowKeys.SyncRejection(client, rejection.Mutation), output.WrittenSpan.ToArray());
    }

    /// <summary>Whether a client is one that may have been forgotten.</summary>
    internal static bool IsUnknown(in StateReader reader, ReadOnlySpan<byte> client) =>
        !reader.TryGet(RowKeys.SyncCursor(client), out _) && reader.TryGet(RowKeys.SyncHorizon, out ReadOnlyMemory<byte> horizon) && IsPast(client, horizon.Span);

    /// <summary>The rejections that a client has not said it knows of.</summary>
    internal static List<SyncRejection> RejectionsOf(in StateReader reader, ReadOnlySpan<byte> client)
    {
        List<SyncRejection> found = [];
        byte[] first = RowKeys.SyncRejection(client, 0);
        using RowCursor cursor = reader.OpenCursor();
        for (bool isThere = cursor.SeekAtOrAfter(first); isThere && cursor.Key.StartsWith(first.AsSpan(0, 1 + RowKeys.IdBytes)); isThere = cursor.MoveNext())
        {
            var row = new MessagePackReader(cursor.Value);
            found.Add(SyncCodec.ReadReason(BinaryPrimitives.ReadInt64BigEndian(cursor.Key[(1 + RowKeys.IdBytes)..]), ref row));
        }

        return found;
    }

    private static bool IsPast(ReadOnlySpan<byte> client, ReadOnlySpan<byte> horizon) => CreatedAt(client) <= BinaryPrimitives.ReadUInt64BigEndian(horizon);

    /// <summary>When a client's id was made: its first 8 bytes say so.</summary>
    private static ulong CreatedAt(ReadOnlySpan<byte> client) => BinaryPrimitives.ReadUInt64BigEndian(client);

    /// <summary>Room for one more: who has not pushed for longest is forgotten, and ids as old as its own are unknown from then on.</summary>
    private void ForgetLeastUsed()
    {
        byte[]? oldest = null;
        ulong lastUsed = ulong.MaxValue;
        using (RowCursor cursor = state.Table.OpenCursor())
        {
            bool found = cursor.SeekAtOrAfter([(byte)RowTable.SyncClient]);
            for (; found && cursor.Key[0] == (byte)RowTable.SyncClient; found = cursor.MoveNext())
            {
                ClientRow row = Read(cursor.Value);
                if (row.LastUsed.Value >= lastUsed) continue;
                (oldest, lastUsed) = (cursor.Key[1..].ToArray(), row.LastUsed.Value);
            }
        }

        if (oldest is null) return;
        ForgetRejections(oldest, long.MaxValue);
        byte[] cursorKey = RowKeys.SyncCursor(oldest), clientKey = RowKeys.SyncClient(oldest);
        byte[] cursorRow = state.Table.Find(cursorKey)!;
        state.Content = state.Content.Without(cursorKey, cursorRow);
        state.Table.Remove(cursorKey, cursorRow);
        state.Table.Remove(clientKey, state.Table.Find(clientKey)!);
        changes.MoveCursor(oldest);
        ulong horizon = state.Table.TryGet(RowKeys.SyncHorizon, out ReadOnlySpan<byte> before) ? BinaryPrimitives.ReadUInt64BigEndian(before) : 0;
        byte[] raised = new byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64BigEndian(raised, Math.Max(horizon, CreatedAt(oldest)));
        state.Table.Set(RowKeys.SyncHorizon, raised);
        state.Counters = state.Counters with { SyncClients = state.Counters.SyncClients - 1 };
    }

    /// <summary>Removes the rejections up to a mutation.</summary>
    /// <returns>How many there were.</returns>
    private int ForgetRejections(ReadOnlySpan<byte> client, long upTo)
    {
        List<(byte[] Key, byte[] Row)> known = [];
        byte[] first = RowKeys.SyncRejection(client, 0);
        using (RowCursor cursor = state.Table.OpenCursor())
        {
            bool found = cursor.SeekAtOrAfter(first);
            for (; found && cursor.Key.StartsWith(first.AsSpan(0, 1 + RowKeys.IdBytes)); found = cursor.MoveNext())
            {
                if (BinaryPrimitives.ReadInt64BigEndian(cursor.Key[(1 + RowKeys.IdBytes)..]) > upTo) break;
                known.Add((cursor.Key.ToArray(), cursor.Value.ToArray()));
            }
        }

        foreach ((byte[] key, byte[] row) in known) state.Table.Remove(key, row);
        return known.Count;
    }

    private static byte[] Write(ClientRow row)
    {
        var output = new ArrayBufferWriter<byte>(32);
        var writer = new MessagePackWriter(output);
        writer.WriteArrayHeader(3);
        writer.Write(row.Floor);
        writer.Write(row.LastUsed.Value);
        writer.Write((long)row.Rejections);
        writer.Flush();
        return output.WrittenSpan.ToArray();
    }

    private static ClientRow Read(ReadOnlySpan<byte> row)
    {
        var reader = new MessagePackReader(row);
        CommandParts.ReadArrayOf(3, ref reader);
        return new ClientRow(reader.ReadInt64(), new HybridTimestamp(reader.ReadUInt64()), reader.ReadInt32());
    }
}

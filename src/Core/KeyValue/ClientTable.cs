using System.Buffers;
using System.Diagnostics;

using Tidemark.Core.Diagnostics;
using Tidemark.Core.MessagePack;
using Tidemark.Core.State;

namespace Tidemark.Core.KeyValue;

/// <summary>The clients whose writes happen once however often they arrive, and the answers those writes were given.</summary>
/// <remarks>Rules: docs/format/kv-state.md, "Exactly once".</remarks>
internal sealed class ClientTable(KvState state)
{
    private readonly record struct ClientRow(long Last, long Floor, HybridTimestamp LastUsed);

    internal StoreStatus Register(ReadOnlySpan<byte> client)
    {
        byte[] key = RowKeys.Client(client);
        if (state.Table.TryGet(key, out _)) return StoreStatus.Ok;
        if (state.Counters.Clients >= state.Settings!.MaxClients) return StoreStatus.TooManyClients;
        state.Table.Add(key, Write(new ClientRow(0, 1, state.Position.Timestamp)));
        state.Counters = state.Counters with { Clients = state.Counters.Clients + 1 };
        return StoreStatus.Ok;
    }

    /// <summary>Whether a write is the client's next, and what else it is.</summary>
    /// <param name="origin">The write's place.</param>
    /// <param name="stored">The answer it was given before, where it is a repetition.</param>
    internal StoreStatus Judge(in WriteOrigin origin, out byte[]? stored)
    {
        stored = null;
        if (state.Table.Find(RowKeys.Client(origin.Client)) is not { } row) return StoreStatus.ClientNotFound;
        ClientRow client = Read(row);
        if (origin.Sequence > client.Last + 1) return StoreStatus.SequenceGap;
        if (origin.Sequence == client.Last + 1 || Planted.Is(PlantedBug.RetryWithoutDedup)) return StoreStatus.Ok;
        stored = state.Table.Find(RowKeys.Outcome(origin.Client, origin.Sequence));
        return stored is null ? StoreStatus.OutcomeForgotten : StoreStatus.Ok;
    }

    /// <summary>Keeps the answer of a write that <see cref="Judge"/> found to be the next, and forgets those the client has.</summary>
    internal void Keep(in WriteOrigin origin, byte[] answer)
    {
        byte[] key = RowKeys.Client(origin.Client);
        byte[] row = state.Table.Find(key)!;
        ClientRow client = Read(row);
        Debug.Assert(origin.Sequence == client.Last + 1 || Planted.IsPossible, "only a client's next write is kept");
        long floor = Math.Max(client.Floor, Math.Min(origin.Floor, origin.Sequence));
        Forget(origin.Client, client.Floor, floor);
        state.Table.Add(RowKeys.Outcome(origin.Client, origin.Sequence), answer);
        state.Table.Replace(key, row, Write(new ClientRow(origin.Sequence, floor, state.Position.Timestamp)));
    }

    /// <summary>Removes a client and its answers.</summary>
    /// <param name="client">Its id.</param>
    /// <param name="lastUsed">Only if it was not used since; null: in any case.</param>
    internal bool Remove(ReadOnlySpan<byte> client, HybridTimestamp? lastUsed)
    {
        byte[] key = RowKeys.Client(client);
        if (state.Table.Find(key) is not { } row) return false;
        ClientRow found = Read(row);
        if (lastUsed is { } when && when != found.LastUsed) return false;
        Forget(client, found.Floor, found.Last + 1);
        state.Table.Remove(key, row);
        state.Counters = state.Counters with { Clients = state.Counters.Clients - 1 };
        return true;
    }

    /// <summary>The clients that were last used before a time, up to a number of them.</summary>
    internal List<(Guid Client, HybridTimestamp LastUsed)> IdleSince(HybridTimestamp time, int most)
    {
        List<(Guid, HybridTimestamp)> idle = [];
        using RowCursor cursor = state.Table.OpenCursor();
        bool found = cursor.SeekAtOrAfter([(byte)RowTable.Client]);
        for (; found && cursor.Key[0] == (byte)RowTable.Client && idle.Count < most; found = cursor.MoveNext())
        {
            ClientRow row = Read(cursor.Value);
            if (row.LastUsed.Value < time.Value) idle.Add((new Guid(cursor.Key[1..], bigEndian: true), row.LastUsed));
        }

        return idle;
    }

    /// <summary>What a write came to: <see cref="StoreStatus.Ok"/> with its answer, or why there is none.</summary>
    internal static StoreStatus FindOutcome(in StateReader reader, Guid client, long sequence, out ReadOnlyMemory<byte> answer)
    {
        answer = default;
        byte[] id = client.ToByteArray(bigEndian: true);
        if (!reader.TryGet(RowKeys.Client(id), out ReadOnlyMemory<byte> row)) return StoreStatus.ClientNotFound;
        if (sequence > Read(row.Span).Last) return StoreStatus.NotFound;
        return reader.TryGet(RowKeys.Outcome(id, sequence), out answer) ? StoreStatus.Ok : StoreStatus.OutcomeForgotten;
    }

    private void Forget(ReadOnlySpan<byte> client, long from, long to)
    {
        for (long sequence = from; sequence < to; sequence++)
        {
            byte[] key = RowKeys.Outcome(client, sequence);
            if (state.Table.Find(key) is { } answer) state.Table.Remove(key, answer);
        }
    }

    private static byte[] Write(ClientRow row)
    {
        var output = new ArrayBufferWriter<byte>(32);
        var writer = new MessagePackWriter(output);
        writer.WriteArrayHeader(3);
        writer.Write(row.Last);
        writer.Write(row.Floor);
        writer.Write(row.LastUsed.Value);
        writer.Flush();
        return output.WrittenSpan.ToArray();
    }

    private static ClientRow Read(ReadOnlySpan<byte> row)
    {
        var reader = new MessagePackReader(row);
        CommandParts.ReadArrayOf(3, ref reader);
        return new ClientRow(reader.ReadInt64(), reader.ReadInt64(), new HybridTimestamp(reader.ReadUInt64()));
    }
}

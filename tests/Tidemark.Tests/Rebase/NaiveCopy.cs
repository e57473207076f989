using Tidemark.Core.KeyValue;
using Tidemark.Core.Rebase;
using Tidemark.Core.State;
using Tidemark.Replication.KeyValue;
using Tidemark.Replication.Rebase;

namespace Tidemark.Tests.Rebase;

/// <summary>A copy of a shard's records and cursors that does what docs/rebase.md says with what comes back to its pulls, and nothing cleverly.</summary>
internal sealed class NaiveCopy(Guid client)
{
    private SortedDictionary<byte[], SyncRow> _rows = new(ByteOrder.Instance);
    private SyncPosition? _position;
    private byte[]? _bound = [];

    internal bool IsWhole => _bound is null;

    internal int Downloads { get; private set; }

    internal SyncResetReason? LastReset { get; private set; }

    internal IReadOnlyList<SyncRejection> Rejections { get; private set; } = [];

    /// <summary>Pulls once, by bytes as over a wire.</summary>
    /// <returns>Whether anything came.</returns>
    internal bool Pull(KvMachine machine, KeyOrder order, int mostBytes)
    {
        machine.Table.Publish(machine.Position.Offset);
        using StateReader reader = StateReader.Open(machine.Table);
        var bytes = new System.Buffers.ArrayBufferWriter<byte>();
        SyncCodec.Write(bytes, new SyncPull(client, _position, _bound, mostBytes));
        SyncAnswer answer = SyncReads.Answer(reader, machine.LogId, order, SyncCodec.ReadPull(bytes.WrittenSpan));
        bytes = new System.Buffers.ArrayBufferWriter<byte>();
        SyncCodec.Write(bytes, answer);
        return Take(SyncCodec.ReadAnswer(bytes.WrittenSpan));
    }

    /// <summary>Pulls once from a store.</summary>
    /// <returns>Whether anything came.</returns>
    internal async Task<bool> PullAsync(LocalShard shard, KeyOrder order, int mostBytes) =>
        Take(await LocalServerRoute.AnswerAsync(shard, order, new SyncPull(client, _position, _bound, mostBytes), waits: false, CancellationToken.None));

    /// <summary>Everything that a copy and the state it copies must agree in.</summary>
    internal void AssertIs(KvMachine machine)
    {
        Assert.True(IsWhole);
        Assert.Equal(machine.ContentHash, _position!.Value.Content);
        Assert.Equal(machine.ContentHash, Hash());
        using RowCursor cursor = machine.Table.OpenCursor();
        List<string> expected = [];
        for (bool found = cursor.SeekAtOrAfter([(byte)RowTable.Record]); found; found = cursor.MoveNext())
        {
            if (cursor.Key[0] == (byte)RowTable.Record) expected.Add($"{Convert.ToHexString(cursor.Key)}@{new RecordRow(cursor.Value).Version}={Convert.ToHexString(new RecordRow(cursor.Value).Value)}");
            if (cursor.Key[0] == (byte)RowTable.SyncCursor) expected.Add($"{Convert.ToHexString(cursor.Key)}@{SyncCursor.Read(cursor.Value).Mutation}={Convert.ToHexString(cursor.Value[sizeof(long)..])}");
        }

        Assert.Equal(expected, _rows.Values.Select(row => $"{Convert.ToHexString(row.RowKey)}@{row.Number}={Convert.ToHexString(row.Value!.Value.Span)}"));
    }

    private bool Take(SyncAnswer answer)
    {
        if (answer is SyncReset reset)
        {
            LastReset = reset.Reason;
            (_rows, _position, _bound) = (new(ByteOrder.Instance), null, []);
            Downloads++;
            return true;
        }

        var changes = (SyncChanges)answer;
        bool isNews = changes.Rows.Count > 0 || changes.Cleared.Count > 0 || _bound is not null;
        foreach (EncodedKeyRange range in changes.Cleared)
        {
            foreach (byte[] key in _rows.Keys.Where(key => range.Contains(key)).ToArray()) _rows.Remove(key);
        }

        foreach (SyncRow row in changes.Rows)
        {
            if (row.Value is null) _rows.Remove(row.RowKey);
            else _rows[row.RowKey] = row;
        }

        (_position, _bound, Rejections) = (changes.Position, changes.Bound, changes.Rejections);
        if (IsWhole) Assert.Equal(_position.Value.Content, Hash());
        return isNews;
    }

    private StateHash Hash()
    {
        StateHash hash = default;
        foreach (SyncRow row in _rows.Values)
        {
            hash = row.RowKey[0] == (byte)RowTable.Record
                ? hash.With(row.RowKey.AsSpan(1), row.Number, row.Value!.Value.Span)
                : hash.With(row.RowKey, new SyncCursor(row.Number, TimelineLink.Read(row.Value!.Value.Span)).Write());
        }

        return hash;
    }
}

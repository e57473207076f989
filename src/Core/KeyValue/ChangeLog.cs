using System.Buffers;
using System.Buffers.Binary;

using Tidemark.Core.MessagePack;
using Tidemark.Core.State;

namespace Tidemark.Core.KeyValue;

/// <summary>The bounded list of what happened to records, one row an entry, that watches read.</summary>
internal sealed class ChangeLog(KvState state)
{
    /// <summary>How many fields of a row stand before its changes: the entry's timestamp, and the content hash behind it.</summary>
    internal const int HeadFields = 4;

    /// <summary>A change that no watch tells: a client's cursor has moved.</summary>
    internal const int CursorMoved = 6;

    private const int Created = (int)StoreEventKind.Created, Modified = (int)StoreEventKind.Modified;
    private const int Deleted = (int)StoreEventKind.Deleted, RangeDeleted = (int)StoreEventKind.RangeDeleted;

    private const int TrimmedBytes = 40;

    private readonly ArrayBufferWriter<byte> _changes = new();
    private readonly ArrayBufferWriter<byte> _row = new();
    private int _count;

    /// <summary>The changes of the entry being applied, to come back to with <see cref="Rollback"/>.</summary>
    internal (int Count, int Bytes) Save() => (_count, _changes.WrittenCount);

    /// <summary>Forgets the changes noted since.</summary>
    internal void Rollback((int Count, int Bytes) savepoint)
    {
        if (_changes.WrittenCount == savepoint.Bytes) return;
        byte[] kept = _changes.WrittenSpan[..savepoint.Bytes].ToArray();
        _changes.ResetWrittenCount();
        _changes.Write(kept);
        _count = savepoint.Count;
    }

    internal void Put(ReadOnlySpan<byte> encodedKey, long version, bool isNew) => Add(isNew ? Created : Modified, encodedKey, version);

    internal void Delete(ReadOnlySpan<byte> encodedKey, long version) => Add(Deleted, encodedKey, version);

    internal void MoveCursor(ReadOnlySpan<byte> client)
    {
        var writer = new MessagePackWriter(_changes);
        writer.WriteArrayHeader(2);
        writer.Write((long)CursorMoved);
        writer.Write(client);
        writer.Flush();
        _count++;
    }

    internal void DeleteRange(KeyRange range)
    {
        var writer = new MessagePackWriter(_changes);
        writer.WriteArrayHeader(4);
        writer.Write((long)RangeDeleted);
        writer.Write((long)range.Kind);
        writer.Write(range.Start.Span);
        writer.Write(range.End.Span);
        writer.Flush();
        _count++;
    }

    /// <summary>Writes the entry's row, and lets the oldest go where there are too many.</summary>
    internal void EndEntry()
    {
        if (_count == 0) return;
        _row.ResetWrittenCount();
        var writer = new MessagePackWriter(_row);
        writer.WriteArrayHeader(_count + HeadFields);
        writer.Write(state.Position.Timestamp.Value);
        state.Content.Write(ref writer);
        writer.WriteRaw(_changes.WrittenSpan);
        writer.Flush();
        _count = 0;
        _changes.ResetWrittenCount();
        byte[] value = _row.WrittenSpan.ToArray();
        state.Table.Add(RowKeys.Change(state.Position.Offset), value);
        KvCounters counters = state.Counters;
        state.Counters = counters with { ChangeRows = counters.ChangeRows + 1, ChangeBytes = counters.ChangeBytes + value.Length };
        Trim();
    }

    /// <summary>The oldest eighth goes at once, so that the cost is not paid with every entry.</summary>
    private void Trim()
    {
        if (state.Settings is not { } settings) return;
        if (state.Counters.ChangeRows <= settings.ChangeRows && state.Counters.ChangeBytes <= settings.ChangeBytes) return;
        long rows = settings.ChangeRows - (settings.ChangeRows / 8);
        long bytes = settings.ChangeBytes - (settings.ChangeBytes / 8);
        List<(byte[] Key, byte[] Value)> oldest = [];
        KvCounters counters = state.Counters;
        using (RowCursor cursor = state.Table.OpenCursor())
        {
            bool found = cursor.SeekAtOrAfter(RowKeys.Change(0));
            for (; found && cursor.Key[0] == (byte)RowTable.Change && (counters.ChangeRows > rows || counters.ChangeBytes > bytes); found = cursor.MoveNext())
            {
                oldest.Add((cursor.Key.ToArray(), cursor.Value.ToArray()));
                counters = counters with { ChangeRows = counters.ChangeRows - 1, ChangeBytes = counters.ChangeBytes - cursor.Value.Length };
            }
        }

        foreach ((byte[] key, byte[] value) in oldest) state.Table.Remove(key, value);
        if (oldest.Count > 0) state.Table.Set(RowKeys.ChangesTrimmed, TrimmedRow(oldest[^1].Key, oldest[^1].Value));
        state.Counters = counters;
    }

    /// <summary>What is remembered of the last row that went: its offset, timestamp, and the content hash behind it.</summary>
    private static byte[] TrimmedRow(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value)
    {
        byte[] row = new byte[TrimmedBytes];
        BinaryPrimitives.WriteInt64BigEndian(row, RowKeys.ChangeOffset(key));
        ChangeHead head = ChangeScan.ReadHead(value);
        BinaryPrimitives.WriteUInt64LittleEndian(row.AsSpan(8), head.Timestamp.Value);
        BinaryPrimitives.WriteUInt64LittleEndian(row.AsSpan(16), head.Content.Low);
        BinaryPrimitives.WriteUInt64LittleEndian(row.AsSpan(24), head.Content.High);
        BinaryPrimitives.WriteInt64LittleEndian(row.AsSpan(32), head.Content.Rows);
        return row;
    }

    private void Add(int type, ReadOnlySpan<byte> encodedKey, long version)
    {
        var writer = new MessagePackWriter(_changes);
        writer.WriteArrayHeader(3);
        writer.Write((long)type);
        writer.Write(encodedKey);
        writer.Write(version);
        writer.Flush();
        _count++;
    }
}

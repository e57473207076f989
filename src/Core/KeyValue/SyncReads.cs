using System.Buffers.Binary;

using Tidemark.Core.MessagePack;
using Tidemark.Core.Rebase;
using Tidemark.Core.State;

namespace Tidemark.Core.KeyValue;

/// <summary>Answers pulls: what a copy of a state must set and remove to be as the state is now.</summary>
/// <remarks>A pure function of one look at the state; nothing is kept for anybody. Cost: the change rows since the copy's position, and a lookup for each record in them; for a copy that is not whole the rows it gets besides.</remarks>
internal static class SyncReads
{
    internal const int UsualBytes = 1024 * 1024;

    private const int EnoughRows = 16 * 1024;
    private const int MostRows = 64 * 1024;   // An array of a message holds no more.

    /// <summary>A bound behind every row.</summary>
    private static byte[] BehindAll { get; } = [byte.MaxValue];

    /// <summary>Answers a pull.</summary>
    /// <param name="reader">The state, which shows all that was committed when the pull came.</param>
    /// <param name="logId">Its log.</param>
    /// <param name="order">The order of its keys.</param>
    /// <param name="pull">The pull.</param>
    internal static SyncAnswer Answer(in StateReader reader, Guid logId, KeyOrder order, SyncPull pull)
    {
        byte[] client = pull.Client.ToByteArray(bigEndian: true);
        if (SyncTable.IsUnknown(reader, client)) return new SyncReset(SyncResetReason.ClientUnknown);
        long newest = reader.View.AppliedOffset;
        long from = pull.Position?.Offset ?? newest;
        if (pull.Position is { } position)
        {
            if (position.Offset > newest) return new SyncReset(SyncResetReason.Ahead);
            if (HeadAt(reader, position.Offset) is not { } then) return new SyncReset(SyncResetReason.TooOld);
            if (then.Content != position.Content) return new SyncReset(SyncResetReason.Diverged);
        }

        int most = BytesOf(pull);
        var changes = new Changes(reader, order, pull.Bound);
        long reached = changes.Take(from, most) ?? newest;
        if (changes.Count > MostRows) return new SyncReset(SyncResetReason.TooOld);   // One entry changed as much: less is to be fetched anew than told.
        ChangeHead head = HeadAt(reader, reached) ?? throw new InvalidOperationException("what was read just now is kept");
        byte[]? bound = pull.Bound;
        if (reached < newest) bound ??= BehindAll;   // What changed again later shows already as it is now: it is not the state of one moment yet.
        else if (bound is not null) bound = changes.AddPage(bound, most);
        return Told(reader, client, new SyncPosition(logId, reached, head.Content), head, bound, changes);
    }

    /// <summary>About how many bytes the answer to a pull may have.</summary>
    internal static int BytesOf(SyncPull pull) => pull.MostBytes == 0 ? UsualBytes : pull.MostBytes;

    /// <summary>Answers a pull whose position the state keeps no more, out of what something else keeps: part of the way, to where the copy asks again.</summary>
    /// <param name="reader">The state as it is now.</param>
    /// <param name="logId">Its log.</param>
    /// <param name="order">The order of its keys.</param>
    /// <param name="pull">The pull, with a position.</param>
    /// <param name="past">The changes behind it.</param>
    internal static SyncAnswer AnswerPast(in StateReader reader, Guid logId, KeyOrder order, SyncPull pull, PastChanges past)
    {
        if (past.Before != pull.Position!.Value.Content) return new SyncReset(SyncResetReason.Diverged);
        var changes = new Changes(reader, order, pull.Bound);
        foreach (byte[] row in past.Rows) changes.TakeEntry(row);
        if (changes.Count > MostRows) return new SyncReset(SyncResetReason.TooOld);
        var reached = new SyncPosition(logId, past.Reached, past.Behind.Content);
        return Told(reader, pull.Client.ToByteArray(bigEndian: true), reached, past.Behind, pull.Bound ?? BehindAll, changes);
    }

    /// <summary>The content hash behind an entry, and when the last entry before that changed anything was written; null where that is kept no more.</summary>
    internal static ChangeHead? HeadAt(in StateReader reader, long offset)
    {
        using RowCursor cursor = reader.OpenCursor();
        if (!cursor.SeekBefore(RowKeys.Change(offset + 1)) || cursor.Key[0] != (byte)RowTable.Change) return default(ChangeHead);   // Nothing was ever changed before.
        if (cursor.Key.Length > 1) return ChangeScan.ReadHead(cursor.Value);
        ReadOnlySpan<byte> trimmed = cursor.Value;
        if (BinaryPrimitives.ReadInt64BigEndian(trimmed) > offset) return null;
        return new ChangeHead(
            new HybridTimestamp(BinaryPrimitives.ReadUInt64LittleEndian(trimmed[8..])),
            new StateHash(BinaryPrimitives.ReadUInt64LittleEndian(trimmed[16..]), BinaryPrimitives.ReadUInt64LittleEndian(trimmed[24..]), BinaryPrimitives.ReadInt64LittleEndian(trimmed[32..])));
    }

    private static SyncChanges Told(in StateReader reader, byte[] client, in SyncPosition position, in ChangeHead head, byte[]? bound, Changes changes) =>
        new(position, head.Timestamp, bound, head.Content.Rows, changes.Cleared, changes.Rows, SyncTable.RejectionsOf(reader, client));

    /// <summary>The rows and ranges that an answer tells of, as they are now.</summary>
    private sealed class Changes(StateReader reader, KeyOrder order, byte[]? bound)
    {
        private readonly SortedDictionary<byte[], SyncRow> _rows = new(ByteOrder.Instance);
        private long _bytes;

        internal List<EncodedKeyRange> Cleared { get; } = [];

        internal int Count => Math.Max(_rows.Count, Cleared.Count);

        internal IReadOnlyList<SyncRow> Rows => [.. _rows.Values];

        /// <summary>Takes what changed behind an entry, of rows that the copy has.</summary>
        /// <returns>The last entry that was looked at where there are enough bytes and more would follow; else null.</returns>
        internal long? Take(long from, int mostBytes)
        {
            using RowCursor cursor = reader.OpenCursor();
            bool found = cursor.SeekAtOrAfter(RowKeys.Change(from + 1));
            long? last = null;
            for (; found && cursor.Key[0] == (byte)RowTable.Change; found = cursor.MoveNext())
            {
                if (IsEnough(mostBytes)) return last;
                TakeEntry(cursor.Value);
                last = RowKeys.ChangeOffset(cursor.Key);
            }

            return null;
        }

        /// <summary>Adds rows behind the bound until there are enough bytes; one at least.</summary>
        /// <returns>The last row that was added; null where it was the last of all.</returns>
        internal byte[]? AddPage(byte[] behind, int mostBytes)
        {
            using RowCursor cursor = reader.OpenCursor();
            bool found = cursor.SeekAtOrAfter(behind.Length == 0 ? [(byte)RowTable.Record] : [.. behind, 0]);
            byte[]? last = null;
            while (true)
            {
                if (found && cursor.Key[0] is > (byte)RowTable.Record and < (byte)RowTable.SyncCursor) found = cursor.SeekAtOrAfter([(byte)RowTable.SyncCursor]);
                if (!found || cursor.Key[0] > (byte)RowTable.SyncCursor) return null;
                if (last is not null && IsEnough(mostBytes)) return last;
                last = cursor.Key.ToArray();
                Add(RowOf(last, cursor.OwnedValue));
                found = cursor.MoveNext();
            }
        }

        private bool IsEnough(int mostBytes) => _bytes >= mostBytes || _rows.Count >= EnoughRows;

        internal void TakeEntry(ReadOnlySpan<byte> changeRow)
        {
            var row = new MessagePackReader(changeRow);
            ChangeScan.ReadHead(ref row, out int count);
            for (; count > 0; count--)
            {
                row.ReadArrayHeader();
                int type = row.ReadInt32();
                if (type == (int)StoreEventKind.RangeDeleted)
                {
                    KeyRange.TryCreate(row.ReadInt32(), row.ReadBytes(), row.ReadBytes(), out KeyRange? range);
                    Clear(order.Encode(range!));
                    continue;
                }

                byte[] key = type == ChangeLog.CursorMoved ? RowKeys.SyncCursor(row.ReadBytes()) : RowKeys.Record(row.ReadBytes());
                if (type != ChangeLog.CursorMoved) row.ReadInt64();
                if (bound is null || key.AsSpan().SequenceCompareTo(bound) <= 0)
                    Add(reader.TryGet(key, out ReadOnlyMemory<byte> value) ? RowOf(key, value) : new SyncRow(key, 0, null));
            }
        }

        /// <summary>Tells that a range was emptied, and what is in it now: that came later, or was spared.</summary>
        private void Clear(EncodedKeyRange range)
        {
            byte[] start = RowKeys.Record(range.Start.Span);
            byte[] end = range.End.IsEmpty ? [(byte)RowTable.Record + 1] : RowKeys.Record(range.End.Span);
            if (bound is not null && end.AsSpan().SequenceCompareTo(bound) > 0) end = [.. bound, 0];
            if (start.AsSpan().SequenceCompareTo(end) >= 0) return;
            Cleared.Add(new EncodedKeyRange(start, end));
            _bytes += start.Length + end.Length;
            using RowCursor cursor = reader.OpenCursor();
            bool found = cursor.SeekAtOrAfter(start);
            for (; found && cursor.Key.SequenceCompareTo(end) < 0; found = cursor.MoveNext()) Add(RowOf(cursor.Key.ToArray(), cursor.OwnedValue));
        }

        private void Add(SyncRow row)
        {
            if (_rows.TryAdd(row.RowKey, row)) _bytes += row.RowKey.Length + (row.Value?.Length ?? 0);
        }

        private static SyncRow RowOf(byte[] rowKey, ReadOnlyMemory<byte> value)
        {
            if (rowKey[0] == (byte)RowTable.SyncCursor) return new SyncRow(rowKey, SyncCursor.Read(value.Span).Mutation, value[sizeof(long)..]);
            var record = new RecordRow(value.Span);
            return new SyncRow(rowKey, record.Version, value[record.ValueAt..]);
        }
    }
}

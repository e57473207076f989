using System.Buffers.Binary;

using Tidemark.Core.MessagePack;
using Tidemark.Core.State;

namespace Tidemark.Core.KeyValue;

/// <summary>One change as a watch sees it.</summary>
/// <param name="Kind">What happened.</param>
/// <param name="EncodedKey">The record; empty for a range.</param>
/// <param name="Range">The range deleted, or null.</param>
/// <param name="Version">The version written or deleted.</param>
/// <param name="Timestamp">When.</param>
/// <param name="Place">The place behind it.</param>
internal readonly record struct StoreChange(
    StoreEventKind Kind, byte[] EncodedKey, KeyRange? Range, long Version, HybridTimestamp Timestamp, WatchPlace Place);

/// <summary>What a change row says of its entry.</summary>
/// <param name="Timestamp">When it was written.</param>
/// <param name="Content">The content hash behind it.</param>
internal readonly record struct ChangeHead(HybridTimestamp Timestamp, StateHash Content);

/// <summary>Reads the change log of one shard from a place on.</summary>
internal static class ChangeScan
{
    /// <summary>Reads up to a number of entries.</summary>
    /// <param name="reader">The state to look at.</param>
    /// <param name="place">Where to begin; moved behind what was read.</param>
    /// <param name="mostEntries">How many entries to read.</param>
    /// <param name="changes">Gets the changes; a single <see cref="StoreEventKind.Compacted"/> first where some are no longer kept.</param>
    /// <returns>Whether anything was read.</returns>
    internal static bool Read(in StateReader reader, ref WatchPlace place, int mostEntries, List<StoreChange> changes)
    {
        long trimmed = reader.TryGet(RowKeys.ChangesTrimmed, out ReadOnlyMemory<byte> mark) ? BinaryPrimitives.ReadInt64BigEndian(mark.Span) : -1;
        bool isLost = trimmed > place.Offset || (trimmed == place.Offset && place.Seen != WatchPlace.All);
        if (isLost)
        {
            place = new WatchPlace(trimmed, WatchPlace.All);
            changes.Add(new StoreChange(StoreEventKind.Compacted, [], null, 0, default, place));
        }

        int entries = 0;
        using RowCursor cursor = reader.OpenCursor();
        bool found = cursor.SeekAtOrAfter(RowKeys.Change(Math.Max(0, place.Seen == WatchPlace.All ? place.Offset + 1 : place.Offset)));
        for (; found && cursor.Key[0] == (byte)RowTable.Change && entries < mostEntries; found = cursor.MoveNext(), entries++)
        {
            long offset = RowKeys.ChangeOffset(cursor.Key);
            int seen = offset == place.Offset ? place.Seen : 0;
            ReadRow(cursor.Value, offset, seen, changes);
            place = new WatchPlace(offset, WatchPlace.All);
        }

        return isLost || entries > 0;
    }

    /// <summary>What stands before a row's changes.</summary>
    internal static ChangeHead ReadHead(ReadOnlySpan<byte> row)
    {
        var reader = new MessagePackReader(row);
        return ReadHead(ref reader, out _);
    }

    /// <summary>What stands before a row's changes; they are next then, and as many as is said.</summary>
    internal static ChangeHead ReadHead(ref MessagePackReader reader, out int changes)
    {
        changes = reader.ReadArrayHeader() - ChangeLog.HeadFields;
        return new ChangeHead(new HybridTimestamp(reader.ReadUInt64()), StateHash.Read(ref reader));
    }

    private static void ReadRow(ReadOnlySpan<byte> row, long offset, int seen, List<StoreChange> changes)
    {
        var reader = new MessagePackReader(row);
        HybridTimestamp timestamp = ReadHead(ref reader, out int count).Timestamp;
        for (int i = 0; i < count; i++)
        {
            var behind = new WatchPlace(offset, i == count - 1 ? WatchPlace.All : i + 1);
            reader.ReadArrayHeader();
            int type = reader.ReadInt32();
            if (type == ChangeLog.CursorMoved)
            {
                reader.Skip();
                continue;
            }

            var kind = (StoreEventKind)type;
            StoreChange change;
            if (kind == StoreEventKind.RangeDeleted)
            {
                KeyRange.TryCreate(reader.ReadInt32(), reader.ReadBytes(), reader.ReadBytes(), out KeyRange? range);
                change = new StoreChange(kind, [], range, 0, timestamp, behind);
            }
            else
            {
                change = new StoreChange(kind, reader.ReadBytes().ToArray(), null, reader.ReadInt64(), timestamp, behind);
            }

            if (i >= seen) changes.Add(change);
        }
    }
}

using System.Buffers.Binary;

using Tidemark.Core.Diagnostics;
using Tidemark.Core.State;

namespace Tidemark.Core.KeyValue;

/// <summary>The records of a shard, with everything that hangs on them: index entries, ephemerals, times to expire at, changes.</summary>
internal sealed class RecordTable(KvState state, ChangeLog changes)
{
    internal const int MaxIndexEntries = 64;
    internal const int MaxSequenceParts = 16;
    internal const long MaxTimeToLiveMilliseconds = 10L * 366 * 24 * 60 * 60 * 1000;
    private const int RangeStep = 256;

    private static readonly byte[] _empty = [];

    /// <summary>The prefix that users' keys may not have: records below it are the library's own, and only its own writes change them.</summary>
    internal static ReadOnlySpan<byte> ReservedPrefix => "__tidemark/"u8;

    private StateTable Table => state.Table;

    private KvSettings Settings => state.Settings!;

    /// <summary>The version of a record; 0 where there is none.</summary>
    internal long VersionOf(ReadOnlySpan<byte> key)
    {
        byte[] rowKey = RowKeys.Record(Settings.KeyOrder, key);
        return MayExist(rowKey) && Table.TryGet(rowKey, out ReadOnlySpan<byte> row) ? new RecordRow(row).Version : 0;
    }

    internal KvResult Put(scoped in PutOperation put, bool isOwn = false)
    {
        StoreStatus limits = CheckPut(put, isOwn);
        if (limits != StoreStatus.Ok) return new KvResult(limits, 0, null, 0);
        if (put.Deltas is not null) return PutNext(put, isOwn);
        return PutAt(put.Key, put);
    }

    internal KvResult Delete(ReadOnlySpan<byte> key, long? expectedVersion, bool isOwn = false)
    {
        StoreStatus limits = CheckKey(key, isOwn);
        if (limits != StoreStatus.Ok) return new KvResult(limits, 0, null, 0);
        byte[] rowKey = RowKeys.Record(Settings.KeyOrder, key);
        ReadOnlySpan<byte> encoded = rowKey.AsSpan(1);
        byte[]? row = Table.Find(rowKey);
        long found = row is null ? 0 : new RecordRow(row).Version;
        if (expectedVersion is { } expected && expected != found) return new KvResult(StoreStatus.VersionMismatch, found, null, 0);
        if (row is null) return new KvResult(StoreStatus.NotFound, 0, null, 0);
        Remove(encoded, row);
        changes.Delete(encoded, found);
        return new KvResult(StoreStatus.Ok, found, null, 1);
    }

    /// <summary>Removes all records of a range; reserved ones only for the library itself. Costs as much as that many deletes.</summary>
    internal KvResult DeleteRange(KeyRange range, bool isOwn = false)
    {
        if (range.Start.Length > Settings.MaxKeyBytes || range.End.Length > Settings.MaxKeyBytes) return new KvResult(StoreStatus.KeyTooLong, 0, null, 0);
        if (!Settings.KeyOrder.TryEncode(range, out EncodedKeyRange encodedRange)) return new KvResult(StoreStatus.RangeRefused, 0, null, 0);
        ReadOnlySpan<byte> start = encodedRange.Start.Span, end = encodedRange.End.Span;
        if (start.Length > Settings.MaxEncodedKeyBytes || end.Length > Settings.MaxEncodedKeyBytes) return new KvResult(StoreStatus.KeyTooLong, 0, null, 0);
        long count = 0;
        byte[] from = RowKeys.Record(start);
        byte[] to = end.IsEmpty ? [(byte)RowTable.Record + 1] : RowKeys.Record(end);
        var page = new List<(byte[] Encoded, byte[] Row)>(RangeStep);
        bool isMore;
        do
        {
            page.Clear();
            isMore = false;
            using (RowCursor cursor = Table.OpenCursor())
            {
                bool found = cursor.SeekAtOrAfter(from);
                for (; found && !isMore && cursor.Key.SequenceCompareTo(to) < 0; found = cursor.MoveNext())
                {
                    if (isMore = page.Count == RangeStep) from = cursor.Key.ToArray();
                    else if (isOwn || !IsReserved(cursor.Key[1..])) page.Add((cursor.Key[1..].ToArray(), cursor.Value.ToArray()));
                }
            }

            foreach ((byte[] encoded, byte[] row) in page) Remove(encoded, row);
            count += page.Count;
        }
        while (isMore);

        if (count > 0) changes.DeleteRange(range);
        return new KvResult(count > 0 ? StoreStatus.Ok : StoreStatus.NotFound, 0, null, count);
    }

    /// <summary>Removes a record if it is still at a version, for whatever ended its time.</summary>
    /// <returns>Whether it was.</returns>
    internal bool Expire(ReadOnlySpan<byte> encodedKey, long? version)
    {
        byte[] rowKey = RowKeys.Record(encodedKey);
        byte[]? row = MayExist(rowKey) ? Table.Find(rowKey) : null;
        if (row is null) return false;
        long found = new RecordRow(row).Version;
        if (version is { } only && only != found) return false;
        Remove(encodedKey, row);
        changes.Delete(encodedKey, found);
        return true;
    }

    private KvResult PutAt(ReadOnlySpan<byte> key, scoped in PutOperation put)
    {
        byte[]? session = null;
        if (!put.Session.IsEmpty && (session = Table.Find(RowKeys.Session(put.Session))) is null)
            return new KvResult(StoreStatus.SessionNotFound, 0, null, 0);

        byte[] rowKey = RowKeys.Record(Settings.KeyOrder, key);
        ReadOnlySpan<byte> encoded = rowKey.AsSpan(1);
        if (!IndexesFit(put.Indexes, encoded)) return new KvResult(StoreStatus.IndexEntryRefused, 0, null, 0);
        byte[]? old = Table.Find(rowKey);
        long found = old is null ? 0 : new RecordRow(old).Version;
        if (put.ExpectedVersion is { } expected && expected != found) return new KvResult(StoreStatus.VersionMismatch, found, null, 0);

        HybridTimestamp now = Planted.Is(PlantedBug.WallClockInFold) ? HybridTimestamp.FromDateTimeOffset(TimeProvider.System.GetUtcNow()) : state.Position.Timestamp;
        long version = Planted.Is(PlantedBug.VersionReusedAfterDelete) ? found + 1 : state.Counters.LastVersion + 1;
        state.Counters = state.Counters with { LastVersion = version };
        var fields = new RecordFields
        {
            Version = version,
            Modifications = old is null ? 0 : new RecordRow(old).Modifications + 1,
            Created = old is null ? now : new RecordRow(old).Created,
            Modified = now,
            Session = put.Session,
            Identity = session is null ? default : SessionTable.IdentityOf(session),
            HasPartitionKey = put.HasPartitionKey,
            PartitionKey = put.PartitionKey,
            Expiry = put.TimeToLiveMilliseconds is { } ttl ? Later(now, ttl) : null,
            Indexes = put.Indexes,
        };
        byte[] row = RecordRow.Write(fields, put.Value);
        if (old is null)
        {
            Table.Add(rowKey, row);
        }
        else
        {
            Unhang(encoded, old);
            Table.Replace(rowKey, old, row);
        }

        Hang(encoded, row);
        state.Content = state.Content.With(encoded, version, put.Value);
        changes.Put(encoded, version, old is null);
        return new KvResult(StoreStatus.Ok, version, null, 0);
    }

    /// <summary>Puts at the next key of a sequence. Numbers are never given out twice, also not after their records are gone.</summary>
    private KvResult PutNext(scoped in PutOperation put, bool isOwn)
    {
        byte[] sequenceKey = RowKeys.Sequence(put.Key);
        byte[]? stored = Table.Find(sequenceKey);
        long[] parts = stored is null ? [] : SequenceParts.Read(stored);
        StoreStatus status = SequenceParts.TryAdvance(ref parts, put.Deltas!);
        if (status != StoreStatus.Ok) return new KvResult(status, 0, null, 0);
        byte[] key = SequenceParts.ToKey(put.Key, parts);
        StoreStatus limits = CheckKey(key, isOwn);
        if (limits != StoreStatus.Ok) return new KvResult(limits, 0, null, 0);
        long taken = VersionOf(key);
        if (taken != 0) return new KvResult(StoreStatus.KeyTaken, taken, key, 0);
        KvResult result = PutAt(key, put);
        if (result.Status != StoreStatus.Ok) return result;
        byte[] row = SequenceParts.Write(parts);
        if (stored is null) Table.Add(sequenceKey, row);
        else Table.Replace(sequenceKey, stored, row);
        return result with { Key = key };
    }

    private StoreStatus CheckPut(scoped in PutOperation put, bool isOwn)
    {
        StoreStatus key = CheckKey(put.Key, isOwn);
        if (key != StoreStatus.Ok) return key;
        if (put.Value.Length > Settings.MaxValueBytes) return StoreStatus.ValueTooLong;
        if (put.TimeToLiveMilliseconds is <= 0 or > MaxTimeToLiveMilliseconds) return StoreStatus.TimeToLiveRefused;
        return put.Deltas is not null && put.ExpectedVersion is not null ? StoreStatus.SequenceMalformed : StoreStatus.Ok;
    }

    private StoreStatus CheckKey(ReadOnlySpan<byte> key, bool isOwn)
    {
        if (key.Length > Settings.MaxKeyBytes || Settings.KeyOrder.GetEncodedLength(key) > Settings.MaxEncodedKeyBytes) return StoreStatus.KeyTooLong;
        return !isOwn && key.StartsWith(ReservedPrefix) ? StoreStatus.ReservedKey : StoreStatus.Ok;
    }

    private bool IsReserved(ReadOnlySpan<byte> encodedKey) => Settings.KeyOrder.Decode(encodedKey).AsSpan().StartsWith(ReservedPrefix);

    /// <summary>Whether the engine could hold a row. Not the settings' limit: that may have been lowered since the row was written.</summary>
    private bool MayExist(byte[] rowKey) => rowKey.Length <= Table.Engine.MaxKeyBytes;

    private bool IndexesFit(IndexEntry[] entries, ReadOnlySpan<byte> encoded)
    {
        if (entries.Length > MaxIndexEntries) return false;
        foreach (ref readonly IndexEntry entry in entries.AsSpan())
        {
            if (entry.Index.IsEmpty || RowKeys.IndexLength(entry.Index.Span, entry.Key.Span) + encoded.Length > Settings.MaxRowKeyBytes) return false;
        }

        return true;
    }

    /// <summary>Removes a record and what hangs on it.</summary>
    private void Remove(ReadOnlySpan<byte> encoded, byte[] row)
    {
        Unhang(encoded, row);
        Table.Remove(RowKeys.Record(encoded), row);
    }

    /// <summary>Adds the rows that a record's row speaks of.</summary>
    private void Hang(ReadOnlySpan<byte> encoded, byte[] row)
    {
        var record = new RecordRow(row);
        if (!record.Session.IsEmpty) Table.Add(RowKeys.Ephemeral(record.Session, encoded), _empty);
        if (record.Expiry is { } expiry) Table.Add(RowKeys.Expiry(expiry, encoded), VersionBytes(record.Version));
        if (!record.HasIndexes) return;
        IndexEntryEnumerator entries = record.Indexes;
        while (entries.MoveNext())
        {
            byte[] key = RowKeys.Index(entries.Name, entries.Key, encoded);
            if (!Table.TryGet(key, out _)) Table.Add(key, _empty);   // The same entry may stand in a record twice.
        }
    }

    /// <summary>Takes back what hangs on a record, and its part of the content hash.</summary>
    private void Unhang(ReadOnlySpan<byte> encoded, byte[] row)
    {
        var record = new RecordRow(row);
        state.Content = state.Content.Without(encoded, record.Version, record.Value);
        if (!record.Session.IsEmpty) Table.Remove(RowKeys.Ephemeral(record.Session, encoded), _empty);
        if (record.Expiry is { } expiry) Table.Remove(RowKeys.Expiry(expiry, encoded), VersionBytes(record.Version));
        if (!record.HasIndexes) return;
        IndexEntryEnumerator entries = record.Indexes;
        while (entries.MoveNext())
        {
            byte[] key = RowKeys.Index(entries.Name, entries.Key, encoded);
            if (Table.TryGet(key, out _)) Table.Remove(key, _empty);
        }
    }

    private static HybridTimestamp Later(HybridTimestamp now, long milliseconds) =>
        HybridTimestamp.FromParts(Math.Min(now.UnixMicroseconds + (milliseconds * 1000), HybridTimestamp.MaxUnixMicroseconds), 0);

    private static byte[] VersionBytes(long version)
    {
        byte[] bytes = new byte[sizeof(long)];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, version);
        return bytes;
    }
}

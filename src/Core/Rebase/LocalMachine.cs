using System.Buffers;

using Tidemark.Core.Diagnostics;
using Tidemark.Core.Engines;
using Tidemark.Core.KeyValue;
using Tidemark.Core.MessagePack;
using Tidemark.Core.State;

namespace Tidemark.Core.Rebase;

/// <summary>The state machine of a local store: a copy of the server's state, and the mutations that are not known to be decided.</summary>
/// <remarks>
/// It runs no mutators: what they come to is seen over this state, and stands nowhere in it. Applying never fails: what does not fit changes nothing, and the answer says so.
/// One thread applies; others read what <see cref="Publish"/> gave. Rows and entries: docs/format/local-state.md.
/// </remarks>
internal sealed class LocalMachine : IStateMachine, IDisposable
{
    /// <summary>The number that stands for this machine in snapshot files.</summary>
    internal const ushort Number = 4;

    private const int HeaderFormat = 1;
    private const int HeaderFields = 9;
    private const int DownloadsBetweenDivergences = 10;

    private readonly KvIdentity _identity;
    private readonly Timeline _timeline;
    private StatePosition _position = StatePosition.Start;

    internal LocalMachine(KvIdentity identity)
    {
        _identity = identity;
        _timeline = new Timeline(Table);
    }

    public StatePosition Position => _position;

    public StateHash Hash => Table.Hash.With(RowSnapshot.HeaderKey, Fields.ToBytes());

    internal StateTable Table { get; } = new(new MemoryEngine());

    internal LocalFields Fields { get; private set; } = new();

    /// <summary>Goes up whenever the visible state has to be made anew: the base or the timeline is another than what calls made of it.</summary>
    internal long Rebases { get; private set; }

    /// <summary>What happened to mutations since somebody looked last.</summary>
    internal List<TimelineMove> Moves => _timeline.Moves;

    /// <summary>Shows readers what was applied.</summary>
    internal OrderedTreeView Publish() => Table.Publish(_position.Offset).Top;

    /// <summary>What a pull is to ask with.</summary>
    internal SyncPull Pull() => Fields.Download is { } download
        ? new SyncPull(Fields.Client, download.Position, download.Bound)
        : new SyncPull(Fields.Client, Fields.Position!.Value with { Content = Fields.Content }, null);

    /// <summary>A mutation of the timeline.</summary>
    internal TimelineEntry? FindMutation(long mutation) => _timeline.Find(mutation)?.Mutation;

    /// <summary>The link behind a mutation of the timeline, or before its first.</summary>
    internal TimelineLink LinkAt(long mutation) => _timeline.LinkAt(Fields, mutation) ?? throw new InvalidOperationException($"The timeline has no mutation {mutation}.");

    public void Apply(in StateEntry entry, IBufferWriter<byte> answer)
    {
        _position = entry.Position;
        StateTable.Savepoint rows = Table.Save();
        (LocalFields fields, int moves, long rebases) = (Fields, Moves.Count, Rebases);
        LocalAnswer result;
        try
        {
            result = Apply((LocalCommand)entry.Kind, entry.Payload.Span);
        }
        catch (MalformedDataException)
        {
            result = new LocalAnswer(LocalStatus.Malformed);
        }

        if (result.Status is LocalStatus.Malformed or LocalStatus.NotFitting)
        {
            Table.Rollback(rows);
            (Fields, Rebases) = (fields, rebases);
            Moves.RemoveRange(moves, Moves.Count - moves);
        }

        result.Write(answer);
    }

    /// <exception cref="MalformedDataException">Always: readers have what was published.</exception>
    public void Query(ReadOnlySpan<byte> request, IBufferWriter<byte> answer) => throw new MalformedDataException(0, "a local store answers no questions");

    public IStateSnapshot TakeSnapshot()
    {
        Publish();
        return new RowSnapshot(StateReader.Open(Table), WriteHeader(), _position, Hash, Table.Hash);
    }

    public void Restore(IEnumerable<ReadOnlyMemory<byte>> pieces, StatePosition position)
    {
        ReadHeader(RowSnapshot.Load(Table, pieces));
        if (_position != position) throw new MalformedDataException(0, $"the header says {_position}, the snapshot {position}");
        StateHash hash = RowSnapshot.Sum(Table);
        if (hash != Table.Hash) throw new MalformedDataException(0, $"the rows have the hash {hash}, the header says {Table.Hash}");
        // Summed anew: a row that rotted in memory before it was written shows in the next pull, and the copy is replaced.
        Fields = Fields with { Content = SumOf(Fields.Tables), Download = Fields.Download is { } download ? download with { Content = SumOf(Fields.OtherTables) } : null };
        Rebases++;
        Publish();
    }

    public void Dispose() => Table.Dispose();

    /// <summary>The sum over the rows of a copy as they are, walked one by one.</summary>
    internal StateHash SumOf(byte tables)
    {
        StateHash sum = default;
        using RowCursor cursor = Table.OpenCursor();
        foreach (byte table in (byte[])[LocalRows.Records(tables), LocalRows.Cursors(tables)])
        {
            for (bool found = cursor.SeekAtOrAfter([table]); found && cursor.Key[0] == table; found = cursor.MoveNext()) sum = With(sum, cursor.Key.ToArray(), cursor.Value, tables);
        }

        return sum;
    }

    private LocalAnswer Apply(LocalCommand command, ReadOnlySpan<byte> payload)
    {
        var reader = new MessagePackReader(payload);
        if (command == LocalCommand.Begin) return Begin(ref reader);
        if (Fields.Order is null) return new LocalAnswer(LocalStatus.NotFitting);
        return command switch
        {
            LocalCommand.Call => Call(ref reader),
            LocalCommand.Refused => Refused(ref reader),
            LocalCommand.Answered => Answered(ref reader),
            LocalCommand.Pushing => Pushing(ref reader),
            LocalCommand.Ask => Ask(ref reader),
            LocalCommand.Decide => Decide(ref reader),
            LocalCommand.Retry => Retry(),
            LocalCommand.Forget => Forget(ref reader),
            _ => new LocalAnswer(LocalStatus.NotFitting),
        };
    }

    private LocalAnswer Begin(ref MessagePackReader reader)
    {
        CommandParts.ReadArrayOf(2, ref reader);
        if (!KeyOrder.TryGet(reader.ReadByte(), out KeyOrder? order)) throw new MalformedDataException(reader.Consumed, "there is no such key order");
        var client = CommandParts.ReadGuid(ref reader);
        reader.ReadEnd();
        if (Fields.Order is not null) return new LocalAnswer(LocalStatus.NotFitting);
        Fields = Fields with { Order = order, Client = client };
        return default;
    }

    private LocalAnswer Call(ref MessagePackReader reader)
    {
        var mutation = TimelineEntry.Read(ref reader);
        reader.ReadEnd();
        Fields = _timeline.Add(Fields, mutation);
        Moves.Add(new TimelineMove(Fields.Next - 1, TimelineFate.Called, Entry: mutation, Offset: _position.Offset));
        return new LocalAnswer(LocalStatus.Done, Fields.Next - 1);
    }

    private static LocalAnswer Refused(ref MessagePackReader reader)
    {
        CommandParts.ReadArrayOf(3, ref reader);
        LocalStatus status = reader.ReadBoolean() ? LocalStatus.Rejected : LocalStatus.Faulted;
        return new LocalAnswer(status, 0, reader.ReadString(), reader.ReadString());
    }

    private LocalAnswer Pushing(ref MessagePackReader reader)
    {
        CommandParts.ReadArrayOf(1, ref reader);
        var client = CommandParts.ReadGuid(ref reader);
        if (client != Fields.Client) return new LocalAnswer(LocalStatus.NotFitting);
        Fields = Fields with { IsPushed = true };
        return default;
    }

    private LocalAnswer Ask(ref MessagePackReader reader)
    {
        CommandParts.ReadArrayOf(3, ref reader);
        var client = CommandParts.ReadGuid(ref reader);
        var why = (LocalStoreQuestion)reader.ReadInt32();
        var spare = CommandParts.ReadGuid(ref reader);
        if (client != Fields.Client || why is not (LocalStoreQuestion.Forked or LocalStoreQuestion.ClientUnknown)) return new LocalAnswer(LocalStatus.NotFitting);
        Ask(why, spare);
        return default;
    }

    private LocalAnswer Decide(ref MessagePackReader reader)
    {
        CommandParts.ReadArrayOf(2, ref reader);
        var decision = (LocalStoreAnswer)reader.ReadInt32();
        var client = CommandParts.ReadGuid(ref reader);
        if (Fields.Question == LocalStoreQuestion.None || decision is not (LocalStoreAnswer.PushAgain or LocalStoreAnswer.Discard)) return new LocalAnswer(LocalStatus.NotFitting);
        if (decision == LocalStoreAnswer.Discard) Fields = _timeline.Drop(Fields);
        TakeClient(client);
        return default;
    }

    private LocalAnswer Retry()
    {
        Fields = Fields with { IsEnded = false, DownloadsSinceDivergence = null };
        return default;
    }

    private LocalAnswer Forget(ref MessagePackReader reader)
    {
        CommandParts.ReadArrayOf(2, ref reader);
        var client = CommandParts.ReadGuid(ref reader);
        Fields = _timeline.Forget(Fields, client, reader.ReadInt64());
        return default;
    }

    private LocalAnswer Answered(ref MessagePackReader reader)
    {
        CommandParts.ReadArrayOf(4, ref reader);
        SyncPosition? asked = SyncCodec.ReadPosition(ref reader);
        byte[]? bound = reader.TryReadNil() ? null : reader.ReadBytes().ToArray();
        var spare = CommandParts.ReadGuid(ref reader);
        SyncAnswer answer = SyncCodec.ReadAnswer(reader.ReadBytes());
        reader.ReadEnd();
        SyncPull now = Pull();
        bool isAboutThis = now.Position?.LogId == asked?.LogId && now.Position?.Offset == asked?.Offset
            && (now.Bound is null) == (bound is null) && (bound is null || bound.AsSpan().SequenceEqual(now.Bound));
        if (!isAboutThis || Fields.IsEnded || Fields.Question != LocalStoreQuestion.None) return new LocalAnswer(LocalStatus.NotFitting);
        if (answer is SyncReset reset) Reset(reset.Reason, spare);
        else if (Fields.Download is null) TakeChanges((SyncChanges)answer, spare);
        else TakeDownload(Fields.Download, (SyncChanges)answer, spare);
        return default;
    }

    private void Reset(SyncResetReason reason, Guid spare)
    {
        if (reason == SyncResetReason.ClientUnknown) Ask(LocalStoreQuestion.ClientUnknown, spare);
        else if (reason == SyncResetReason.Diverged) Diverge();
        else BeginDownload(CopyDownload.Start);
    }

    /// <summary>Moves the base, which stays whole; or, where the answer reaches up to a bound only, begins the next copy with what of the base lies before it.</summary>
    private void TakeChanges(SyncChanges changes, Guid spare)
    {
        if (changes.Bound is { } bound)
        {
            BeginDownload(CopyDownload.Start);
            StateHash copied = CopyUpTo(bound);
            TakeDownload(new CopyDownload(Fields.Position, [], copied, changes.RowsInAll), changes, spare);
            return;
        }

        StateTable.Savepoint before = Table.Save();
        StateHash content = Write(changes, Fields.Tables, Fields.Content);
        if (content != changes.Position.Content)
        {
            Table.Rollback(before);
            Diverge();
            return;
        }

        Fields = Fields with { Position = changes.Position, Timestamp = changes.Timestamp, Content = content };
        Rebases++;
        Settle(changes.Rejections, spare);
    }

    private void TakeDownload(CopyDownload download, SyncChanges changes, Guid spare)
    {
        byte tables = Fields.OtherTables;
        if (changes.Bound is { } bound && (bound.AsSpan().SequenceCompareTo(download.Bound) < 0 || (changes.Rows.Count > 0 && changes.Rows[^1].RowKey.AsSpan().SequenceCompareTo(bound) > 0)))
            throw new MalformedDataException(0, "a copy's bound does not fall, and no row lies behind it");
        StateHash content = Write(changes, tables, download.Content);
        if (changes.Bound is { } reached)
        {
            Fields = Fields with { Download = new CopyDownload(changes.Position, reached, content, changes.RowsInAll) };
            if (Planted.Is(PlantedBug.PoppedBeforeApplied)) PopByDownload(changes.Rejections);
            return;
        }

        if (content != changes.Position.Content)
        {
            Diverge();
            return;
        }

        Remove(Fields.Tables);
        Fields = Fields with
        {
            Tables = tables,
            Position = changes.Position,
            Timestamp = changes.Timestamp,
            Content = content,
            Download = null,
            DownloadsSinceDivergence = Fields.DownloadsSinceDivergence + 1,
        };
        Rebases++;
        if (Planted.Is(PlantedBug.PendingDroppedOnDownload)) Fields = _timeline.Drop(Fields);
        Settle(changes.Rejections, spare);
    }

    /// <summary>The base has moved: takes off the timeline what its cursor says is decided.</summary>
    private void Settle(IReadOnlyList<SyncRejection> rejections, Guid spare)
    {
        (long cursor, TimelineLink link) = OwnCursor(Fields.Tables);
        if (cursor < Fields.First - 1)
        {
            Fields = _timeline.Renumber(Fields, cursor, link);   // The server was restored to an earlier state: it has decided on none of these.
        }
        else if (_timeline.LinkAt(Fields, cursor) != link)
        {
            Ask(LocalStoreQuestion.Forked, spare);
        }
        else
        {
            Fields = _timeline.Decide(Fields, cursor, link, rejections);
        }
    }

    private SyncCursor OwnCursor(byte tables) => Table.TryGet(LocalRows.Cursor(Fields.Client, tables), out ReadOnlySpan<byte> row) ? SyncCursor.Read(row) : default;

    /// <summary>It is not known what of the timeline was applied. Where that makes no difference, nobody is asked.</summary>
    private void Ask(LocalStoreQuestion why, Guid spare)
    {
        bool isClear = Fields.Pending == 0 || (why == LocalStoreQuestion.ClientUnknown && !Fields.IsPushed);
        if (isClear) TakeClient(spare);
        else Fields = Fields with { Question = why };
    }

    private void TakeClient(Guid client)
    {
        Fields = _timeline.Renumber(Fields with { Client = client, IsPushed = false, Question = LocalStoreQuestion.None }, 0, default);
        Rebases++;
    }

    /// <summary>The copy is not the server's state. It stays what is read until there is another; too often in a row, and nothing more is tried.</summary>
    private void Diverge()
    {
        Fields = Fields with { IsEnded = Fields.DownloadsSinceDivergence < DownloadsBetweenDivergences, DownloadsSinceDivergence = 0 };
        BeginDownload(CopyDownload.Start);
    }

    private void BeginDownload(CopyDownload download)
    {
        Remove(Fields.OtherTables);
        Fields = Fields with { Download = download };
    }

    /// <summary>Makes the rows of a copy what an answer says they are.</summary>
    private StateHash Write(SyncChanges changes, byte tables, StateHash content)
    {
        foreach (EncodedKeyRange range in changes.Cleared) content = Clear(range, tables, content);
        foreach (SyncRow row in changes.Rows)
        {
            byte[] key = LocalRows.Copied(row.RowKey, tables);
            byte[]? old = Table.Find(key);
            if (old is not null) content = Without(content, key, old, tables);
            if (row.Value is { } value)
            {
                byte[] written = LocalRows.Numbered(row.Number, value.Span);
                bool isCursor = key[0] == LocalRows.Cursors(tables);
                if (isCursor && written.Length != LocalRows.CursorBytes) throw new MalformedDataException(0, $"a cursor has a link of {TimelineLink.Bytes} bytes");
                content = With(content, key, written, tables);
                Table.Set(key, written);
            }
            else if (old is not null)
            {
                Table.Remove(key, old);
            }
        }

        return content;
    }

    /// <summary>Removes what a copy has of the records in a range of the server's row keys.</summary>
    private StateHash Clear(EncodedKeyRange range, byte tables, StateHash content)
    {
        byte[] start = LocalRows.Copied(range.Start.ToArray(), tables), end = LocalRows.Copied(range.End.ToArray(), tables);
        List<(byte[] Key, byte[] Row)> rows = [];
        using (RowCursor cursor = Table.OpenCursor())
        {
            for (bool found = cursor.SeekAtOrAfter(start); found && cursor.Key.SequenceCompareTo(end) < 0 && cursor.Key[0] == LocalRows.Records(tables); found = cursor.MoveNext())
                rows.Add((cursor.Key.ToArray(), cursor.Value.ToArray()));
        }

        foreach ((byte[] key, byte[] row) in rows)
        {
            content = Without(content, key, row, tables);
            Table.Remove(key, row);
        }

        return content;
    }

    private static StateHash With(StateHash sum, byte[] key, ReadOnlySpan<byte> row, byte tables)
    {
        if (key[0] == LocalRows.Records(tables)) return sum.With(key.AsSpan(1), LocalRows.Number(row), row[LocalRows.NumberBytes..]);
        return Planted.Is(PlantedBug.HashWithoutCursors) ? sum : sum.With(AsServers(key, tables), row);
    }

    private static StateHash Without(StateHash sum, byte[] key, ReadOnlySpan<byte> row, byte tables)
    {
        if (key[0] == LocalRows.Records(tables)) return sum.Without(key.AsSpan(1), LocalRows.Number(row), row[LocalRows.NumberBytes..]);
        return Planted.Is(PlantedBug.HashWithoutCursors) ? sum : sum.Without(AsServers(key, tables), row);
    }

    private static byte[] AsServers(byte[] key, byte tables) => [(byte)(key[0] ^ tables), .. key.AsSpan(1)];

    /// <summary>Copies the rows of the base up to a bound into the other tables.</summary>
    private StateHash CopyUpTo(byte[] bound)
    {
        StateHash sum = default;
        byte from = Fields.Tables, to = Fields.OtherTables;
        var copies = new List<(byte[] Key, byte[] Row)>();
        using (RowCursor cursor = Table.OpenCursor())
        {
            foreach (byte table in (byte[])[LocalRows.Records(from), LocalRows.Cursors(from)])
            {
                for (bool found = cursor.SeekAtOrAfter([table]); found && cursor.Key[0] == table; found = cursor.MoveNext())
                {
                    if (AsServers(cursor.Key.ToArray(), from).AsSpan().SequenceCompareTo(bound) <= 0) copies.Add((cursor.Key.ToArray(), cursor.Value.ToArray()));
                }
            }
        }

        foreach ((byte[] key, byte[] row) in copies)
        {
            byte[] copy = [(byte)(key[0] ^ from ^ to), .. key.AsSpan(1)];
            Table.Add(copy, row);
            sum = With(sum, copy, row, to);
        }

        return sum;
    }

    private void Remove(byte tables)
    {
        var rows = new List<(byte[] Key, byte[] Row)>();
        using (RowCursor cursor = Table.OpenCursor())
        {
            foreach (byte table in (byte[])[LocalRows.Records(tables), LocalRows.Cursors(tables)])
            {
                for (bool found = cursor.SeekAtOrAfter([table]); found && cursor.Key[0] == table; found = cursor.MoveNext()) rows.Add((cursor.Key.ToArray(), cursor.Value.ToArray()));
            }
        }

        foreach ((byte[] key, byte[] row) in rows) Table.Remove(key, row);
    }

    /// <summary>The planted mistake: what a copy says that is not whole yet is taken for decided.</summary>
    private void PopByDownload(IReadOnlyList<SyncRejection> rejections)
    {
        (long cursor, TimelineLink link) = OwnCursor(Fields.OtherTables);
        if (cursor >= Fields.First && _timeline.LinkAt(Fields, cursor) == link) Fields = _timeline.Decide(Fields, cursor, link, rejections);
        Rebases++;
    }

    private byte[] WriteHeader()
    {
        var output = new ArrayBufferWriter<byte>(256);
        var writer = new MessagePackWriter(output);
        StateHeader.WriteStart(ref writer, HeaderFields, HeaderFormat, _identity, _position);
        Fields.Write(ref writer);
        StateHash.WriteAlgorithm(ref writer);
        Table.Hash.WriteArray(ref writer);
        writer.Flush();
        return output.WrittenSpan.ToArray();
    }

    private void ReadHeader(ReadOnlySpan<byte> header)
    {
        var reader = new MessagePackReader(header);
        (_, _position) = StateHeader.ReadStart(ref reader, HeaderFields, HeaderFormat);   // Whose it was does not matter: whoever restores it has asked for it.
        Fields = LocalFields.Read(ref reader);
        StateHash.ReadAlgorithm(ref reader);
        Table.Hash = StateHash.ReadArray(ref reader);
        reader.ReadEnd();
    }
}

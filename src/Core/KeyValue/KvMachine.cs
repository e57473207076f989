using System.Buffers;

using Tidemark.Core.Engines;
using Tidemark.Core.MessagePack;
using Tidemark.Core.State;

namespace Tidemark.Core.KeyValue;

/// <summary>The key-value state machine: what a shard of a namespace keeps, and how its committed entries change it.</summary>
/// <remarks>
/// Applying never fails: whatever an entry asks for and may not have is a status in its answer, and the state is as if it had not come.
/// One thread applies; others read through <see cref="Table"/>'s published view. Rows, commands and answers: docs/format/kv-state.md.
/// </remarks>
internal sealed class KvMachine : IStateMachine, IDisposable
{
    /// <summary>The number that stands for this machine in snapshot files.</summary>
    internal const ushort Number = 1;

    private readonly KvIdentity _identity;
    private readonly KvState _state;
    private readonly ChangeLog _changes;
    private readonly KvWrites _writes;

    /// <summary>Takes up what an engine holds.</summary>
    /// <exception cref="FormatMismatchException">It is the state of another store or shard.</exception>
    /// <exception cref="CorruptDataException">What it holds contradicts itself.</exception>
    internal KvMachine(IOrderedEngine engine, KvIdentity identity)
    {
        _identity = identity;
        Table = new StateTable(engine);
        _state = new KvState(Table);
        _changes = new ChangeLog(_state);
        Records = new RecordTable(_state, _changes);
        Sessions = new SessionTable(_state, Records);
        Clients = new ClientTable(_state);
        _writes = new KvWrites(_state, _changes, Records, Clients);
        if (Table.TryGet(RowKeys.Header, out ReadOnlySpan<byte> header)) TakeUp(header.ToArray());
        else if (engine.AppliedOffset >= 0) throw new CorruptDataException(engine.Name, 0, "a header row", "none");
    }

    public StatePosition Position => _state.Position;

    public StateHash Hash => Table.Hash;

    /// <summary>The sum over keys, versions and values alone.</summary>
    internal StateHash ContentHash => _state.Content;

    internal StateTable Table { get; }

    internal RecordTable Records { get; }

    internal SessionTable Sessions { get; }

    internal ClientTable Clients { get; }

    internal KvCounters Counters => _state.Counters;

    /// <summary>The settings in force; null before the shard was configured.</summary>
    internal KvSettings? Settings => _state.Settings;

    public void Apply(in StateEntry entry, IBufferWriter<byte> answer)
    {
        _state.Position = entry.Position;
        ReadOnlySpan<byte> payload = entry.Payload.Span;
        var command = (KvCommand)entry.Kind;
        if (command == KvCommand.Write && _state.Settings is not null)
        {
            _writes.Apply(payload, answer);
        }
        else
        {
            KvState.Savepoint before = _state.Save();
            int movesBefore = Sessions.Moves.Count;
            StoreStatus status;
            try
            {
                status = Apply(command, payload);
            }
            catch (MalformedDataException)
            {
                _state.Rollback(before);
                _changes.Rollback(default);
                Sessions.Moves.RemoveRange(movesBefore, Sessions.Moves.Count - movesBefore);
                status = StoreStatus.Malformed;
            }

            KvAnswer.Write(answer, status, status == StoreStatus.Ok ? -1 : 0, entry.Position.Timestamp, []);
        }

        _changes.EndEntry();
    }

    public void Query(ReadOnlySpan<byte> request, IBufferWriter<byte> answer) => KvQuery.Answer(Table, request, answer);

    public IStateSnapshot TakeSnapshot()
    {
        Table.Publish(Position.Offset);
        return new RowSnapshot(StateReader.Open(Table), _state.WriteHeader(_identity), Position, Hash);
    }

    public void Restore(IEnumerable<ReadOnlyMemory<byte>> pieces, StatePosition position)
    {
        byte[] header = RowSnapshot.Load(Table, pieces);
        _state.ReadHeader(header);   // Whose it was does not matter: whoever restores it has asked for it.
        if (Position != position) throw new MalformedDataException(0, $"the header says {Position}, the snapshot {position}");
        StateHash hash = RowSnapshot.Sum(Table);
        if (hash != Hash) throw new MalformedDataException(0, $"the rows have the hash {hash}, the header says {Hash}");
        if (!Table.IsVolatile)
        {
            // The header goes last, with the offset: before that the engine holds no state.
            Table.Engine.Write(new RowBatch([new(RowKeys.Header, _state.WriteHeader(_identity))]), Position.Offset);
            Table.Reload();
        }

        Table.Publish(Position.Offset);
    }

    /// <summary>Puts aside what waits for the engine, header included; null while an earlier part is on its way or nothing waits.</summary>
    internal OrderedTreeView? Freeze()
    {
        if (Table.IsVolatile || Table.PendingBytes == 0) return null;
        Table.SetUnhashed(RowKeys.Header, _state.WriteHeader(_identity));
        return Table.Freeze(Position.Offset);
    }

    /// <summary>The sum over all rows as they are, walked one by one.</summary>
    internal StateHash ComputeHash() => RowSnapshot.Sum(Table);

    /// <summary>Records whose time is over at a moment, the earliest first.</summary>
    internal List<(byte[] EncodedKey, long Version)> DueRecords(HybridTimestamp now, int most)
    {
        List<(byte[], long)> due = [];
        using RowCursor cursor = Table.OpenCursor();
        bool found = cursor.SeekAtOrAfter([(byte)RowTable.Expiry]);
        for (; found && cursor.Key[0] == (byte)RowTable.Expiry && due.Count < most; found = cursor.MoveNext())
        {
            if (HybridTimestamp.ReadFrom(cursor.Key[1..]).Value > now.Value) break;
            due.Add((cursor.Key[(1 + sizeof(ulong))..].ToArray(), System.Buffers.Binary.BinaryPrimitives.ReadInt64LittleEndian(cursor.Value)));
        }

        return due;
    }

    /// <summary>When the next record's time is over; null where none has an end.</summary>
    internal HybridTimestamp? NextExpiry
    {
        get
        {
            using RowCursor cursor = Table.OpenCursor();
            return cursor.SeekAtOrAfter([(byte)RowTable.Expiry]) && cursor.Key[0] == (byte)RowTable.Expiry ? HybridTimestamp.ReadFrom(cursor.Key[1..]) : null;
        }
    }

    public void Dispose() => Table.Dispose();

    private StoreStatus Apply(KvCommand command, ReadOnlySpan<byte> payload)
    {
        if (command == KvCommand.None) return StoreStatus.Ok;
        if (command == KvCommand.Configure) return Configure(payload);
        if (command is < KvCommand.Configure or > KvCommand.ForgetClients) return StoreStatus.UnknownCommand;
        if (_state.Settings is null) return StoreStatus.SettingsRefused;
        var reader = new MessagePackReader(payload);
        StoreStatus status = command switch
        {
            KvCommand.OpenSession => OpenSession(ref reader),
            KvCommand.CloseSession => CloseSession(ref reader),
            KvCommand.ExpireSessions => ExpireSessions(ref reader),
            KvCommand.ExpireRecords => ExpireRecords(ref reader),
            KvCommand.RegisterClient => RegisterClient(ref reader),
            _ => ForgetClients(ref reader),
        };
        reader.ReadEnd();
        return status;
    }

    private StoreStatus Configure(ReadOnlySpan<byte> payload)
    {
        KvSettings settings = KvSettings.Read(payload);
        bool isOtherOrder = _state.Settings is { } before && before.KeyOrder != settings.KeyOrder;
        if (isOtherOrder || settings.MaxRowKeyBytes > Table.Engine.MaxKeyBytes) return StoreStatus.SettingsRefused;
        var row = new ArrayBufferWriter<byte>(64);
        settings.Write(row);
        Table.Set(RowKeys.Settings, row.WrittenSpan.ToArray());
        _state.Settings = settings;
        return StoreStatus.Ok;
    }

    private StoreStatus OpenSession(ref MessagePackReader reader)
    {
        CommandParts.ReadArrayOf(3, ref reader);
        ReadOnlySpan<byte> session = CommandParts.ReadId(ref reader);
        long timeout = reader.ReadInt64();
        ReadOnlySpan<byte> identity = reader.TryReadNil() ? default : reader.ReadBytes();
        return Sessions.Open(session, timeout, identity);
    }

    private StoreStatus CloseSession(ref MessagePackReader reader)
    {
        CommandParts.ReadArrayOf(1, ref reader);
        return Sessions.Close(CommandParts.ReadId(ref reader));
    }

    private StoreStatus ExpireSessions(ref MessagePackReader reader)
    {
        int count = reader.ReadArrayHeader();
        for (; count > 0; count--) Sessions.Close(CommandParts.ReadId(ref reader));   // One that is closed already is no fault.
        return StoreStatus.Ok;
    }

    private StoreStatus ExpireRecords(ref MessagePackReader reader)
    {
        int count = reader.ReadArrayHeader();
        for (; count > 0; count--)
        {
            CommandParts.ReadArrayOf(2, ref reader);
            Records.Expire(reader.ReadBytes(), reader.ReadInt64());
        }

        return StoreStatus.Ok;
    }

    private StoreStatus RegisterClient(ref MessagePackReader reader)
    {
        CommandParts.ReadArrayOf(1, ref reader);
        return Clients.Register(CommandParts.ReadId(ref reader));
    }

    private StoreStatus ForgetClients(ref MessagePackReader reader)
    {
        int count = reader.ReadArrayHeader();
        for (; count > 0; count--)
        {
            CommandParts.ReadArrayOf(2, ref reader);
            ReadOnlySpan<byte> client = CommandParts.ReadId(ref reader);
            Clients.Remove(client, reader.TryReadNil() ? null : new HybridTimestamp(reader.ReadUInt64()));
        }

        return StoreStatus.Ok;
    }

    private void TakeUp(byte[] header)
    {
        KvIdentity found = _state.ReadHeader(header);
        if (found != _identity) throw new FormatMismatchException(Table.Engine.Name, $"the state of {_identity}", $"the state of {found}");
        if (Position.Offset != Table.Engine.AppliedOffset)
            throw new CorruptDataException(Table.Engine.Name, 0, $"offset {Table.Engine.AppliedOffset} in the header row", $"{Position.Offset}");
    }
}

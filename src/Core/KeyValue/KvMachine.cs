using System.Buffers;

using Tidemark.Core.Diagnostics;
using Tidemark.Core.Engines;
using Tidemark.Core.MessagePack;
using Tidemark.Core.Rebase;
using Tidemark.Core.State;

namespace Tidemark.Core.KeyValue;

/// <summary>The key-value state machine: what a shard of a namespace keeps, and how its committed entries change it.</summary>
/// <remarks>
/// Applying never fails: whatever an entry asks for and may not have is a status in its answer, and the state is as if it had not come.
/// One thread applies; others read through <see cref="Table"/>'s published view. Rows, commands and answers: docs/format/kv-state.md.
/// </remarks>
internal sealed class KvMachine : IStateMachine, ICutsLog, IDisposable
{
    /// <summary>The number that stands for this machine in snapshot files.</summary>
    internal const ushort Number = 1;

    private readonly KvIdentity _identity;
    private readonly KvState _state;
    private readonly ChangeLog _changes;
    private readonly KvWrites _writes;
    private SyncPushed _decided = new(0, SyncRefusal.None, null);   // What came of the mutation that was decided on last.
    private long? _wish;                                            // What the cut that was wished for last waits for.

    /// <summary>Takes up what an engine holds.</summary>
    /// <exception cref="FormatMismatchException">It is the state of another store or shard.</exception>
    /// <exception cref="CorruptDataException">What it holds contradicts itself.</exception>
    internal KvMachine(IOrderedEngine engine, KvIdentity identity)
        : this(new KvState(new StateTable(engine)), identity)
    {
        if (Table.TryGet(RowKeys.Header, out ReadOnlySpan<byte> header)) TakeUp(header.ToArray());
        else if (engine.AppliedOffset >= 0) throw new CorruptDataException(engine.Name, 0, "a header row", "none");
    }

    private KvMachine(KvState state, KvIdentity identity)
    {
        (_state, _identity) = (state, identity);
        _changes = new ChangeLog(state);
        Records = new RecordTable(state, _changes);
        Sessions = new SessionTable(state, Records);
        Clients = new ClientTable(state);
        SyncClients = new SyncTable(state, _changes);
        _writes = new KvWrites(state, _changes, Records, Clients);
    }

    public StatePosition Position => _state.Position;

    public StateHash Hash => Table.Hash;

    /// <summary>The sum over keys, versions and values alone.</summary>
    internal StateHash ContentHash => _state.Content;

    internal StateTable Table => _state.Table;

    /// <summary>Which log its entries come from: the same for all replicas of a shard, another after a restore.</summary>
    internal Guid LogId => _identity.LogId;

    internal RecordTable Records { get; }

    internal SessionTable Sessions { get; }

    internal ClientTable Clients { get; }

    internal SyncTable SyncClients { get; }

    internal KvCounters Counters => _state.Counters;

    internal LogCuts Cuts => _state.Cuts;

    public IReadOnlyList<Generation> Generations => Cuts.Generations;

    /// <summary>The part of the history that goes on.</summary>
    internal Generation Generation => Cuts.Current(LogId);

    /// <summary>The settings in force; null before the shard was configured.</summary>
    internal KvSettings? Settings => _state.Settings;

    public void Apply(in StateEntry entry, IBufferWriter<byte> answer)
    {
        long last = Position.Offset;
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
                status = Apply(command, payload, last);
            }
            catch (MalformedDataException)
            {
                _state.Rollback(before);
                _changes.Rollback(default);
                Sessions.Moves.RemoveRange(movesBefore, Sessions.Moves.Count - movesBefore);
                status = StoreStatus.Malformed;
            }

            switch (command)
            {
                case KvCommand.Decide:
                    SyncCodec.Write(answer, status == StoreStatus.Ok ? _decided : new SyncPushed(0, SyncRefusal.Delayed, $"The entry that decides on it was refused: {status}."));
                    break;
                case KvCommand.Cut:
                    new CutAnswer(status, status == StoreStatus.Ok ? _wish : null, Generation).Write(answer);
                    break;
                default:
                    KvAnswer.Write(answer, status, status == StoreStatus.Ok ? -1 : 0, entry.Position.Timestamp, []);
                    break;
            }
        }

        _changes.EndEntry();
    }

    public void Query(ReadOnlySpan<byte> request, IBufferWriter<byte> answer) => KvQuery.Answer(Table, request, answer);

    public IStateSnapshot TakeSnapshot()
    {
        Table.Publish(Position.Offset);
        return new RowSnapshot(StateReader.Open(Table), _state.WriteHeader(_identity), Position, Hash, Table.Hash);
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

    /// <summary>A machine that begins with the same state and goes its own way, in memory. Costs the same at any size. Its table says how long it is of use.</summary>
    internal KvMachine Fork() => new(_state.Fork(), _identity);

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

    /// <param name="command">What.</param>
    /// <param name="payload">Its payload.</param>
    /// <param name="before">The entry before this one that was no mark.</param>
    private StoreStatus Apply(KvCommand command, ReadOnlySpan<byte> payload, long before)
    {
        if (command == KvCommand.None) return StoreStatus.Ok;
        if (command == KvCommand.Configure) return Configure(payload);
        if (command is < KvCommand.Configure or KvCommand.Mutate or > KvCommand.EndLog) return StoreStatus.UnknownCommand;
        if (_state.Settings is null) return StoreStatus.SettingsRefused;
        var reader = new MessagePackReader(payload);
        StoreStatus status = command switch
        {
            KvCommand.OpenSession => OpenSession(ref reader),
            KvCommand.CloseSession => CloseSession(ref reader),
            KvCommand.ExpireSessions => ExpireSessions(ref reader),
            KvCommand.ExpireRecords => ExpireRecords(ref reader),
            KvCommand.RegisterClient => RegisterClient(ref reader),
            KvCommand.ForgetClients => ForgetClients(ref reader),
            KvCommand.Cut => Wish(CutCommand.Read(ref reader), before),
            KvCommand.EndLog => Begin(Generation.Read(ref reader), before),
            _ => Decide(ref reader, payload.Length),
        };
        if (command == KvCommand.Decide) return status;   // One that is not its client's next is read no further.
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

    /// <summary>Does what the leader's run of a mutation came to, and moves its client's cursor.</summary>
    private StoreStatus Decide(ref MessagePackReader reader, int bytes)
    {
        DecideCommand decision = DecideCommand.Read(ref reader);
        _decided = decision.Refusal ?? new SyncPushed(decision.Cursor.Mutation, SyncRefusal.None, null);
        if (decision.Refusal is not null) return StoreStatus.Ok;
        StoreStatus place = SyncClients.Judge(decision.Client, decision.Cursor.Mutation);
        if (place != StoreStatus.Ok) return place;
        SyncClients.Advance(decision.Client, decision.Cursor, decision.Floor);
        StoreStatus status = bytes > Settings!.MaxBatchBytes ? StoreStatus.BatchTooLong : Planted.Is(PlantedBug.CursorWithoutEffects) ? StoreStatus.Ok : _writes.Do(ref reader);
        SyncRejection? rejection = status is StoreStatus.Ok or StoreStatus.NotFound ? decision.Rejection : new SyncRejection(decision.Cursor.Mutation, "limit", status.ToString());
        if (rejection is { } reason) SyncClients.Reject(decision.Client, reason);
        return StoreStatus.Ok;
    }

    /// <summary>Notes that the log is to be cut, unless it was since the entry that is asked about, or nothing was written since it was.</summary>
    private StoreStatus Wish(CutCommand asked, long before)
    {
        LogCuts cuts = _state.Cuts.At(Position.Offset, before);
        long wanted = asked.Before ?? cuts.Written;
        _wish = Generation.Base.Offset >= wanted ? null : asked.Before ?? Position.Offset;
        Set(_wish is null ? cuts : cuts with { Wish = asked.Before is null ? Position.Offset : cuts.Wish ?? Position.Offset });
        return StoreStatus.Ok;
    }

    /// <summary>Begins the next generation.</summary>
    private StoreStatus Begin(in Generation next, long before)
    {
        if (!_state.Cuts.IsNext(next) || next.Base.Offset >= Position.Offset) return StoreStatus.VersionMismatch;
        Set(_state.Cuts.At(Position.Offset, before).With(next));
        return StoreStatus.Ok;
    }

    private void Set(LogCuts cuts)
    {
        _state.Cuts = cuts;
        Table.Set(RowKeys.Cuts, cuts.ToBytes());
    }

    private void TakeUp(byte[] header)
    {
        KvIdentity found = _state.ReadHeader(header);
        if (found != _identity) throw new FormatMismatchException(Table.Engine.Name, $"the state of {_identity}", $"the state of {found}");
        if (Position.Offset != Table.Engine.AppliedOffset)
            throw new CorruptDataException(Table.Engine.Name, 0, $"offset {Table.Engine.AppliedOffset} in the header row", $"{Position.Offset}");
    }
}

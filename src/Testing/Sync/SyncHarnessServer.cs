using System.Buffers;
using System.Buffers.Binary;

using Tidemark.Core.KeyValue;
using Tidemark.Core.Rebase;
using Tidemark.Core.Replication;
using Tidemark.Core.State;

namespace Tidemark.Testing.Sync;

/// <summary>The parts of a real server without threads, log and wire: the machine of a shard, its leader, the answers to pulls. Entries are applied some time after they got their place.</summary>
internal sealed class SyncHarnessServer : ISyncServer, IDisposable
{
    private readonly SeededChance _chance;
    private readonly KeyOrder _order;
    private readonly NamespaceOptions _settings;
    private readonly Queue<StateEntry> _underWay = [];
    private KvMachine _machine;
    private KvLeader _leader;
    private readonly List<(ushort Kind, byte[] Payload)> _due = [];
    private long _offset = 100_000;   // Of a store that has lived a while: numbers stay as long as they are.
    private long _time = 1_700_000_000_000_000;
    private int _sameTime;            // Entries of cuts at that time.
    private long _mark = -1;          // The last that has its place.

    /// <param name="chance">Decides what is not said.</param>
    /// <param name="mutators">Those of the server.</param>
    /// <param name="settings">Those of the namespace.</param>
    internal SyncHarnessServer(SeededChance chance, Mutators mutators, NamespaceOptions settings)
    {
        (_chance, _order, _settings, Mutators) = (chance, settings.KeyOrder, settings, mutators);
        _machine = new KvMachine(new MemoryEngine(), new KvIdentity(NewStoreId(), 1));
        _leader = NewLeader();
        Configure(settings);
    }

    internal Mutators Mutators { get; set; }

    internal KvMachine Machine => _machine;

    /// <summary>How many copies could not go on.</summary>
    internal int Resets { get; private set; }

    /// <summary>How many rows were sent to copies.</summary>
    internal long RowsSent { get; private set; }

    public SyncAnswer Answer(SyncPull pull)
    {
        _machine.Table.Publish(_machine.Position.Offset);
        using StateReader reader = StateReader.Open(_machine.Table);
        SyncAnswer answer = SyncReads.Answer(reader, _machine.LogId, _order, pull with { MostBytes = 1 + _chance.Below(400) });
        if (answer is SyncReset) Resets++;
        if (answer is SyncChanges changes) RowsSent += changes.Rows.Count;
        return answer;
    }

    public SyncPushed Answer(SyncPush push)
    {
        long upTo = push.Mutations[0].Id - 1;
        TimelineLink before = push.Before;
        List<SyncPushed> answers = [];
        foreach (TimelineEntry mutation in push.Mutations)
        {
            var payload = new ArrayBufferWriter<byte>();
            new MutateCommand(push.Client, push.Floor, before, null, mutation).Write(payload);
            Append(KvCommand.Mutate, payload.WrittenSpan.ToArray(), answers);
            before = mutation.LinkAfter(before);
        }

        Settle(answers);
        foreach (SyncPushed answer in answers)
        {
            if (answer.Refusal != SyncRefusal.None) return answer with { UpTo = upTo };
            upTo++;
        }

        return new SyncPushed(upTo, SyncRefusal.None, null);
    }

    /// <summary>Gives the server a command that no client asked for.</summary>
    /// <param name="write">Writes it.</param>
    internal void Write(Action<IBufferWriter<byte>> write)
    {
        var payload = new ArrayBufferWriter<byte>();
        write(payload);
        Append(KvCommand.Write, payload.WrittenSpan.ToArray());
        if (_chance.Coin()) Settle();
    }

    /// <summary>All that has a place comes to be.</summary>
    internal void Settle(List<SyncPushed>? answers = null)
    {
        while (_underWay.Count > 0) ApplyNext(answers);
    }

    /// <summary>Lets go of all but the newest changes.</summary>
    internal void LetChangesGo()
    {
        Configure(_settings with { ChangeLogEntries = 1 });
        Write(output => CommandWriter.WritePut(output, null, "/newest"u8, default, default));
        Configure(_settings);
    }

    /// <summary>Wishes for a cut. The leader brings it about, with entries among the others.</summary>
    internal void Cut()
    {
        var payload = new ArrayBufferWriter<byte>();
        new CutCommand(Before: null).Write(payload);
        Place((ushort)KvCommand.Cut, payload.WrittenSpan.ToArray());
        ApplyCuts();
    }

    /// <summary>Another replica leads from now on: it has all that is committed, and knows nothing of what its predecessor ran.</summary>
    internal void ChangeLeader()
    {
        Settle();
        _leader = NewLeader();
    }

    /// <summary>All there is, to go back to it as a restored store does: under another id.</summary>
    internal Action Save()
    {
        Settle();
        List<ReadOnlyMemory<byte>> pieces = [];
        StatePosition position = _machine.Position;
        using (IStateSnapshot state = _machine.TakeSnapshot())
        {
            var piece = new ArrayBufferWriter<byte>();
            for (; state.WriteNext(piece); piece = new ArrayBufferWriter<byte>()) pieces.Add(piece.WrittenMemory);
        }

        return () =>
        {
            _underWay.Clear();
            _machine.Dispose();
            _machine = new KvMachine(new MemoryEngine(), new KvIdentity(NewStoreId(), 1));
            _machine.Restore(pieces, position);
            (_offset, _mark) = (position.Offset + 1, -1);
            _leader = NewLeader();
        };
    }

    public void Dispose() => _machine.Dispose();

    private KvLeader NewLeader() => new(_machine, DateTimeOffset.UnixEpoch, null, Mutators);

    private void Configure(NamespaceOptions settings)
    {
        var configure = new ArrayBufferWriter<byte>();
        KvSettings.Of(settings).Write(configure);
        Append(KvCommand.Configure, configure.WrittenSpan.ToArray());
    }

    private Guid NewStoreId()
    {
        Span<byte> id = stackalloc byte[2 * sizeof(ulong)];
        BinaryPrimitives.WriteUInt64BigEndian(id, _chance.Next());
        BinaryPrimitives.WriteUInt64BigEndian(id[sizeof(ulong)..], _chance.Next());
        return new Guid(id, bigEndian: true);
    }

    private void Append(KvCommand command, byte[] bytes, List<SyncPushed>? answers = null)
    {
        (_time, _sameTime) = (_time + 1_000, 0);
        Place((ushort)command, bytes);
        while (_underWay.Count > 0 && _chance.Below(3) > 0) ApplyNext(answers);
    }

    private void Place(ushort kind, ReadOnlyMemory<byte> payload)
    {
        _leader.Admit(_offset, ref kind, ref payload);
        _underWay.Enqueue(new StateEntry(new StatePosition(1, _offset++, HybridTimestamp.FromParts(_time, _sameTime++)), kind, payload));
    }

    private void ApplyNext(List<SyncPushed>? answers)
    {
        Apply(_underWay.Dequeue(), answers);
        ApplyCuts();
    }

    /// <summary>Entries of cuts are applied once all before them are: when others are applied does not depend on them.</summary>
    private void ApplyCuts()
    {
        while (_underWay.TryPeek(out StateEntry next) && (EntryKinds.IsMark(next.Kind) || (KvCommand)next.Kind is KvCommand.Cut or KvCommand.EndLog)) Apply(_underWay.Dequeue(), null);
    }

    private void Apply(in StateEntry entry, List<SyncPushed>? answers)
    {
        if (EntryKinds.IsMark(entry.Kind))
        {
            _leader.Agreed(entry.Position, _machine.Hash);   // A majority of one.
        }
        else
        {
            var answer = new ArrayBufferWriter<byte>();
            _machine.Apply(entry, answer);
            if (entry.Kind == (ushort)KvCommand.Decide) answers?.Add(SyncCodec.ReadPushed(answer.WrittenSpan));
        }

        _leader.Ended(entry.Kind, isApplied: true, DateTimeOffset.UnixEpoch);
        _due.Clear();
        _leader.Tick(DateTimeOffset.UnixEpoch, _due);
        if (_leader.MarkWanted > _mark) _due.Add((EntryKinds.Mark, []));
        foreach ((ushort kind, byte[] payload) in _due)
        {
            if (kind == EntryKinds.Mark) _mark = _offset;
            Place(kind, payload);
        }
    }
}

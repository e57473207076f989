using System.Buffers;
using System.Buffers.Binary;

using Tidemark.Core.KeyValue;
using Tidemark.Core.Rebase;
using Tidemark.Core.State;

namespace Tidemark.Testing.Sync;

/// <summary>The parts of a real server without threads, log and wire: the machine of a shard, its leader, the answers to pulls. Entries are applied some time after they got their place.</summary>
internal sealed class SyncHarnessServer : ISyncServer, IDisposable
{
    private readonly SeededChance _chance;
    private readonly KeyOrder _order;
    private readonly Queue<StateEntry> _underWay = [];
    private KvMachine _machine;
    private KvLeader _leader;
    private long _offset;
    private long _time = 1_700_000_000_000_000;

    /// <param name="chance">Decides what is not said.</param>
    /// <param name="mutators">Those of the server.</param>
    /// <param name="settings">Those of the namespace.</param>
    internal SyncHarnessServer(SeededChance chance, Mutators mutators, NamespaceOptions settings)
    {
        (_chance, _order, Mutators) = (chance, settings.KeyOrder, mutators);
        _machine = new KvMachine(new MemoryEngine(), new KvIdentity(NewStoreId(), 1));
        _leader = NewLeader();
        var configure = new ArrayBufferWriter<byte>();
        KvSettings.Of(settings).Write(configure);
        Append(KvCommand.Configure, configure.WrittenSpan.ToArray());
    }

    internal Mutators Mutators { get; set; }

    internal KvMachine Machine => _machine;

    /// <summary>How many copies could not go on.</summary>
    internal int Resets { get; private set; }

    public SyncAnswer Answer(SyncPull pull)
    {
        _machine.Table.Publish(_machine.Position.Offset);
        using StateReader reader = StateReader.Open(_machine.Table);
        SyncAnswer answer = SyncReads.Answer(reader, _machine.LogId, _order, pull with { MostBytes = 1 + _chance.Below(400) });
        if (answer is SyncReset) Resets++;
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
        if (_chance.Coin()) Settle([]);
    }

    /// <summary>Another replica leads from now on: it has all that is committed, and knows nothing of what its predecessor ran.</summary>
    internal void ChangeLeader()
    {
        Settle([]);
        _leader = NewLeader();
    }

    /// <summary>All there is, to go back to it as a restored store does: under another id.</summary>
    internal Action Save()
    {
        Settle([]);
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
            _offset = position.Offset + 1;
            _leader = NewLeader();
        };
    }

    public void Dispose() => _machine.Dispose();

    private KvLeader NewLeader() => new(_machine, DateTimeOffset.UnixEpoch, null, Mutators);

    private Guid NewStoreId()
    {
        Span<byte> id = stackalloc byte[2 * sizeof(ulong)];
        BinaryPrimitives.WriteUInt64BigEndian(id, _chance.Next());
        BinaryPrimitives.WriteUInt64BigEndian(id[sizeof(ulong)..], _chance.Next());
        return new Guid(id, bigEndian: true);
    }

    private void Append(KvCommand command, byte[] bytes, List<SyncPushed>? answers = null)
    {
        (ushort kind, ReadOnlyMemory<byte> payload) = ((ushort)command, bytes);
        _leader.Admit(_offset, ref kind, ref payload);
        _time += 1_000;
        _underWay.Enqueue(new StateEntry(new StatePosition(1, _offset++, HybridTimestamp.FromParts(_time, 0)), kind, payload));
        while (_underWay.Count > 0 && _chance.Below(3) > 0) ApplyNext(answers);
    }

    private void Settle(List<SyncPushed> answers)
    {
        while (_underWay.Count > 0) ApplyNext(answers);
    }

    private void ApplyNext(List<SyncPushed>? answers)
    {
        StateEntry entry = _underWay.Dequeue();
        var answer = new ArrayBufferWriter<byte>();
        _machine.Apply(entry, answer);
        if (entry.Kind == (ushort)KvCommand.Decide) answers?.Add(SyncCodec.ReadPushed(answer.WrittenSpan));
    }
}

using System.Buffers;

using Tidemark.Core.KeyValue;
using Tidemark.Core.Rebase;
using Tidemark.Core.State;
using Tidemark.Testing.Sync;

namespace Tidemark.Tests.Rebase;

/// <summary>The real server's parts without threads, log and wire: the machine of a shard, its leader, the answers to pulls. Entries are applied some time after they got their place.</summary>
internal sealed class ShardServer : ISyncServer, IDisposable
{
    private readonly Random _random;
    private readonly Queue<StateEntry> _underWay = [];
    private KvMachine _machine;
    private KvLeader _leader;
    private long _offset;
    private long _time = 1_700_000_000_000_000;

    internal ShardServer(int seed, Mutators mutators, int changeRows, int maxClients)
    {
        _random = new Random(seed);
        Mutators = mutators;
        _machine = new KvMachine(new MemoryEngine(), new KvIdentity(NewStoreId(), 1));
        _leader = NewLeader();
        var settings = new ArrayBufferWriter<byte>();
        KvSettings.Of(new NamespaceOptions { ChangeLogEntries = changeRows, MaxClients = maxClients }).Write(settings);
        Append(KvCommand.Configure, settings.WrittenSpan.ToArray());
    }

    internal Mutators Mutators { get; set; }

    internal KvMachine Machine => _machine;

    /// <summary>How many copies could not go on.</summary>
    internal int Resets { get; private set; }

    public SyncAnswer Answer(SyncPull pull)
    {
        _machine.Table.Publish(_machine.Position.Offset);
        using StateReader reader = StateReader.Open(_machine.Table);
        SyncAnswer answer = SyncReads.Answer(reader, _machine.LogId, KeyOrder.Hierarchical, pull with { MostBytes = _random.Next(1, 400) });
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

    /// <summary>Writes something that no client asked for.</summary>
    internal void Write()
    {
        var payload = new ArrayBufferWriter<byte>();
        byte[] key = System.Text.Encoding.UTF8.GetBytes($"/task/{_random.Next(12)}");
        switch (_random.Next(5))
        {
            case 0:
                CommandWriter.WriteDeleteRange(payload, null, KeyRange.Between("/task/3", "/task/7"));
                break;
            case 1:
                CommandWriter.WriteDelete(payload, null, key, null);
                break;
            default:
                CommandWriter.WritePut(payload, null, key, "server"u8, default);
                break;
        }

        Append(KvCommand.Write, payload.WrittenSpan.ToArray());
        if (_random.Next(2) == 0) Settle([]);
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
        List<byte[]> pieces = KeyValue.Model.MachineRun.Pieces(_machine);
        StatePosition position = _machine.Position;
        return () =>
        {
            _underWay.Clear();
            _machine.Dispose();
            _machine = new KvMachine(new MemoryEngine(), new KvIdentity(NewStoreId(), 1));
            _machine.Restore(pieces.Select(piece => (ReadOnlyMemory<byte>)piece), position);
            _offset = position.Offset + 1;
            _leader = NewLeader();
        };
    }

    public void Dispose() => _machine.Dispose();

    private KvLeader NewLeader() => new(_machine, DateTimeOffset.UnixEpoch, null, Mutators);

    private Guid NewStoreId()
    {
        byte[] id = new byte[16];
        _random.NextBytes(id);
        return new Guid(id);
    }

    private void Append(KvCommand command, byte[] bytes, List<SyncPushed>? answers = null)
    {
        (ushort kind, ReadOnlyMemory<byte> payload) = ((ushort)command, bytes);
        _leader.Admit(_offset, ref kind, ref payload);
        _time += 1_000;
        _underWay.Enqueue(new StateEntry(new StatePosition(1, _offset++, HybridTimestamp.FromParts(_time, 0)), kind, payload));
        while (_underWay.Count > 0 && _random.Next(3) > 0) ApplyNext(answers);
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

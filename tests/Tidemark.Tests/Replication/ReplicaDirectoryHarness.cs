using System.Buffers;

using Tidemark.Core.KeyValue;
using Tidemark.Replication.Nodes;
using Tidemark.Replication.Shards;
using Tidemark.Storage.Files;
using Tidemark.Storage.Log;
using Tidemark.Storage.Replica;
using Tidemark.Testing;

namespace Tidemark.Tests.Replication;

/// <summary>A replica's directory on a disk that fails as told, opened and closed like one of a node.</summary>
internal sealed class ReplicaDirectoryHarness(FaultyFileSystem files, long run = 1) : IDisposable
{
    internal const long Shard = 5;
    internal const string Home = "/data/shards/000005";

    internal static readonly Guid Cluster = new("00112233-4455-6677-8899-aabbccddeeff");

    private static readonly DateTimeOffset _now = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private readonly ManualTimeProvider _time = new();
    private ShardState? _state;

    internal FaultyFileSystem Files => files;

    internal FilePool Pool { get; } = new(files, 8);

    internal ReportLog Reports { get; } = new();

    internal ReplicaDirectory Directory { get; private set; } = null!;

    internal ShardState State => _state!;

    internal ReplicaRecord Record => Directory.Record;

    internal static string Generation(long generation) => $"{Home}/g{generation:D10}";

    private NodeDisk Disk => new("/data", Cluster, run, Pool, new HybridClock(_time), new FlushBatches(2), new Random(7), 1 << 20, Reports);

    internal ReplicaDirectoryHarness Open(long statusTerm = 0, bool? isFirst = null, bool isLost = false)
    {
        (Directory, _state, _) = ReplicaDirectory.Open(Disk, Shard, new KeyValueShardKind(new NamespaceOptions(), 1 << 20), statusTerm, isFirst ?? statusTerm == 0, isLost);
        return this;
    }

    /// <summary>Closes it, and opens it as the next start of the node does.</summary>
    internal ReplicaDirectoryHarness Reopen(long statusTerm = 0, bool isLost = false)
    {
        Dispose();
        return new ReplicaDirectoryHarness(files, run + 1).Open(statusTerm, isLost: isLost);
    }

    /// <summary>Closes it, and gives it up.</summary>
    internal void Remove()
    {
        Dispose();
        ReplicaDirectory.Remove(Disk, Shard);
    }

    internal void Append(int count)
    {
        while (!State.Log.TryAppend([.. Enumerable.Range((int)State.Log.NextOffset, count).Select(offset => new LogEntry(new byte[] { (byte)offset }) { Term = 1, Timestamp = At(offset) })], _now, out _)) State.Log.Flush(_now);
        State.Log.Flush(_now);
    }

    /// <summary>Takes a state as from a leader, up to the moment before the switch.</summary>
    internal ShardState Receive(int entries, bool isAltered = false)
    {
        using KvMachine machine = StateOf(entries);
        StateHash hash = isAltered ? machine.Hash with { Low = machine.Hash.Low + 1 } : machine.Hash;
        using IIncomingState incoming = Directory.BeginGeneration(machine.Position, hash);
        using IStateSnapshot snapshot = machine.TakeSnapshot();
        for (var piece = new ArrayBufferWriter<byte>(); snapshot.WriteNext(piece); piece = new ArrayBufferWriter<byte>()) incoming.Add(piece.WrittenSpan);
        return incoming.Complete();
    }

    internal void SwitchTo(ShardState next)
    {
        Directory.Switch();
        Close();
        _state = next;
        Directory.RemovePrevious();
    }

    /// <summary>The state after that many entries, the last of which has the offset one below.</summary>
    internal static KvMachine StateOf(int entries)
    {
        var machine = new KvMachine(new MemoryEngine(), new KvIdentity(Cluster, Shard));
        var answer = new ArrayBufferWriter<byte>();
        for (int offset = 0; offset < entries; offset++)
        {
            var payload = new ArrayBufferWriter<byte>();
            KvCommand command = offset == 0 ? KvCommand.Configure : KvCommand.Write;
            if (offset == 0) KvSettings.Of(new NamespaceOptions()).Write(payload);
            else new StoreTransaction().Put(new byte[] { (byte)offset }, new byte[100]).Write(payload, null);
            machine.Apply(new StateEntry(new StatePosition(1, offset, At(offset)), (ushort)command, payload.WrittenMemory), answer);
        }

        return machine;
    }

    internal IReadOnlyList<string> FilesOf(long generation)
    {
        var found = new List<string>();
        foreach (string part in (string[])["log", "state"])
        {
            try
            {
                found.AddRange(files.ListFiles($"{Generation(generation)}/{part}"));
            }
            catch (DirectoryNotFoundException)
            {
                // Then there is nothing in it.
            }
        }

        return found;
    }

    public void Dispose() => Close();

    private void Close()
    {
        _state?.Log.Close();
        _state?.Keeper.Dispose();
        _state = null;
    }

    private static HybridTimestamp At(int offset) => new((ulong)(offset + 1) << 20);
}

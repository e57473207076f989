using System.Buffers;

using Tidemark.Core.Hashing;
using Tidemark.Core.KeyValue;
using Tidemark.Core.Replication;
using Tidemark.Core.State;
using Tidemark.Core.Topics;
using Tidemark.Replication.Nodes;
using Tidemark.Replication.Shards;
using Tidemark.Testing.Simulation.Topics;

namespace Tidemark.Testing.Simulation;

/// <summary>What became of a key with an entry.</summary>
/// <param name="Offset">The entry; -1 before the first.</param>
/// <param name="Version">The record's version; 0 for none.</param>
/// <param name="Value">Its value.</param>
internal readonly record struct KeyMoment(long Offset, long Version, string? Value);

/// <summary>What an entry did to a key.</summary>
internal readonly record struct KeyChange(long Offset, string Key, StoreEventKind Kind, long Version);

/// <summary>Watches one shard over all its replicas: the entries that were applied anywhere are the truth, and nobody may ever differ from them.</summary>
internal sealed class ShardOracle : IDisposable
{
    private readonly SimWorld _world;
    private readonly IStateMachine _machine;   // All committed entries, applied by nobody but this.
    private readonly List<Entry> _entries = [];
    private readonly Dictionary<long, int> _leaders = [];
    private readonly Dictionary<int, (long Run, long Term)> _terms = [];
    private readonly Dictionary<string, List<KeyMoment>> _keys = [];
    private readonly Dictionary<string, long> _effects = [];   // Value to the entry that wrote it.
    private readonly List<KeyChange> _changes = [];
    private readonly ArrayBufferWriter<byte> _answer = new();
    private readonly Dictionary<int, ShardState> _states = [];   // What each node's replica was when it was looked at last.
    private readonly Dictionary<int, (ShardState State, long Start)> _logs = [];   // And where its log began.
    private long _generation;

    /// <param name="world">Where it is.</param>
    /// <param name="shard">What it watches.</param>
    /// <param name="machine">A state of the shard's kind without any entry.</param>
    internal ShardOracle(SimWorld world, long shard, IStateMachine machine) => (_world, ShardId, _machine, Sessions) = (world, shard, machine, new SessionLaws(world));

    internal long ShardId { get; }

    internal SessionLaws Sessions { get; }

    public void Dispose() => (_machine as IDisposable)?.Dispose();

    /// <summary>The kind of an entry that is committed.</summary>
    internal ushort KindOf(long offset) => _entries[(int)offset].Kind;

    /// <summary>How many entries are known to be committed.</summary>
    internal long Committed => _entries.Count;

    /// <summary>Whether the shard takes writes.</summary>
    internal bool IsReady => _entries.Count > 0 && _machine is not (KvMachine { Settings: null } or TopicMachine { Settings: null });

    /// <summary>Whether its states are led astray, now and then.</summary>
    internal bool IsLedAstray => ShardId == ClusterSimulation.Shard;

    /// <summary>What must hold of a partition; null where it is none, or nobody looks.</summary>
    internal TopicLaws? Topic { get; init; }

    /// <summary>What must hold of offsets that consumers store here; null where nobody looks.</summary>
    internal GroupLaws? Consumers { get; init; }

    /// <summary>All that happened to keys, in order; an entry changes one.</summary>
    internal IReadOnlyList<KeyChange> Changes => _changes;

    /// <summary>How many changes there were up to an entry.</summary>
    internal int ChangesUpTo(long offset)
    {
        int count = _changes.Count;
        while (count > 0 && _changes[count - 1].Offset > offset) count--;
        return count;
    }

    /// <summary>The key's history.</summary>
    internal List<KeyMoment> MomentsOf(string key)
    {
        if (!_keys.TryGetValue(key, out List<KeyMoment>? moments)) _keys[key] = moments = [new KeyMoment(-1, 0, null)];
        return moments;
    }

    /// <summary>Which of a key's moments an entry was at.</summary>
    internal int LastAt(string key, long offset)
    {
        List<KeyMoment> moments = _keys[key];
        int low = 0, high = moments.Count - 1;   // The first is before all entries.
        while (low < high)
        {
            int middle = (low + high + 1) / 2;
            if (moments[middle].Offset <= offset) low = middle;
            else high = middle - 1;
        }

        return low;
    }

    /// <summary>The entry that wrote a value, or -1.</summary>
    internal long EffectOf(string value) => _effects.GetValueOrDefault(value, -1);

    /// <summary>A replica applied an entry.</summary>
    internal void Applied(SimNode node, ReplicaHost replica, in LogRecord record)
    {
        uint checksum = Crc32C.Compute(record.Payload.Span);
        if (record.Offset < _entries.Count)
        {
            Entry known = _entries[(int)record.Offset];
            SimWorld.Require(
                known.Term == record.Term && known.Timestamp == record.Timestamp && known.Kind == record.Kind && known.Checksum == checksum,
                $"node {node.Node} applied {record.Term}:{record.Offset} at {record.Timestamp}, and another {known.Term}:{record.Offset} at {known.Timestamp}");
        }
        else
        {
            SimWorld.Require(record.Offset == _entries.Count, $"node {node.Node} applied {record.Offset}, and nobody ever {_entries.Count}");
            SimWorld.Require(_entries.Count == 0 || record.Timestamp > _entries[^1].Timestamp, $"the timestamp of entry {record.Offset} does not rise");
            SimWorld.Require(_entries.Count == 0 || record.Term >= _entries[^1].Term, $"the term of entry {record.Offset} falls");
            Take(record, checksum);
            _world.Trace(checksum);
            _world.Note($"shard {ShardId} entry {record.Term}:{record.Offset} kind {record.Kind} first applied by {node.Node}");
        }

        if (EntryKinds.IsMark(record.Kind)) return;
        Entry entry = _entries[(int)record.Offset];
        bool isRight = replica.Machine.Hash == entry.Hash;
        if (IsLedAstray) node.HasStrayState &= !isRight;
        SimWorld.Require(isRight || (IsLedAstray && node.HasStrayState), $"after entry {record.Offset} the state of node {node.Node} has hash {replica.Machine.Hash}, not {entry.Hash}");
    }

    /// <summary>A replica shows its state, which may be one it took over: of one that went astray too, and that is to be noticed as well.</summary>
    internal void Published(SimNode node, ReplicaHost replica, bool isAnyAstray)
    {
        long offset = replica.Machine.Position.Offset;
        SimWorld.Require(offset < _entries.Count, $"node {node.Node} has a state at {offset}, which nobody applied");
        if (offset < 0) return;
        bool isRight = replica.Machine.Hash == _entries[(int)offset].Hash;
        SimWorld.Require(isRight || (IsLedAstray && isAnyAstray), $"the state of node {node.Node} at {offset} is not what the entries give");
        if (IsLedAstray) node.HasStrayState = !isRight;
        LookAtLog(node, replica);
        if (Topic is not null) LookForBase(node, replica);
    }

    /// <summary>A replica has done something.</summary>
    internal void Look(SimNode node, ReplicaCore core)
    {
        if (core.IsServing) Sessions.Served(core.Term);
        if (core.Role == ReplicaRole.Leader)
        {
            if (!_leaders.TryGetValue(core.Term, out int leader))
            {
                _leaders[core.Term] = node.Node;
                _world.Mark($"shard {ShardId} term {core.Term} is led by {node.Node}");
            }
            else
            {
                SimWorld.Require(leader == node.Node, $"both {leader} and {node.Node} lead term {core.Term} of shard {ShardId}");
            }
        }

        if (_terms.TryGetValue(node.Node, out (long Run, long Term) before) && before.Run == node.Run)
            SimWorld.Require(core.Term >= before.Term, $"the term of node {node.Node} goes back from {before.Term} to {core.Term}");
        _terms[node.Node] = (node.Run, core.Term);
        SimWorld.Require(core.Applied <= core.Durable, $"the state of node {node.Node} is ahead of its log");
    }

    /// <summary>A command was answered with success by the host.</summary>
    internal void Acknowledged(int node, Proposal proposal)
    {
        StatePosition position = proposal.Position;
        SimWorld.Require(position.Offset < _entries.Count, $"node {node} acknowledged entry {position.Offset}, which nobody has applied");
        Entry entry = _entries[(int)position.Offset];
        SimWorld.Require(entry.Term == position.Term && entry.Timestamp == position.Timestamp, $"node {node} acknowledged {position.Term}:{position.Offset}, and {entry.Term}:{position.Offset} was committed");
        SimWorld.Require(proposal.Answer.WrittenSpan.SequenceEqual(entry.Answer), $"node {node} answered entry {position.Offset} otherwise than it had to");
    }

    private void Take(in LogRecord record, uint checksum)
    {
        _answer.ResetWrittenCount();
        if (!EntryKinds.IsMark(record.Kind))
        {
            _machine.Apply(new StateEntry(new StatePosition(record.Term, record.Offset, record.Timestamp), record.Kind, record.Payload), _answer);
        }

        _entries.Add(new Entry(record.Term, record.Timestamp, record.Kind, checksum, _machine.Hash, _answer.WrittenSpan.ToArray()));
        if (Topic is not null) TakeOfTopic(Topic, record);
        if (EntryKinds.IsMark(record.Kind) || _machine is not KvMachine keyValue) return;
        if ((KvCommand)record.Kind == KvCommand.EndLog) LookAtCut(keyValue.Generation, record.Offset);
        keyValue.Sessions.Moves.Clear();
        keyValue.Table.Publish(record.Offset);
        Sessions.Applied(keyValue, (KvCommand)record.Kind, record.Offset);
        using var reader = StateReader.Open(keyValue.Table);
        Consumers?.Applied(reader, record.Offset);
        foreach ((string key, List<KeyMoment> moments) in _keys)
        {
            KeyMoment last = moments[^1];
            KeyMoment now = LookAt(reader, key, record.Offset);
            if (now.Version == last.Version) continue;
            SimWorld.Require((KvCommand)record.Kind == KvCommand.Write, $"entry {record.Offset}, {(KvCommand)record.Kind}, changes {key}");
            long highest = last.Version > 0 || moments.Count < 2 ? last.Version : moments[^2].Version;   // They rise, but for the 0 of a delete.
            SimWorld.Require(now.Version == 0 || highest < now.Version, $"version {now.Version} of '{key}' was given before");
            moments.Add(now);
            StoreEventKind kind = now.Version == 0 ? StoreEventKind.Deleted : last.Version == 0 ? StoreEventKind.Created : StoreEventKind.Modified;
            _changes.Add(new KeyChange(record.Offset, key, kind, now.Version == 0 ? last.Version : now.Version));
            if (now.Value is not { } value) continue;
            SimWorld.Require(_effects.TryAdd(value, record.Offset), $"'{value}' was written twice, by entries {_effects.GetValueOrDefault(value)} and {record.Offset}");
        }
    }

    /// <summary>A generation begins behind a mark, with the state that was there.</summary>
    private void LookAtCut(in Generation begun, long entry)
    {
        if (begun.Number == _generation) return;   // It was none that fitted.
        _generation = begun.Number;
        Entry mark = _entries[(int)begun.Base.Offset];
        SimWorld.Require(
            EntryKinds.IsMark(mark.Kind) && mark.Term == begun.Base.Term && mark.Timestamp == begun.Base.Timestamp && mark.Hash == begun.Hash,
            $"entry {entry} begins generation {begun.Number} behind {begun.Base.Offset} with {begun.Hash}; there is {mark}");
        _world.Count("log cut");
    }

    /// <summary>What came before the generation before the newest may have gone from a log, and no more.</summary>
    private void LookAtLog(SimNode node, ReplicaHost replica)
    {
        if (replica.Machine is not KvMachine keyValue) return;
        long start = replica.State.Log.Start;
        bool isSame = _logs.TryGetValue(node.Node, out (ShardState State, long Start) before) && ReferenceEquals(before.State, replica.State);
        _logs[node.Node] = (replica.State, start);
        if (!isSame || start == before.Start || keyValue.Generations.Count == 0) return;
        long uncut = keyValue.Generations.Count > 1 ? keyValue.Generations[^2].Base.Offset + 1 : 0;
        SimWorld.Require(start <= uncut, $"the log of node {node.Node} begins at {start}, and the generation before the newest at {uncut}");
        _world.Count("log cut short");
    }

    private void TakeOfTopic(TopicLaws topic, in LogRecord record)
    {
        if (EntryKinds.IsMark(record.Kind)) topic.Passed();
        else topic.Applied((TopicMachine)_machine, record);
    }

    /// <summary>A replica that lacks what was trimmed is given the base, and begins to apply entries behind it.</summary>
    private void LookForBase(SimNode node, ReplicaHost replica)
    {
        bool isKnown = _states.TryGetValue(node.Node, out ShardState? before);
        if (isKnown && ReferenceEquals(before, replica.State)) return;
        _states[node.Node] = replica.State;
        if (isKnown && replica.State.Log.Start > 0 && replica.Machine.Position.Offset == replica.State.Log.Start - 1) _world.Count("base taken");
    }

    internal static KeyMoment LookAt(in StateReader reader, string key, long offset)
    {
        StoreKey storeKey = key;
        if (KvReads.Find(reader, KeyComparison.Equal, KeyOrder.Hierarchical.Encode(storeKey.Span)) is not { } found) return new KeyMoment(offset, 0, null);
        var record = new StoreRecord(storeKey, found.Row);
        return new KeyMoment(offset, record.Version, record.GetString());
    }

    private sealed record Entry(long Term, HybridTimestamp Timestamp, ushort Kind, uint Checksum, StateHash Hash, byte[] Answer);
}

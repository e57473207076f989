using System.Collections.Concurrent;

using Tidemark.Core.Diagnostics;
using Tidemark.Core.Replication;
using Tidemark.Replication.Wire;

namespace Tidemark.Replication.Cluster;

/// <summary>How a coordinator reaches the status store. Each call is answered by one of the coordinator's own methods, later, on its thread; or never.</summary>
internal interface IStatusCalls
{
    /// <summary>Answered by <see cref="CoordinatorHost.Read"/> or <see cref="CoordinatorHost.NotRead"/>.</summary>
    void Read();

    /// <summary>Answered by <see cref="CoordinatorHost.Written"/> or <see cref="CoordinatorHost.NotWritten"/>.</summary>
    void Write(byte[] content, long over);
}

/// <summary>What a coordinator is told about time.</summary>
/// <param name="Beat">How often it does what is due.</param>
/// <param name="Suspicion">How long a node may be silent before it is taken for dead.</param>
internal sealed record CoordinatorTimes(TimeSpan Beat, TimeSpan Suspicion)
{
    internal static CoordinatorTimes Default { get; } = new(TimeSpan.FromMilliseconds(50), TimeSpan.FromMilliseconds(500));
}

/// <summary>Runs the elections of all shards over one status document, and notices nodes that are gone. A synchronous object: whoever drives it decides when.</summary>
/// <remarks>
/// Every node has one, and the one with the lowest number that seems alive acts. Several that act at once do no harm: every change is a compare-and-swap, and where another came first, the
/// election whose shard was changed hears of it, while the others try again over the new version.
/// </remarks>
internal sealed class CoordinatorHost
{
    private readonly int _node;
    private readonly string _name;
    private readonly CoordinatorTimes _times;
    private readonly ElectionLimits _limits;
    private readonly Action<int, ShardMessage> _send;
    private readonly IStatusCalls _store;
    private readonly SortedDictionary<long, Election> _elections = [];
    private readonly ConcurrentDictionary<int, DateTimeOffset> _heardAt = new();
    private readonly Dictionary<int, DateTimeOffset> _waitedFor = [];   // Since when, of those that were never heard.
    private readonly List<ElectionEffect> _effects = [];
    private ClusterStatus? _status;
    private long _version;
    private Writing? _writing;
    private int _unanswered;   // Writes whose answer has not come: more than the one under way where one was given up.
    private bool _isReading;
    private bool _isReadWanted = true;
    private DateTimeOffset _calledAt;
    private DateTimeOffset _beatAt;
    private int _quietBeats;
    private DateTimeOffset _actsUntil;

    /// <param name="node">Whose it is.</param>
    /// <param name="name">Tells its writing from all others', ever.</param>
    /// <param name="times">How long it waits.</param>
    /// <param name="send">Sends a message to a node's replica.</param>
    /// <param name="store">The status store.</param>
    internal CoordinatorHost(int node, string name, CoordinatorTimes times, Action<int, ShardMessage> send, IStatusCalls store)
    {
        (_node, _name, _times, _send, _store) = (node, name, times, send, store);
        _limits = new ElectionLimits(Grace: 1, Patience: 6 + (3 * node));
    }

    /// <summary>The status as it was known last.</summary>
    internal ClusterStatus? Status => _status;

    internal DateTimeOffset NextDue => _beatAt;

    /// <summary>Something came from a node: it lives.</summary>
    internal void Heard(int node, DateTimeOffset now) => _heardAt[node] = now;

    /// <summary>Any thread: whether something came from a node not long ago.</summary>
    internal bool IsHeard(int node, DateTimeOffset now) => _heardAt.TryGetValue(node, out DateTimeOffset heard) && now - heard <= _times.Suspicion;

    /// <summary>A replica said something to its election.</summary>
    internal void Take(int from, in ShardMessage message)
    {
        if (!_elections.TryGetValue(message.ShardId, out Election? election)) return;
        ReplicaMessage what = message.Message;
        Step(election, core => core.Step(from, what, _effects));
        Pump();
    }

    /// <summary>Does what is due.</summary>
    internal void Tick(DateTimeOffset now)
    {
        if (now < _beatAt) return;
        _beatAt = now + _times.Beat;
        if (IsCalling && now - _calledAt > 20 * _times.Beat)
        {
            // The answer does not come any more. It may still, and then is not believed.
            (_isReading, _isReadWanted) = (false, true);
            EndWriting(isDone: false);
        }

        if (_status is not null && IsActing(now))
        {
            foreach (Election election in _elections.Values)
            {
                int leader = election.Known.Leader;
                if (leader != ShardStatus.Nobody && leader != _node && now - LastHeard(leader, now) > _times.Suspicion) Step(election, core => core.Suspect(leader, _effects));
                Step(election, core => core.Tick(_effects));
            }
        }
        else
        {
            _isReadWanted |= _status is null || ++_quietBeats % 10 == 0;   // Who does not act looks now and then who leads.
        }

        _calledAt = IsCalling ? _calledAt : now;
        Pump();
    }

    /// <summary>It acts for a while, whoever else does: as after a network was parted.</summary>
    internal void ActAnyway(DateTimeOffset until) => _actsUntil = until;

    /// <summary>A node is believed to be gone.</summary>
    internal void Suspect(int node)
    {
        foreach (Election election in _elections.Values) Step(election, core => core.Suspect(node, _effects));
        Pump();
    }

    /// <summary>Another set of nodes shall keep a shard: one more, which joins once it has everything; or one less.</summary>
    /// <returns>Whether it is begun.</returns>
    internal bool Change(long shard, IReadOnlyList<int> ensemble)
    {
        if (!_elections.TryGetValue(shard, out Election? election)) return false;
        bool isBegun = false;
        Step(election, core => isBegun = core.Change(ensemble, _effects));
        Pump();
        return isBegun;
    }

    /// <summary>Whether <see cref="Change"/> would begin anything.</summary>
    internal bool CanChange(long shard) => _elections.TryGetValue(shard, out Election? election) && election.Core.CanChange;

    /// <summary>Has another document take the place of the one that is known. What comes of it shows in <see cref="Status"/>.</summary>
    /// <param name="change">Makes it of the one that is known. What it throws is thrown here.</param>
    /// <param name="ended">Told, later, whether it was written; where not, nobody knows before <see cref="Status"/> is another.</param>
    /// <returns>Whether it is begun. Where another call is under way it is not, and is asked again.</returns>
    internal bool TryRewrite(Func<ClusterStatus, ClusterStatus> change, Action<bool>? ended = null)
    {
        if (_status is null) return false;
        ClusterStatus next = change(_status);
        if (IsCalling || _isReadWanted) return false;
        Write(new Writing(next, [], ended ?? (static _ => { })));
        return true;
    }

    /// <summary>The store has this document; null for none.</summary>
    internal void Read(ClusterStatusEntry? entry)
    {
        _isReading = false;
        if (entry is not null && entry.Version >= _version) Learn(ClusterStatus.Read(entry.Content), entry.Version);
        Pump();
    }

    /// <summary>The store has a document of this version. While a call is under way its end tells: a write that comes too late is refused, and then it is read.</summary>
    internal void Heard(long version)
    {
        if (version <= _version || IsCalling) return;
        _isReadWanted = true;
        Pump();
    }

    /// <summary>The store could not be read.</summary>
    internal void NotRead() => (_isReading, _isReadWanted) = (false, true);

    /// <summary>The write that was under way has been done.</summary>
    internal void Written(long version)
    {
        bool isOfThisOne = --_unanswered == 0;
        if (_writing is not { } writing) return;
        if (!isOfThisOne)
        {
            GiveUpWrite();   // It may be the answer to one that was given up.
            return;
        }

        (_status, _version) = (writing.Status, version);
        foreach ((long shard, string nonce) in writing.Shards)
        {
            if (!_elections.TryGetValue(shard, out Election? election)) continue;
            if (election.Wanted?.Nonce == nonce) election.Wanted = null;
            (election.Known, election.IsAsking) = (_status.Shards[shard], false);
            Step(election, core => core.Written(nonce, version, _effects));
        }

        if (writing.Shards.Count == 0) Learn(writing.Status, version);
        EndWriting(isDone: true);
        Pump();
    }

    /// <summary>The write that was under way was refused, or nobody knows.</summary>
    internal void NotWritten()
    {
        _unanswered--;
        GiveUpWrite();
    }

    /// <summary>What is there now tells what has become of it.</summary>
    private void GiveUpWrite()
    {
        _isReadWanted = true;
        EndWriting(isDone: false);
        Pump();
    }

    private void EndWriting(bool isDone)
    {
        Action<bool>? ended = _writing?.Ended;
        _writing = null;
        ended?.Invoke(isDone);
    }

    /// <summary>Where its elections stand, in one line.</summary>
    public override string ToString() =>
        $"v{_version}{(_isReading ? " reading" : "")}{(_isReadWanted ? " read-wanted" : "")}{(_writing is null ? "" : " writing")} {string.Join(" | ", _elections.Values.Select(election => $"{election.Core}{(election.IsAsking ? " asking" : "")}{(election.Wanted is null ? "" : " wants")}"))}";

    private bool IsCalling => _isReading || _writing is not null;

    private DateTimeOffset LastHeard(int node, DateTimeOffset now)
    {
        if (_heardAt.TryGetValue(node, out DateTimeOffset heard)) return heard;
        _waitedFor.TryAdd(node, now);   // It gets its chance.
        return _waitedFor[node];
    }

    /// <summary>Whether it is the one that acts.</summary>
    internal bool IsActing(DateTimeOffset now)
    {
        if (now < _actsUntil) return true;
        foreach (int node in _status?.Nodes.Keys ?? [])
        {
            if (node == _node) return true;
            if (now - LastHeard(node, now) <= _times.Suspicion) return false;
        }

        return true;
    }

    private void Learn(ClusterStatus status, long version)
    {
        (_status, _version) = (status, version);
        foreach (long gone in _elections.Keys.Where(shard => !status.Shards.ContainsKey(shard)).ToArray()) _elections.Remove(gone);   // With all that they wanted written.
        foreach ((long shard, ShardStatus found) in status.Shards)
        {
            if (!_elections.TryGetValue(shard, out Election? election))
                _elections[shard] = election = new Election(shard, new ElectionCore(FormattableString.Invariant($"{_name}.{shard}"), _limits)) { Known = found, IsAsking = true };
            if (Planted.Is(PlantedBug.StatusWithoutCas) && election.Wanted is not null) continue;
            if (!election.IsAsking && election.Known.Nonce == found.Nonce) continue;   // Only other shards have changed.
            if (election.Known.Nonce != found.Nonce && !Planted.Is(PlantedBug.StatusWithoutCas)) election.Wanted = null;   // It is there, or somebody else's is.
            (election.Known, election.IsAsking) = (found, false);
            Step(election, core => core.Read(found, version, _effects));
        }
    }

    /// <summary>Calls the store where there is something to call it for.</summary>
    private void Pump()
    {
        if (IsCalling) return;
        if (_isReadWanted || _status is null)
        {
            (_isReadWanted, _isReading) = (false, true);
            _store.Read();
            return;
        }

        ClusterStatus next = _status;
        var shards = new List<(long, string)>();
        foreach (Election election in _elections.Values)
        {
            if (election.Wanted is not { } wanted) continue;
            next = next.With(election.Shard, wanted);
            shards.Add((election.Shard, wanted.Nonce));
        }

        if (shards.Count > 0) Write(new Writing(next, shards, static _ => { }));
    }

    private void Write(Writing writing)
    {
        _writing = writing;
        _unanswered++;
        _store.Write(writing.Status.ToBytes(), _version);
    }

    private void Step(Election election, Action<ElectionCore> step)
    {
        _effects.Clear();
        step(election.Core);
        foreach (ElectionEffect effect in _effects)
        {
            if (effect.Message is { } message)
            {
                _send(effect.Node, new ShardMessage(election.Shard, message));
            }
            else if (effect.Write is { } write)
            {
                election.Wanted = write;
            }
            else
            {
                election.Wanted = null;   // It does not know what has become of it, and looks.
                election.IsAsking = _isReadWanted = true;
            }
        }
    }

    /// <summary>A write that is under way.</summary>
    /// <param name="Status">The document.</param>
    /// <param name="Shards">The shards whose elections want it, and their nonces; none where it is about other things.</param>
    /// <param name="Ended">Told whether it was written.</param>
    private sealed record Writing(ClusterStatus Status, List<(long Shard, string Nonce)> Shards, Action<bool> Ended);

    private sealed class Election(long shard, ElectionCore core)
    {
        internal long Shard => shard;

        internal ElectionCore Core => core;

        /// <summary>What the core knows of the document.</summary>
        internal required ShardStatus Known { get; set; }

        /// <summary>What it wants there, over what it knows.</summary>
        internal ShardStatus? Wanted { get; set; }

        /// <summary>Whether it waits to be told what is there.</summary>
        internal bool IsAsking { get; set; }
    }
}

using System.Buffers;

using Tidemark.Core.KeyValue;
using Tidemark.Core.State;

namespace Tidemark.Testing.Simulation;

/// <summary>A program outside the cluster that does one thing after the other on one shard, and checks that what it is told can be.</summary>
/// <remarks>
/// Histories are checked as they grow. The order of writes is that of the log, so a history is linearizable if every operation has a place in it behind all that had ended before it began:
/// a write its entry, a read the first place, not before that, where the key has what it read.
/// </remarks>
internal sealed class SimClient
{
    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(8);

    private readonly ClusterSimulation _cluster;
    private readonly SimWorld _world;
    private readonly ShardOracle _oracle;
    private readonly int _number;
    private readonly bool _isNumbered;   // Its writes happen once, however often it sends them.
    private readonly SimCaller _caller;
    private Guid _id;
    private long _sequence;
    private long _values;
    private long _lowest;                // The place of the last that had ended when this operation began.

    internal SimClient(ClusterSimulation cluster, ShardOracle oracle, int number, bool isNumbered)
    {
        (_cluster, _world, _oracle, _number, _isNumbered) = (cluster, cluster.World, oracle, number, isNumbered);
        _caller = new SimCaller(cluster, oracle, number);
    }

    /// <summary>Operations that ended, whichever way.</summary>
    internal long Done { get; private set; }

    internal void Start() => _world.After(_world.Between(100, 1000), Next);

    private void Next()
    {
        if (_cluster.IsOver) return;
        if (_isNumbered && _id == default)
        {
            Register();
            return;
        }

        if (_world.Chance.Below(6) == 0) _caller.GuessAnew();   // Some know of another leader than others.
        string key = $"/key/{_world.Chance.Below(6)}";
        _oracle.MomentsOf(key);
        switch (_world.Chance.Below(10))
        {
            case < 4: Read(key); break;
            case < 7: Put(key, null); break;
            case < 9: Put(key, GuessVersion(key)); break;
            default: Delete(key); break;
        }
    }

    private long GuessVersion(string key)
    {
        List<KeyMoment> moments = _oracle.MomentsOf(key);
        return _world.Chance.Below(4) == 0 ? moments[_world.Chance.Below(moments.Count)].Version : moments[^1].Version;
    }

    private void Register()
    {
        _id = _world.NewId();
        _sequence = 0;
        Guid id = _id;
        Run(KvCommand.RegisterClient, output => CommandWriter.WriteIdAlone(output, id), isSafeTwice: true, answer =>
        {
            if (answer?.Status != StoreStatus.Ok) _id = default;
        });
    }

    private void Put(string key, long? expected)
    {
        string value = $"{_number}-{++_values}";
        WriteTicket? ticket = NextTicket();
        var arguments = new PutArguments(expected, null, null, null, null, null);
        StoreKey storeKey = key, storeValue = value;
        Run(KvCommand.Write, output => CommandWriter.WritePut(output, ticket, storeKey.Span, storeValue.Span, arguments), _isNumbered, answer =>
        {
            switch (answer?.Status)
            {
                case null:
                    _id = default;   // Nobody knows whether its number was used: the next begins anew.
                    break;
                case StoreStatus.Ok:
                    long effect = _oracle.EffectOf(value);
                    SimWorld.Require(effect >= 0, $"'{value}' was acknowledged and never written");
                    KeyMoment moment = _oracle.MomentsOf(key)[_oracle.LastAt(key, effect)];
                    SimWorld.Require(moment.Version == answer.Value.Version && (expected is null || VersionBefore(key, effect) == expected), $"'{value}' was acknowledged as version {answer.Value.Version}, and is {moment.Version}");
                    Place(effect, effect, $"write of '{value}' to {key}");
                    break;
                case StoreStatus.VersionMismatch:
                    SimWorld.Require(_oracle.EffectOf(value) < 0, $"'{value}' was refused and is written");
                    PlaceRead(key, moment => moment.Version == answer.Value.Version, $"refusal of '{value}' over version {answer.Value.Version}");
                    break;
                default:
                    SimWorld.Require(false, $"a put was answered {answer.Value.Status}");
                    break;
            }
        });
    }

    private void Delete(string key)
    {
        WriteTicket? ticket = NextTicket();
        StoreKey storeKey = key;
        Run(KvCommand.Write, output => CommandWriter.WriteDelete(output, ticket, storeKey.Span, null), _isNumbered, answer =>
        {
            if (answer is null) _id = default;
            else if (answer.Value.Status == StoreStatus.NotFound) PlaceRead(key, moment => moment.Version == 0, $"delete of {key} that found nothing");
            else PlaceDelete(key, answer.Value.Version);
        });
    }

    private void Read(string key)
    {
        TimeSpan staleness = _world.Chance.Below(3) == 0 ? _world.Between(10, _cluster.Plan.IsStormy ? 100 : 1500) : TimeSpan.Zero;
        SimCall call = Begin(End, staleness * (1 + SimFaults.MostDrift));
        _caller.Ask<KeyMoment>(
            call,
            (node, answer) => Ask(node, key, staleness, answer),
            (call, seen) =>
            {
                PlaceRead(key, moment => moment.Version == seen.Version && moment.Value == seen.Value, $"read of {key} '{seen.Value}' version {seen.Version}");
                _world.Count(staleness > TimeSpan.Zero ? "bounded read" : "read");
                End(call);
            },
            static _ => true,
            End);
    }

    /// <summary>At the node: reads when it may.</summary>
    private void Ask(int node, string key, TimeSpan staleness, Action<KeyMoment?, Exception?> answer)
    {
        if (!_cluster.Nodes[node].Drivers.TryGetValue(_oracle.ShardId, out SimDriver? driver)) return;
        driver.Host.Read((refusal, _) =>
        {
            if (refusal is not null)
            {
                answer(null, refusal);
                return;
            }

            using var reader = StateReader.Open(((KvMachine)driver.Replica.Machine).Table);
            answer(ShardOracle.LookAt(reader, key, -1), null);
        }, staleness);
    }

    private void Run(KvCommand command, Action<IBufferWriter<byte>> write, bool isSafeTwice, Action<KvAnswered?> ended)
    {
        _caller.Propose(
            Begin(Unknown),
            command,
            write,
            isSafeTwice,
            (call, answer) =>
            {
                _world.Count("write");
                ended(answer);
                End(call);
            },
            Unknown);

        void Unknown(SimCall call)
        {
            ended(null);
            End(call);
        }
    }

    /// <summary>Begins an operation that must see what had ended before now, or so long before.</summary>
    private SimCall Begin(Action<SimCall> giveUp, TimeSpan staleness = default)
    {
        _lowest = _cluster.History.LowestPlaceAt(_oracle.ShardId, _world.Now - staleness);
        return _caller.Begin(_patience, giveUp);
    }

    private void End(SimCall call)
    {
        call.IsOver = true;
        Done++;
        _world.After(_world.Between(1, 400), Next);
    }

    private WriteTicket? NextTicket()
    {
        if (!_isNumbered) return null;
        _sequence++;
        return new WriteTicket(_id, _sequence, _sequence);
    }

    private long VersionBefore(string key, long offset) => _oracle.MomentsOf(key)[_oracle.LastAt(key, offset - 1)].Version;

    private void PlaceDelete(string key, long version)
    {
        List<KeyMoment> moments = _oracle.MomentsOf(key);
        int at = moments.Count - 1;
        while (at > 0 && (moments[at].Version != 0 || moments[at - 1].Version != version)) at--;
        long effect = moments[at].Offset;
        SimWorld.Require(at > 0, $"the delete of {key} version {version} was acknowledged and never happened");
        Place(effect, effect, $"delete of {key} version {version}");
    }

    private void PlaceRead(string key, Func<KeyMoment, bool> isSeen, string what)
    {
        List<KeyMoment> moments = _oracle.MomentsOf(key);
        for (int i = _oracle.LastAt(key, _lowest); i < moments.Count; i++)
        {
            if (!isSeen(moments[i])) continue;
            long place = Math.Max(moments[i].Offset, _lowest);
            Place(place, place, what);
            return;
        }

        SimWorld.Require(false, $"client {_number}: {what} is older than what had ended before it began, at entry {_lowest}");
    }

    private void Place(long place, long entry, string what)
    {
        SimWorld.Require(entry >= _lowest, $"client {_number}: {what} took place at entry {entry}, and what ended before it began at {_lowest}");
        _cluster.History.Add(_oracle.ShardId, _world.Now, place);
        _world.Trace(place);
        _world.Note($"client {_number} {what} at {place}");
    }
}

/// <summary>The places in the log of operations that have ended.</summary>
internal sealed class SimHistory
{
    private readonly Dictionary<long, List<(TimeSpan Ended, long Place)>> _ended = [];

    /// <summary>The highest place of any operation that ended before a time.</summary>
    internal long LowestPlaceAt(long shard, TimeSpan time)
    {
        if (!_ended.TryGetValue(shard, out List<(TimeSpan Ended, long Place)>? ended)) return -1;
        int at = ended.Count - 1;
        while (at >= 0 && ended[at].Ended >= time) at--;
        return at < 0 ? -1 : ended[at].Place;
    }

    internal void Add(long shard, TimeSpan now, long place)
    {
        if (!_ended.TryGetValue(shard, out List<(TimeSpan Ended, long Place)>? ended)) _ended[shard] = ended = [];
        ended.Add((now, Math.Max(place, ended.Count > 0 ? ended[^1].Place : -1)));
    }
}

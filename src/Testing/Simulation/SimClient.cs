using System.Buffers;

using Tidemark.Core.KeyValue;
using Tidemark.Core.State;

namespace Tidemark.Testing.Simulation;

/// <summary>A command and how it is written.</summary>
internal readonly record struct KvCommandWriter(KvCommand Command, Action<IBufferWriter<byte>> Write);

/// <summary>A program outside the cluster that does one thing after the other on one shard, and checks that what it is told can be.</summary>
/// <remarks>
/// Histories are checked as they grow. The order of writes is that of the log, so a history is linearizable if every operation has a place in it behind all that had ended before it began:
/// a write its entry, a read the first place, not before that, where the key has what it read.
/// </remarks>
internal sealed class SimClient
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(8);

    private readonly ClusterSimulation _cluster;
    private readonly SimWorld _world;
    private readonly ShardOracle _oracle;
    private readonly int _number;
    private readonly bool _isNumbered;   // Its writes happen once, however often it sends them.
    private Guid _id;
    private long _sequence;
    private int _guess;
    private long _values;
    private int _operation;              // Answers to an earlier one are of no meaning any more.

    internal SimClient(ClusterSimulation cluster, ShardOracle oracle, int number, bool isNumbered)
    {
        (_cluster, _world, _oracle, _number, _isNumbered) = (cluster, cluster.World, oracle, number, isNumbered);
        _guess = number % cluster.Nodes.Count;
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

        if (_world.Chance.Below(6) == 0) _guess = _world.Chance.Below(_cluster.Nodes.Count);   // Some know of another leader than others.
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
        Run(new KvCommandWriter(KvCommand.RegisterClient, output => CommandWriter.WriteIdAlone(output, id)), isSafeTwice: true, (answer, operation) =>
        {
            if (answer?.Status != StoreStatus.Ok) _id = default;
            End(operation);
        });
    }

    private void Put(string key, long? expected)
    {
        string value = $"{_number}-{++_values}";
        WriteTicket? ticket = NextTicket();
        var arguments = new PutArguments(expected, null, null, null, null, null);
        StoreKey storeKey = key, storeValue = value;
        Run(new KvCommandWriter(KvCommand.Write, output => CommandWriter.WritePut(output, ticket, storeKey.Span, storeValue.Span, arguments)), _isNumbered, (answer, operation) =>
        {
            switch (answer?.Status)
            {
                case null:
                    _id = default;   // Nobody knows whether its number was used: the next begins anew.
                    break;
                case StoreStatus.Ok:
                    long effect = _oracle.EffectOf(value);
                    SimWorld.Require(effect >= 0, $"'{value}' was acknowledged and never written");
                    KeyMoment moment = _oracle.MomentsOf(key).First(moment => moment.Offset == effect);
                    SimWorld.Require(moment.Version == answer.Value.Version && (expected is null || VersionBefore(key, effect) == expected), $"'{value}' was acknowledged as version {answer.Value.Version}, and is {moment.Version}");
                    Place(operation, effect, effect, $"write of '{value}' to {key}");
                    break;
                case StoreStatus.VersionMismatch:
                    SimWorld.Require(_oracle.EffectOf(value) < 0, $"'{value}' was refused and is written");
                    PlaceRead(operation, key, moment => moment.Version == answer.Value.Version, $"refusal of '{value}' over version {answer.Value.Version}");
                    break;
                default:
                    SimWorld.Require(false, $"a put was answered {answer.Value.Status}");
                    break;
            }

            End(operation);
        });
    }

    private void Delete(string key)
    {
        WriteTicket? ticket = NextTicket();
        StoreKey storeKey = key;
        Run(new KvCommandWriter(KvCommand.Write, output => CommandWriter.WriteDelete(output, ticket, storeKey.Span, null)), _isNumbered, (answer, operation) =>
        {
            if (answer is null) _id = default;
            else if (answer?.Status == StoreStatus.NotFound) PlaceRead(operation, key, moment => moment.Version == 0, $"delete of {key} that found nothing");
            else PlaceDelete(operation, key, answer!.Value.Version);
            End(operation);
        });
    }

    private void Read(string key)
    {
        Operation operation = Begin(End);
        Try();

        void Try()
        {
            if (!IsWaiting(operation)) return;
            int node = _guess, attempt = ++operation.Attempt;
            Send(node, () => Ask(node, key, (found, refusal) => Send(node, () =>
            {
                if (!IsWaiting(operation)) return;
                if (found is { } seen)
                {
                    PlaceRead(operation, key, moment => moment.Version == seen.Version && moment.Value == seen.Value, $"read of {key} '{seen.Value}' version {seen.Version}");
                    _world.Count("read");
                    End(operation);
                }
                else if (attempt == operation.Attempt)
                {
                    Elsewhere(refusal!);
                    _world.After(_world.Between(20, 150), Try);
                }
            })));
            _world.After(AttemptTime(), () =>
            {
                if (!IsWaiting(operation) || attempt != operation.Attempt) return;
                _guess = _world.Chance.Below(_cluster.Nodes.Count);
                Try();
            });
        }
    }

    /// <summary>At the node: reads when it may.</summary>
    private void Ask(int node, string key, Action<KeyMoment?, Exception?> answer)
    {
        if (!_cluster.Nodes[node].Drivers.TryGetValue(_oracle.ShardId, out SimNode.Driver? driver)) return;
        driver.Host.Read(refusal =>
        {
            if (refusal is not null)
            {
                answer(null, refusal);
                return;
            }

            using var reader = StateReader.Open(((KvMachine)driver.Replica.Machine).Table);
            answer(ShardOracle.LookAt(reader, key, -1), null);
        });
    }

    /// <summary>Sends a command until it is answered. What may not happen twice is sent again only where it surely has not happened.</summary>
    private void Run(KvCommandWriter command, bool isSafeTwice, Action<(StoreStatus Status, long Version)?, Operation> ended)
    {
        Operation operation = Begin(given => ended(null, given));
        Try();

        void Try()
        {
            if (!IsWaiting(operation)) return;
            int node = _guess, attempt = ++operation.Attempt;
            Send(node, () => _cluster.Nodes[node].Submit(_oracle.ShardId, (ushort)command.Command, command.Write, (proposal, failure) =>
            {
                (StoreStatus, long)? answer = null;
                if (failure is null)
                {
                    _oracle.Acknowledged(node, proposal);
                    StoreStatus status = KvAnswer.ReadSingle(proposal.Answer.WrittenSpan, out KvResult result).Status;
                    answer = (status == StoreStatus.Ok ? result.Status : status, result.Version);
                }

                Send(node, () =>
                {
                    if (!IsWaiting(operation)) return;
                    if (answer is not null)
                    {
                        _world.Count("write");
                        ended(answer, operation);
                        return;
                    }

                    if (attempt != operation.Attempt) return;
                    Elsewhere(failure!);
                    if (failure is ShardUnavailableException || isSafeTwice) _world.After(_world.Between(20, 150), Try);
                    else ended(null, operation);
                });
            }));
            _world.After(AttemptTime(), () =>
            {
                if (!IsWaiting(operation) || attempt != operation.Attempt) return;
                _guess = _world.Chance.Below(_cluster.Nodes.Count);
                if (isSafeTwice) Try();
                else ended(null, operation);
            });
        }
    }

    private Operation Begin(Action<Operation> giveUp)
    {
        var operation = new Operation(++_operation, _cluster.History.LowestPlaceAt(_oracle.ShardId, _world.Now));
        _world.After(Patience, () =>
        {
            if (!IsWaiting(operation)) return;
            _world.Count("unknown");
            giveUp(operation);
        });
        return operation;
    }

    private void End(Operation operation)
    {
        if (!IsWaiting(operation)) return;
        _operation++;
        Done++;
        _world.After(_world.Between(1, 120), Next);
    }

    private bool IsWaiting(Operation operation) => operation.Number == _operation;

    /// <summary>How long one attempt waits for its answer.</summary>
    private TimeSpan AttemptTime() => _cluster.Plan.IsStormy ? _world.Between(150, 500) : _world.Between(1000, 2000);

    private void Elsewhere(Exception failure) =>
        _guess = failure is ShardUnavailableException { Leader: >= 0 } known && known.Leader < _cluster.Nodes.Count ? known.Leader : _world.Chance.Below(_cluster.Nodes.Count);

    private WriteTicket? NextTicket()
    {
        if (!_isNumbered) return null;
        _sequence++;
        return new WriteTicket(_id, _sequence, _sequence);
    }

    private void Send(int node, Action arrives)
    {
        if (_world.Fraction() < _cluster.ClientLoss)
        {
            _world.Count("lost client message");
            return;
        }

        _world.After(_world.Between(0.05, 2), arrives);
    }

    private long VersionBefore(string key, long offset)
    {
        long version = 0;
        foreach (KeyMoment moment in _oracle.MomentsOf(key))
        {
            if (moment.Offset >= offset) break;
            version = moment.Version;
        }

        return version;
    }

    private void PlaceDelete(Operation operation, string key, long version)
    {
        long effect = _oracle.MomentsOf(key).Find(moment => moment.Version == 0 && VersionBefore(key, moment.Offset) == version).Offset;
        SimWorld.Require(effect > 0, $"the delete of {key} version {version} was acknowledged and never happened");
        Place(operation, effect, effect, $"delete of {key} version {version}");
    }

    private void PlaceRead(Operation operation, string key, Func<KeyMoment, bool> isSeen, string what)
    {
        List<KeyMoment> moments = _oracle.MomentsOf(key);
        for (int i = 0; i < moments.Count; i++)
        {
            long end = i + 1 < moments.Count ? moments[i + 1].Offset - 1 : long.MaxValue;
            if (end < operation.Lowest || !isSeen(moments[i])) continue;
            long place = Math.Max(moments[i].Offset, operation.Lowest);
            Place(operation, place, place, what);
            return;
        }

        SimWorld.Require(false, $"client {_number}: {what} is older than what had ended before it began, at entry {operation.Lowest}");
    }

    private void Place(Operation operation, long place, long entry, string what)
    {
        SimWorld.Require(entry >= operation.Lowest, $"client {_number}: {what} took place at entry {entry}, and what ended before it began at {operation.Lowest}");
        _cluster.History.Add(_oracle.ShardId, _world.Now, place);
        _world.Note($"client {_number} {what} at {place}");
    }

    private sealed class Operation(int number, long lowest)
    {
        internal int Number => number;

        /// <summary>The place of the last that had ended when it began.</summary>
        internal long Lowest => lowest;

        internal int Attempt { get; set; }
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

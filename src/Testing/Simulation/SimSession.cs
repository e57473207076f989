using Tidemark.Core.KeyValue;

namespace Tidemark.Testing.Simulation;

/// <summary>A program outside the cluster that holds a session: it opens one, keeps it alive, puts records with it, and closes it or just stops. Then it begins anew.</summary>
internal sealed class SimSession(ClusterSimulation cluster, ShardOracle oracle, int number)
{
    private readonly SimWorld _world = cluster.World;
    private readonly SessionLaws _laws = oracle.Sessions;
    private readonly SimCaller _keeper = new(cluster, oracle, number);
    private readonly SimCaller _writer = new(cluster, oracle, number);
    private HeldSession? _held;   // What is under way for an earlier one is of no meaning any more.

    internal void Start() => _world.After(_world.Between(100, 1500), Open);

    private void Open()
    {
        if (cluster.IsOver) return;
        HeldSession held = _held = _laws.Hold(_world.Between(1000, cluster.Plan.IsStormy ? 1500 : 5000));
        (_keeper.AttemptTime, _writer.AttemptTime) = (held.Timeout / 8, held.Timeout / 4);
        _keeper.Propose(
            _keeper.Begin(held.Timeout, call => Lose(call, held)),
            KvCommand.OpenSession,
            output => CommandWriter.WriteOpenSession(output, held.Id, (long)held.Timeout.TotalMilliseconds, default),
            isSafeTwice: true,
            (call, answer) =>
            {
                call.IsOver = true;
                SimWorld.Require(answer.Status == StoreStatus.Ok, $"a session was not opened: {answer.Status}");
                _world.After(held.Timeout / 3, () => KeepAlive(held));
                _world.After(_world.Between(10, 500), () => Use(held));
                _world.After(_world.Between(1000, 15_000), () => Stop(held));
            },
            call => Lose(call, held));
    }

    private void KeepAlive(HeldSession held)
    {
        if (cluster.IsOver || held != _held) return;
        TimeSpan began = _world.Now;
        _keeper.Ask<bool>(
            _keeper.Begin(held.Timeout, call => Lose(call, held)),
            (node, answer) => AskToLive(node, held, answer),
            (call, isAlive) =>
            {
                call.IsOver = true;
                if (!isAlive) Lose(call, held);
                else _world.After(TimeSpan.FromTicks(Math.Max(0, (began + (held.Timeout / 3) - _world.Now).Ticks)), () => KeepAlive(held));
            },
            static _ => true,
            static _ => { });
    }

    /// <summary>At the node.</summary>
    private void AskToLive(int node, HeldSession held, Action<bool?, Exception?> answer)
    {
        if (!cluster.Nodes[node].Drivers.TryGetValue(oracle.ShardId, out SimDriver? driver)) return;
        KeepAliveMoment before = _laws.MomentOf(held);
        driver.Host.KeepAlive(held.Id, (isAlive, unknown) =>
        {
            if (unknown is null) _laws.Answered(node, driver.Host.Core.Term, held, before, isAlive);
            answer(unknown is null ? isAlive : null, unknown);
        });
    }

    private void Use(HeldSession held)
    {
        if (cluster.IsOver || held != _held) return;
        StoreKey key = $"{SessionLaws.Parent}/{number}-{_world.Chance.Below(3)}", value = "here";
        var arguments = new PutArguments(null, held.Id, null, null, null, null);
        _writer.Propose(
            _writer.Begin(held.Timeout, call => call.IsOver = true),
            KvCommand.Write,
            output => CommandWriter.WritePut(output, null, key.Span, value.Span, arguments),
            isSafeTwice: true,
            (call, answer) =>
            {
                call.IsOver = true;
                _world.Count("ephemeral put");
                SimWorld.Require(answer.Status == StoreStatus.Ok || held.Ends > 0, $"a put with session {held.Id} was answered {answer.Status}");
            },
            static _ => { });
        _world.After(_world.Between(300, 2000), () => Use(held));
    }

    private void Stop(HeldSession held)
    {
        if (cluster.IsOver || held != _held) return;
        if (_world.Chance.Coin())
        {
            Begin();   // As if it were killed.
            return;
        }

        _held = null;
        held.IsClosing = true;
        _keeper.Propose(
            _keeper.Begin(held.Timeout, End),
            KvCommand.CloseSession,
            output => CommandWriter.WriteIdAlone(output, held.Id),
            isSafeTwice: true,
            (call, _) =>
            {
                SimWorld.Require(held.Ends > 0, $"session {held.Id} was closed and is still open");
                End(call);
            },
            End);
    }

    private void End(SimCall call)
    {
        call.IsOver = true;
        Begin();
    }

    private void Lose(SimCall call, HeldSession held)
    {
        call.IsOver = true;
        if (held == _held) Begin();
    }

    private void Begin()
    {
        _held = null;
        _world.After(_world.Between(50, 1000), Open);
    }
}

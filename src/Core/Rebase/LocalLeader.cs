using Tidemark.Core.Replication;

namespace Tidemark.Core.Rebase;

/// <summary>What a local store's shard does besides applying entries: it runs the mutators of calls in the order of the log, and syncs.</summary>
/// <remarks>Not thread-safe; time is an argument.</remarks>
internal sealed class LocalLeader : ILeaderRole
{
    private readonly List<SyncEffect> _effects = [];
    private readonly List<(ushort Kind, byte[] Payload)> _proposals = [];
    private SyncClient? _sync;
    private Action<SyncEffect>? _send;
    private DateTimeOffset _now;   // When the turn began.

    /// <param name="machine">The state, up to date.</param>
    /// <param name="mutators">The mutators that are known.</param>
    /// <param name="now">The time.</param>
    internal LocalLeader(LocalMachine machine, Mutators mutators, DateTimeOffset now)
    {
        machine.Moves.Clear();
        (Machine, _now) = (machine, now);
        Visible = new VisibleState(machine, mutators);
    }

    internal LocalMachine Machine { get; }

    internal VisibleState Visible { get; }

    internal SyncClient? Sync => _sync;

    /// <summary>Told what a mutator threw, and for which place in the log. It stands there as refused.</summary>
    internal Action<long, Exception>? Threw { get; init; }

    /// <summary>Told what became of mutations, once the visible state shows it.</summary>
    internal Action<IReadOnlyList<TimelineMove>>? Settled { get; init; }

    /// <summary>Told after each step of the sync.</summary>
    internal Action? Stepped { get; set; }

    /// <inheritdoc/>
    public long NextDue => _proposals.Count > 0 ? _now.UtcTicks : _sync?.NextDue ?? long.MaxValue;

    /// <summary>Syncs from now on.</summary>
    /// <param name="sync">What decides; null ends it.</param>
    /// <param name="send">Takes what is to be sent.</param>
    internal void SyncWith(SyncClient? sync, Action<SyncEffect>? send) => (_sync, _send) = (sync, send);

    /// <inheritdoc/>
    public void Admit(long offset, ref ushort kind, ref ReadOnlyMemory<byte> payload)
    {
        if ((LocalCommand)kind != LocalCommand.Call) return;
        var reader = new MessagePack.MessagePackReader(payload.Span);
        MutationRun run = Visible.Call(offset, TimelineEntry.Read(ref reader));
        if (run.End == MutationEnd.Done) return;
        if (run.Fault is { } fault) Threw?.Invoke(offset, fault);
        (kind, payload) = ((ushort)LocalCommand.Refused, LocalCommands.Refused(run));
    }

    /// <inheritdoc/>
    public void Withdraw(long offset) => Visible.Withdraw(offset);

    /// <summary>Entries were applied: shows what they made of the state, and goes on with what they allow.</summary>
    internal void Publish()
    {
        Visible.Publish();
        Settled?.Invoke(Machine.Moves);
        Machine.Moves.Clear();
        Step(new SyncTicked(), _now);
    }

    /// <summary>Something happened that the sync is to know.</summary>
    internal void Step(SyncEvent happened, DateTimeOffset now)
    {
        if (_sync is null) return;
        _effects.Clear();
        _sync.Step(happened, now, _effects);
        foreach (SyncEffect effect in _effects.ToArray())
        {
            if (effect is SyncPropose proposal) _proposals.Add(((ushort)proposal.Kind, proposal.Payload));
            else _send?.Invoke(effect);
        }

        Stepped?.Invoke();
    }

    /// <inheritdoc/>
    public void Tick(DateTimeOffset now, List<(ushort Kind, byte[] Payload)> proposals)
    {
        _now = now;
        Step(new SyncTicked(), now);
        proposals.AddRange(_proposals);
        _proposals.Clear();
    }

    /// <inheritdoc/>
    public void Ended(ushort kind, bool isApplied, DateTimeOffset now)
    {
        if (now != default) Step(new SyncProposalEnded(isApplied), now);   // Else the shard has ended.
    }
}

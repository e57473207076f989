using Tidemark.Core.Replication;

namespace Tidemark.Tests.Replication;

/// <summary>What one step of a node or an election came to, whatever the others do meanwhile.</summary>
internal sealed class ExploredOutcome
{
    /// <summary>The number of what it is then.</summary>
    internal int Next { get; set; }

    /// <summary>The numbers of the messages it sent.</summary>
    internal int[] Sends { get; set; } = [];

    /// <summary>The numbers of its calls of the status store.</summary>
    internal int[] Calls { get; set; } = [];

    internal List<(int Offset, SimEntry Entry)> Commits { get; } = [];

    /// <summary>The log of a node that began to serve.</summary>
    internal SimEntry[]? Serves { get; set; }

    /// <summary>The term it began to lead or to serve; 0 for none.</summary>
    internal int Begins { get; set; }

    internal int Term { get; set; }

    /// <summary>The law that it broke by itself.</summary>
    internal string? Broken { get; set; }

    /// <summary>Of a message: whether it can never have any effect any more.</summary>
    internal bool IsDead { get; set; }

    /// <summary>Whether all it did, if anything, was to send.</summary>
    internal bool IsPure { get; private set; }

    internal void Judge(int before) => IsPure = Next == before && Calls.Length == 0 && Commits.Count == 0 && Begins == 0 && Serves is null && Broken is null;
}

/// <summary>A replica of the explored cluster: core, log, and a disk that a crash cuts back to. It never changes: each step makes another.</summary>
internal sealed class ExploredNode
{
    private static readonly ReplicaLimits _limits = new(Window: 8, Batch: 8);

    internal required ReplicaCore Core { get; init; }

    internal SimEntry[] Log { get; private set; } = [];

    internal (long Term, bool IsLost) Disk { get; private set; }

    internal (long Term, bool IsLost)? Saving { get; private set; }

    internal long Flushing { get; private set; }

    internal int Crashes { get; private set; }

    /// <summary>The term it was started in; it may lead only a higher one.</summary>
    internal long StartTerm { get; private init; }

    internal bool IsBusy => Saving is not null || Flushing > 0;

    internal static ExploredNode First(int node) => new() { Core = Start(node, 1, [], default) };

    internal void AddDeciding(List<long> numbers, bool isJoinToCome)
    {
        Core.AddDeciding(numbers, isReadToCome: false, isJoinToCome);
        numbers.Add(Log.Length);
        foreach (SimEntry entry in Log) numbers.Add(entry.Value);
        numbers.AddRange([Disk.Term, Saving?.Term ?? -1, (Disk.IsLost ? 1 : 0) | (Saving is { IsLost: true } ? 2 : 0), Flushing, Crashes, StartTerm]);
    }

    internal ExploredNode Deliver(SimMessage message, ExploredOutcome outcome, List<SimMessage> sends) =>
        Do((core, effects) => core.Step(message.From, message.Message, effects), outcome, sends, message);

    internal ExploredNode Flush(ExploredOutcome outcome, List<SimMessage> sends)
    {
        long end = Math.Min(Flushing, Core.Log.End);
        return Do((core, effects) => core.Flushed(Math.Max(end, core.Durable), effects), outcome, sends, before: next => next.Flushing = 0);
    }

    internal ExploredNode Save(ExploredOutcome outcome, List<SimMessage> sends) =>
        Do((core, effects) => core.Saved(Saving!.Value.Term, Saving.Value.IsLost, effects), outcome, sends, before: next => (next.Disk, next.Saving) = (Saving!.Value, null));

    internal ExploredNode Propose(int value, ExploredOutcome outcome, List<SimMessage> sends) => Do((core, effects) => core.Propose(effects), outcome, sends, value: value);

    internal ExploredNode Tick(ExploredOutcome outcome, List<SimMessage> sends) => Do((core, effects) => core.Tick(effects), outcome, sends);

    /// <summary>Whether a crash that keeps what was not flushed, or not saved, leaves something else than one that does not.</summary>
    internal bool HasCrash(bool keepsLog, bool keepsTerm) => !(keepsLog && Core.Durable == Log.Length) && !(keepsTerm && Saving is null);

    internal ExploredNode Crash(bool keepsLog, bool keepsTerm)
    {
        SimEntry[] log = keepsLog ? Log : Log[..(int)Core.Durable];
        (long Term, bool IsLost) disk = keepsTerm && Saving is { } saving ? saving : Disk;
        return new ExploredNode { Core = Start(Core.Node, Core.Run + 1, log, disk), Log = log, Disk = disk, Crashes = Crashes + 1, StartTerm = disk.Term };
    }

    /// <summary>The same node, which never crashes any more.</summary>
    internal ExploredNode WithLastCrash(int crashes) =>
        new() { Core = Core, Log = Log, Disk = Disk, Saving = Saving, Flushing = Flushing, Crashes = crashes, StartTerm = StartTerm };

    public override string ToString() => $"{Core}{(Saving is { } saving ? $" saving t{saving.Term}" : "")}{(Flushing > 0 ? $" flushing {Flushing}" : "")} crashes {Crashes}";

    private static ReplicaCore Start(int node, long run, IReadOnlyList<SimEntry> log, (long Term, bool IsLost) disk)
    {
        var terms = new LogTerms(LogHead.None);
        foreach (SimEntry entry in log) terms.Append(entry.Term, 1);
        return new ReplicaCore(new ReplicaStart(node, run, disk.Term, disk.IsLost, terms, Applied: 0), _limits);
    }

    /// <summary>Rounds decide about reads alone, and nobody reads here.</summary>
    private static ReplicaMessage WithoutRound(ReplicaMessage message) => message switch
    {
        Append append => append with { Round = 0 },
        Ack ack => ack with { Round = 0 },
        _ => message,
    };

    private ExploredNode Do(Action<ReplicaCore, List<Effect>> step, ExploredOutcome outcome, List<SimMessage> sends, SimMessage? message = null, int value = 0, Action<ExploredNode>? before = null)
    {
        var next = new ExploredNode { Core = Core.Copy(), Log = Log, Disk = Disk, Saving = Saving, Flushing = Flushing, Crashes = Crashes, StartTerm = StartTerm };
        before?.Invoke(next);
        var effects = new List<Effect>();
        try
        {
            step(next.Core, effects);
            next.Core.EndTurn(effects);
            foreach (Effect effect in effects) next.CarryOut(effect, outcome, sends, message, value);
        }
        catch (Exception e)
        {
            outcome.Broken = e.Message;
        }

        if (next.Core.Applied > next.Core.Durable) outcome.Broken ??= $"the state of {Core.Node} is ahead of its log";
        if (next.Core.Log.End != next.Log.Length) outcome.Broken ??= $"{Core.Node} thinks that its log ends at {next.Core.Log.End}, and it ends at {next.Log.Length}";
        return next;
    }

    private void CarryOut(Effect effect, ExploredOutcome outcome, List<SimMessage> sends, SimMessage? message, int value)
    {
        switch (effect.Kind)
        {
            case EffectKind.BeginTerm:
                outcome.Begins = (int)Core.Term;
                Log = [.. Log, new SimEntry(Core.Term, -Core.Term)];
                break;
            case EffectKind.Persist when effect.Message is Append append:
                for (long offset = effect.From; offset < effect.To; offset++) Log = [.. Log, message!.Entries[(int)(offset - append.Before.Offset - 1)]];
                break;
            case EffectKind.Persist:
                Log = [.. Log, new SimEntry(Core.Term, value)];
                break;
            case EffectKind.Flush:
                Flushing = effect.To;
                break;
            case EffectKind.Save:
                Saving = (Core.Term, Core.IsLost);
                break;
            case EffectKind.Truncate:
                Log = Log[..(int)effect.From];
                Flushing = 0;
                break;
            case EffectKind.Send:
                SimEntry[] entries = effect.Message is Append sent ? [.. Log.Skip((int)sent.Before.Offset + 1).Take((int)(sent.To - sent.Before.Offset - 1))] : [];
                sends.Add(new SimMessage(Core.Node, effect.Node, effect.Message is { IsForElection: true }, WithoutRound(effect.Message!), entries));
                break;
            case EffectKind.Apply:
                for (long offset = effect.From; offset < effect.To; offset++) outcome.Commits.Add(((int)offset, Log[offset]));
                break;
            case EffectKind.Serve:
                (outcome.Serves, outcome.Term) = (Log, (int)Core.Term);
                break;
            case EffectKind.Stop:
                outcome.Broken ??= $"{Core.Node} stopped";
                break;
        }
    }
}

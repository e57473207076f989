using Tidemark.Core.Rebase;

namespace Tidemark;

/// <summary>What came of a mutation.</summary>
public enum MutationFate
{
    /// <summary>The server ran it, and what it wrote is part of the state.</summary>
    Applied = 0,

    /// <summary>The server rejected it, and nothing of it was written.</summary>
    Rejected = 1,

    /// <summary>It was discarded after the server had forgotten the client, or the directory was copied: it may have been applied before or not.</summary>
    Unknown = 2,
}

/// <summary>What came of a mutation.</summary>
/// <param name="Fate">What came of it.</param>
/// <param name="Code">Why it was rejected, for programs: the mutator's own code, or <c>poison</c>, <c>limit</c>, <c>forbidden</c>; else null.</param>
/// <param name="Text">Why it was rejected, for people; or null.</param>
public sealed record MutationOutcome(MutationFate Fate, string? Code = null, string? Text = null);

/// <summary>How a mutation is that is not known to be decided.</summary>
public enum MutationState
{
    /// <summary>It has its effect on what is visible, and waits for the server.</summary>
    Pending = 0,

    /// <summary>When it ran again its mutator rejected it: it has no effect for now, and the server decides.</summary>
    Suspended = 1,

    /// <summary>When it ran again its mutator threw, or there is none of its name and version any more: it has no effect for now, and the server decides.</summary>
    Faulted = 2,

    /// <summary>What came of it is known.</summary>
    Decided = 3,
}

/// <summary>A mutation that was called: queued durably, and on its way to the server.</summary>
/// <remarks>Safe for concurrent calls.</remarks>
public sealed class Mutation
{
    private readonly TimelineEntry _entry;
    private readonly Func<LocalView> _view;
    private readonly TaskCompletionSource<MutationOutcome> _outcome = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long _id;

    internal Mutation(long id, TimelineEntry entry, Func<LocalView> view) => (_id, _entry, _view) = (id, entry, view);

    /// <summary>Its number in the timeline. Becomes another where the timeline is numbered anew: for a new client id, or a server that was restored to an earlier state.</summary>
    public long Id => Volatile.Read(ref _id);

    /// <summary>The mutator's name.</summary>
    public string Name => _entry.Name;

    /// <summary>The mutator's version.</summary>
    public int Version => _entry.Version;

    /// <summary>When it was called.</summary>
    public HybridTimestamp Time => _entry.Time;

    /// <summary>Its arguments, as the mutator's serializer wrote them.</summary>
    public ReadOnlyMemory<byte> Arguments => _entry.Arguments;

    /// <summary>Completes when it is known what came of it, which may be in days. Never fails; does not complete where the store is closed before.</summary>
    public Task<MutationOutcome> Outcome => _outcome.Task;

    /// <summary>How it is now.</summary>
    public MutationState State => _outcome.Task.IsCompleted ? MutationState.Decided
        : !_view().Troubles.TryGetValue(Id, out MutationRun run) ? MutationState.Pending
        : run.End == MutationEnd.Rejected ? MutationState.Suspended : MutationState.Faulted;

    /// <summary>Name, version and number.</summary>
    public override string ToString() => $"{Name} v{Version} #{Id}";

    internal void Renumber(long id) => Volatile.Write(ref _id, id);

    internal void Settle(MutationOutcome outcome) => _outcome.TrySetResult(outcome);
}

/// <summary>A mutation that the server rejected, kept until the program says that it knows.</summary>
/// <param name="Client">The client's id at that time.</param>
/// <param name="Id">Its number in the timeline.</param>
/// <param name="Name">The mutator's name.</param>
/// <param name="Version">The mutator's version.</param>
/// <param name="Arguments">The arguments, as the mutator's serializer wrote them.</param>
/// <param name="Time">When it was called.</param>
/// <param name="Code">Why, for programs.</param>
/// <param name="Text">Why, for people; or null.</param>
public sealed record RejectedMutation(Guid Client, long Id, string Name, int Version, ReadOnlyMemory<byte> Arguments, HybridTimestamp Time, string Code, string? Text);

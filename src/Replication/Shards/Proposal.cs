using System.Buffers;
using System.Diagnostics;
using System.Threading.Tasks.Sources;

namespace Tidemark.Replication.Shards;

/// <summary>A command on its way through a shard's log to its answer, and the source of the task its proposer awaits. Pooled.</summary>
/// <remarks>Two hold it: the proposer until it has read the answer, and the shard until the command is answered. Whoever lets go last returns it.</remarks>
internal sealed class Proposal : IValueTaskSource
{
    private readonly ProposalPool? _home;
    private ManualResetValueTaskSourceCore<bool> _core;
    private CancellationTokenRegistration _cancellation;
    private int _holders;
    private int _isDone;

    /// <param name="home">Where it goes back to; null for a command of the shard's own, which nobody awaits.</param>
    internal Proposal(ProposalPool? home)
    {
        _home = home;
        _core.RunContinuationsAsynchronously = home is not { ContinuesInline: true };
    }

    /// <summary>What the payload is.</summary>
    internal ushort Kind { get; set; }

    /// <summary>The command. Filled by the proposer, read until the command is applied.</summary>
    internal ArrayBufferWriter<byte> Payload { get; } = new();

    /// <summary>The state machine's answer.</summary>
    internal ArrayBufferWriter<byte> Answer { get; } = new();

    /// <summary>What stands in the log for it, once it does: the command, or what the leader made of it.</summary>
    internal (ushort Kind, ReadOnlyMemory<byte> Payload) Entry { get; set; }

    /// <summary>Where the command stands in the log, once it does.</summary>
    internal StatePosition Position { get; set; }

    /// <summary>Whether the shard itself proposed it.</summary>
    internal bool IsOwn => _home is null;

    /// <summary>Whether whoever awaits it has been answered, or has given up.</summary>
    internal bool IsOver => Volatile.Read(ref _isDone) != 0;

    /// <summary>What it weighs among commands that wait, in bytes.</summary>
    internal int Weight => Payload.WrittenCount + 64;

    /// <summary>What its buffers have room for, in bytes.</summary>
    internal int Capacity => Payload.Capacity + Answer.Capacity;

    /// <summary>Takes over a command that surely did not happen because another leads or there is no room, instead of giving that as the answer. Null: nobody does.</summary>
    internal Action<Proposal, TidemarkException>? Rerouted { get; set; }

    /// <summary>Who carries it may note here until when it is to be tried, on its stopwatch.</summary>
    internal long Deadline { get; set; }

    /// <summary>How long it is to be tried, where that is less than whoever carries it would. Null: it is not.</summary>
    internal TimeSpan? Patience { get; set; }

    /// <summary>The next proposal that rests.</summary>
    internal Proposal? Below { get; set; }

    /// <summary>Readies it for a command.</summary>
    internal void Begin(ushort kind)
    {
        Kind = kind;
        Rerouted = null;
        Patience = null;
        _holders = 2;
        _isDone = 0;
        Entry = default;
        Answer.ResetWrittenCount();
        Payload.ResetWrittenCount();
    }

    /// <summary>The task for the proposer. Taken before the proposal is submitted.</summary>
    internal ValueTask Completion(CancellationToken cancellationToken)
    {
        var task = new ValueTask(this, _core.Version);
        if (cancellationToken.CanBeCanceled)
            _cancellation = cancellationToken.UnsafeRegister(static (self, token) => ((Proposal)self!).TryCancel(token), this);
        return task;
    }

    /// <summary>The shard's last word: the answer is there, or there is none and why.</summary>
    internal void Finish(Exception? failure)
    {
        if (failure is ShardUnavailableException or StoreFullException && Rerouted is { } reroute)
        {
            reroute(this, (TidemarkException)failure);
            return;
        }

        if (Interlocked.Exchange(ref _isDone, 1) == 0 && !IsOwn)
        {
            if (failure is null) _core.SetResult(true);
            else _core.SetException(failure);
        }

        LetGo();
    }

    /// <summary>Lets go of it: the proposer's once the answer is read, or where it was never submitted both.</summary>
    internal void LetGo()
    {
        if (_home is null) return;
        int left = Interlocked.Decrement(ref _holders);
        Debug.Assert(left >= 0, "a proposal is let go twice at most");
        if (left > 0) return;
        _core.Reset();
        _home.Return(this);
    }

    void IValueTaskSource.GetResult(short token)
    {
        try
        {
            _core.GetResult(token);
        }
        finally
        {
            _cancellation.Dispose();
            _cancellation = default;
        }
    }

    ValueTaskSourceStatus IValueTaskSource.GetStatus(short token) => _core.GetStatus(token);

    void IValueTaskSource.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _core.OnCompleted(continuation, state, token, flags);

    private void TryCancel(CancellationToken token)
    {
        if (Interlocked.Exchange(ref _isDone, 1) == 0) _core.SetException(new OperationCanceledException(token));
    }
}

/// <summary>The proposals that rest between two commands.</summary>
internal sealed class ProposalPool
{
    private const int MostResting = 1024;
    private const int MostKeptBytes = 64 * 1024 * 1024;   // Of all their buffers.
    private const int LargestKept = 1024 * 1024;          // A larger buffer goes: few commands need it.

    private readonly Lock _gate = new();
    private Proposal? _top;
    private int _count;
    private int _keptBytes;

    /// <summary>Whether a proposer goes on at once, on the thread of who finishes: so a simulation is the same every time.</summary>
    internal bool ContinuesInline { get; init; }

    internal Proposal Rent(ushort kind)
    {
        Proposal? proposal;
        lock (_gate)
        {
            proposal = _top;
            if (proposal is not null)
            {
                _top = proposal.Below;
                proposal.Below = null;
                _count--;
                _keptBytes -= proposal.Capacity;
            }
        }

        proposal ??= new Proposal(this);
        proposal.Begin(kind);
        return proposal;
    }

    internal void Return(Proposal proposal)
    {
        int bytes = proposal.Capacity;
        if (bytes > LargestKept) return;
        lock (_gate)
        {
            if (_count >= MostResting || _keptBytes + bytes > MostKeptBytes) return;
            _keptBytes += bytes;
            proposal.Below = _top;
            _top = proposal;
            _count++;
        }
    }
}

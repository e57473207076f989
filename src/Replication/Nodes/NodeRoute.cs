using System.Buffers;

using Tidemark.Core.Replication;
using Tidemark.Replication.Shards;
using Tidemark.Replication.Wire;

namespace Tidemark.Replication.Nodes;

/// <summary>The way from this node's programs to whoever leads a shard: to the replica here where it leads, else to another node. What surely did not happen is tried again for a while.</summary>
internal class NodeRoute(long shard, INodeRuns runs, TimeProvider time, TimeSpan patience)
{
    private static readonly TimeSpan _pause = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan _longestLook = TimeSpan.FromMilliseconds(100);   // A replica that others keep by now changes no more, and nobody says so.

    private readonly ChangeSignal _changed = new();
    private long _told = -1;
    private volatile bool _isClosed;

    public long ShardId => shard;

    public bool IsHere => Replica is not null;

    /// <summary>The replica that this node keeps.</summary>
    /// <exception cref="ShardUnavailableException">This node does not keep the shard, or is between two runs.</exception>
    internal ReplicaHost Here => Replica ?? throw (runs.Current is { } run
        ? new ShardUnavailableException(shard, $"Node {runs.Node} does not keep shard {shard}, so there is nothing here to look at.", run.LeaderOf(shard))
        : Unavailable("The node's replicas are being opened again."));

    /// <summary>The same, or null.</summary>
    internal ReplicaHost? Replica => runs.Current?.Kept(shard);

    public Task Changed => _changed.Next;

    /// <summary>The last entry that a leader elsewhere has told of: it is committed, and may not have come here yet.</summary>
    protected long LastTold => Volatile.Read(ref _told);

    /// <summary>On the stopwatch that deadlines go by.</summary>
    protected long Now => time.GetTimestamp();

    private bool IsEnded => _isClosed || runs.IsEnded;

    /// <summary>The state here has changed.</summary>
    internal void Signal() => _changed.Raise();

    /// <summary>The shard is no more: nothing is tried again.</summary>
    internal void Close()
    {
        _isClosed = true;
        Signal();
    }

    public void Submit(Proposal proposal)
    {
        proposal.Rerouted = Reroute;
        proposal.Deadline = DeadlineFromNow(proposal.Patience);
        Send(proposal, Leader());
    }

    public async ValueTask<long> ReadyToReadAsync(ReadLevel level, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (level.Kind == ReadLevelKind.Local) return Here.Shown;
        long deadline = DeadlineFromNow();
        long needed = (await AskToReadAsync(deadline, level.Staleness, cancellationToken).ConfigureAwait(false)).Offset;
        while (Here.Shown < needed)
        {
            Task changed = Changed;
            if (Here.Shown >= needed) break;
            TimeSpan left = TimeLeft(deadline);
            if (left <= TimeSpan.Zero) throw Unavailable($"This node is behind: it has not applied entry {needed}, which the read must see.");
            await Task.WhenAny(changed, Task.Delay(left < _longestLook ? left : _longestLook, time, cancellationToken)).ConfigureAwait(false);
            cancellationToken.ThrowIfCancellationRequested();
        }

        return needed;
    }

    /// <summary>Asks the leader how far one must have applied to read.</summary>
    protected Task<StatePosition> AskToReadAsync(long deadline, TimeSpan staleness, CancellationToken cancellationToken) => AskLeaderAsync<StatePosition>(
        new RouteRequest(RouteKind.Read, shard, 0, 0, staleness, default),
        (replica, ended) => replica.Host.Read((refusal, at) => ended(refusal is null ? at : null, null), staleness),
        answer => answer.Outcome == RequestOutcome.Done ? Told(answer.Position) : null,
        deadline, "a read", cancellationToken);

    private StatePosition Told(StatePosition position)
    {
        for (long known = Volatile.Read(ref _told); known < position.Offset; known = Volatile.Read(ref _told))
        {
            if (Interlocked.CompareExchange(ref _told, position.Offset, known) == known) break;
        }

        return position;
    }

    /// <summary>Asks whoever leads; again, after a pause, where that gives no answer.</summary>
    /// <param name="request">What another node is asked.</param>
    /// <param name="askHere">Asks the replica here; it tells the answer, or none and perhaps why.</param>
    /// <param name="read">The answer of another node; null for none.</param>
    /// <param name="deadline">Until when it is tried.</param>
    /// <param name="what">What it is about, for people.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    protected async Task<T> AskLeaderAsync<T>(
        RouteRequest request, Action<ReplicaHost, Action<T?, Exception?>> askHere, Func<RouteAnswer, T?> read, long deadline, string what, CancellationToken cancellationToken)
        where T : struct
    {
        while (true)
        {
            int leader = Leader();
            Exception? refusal = null;
            var answer = new TaskCompletionSource<T?>(TaskCreationOptions.RunContinuationsAsynchronously);
            if (leader == runs.Node && Replica is { } replica)
            {
                askHere(replica, (known, why) =>
                {
                    refusal = why;
                    answer.SetResult(known);
                });
            }
            else if (!TryAsk(leader, request, given => answer.SetResult(given is { } came ? read(came) : null)))
            {
                answer.SetResult(null);
            }

            if (await answer.Task.WaitAsync(cancellationToken).ConfigureAwait(false) is { } found) return found;
            if (IsEnded) throw Ended();
            if (TimeLeft(deadline) <= TimeSpan.Zero) throw refusal as ShardUnavailableException ?? Unavailable($"No leader answered {what} in time.");
            await Task.Delay(_pause, time, cancellationToken).ConfigureAwait(false);
        }
    }

    private void Send(Proposal proposal, int leader)
    {
        if (leader == runs.Node && Replica is { } replica)
        {
            replica.Host.Submit(proposal);
        }
        else if (leader < 0 || !TryAsk(leader, new RouteRequest(RouteKind.Command, shard, 0, proposal.Kind, default, proposal.Payload.WrittenMemory), answer => Take(proposal, leader, answer)))
        {
            _ = SendLaterAsync(proposal);
        }
    }

    private void Take(Proposal proposal, int leader, RouteAnswer? answer)
    {
        switch (answer?.Outcome)
        {
            case RequestOutcome.Done:
                Told(answer.Value.Position);
                proposal.Position = answer.Value.Position;
                proposal.Answer.Write(answer.Value.Bytes.Span);
                proposal.Finish(null);
                break;
            case RequestOutcome.Unavailable:
                Reroute(proposal, new ShardUnavailableException(shard, answer.Value.Text, answer.Value.Leader));
                break;
            case null:
                proposal.Finish(new OutcomeUnknownException($"Node {leader}, which led shard {shard}, did not answer. Whether the write happened shows when the shard is read."));
                break;
            default:
                proposal.Finish(RequestOutcomes.ErrorOf(answer.Value.Outcome, answer.Value.Text, shard, answer.Value.Leader));
                break;
        }
    }

    /// <summary>It surely did not happen there: it is tried again after a pause, at whoever leads then. One whose disk is full hands over, where there is somebody.</summary>
    private void Reroute(Proposal proposal, TidemarkException refusal)
    {
        bool isInVain = refusal is StoreFullException && runs.Current?.Status.Shards.GetValueOrDefault(shard) is { Ensemble.Count: 1 };
        if (isInVain || TimeLeft(proposal.Deadline) <= TimeSpan.Zero || proposal.IsOver)
        {
            proposal.Rerouted = null;
            proposal.Finish(refusal);
            return;
        }

        _ = SendLaterAsync(proposal, refusal);
    }

    private async Task SendLaterAsync(Proposal proposal, TidemarkException? refusal = null)
    {
        await Task.Delay(_pause, time).ConfigureAwait(false);
        if (TimeLeft(proposal.Deadline) > TimeSpan.Zero && !proposal.IsOver && !IsEnded)
        {
            Send(proposal, Leader());
            return;
        }

        proposal.Rerouted = null;
        proposal.Finish(IsEnded ? Ended() : refusal as StoreFullException ?? (Exception)Unavailable($"Nobody has led it for {(proposal.Patience ?? patience).TotalSeconds:0.###} s. Are most of the nodes up, and do they reach each other?"));
    }

    private bool TryAsk(int node, RouteRequest request, Action<RouteAnswer?> ended) =>
        node >= 0 && node != runs.Node && runs.Current is { } run && run.Desk.TryAsk(node, id => RouteMessageCodec.ToBytes(request with { Id = id }), ended);

    private int Leader() => runs.Current?.LeaderOf(shard) ?? ShardStatus.Nobody;

    protected long DeadlineFromNow(TimeSpan? most = null) => time.GetTimestamp() + (long)((most < patience ? most.Value : patience).TotalSeconds * time.TimestampFrequency);

    private TimeSpan TimeLeft(long deadline) => time.GetElapsedTime(time.GetTimestamp(), deadline);

    private ShardUnavailableException Unavailable(string why) => new(shard, $"Shard {shard}: {why}", ShardStatus.Nobody);

    private ObjectDisposedException Ended() => new(_isClosed ? nameof(Topic) : nameof(TidemarkNode));
}

/// <summary>What a node's programs know of its runs.</summary>
internal interface INodeRuns
{
    int Node { get; }

    /// <summary>Whether there will be no other run.</summary>
    bool IsEnded { get; }

    /// <summary>The run there is, or null between two.</summary>
    NodeRun? Current { get; }
}

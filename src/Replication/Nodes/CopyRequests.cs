using Tidemark.Core.Replication;
using Tidemark.Replication.Wire;
using Tidemark.Storage.Archive;

namespace Tidemark.Replication.Nodes;

/// <summary>Has shards copied to the archive by whoever leads them, here or on another node.</summary>
internal sealed class CopyRequests(INodeRuns runs, ShardCopies copies, TidemarkNodeOptions options)
{
    private static readonly TimeSpan _pause = TimeSpan.FromMilliseconds(20);

    private readonly TimeProvider _time = options.TimeProvider;

    /// <summary>Has a shard copied up to an entry that is later than a moment. As long as somebody is at it, and comes to an end, it is waited for.</summary>
    /// <exception cref="IOException">Whoever leads it could not.</exception>
    /// <exception cref="StoreFullException">There is no room.</exception>
    /// <exception cref="ShardUnavailableException">Nobody leads it for too long.</exception>
    internal async Task<CopyAnswer> CopyAsync(long shardId, HybridTimestamp after, CancellationToken cancellationToken)
    {
        long began = _time.GetTimestamp();
        TimeSpan inVain = TimeSpan.Zero;
        int asked = ShardStatus.Nobody;
        bool mayMiss = false;
        while (true)
        {
            NodeRun? run = runs.Current;
            int leader = run?.LeaderOf(shardId) ?? ShardStatus.Nobody;
            if (leader != asked) (asked, mayMiss) = (leader, false);
            CopyAnswer? answer = run is null ? null : await AskAsync(run, leader, shardId, new CopyDemand(after, mayMiss), cancellationToken).ConfigureAwait(false);
            if (answer is { State: CopyState.Copied } copied && copied.End.Timestamp > after) return copied;
            if (answer is { State: CopyState.WouldMiss } && !mayMiss)
            {
                await CopyElsewhereAsync(run!, leader, shardId, after, cancellationToken).ConfigureAwait(false);
                (mayMiss, began) = (true, _time.GetTimestamp());
            }
            else if (answer is not { State: CopyState.UnderWay })
            {
                inVain += _time.GetElapsedTime(began);   // Also what it took to find out.
                began = _time.GetTimestamp();
                if (inVain >= options.OperationTimeout)
                    throw new ShardUnavailableException(shardId, $"Shard {shardId} was not archived: nobody leads it who could be asked in time.", ShardStatus.Nobody);
            }

            await Task.Delay(_pause, _time, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>What leads has got the shard as a state, and its log begins behind that. Another replica may have the entries before.</summary>
    private async Task CopyElsewhereAsync(NodeRun run, int leader, long shardId, HybridTimestamp after, CancellationToken cancellationToken)
    {
        int[] keepers = [.. run.OtherKeepersOf(shardId), run.Host.Node];
        foreach (int keeper in keepers.Where(keeper => keeper != leader))
        {
            try
            {
                while (true)
                {
                    CopyAnswer? answer = await AskAsync(run, keeper, shardId, new CopyDemand(after, MayMiss: false), cancellationToken).ConfigureAwait(false);
                    if (answer is { State: CopyState.Copied }) return;
                    if (answer is not { State: CopyState.UnderWay }) break;
                }
            }
            catch (Exception e) when (e is IOException or StoreFullException)
            {
                // Another may be able to; if none is, the leader tells.
            }
        }
    }

    /// <returns>Null where it does not keep the shard, or cannot at the moment.</returns>
    private async Task<CopyAnswer?> AskAsync(NodeRun run, int node, long shardId, CopyDemand demand, CancellationToken cancellationToken)
    {
        if (node == run.Host.Node) return await AskHereAsync(shardId, demand, cancellationToken).ConfigureAwait(false);
        var told = new TaskCompletionSource<RouteAnswer?>(TaskCreationOptions.RunContinuationsAsynchronously);
        if (node < 0 || !run.Desk.TryAsk(node, id => RouteMessageCodec.ToBytes(RouteRequest.Copy(shardId, id, demand)), told.SetResult)) return null;
        if (await told.Task.WaitAsync(cancellationToken).ConfigureAwait(false) is not { } answer) return null;
        switch (answer.Outcome)
        {
            case RequestOutcome.Done:
                var copy = CopyAnswer.Read(answer);
                if (copy.State == CopyState.Copied) await RequireSameArchiveAsync(node, shardId, copy, cancellationToken).ConfigureAwait(false);
                return copy;
            case RequestOutcome.Unavailable or RequestOutcome.Overloaded or RequestOutcome.Unknown:
                return null;
            case RequestOutcome.Full:
                throw new StoreFullException(answer.Text);
            default:
                throw new IOException($"Node {node} could not archive shard {shardId}: {answer.Text}");
        }
    }

    /// <summary>What another node has copied is to be found from here: else the two have not the same archive, and nothing could be restored.</summary>
    private async Task RequireSameArchiveAsync(int node, long shardId, CopyAnswer copy, CancellationToken cancellationToken)
    {
        IArchive archive = options.Archive!.Archive;
        Stream? found = await archive.OpenReadAsync(ArchiveNames.Entries(shardId, copy.First, copy.End.Offset), cancellationToken).ConfigureAwait(false);
        if (found is null) throw new IOException($"Node {node} has copied shard {shardId}, and {archive} has it not: its archive is another. Give all nodes the same.");
        await found.DisposeAsync().ConfigureAwait(false);
    }

    private async Task<CopyAnswer?> AskHereAsync(long shardId, CopyDemand demand, CancellationToken cancellationToken)
    {
        try
        {
            return await copies.AskAsync(shardId, demand).WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is ShardUnavailableException or OverloadedException or ObjectDisposedException or OutcomeUnknownException)
        {
            return null;
        }
    }
}

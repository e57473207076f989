using Tidemark.Replication.KeyValue;
using Tidemark.Replication.Remote;
using Tidemark.Replication.Wire;

namespace Tidemark.Replication.Nodes;

/// <summary>Asks for a node's own programs: the replica here where this node keeps the shard, else the nodes that do, whoever leads first.</summary>
/// <remarks>Safe for concurrent calls.</remarks>
#pragma warning disable CA1001 // Nobody asks the semaphores for a wait handle, so there is nothing to dispose of.
internal sealed class NodeCalls(INodeRuns runs, LocalNamespace space, TimeProvider time, TimeSpan operationTimeout, TimeSpan answerPatience)
    : StoreCalls(time, operationTimeout, answerPatience)
#pragma warning restore CA1001
{
    private const int MostUnderWay = 1_024;   // Of what is asked of other nodes; a node allows each of them more.

    private readonly TimeProvider _time = time;
    private readonly SemaphoreSlim _operations = new(MostUnderWay), _watches = new(MostUnderWay);

    protected override bool IsClosed => space.Shards[0].IsClosed;

    protected override int Width => 1;   // Who says that it does not keep a shard knows more of the cluster's status than this node: that comes here too.

    protected override async Task<(StoreAnswer? Answer, int Turn)> TryAsync(StoreRequest request, int turn, bool isPatient, CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(IsClosed, typeof(TidemarkNode));
        if (runs.Current is not { } run) return (Unavailable("The node's replicas are being opened again."), turn);
        // Where a watch begins its leader says: the same way as writes go, so that it is told before them.
        bool isAskedHere = run.Kept(request.Shard) is not null || request is WatchRequest { After: null };
        if (isAskedHere) return (await AskHereAsync(run, request, cancellationToken).ConfigureAwait(false), turn);

        SemaphoreSlim slots = isPatient ? _watches : _operations;
        await slots.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            return await SendAsync(run.StoreDesk, run.OtherKeepersOf(request.Shard), run.Status.Cluster, request, turn, cancellationToken).ConfigureAwait(false)
                ?? (Unavailable($"No node that keeps shard {request.Shard} could be reached."), turn);
        }
        finally
        {
            slots.Release();
        }
    }

    /// <returns>Null for none in time: the shard may have been moved meanwhile.</returns>
    private async Task<StoreAnswer?> AskHereAsync(NodeRun run, StoreRequest request, CancellationToken cancellationToken)
    {
        using var deadline = new Deadline(Patience, _time, cancellationToken);
        try
        {
            return await run.Operations.RunAsync(request, Patience, deadline.Token).ConfigureAwait(false);
        }
        catch (ShardUnavailableException e)
        {
            return new StoreAnswer(RequestOutcome.Unavailable, e.Leader, e.Message, null);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return null;
        }
    }
}

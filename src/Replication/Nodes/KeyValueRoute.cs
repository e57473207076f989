using Tidemark.Core.KeyValue;
using Tidemark.Replication.KeyValue;
using Tidemark.Replication.Wire;

namespace Tidemark.Replication.Nodes;

/// <summary>The way from this node's programs to a shard of the namespace.</summary>
internal sealed class KeyValueRoute(long shard, INodeRuns runs, TimeProvider time, TimeSpan patience) : NodeRoute(shard, runs, time, patience), IShardRoute
{
    public KvMachine Machine => (KvMachine)Here.Machine;

    public async Task<long> WatchFromAsync()
    {
        long? here = Replica is { } replica ? Math.Max(replica.Shown, LastTold) : null;
        long deadline = here is null ? DeadlineFromNow() : Now;   // Once: a later answer would leave out what was written before it.
        try
        {
            return (await AskToReadAsync(deadline, TimeSpan.Zero, CancellationToken.None).ConfigureAwait(false)).Offset;
        }
        catch (ShardUnavailableException) when (here is not null)
        {
            return here.Value;
        }
    }

    /// <summary>Asks for the newest entry: all that was acknowledged before the call is up to it.</summary>
    /// <exception cref="ShardUnavailableException">No leader could be reached that knows.</exception>
    internal Task<StatePosition> FindEndAsync(CancellationToken cancellationToken) => AskToReadAsync(DeadlineFromNow(), TimeSpan.Zero, cancellationToken);

    public Task<bool> KeepAliveAsync(Guid session) => AskLeaderAsync<bool>(
        new RouteRequest(RouteKind.KeepAlive, ShardId, 0, 0, default, session.ToByteArray(bigEndian: true)),
        (replica, ended) => replica.Host.KeepAlive(session, (isAlive, unknown) => ended(unknown is null ? isAlive : null, unknown)),
        static answer => answer.Outcome switch
        {
            RequestOutcome.Done => true,
            RequestOutcome.SessionIsOver => false,
            _ => null,
        },
        DeadlineFromNow(), "a keep-alive", CancellationToken.None);
}

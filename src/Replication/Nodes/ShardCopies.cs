using Tidemark.Core.KeyValue;
using Tidemark.Core.Replication;
using Tidemark.Replication.Archive;
using Tidemark.Replication.KeyValue;
using Tidemark.Replication.Wire;
using Tidemark.Storage.Snapshots;

namespace Tidemark.Replication.Nodes;

/// <summary>Copies shards from this node's replicas to the archive, whoever asks: one after the other. What is committed and applied is copied, so any replica may; two that copy a shard at once do no harm.</summary>
internal sealed class ShardCopies : IAsyncDisposable
{
    private static readonly TimeSpan _longestPatience = TimeSpan.FromSeconds(1);

    private readonly INodeRuns _runs;
    private readonly LocalNamespace _space;
    private readonly IArchive _archive;
    private readonly ShardCopier _copier;
    private readonly TimeProvider _time;
    private readonly TimeSpan _patience;   // How long who asks is let wait for the end.
    private readonly Lock _gate = new();
    private readonly Dictionary<long, Task<CopyAnswer>> _copying = [];   // The last of each shard.
    private readonly Dictionary<long, Known> _known = [];
    private readonly SemaphoreSlim _turn = new(1);
    private readonly CancellationTokenSource _closing = new();
    private volatile string? _failure;
    private bool _isClosed;

    internal ShardCopies(INodeRuns runs, LocalNamespace space, ShardCopier copier, TidemarkNodeOptions options)
    {
        (_runs, _space, _copier, _archive, _time) = (runs, space, copier, options.Archive!.Archive, options.TimeProvider);
        _patience = options.AnswerPatience / 2 < _longestPatience ? options.AnswerPatience / 2 : _longestPatience;
    }

    /// <summary>Any thread: why the last copy went wrong here; null where it did not, or all shards were copied since.</summary>
    internal string? Failure => _failure;

    /// <summary>Any thread: all shards were copied, whoever leads them.</summary>
    internal void AllCopied() => _failure = null;

    /// <summary>Looks, once, whether the archive is this cluster's.</summary>
    internal required Func<NodeRun, CancellationToken, Task> RequireOwnAsync { get; init; }

    /// <summary>Any thread: copies a shard, or says that this takes longer. Who asks then asks again, and is told of what came of it.</summary>
    /// <exception cref="ShardUnavailableException">This node does not keep the shard, or not any more.</exception>
    internal async Task<CopyAnswer> AskAsync(long shardId, CopyDemand demand)
    {
        Task<CopyAnswer>? copying;
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isClosed, typeof(TidemarkNode));
            if (!_copying.TryGetValue(shardId, out copying) || (copying.IsCompleted && !Answers(copying, demand))) _copying[shardId] = copying = Task.Run(() => CopyAsync(shardId, demand));
        }

        await ((Task)copying).WaitAsync(_patience, _time).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (!copying.IsCompleted) return new CopyAnswer(CopyState.UnderWay, 0, default, 0);
        try
        {
            return await copying.ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            throw new ObjectDisposedException(nameof(TidemarkNode));
        }
    }

    /// <summary>The archive has entries that the cluster has not.</summary>
    internal static FormatMismatchException SetBack(IArchive archive, long shardId, long newest, long next) =>
        new(archive.ToString()!, $"an archive of this cluster, whose shard {shardId} goes up to entry {newest}", $"one with entry {next - 1}: the cluster was set back, and needs another");

    public async ValueTask DisposeAsync()
    {
        Task[] copying;
        lock (_gate)
        {
            _isClosed = true;
            copying = [.. _copying.Values];
        }

        await _closing.CancelAsync().ConfigureAwait(false);
        await Task.WhenAll(copying).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);   // How they ended, who asked hears.
        _closing.Dispose();
    }

    /// <summary>Whether a copy that has ended, perhaps while who asks paused, has what is demanded.</summary>
    private static bool Answers(Task<CopyAnswer> copied, CopyDemand demand) => copied is { IsCompletedSuccessfully: true, Result: { State: CopyState.Copied } answer } && answer.End.Timestamp > demand.After;

    private async Task<CopyAnswer> CopyAsync(long shardId, CopyDemand demand)
    {
        await _turn.WaitAsync(_closing.Token).ConfigureAwait(false);
        try
        {
            NodeRun run = _runs.Current ?? throw Unavailable(shardId, "is between two runs");
            ReplicaHost replica = run.Kept(shardId) ?? throw Unavailable(shardId, "does not keep it");
            try
            {
                CopyAnswer answer = await CopyAsync(run, replica, _space.Shards.First(shard => shard.Id == shardId), demand).ConfigureAwait(false);
                _failure = null;
                return answer;
            }
            catch (Exception e) when (e is StoreFailedException || (e is not OperationCanceledException && (_runs.Current != run || run.Kept(shardId) != replica)))
            {
                throw Unavailable(shardId, $"was to copy it and could not go on, {e.Message}");
            }
        }
        catch (Exception e)
        {
            _known.Remove(shardId);   // What came of it shows in the archive.
            if (e is not (OperationCanceledException or ShardUnavailableException)) _failure = e.Message;
            throw;
        }
        finally
        {
            _turn.Release();
        }
    }

    private async Task<CopyAnswer> CopyAsync(NodeRun run, ReplicaHost replica, LocalShard shard, CopyDemand demand)
    {
        CancellationToken closing = _closing.Token;
        await RequireOwnAsync(run, closing).ConfigureAwait(false);
        ArchivedShard there = await LookAsync(replica, closing).ConfigureAwait(false);

        // A new entry, later than all that the archive has, and than what others have: which is so where this node leads.
        run.Clock.Adopt(demand.After);
        await shard.CommandAsync(KvCommand.None, static _ => { }, closing).ConfigureAwait(false);
        long newest = await shard.ReadyToReadAsync(ReadLevel.Linearizable, closing).ConfigureAwait(false);
        if (newest < there.Next) throw SetBack(_archive, shard.Id, newest, there.Next);

        var identity = new SnapshotIdentity(run.Status.Cluster, shard.Id, KvMachine.Number);
        if (await _copier.CopyAsync(identity, replica.Host, shard.Open, there, demand.MayMiss, closing).ConfigureAwait(false) is { } copied) return new CopyAnswer(CopyState.Copied, copied.First, copied.End, copied.LastCommand);
        _known.Remove(shard.Id);
        return new CopyAnswer(CopyState.WouldMiss, 0, default, 0);
    }

    /// <summary>What the archive has of a shard. As long as a replica leads without a break, it is who adds to it.</summary>
    private async Task<ArchivedShard> LookAsync(ReplicaHost replica, CancellationToken cancellationToken)
    {
        long? term = replica.Host is { Leads: true, Glance: { } glance } ? glance.Term : null;
        if (_known.GetValueOrDefault(replica.ShardId) is { } known && known.Replica == replica && known.Term == term) return known.There;
        ArchivedShard there = await _archive.ListShardAsync(replica.ShardId, cancellationToken).ConfigureAwait(false);
        if (term is { } led) _known[replica.ShardId] = new Known(replica, led, there);
        else _known.Remove(replica.ShardId);
        return there;
    }

    private ShardUnavailableException Unavailable(long shardId, string why) => new(shardId, $"Shard {shardId}: node {_runs.Node} {why}.", ShardStatus.Nobody);

    private sealed record Known(ReplicaHost Replica, long Term, ArchivedShard There);
}

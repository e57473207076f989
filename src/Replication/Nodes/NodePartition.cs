using Tidemark.Core.Topics;
using Tidemark.Replication.Cluster;
using Tidemark.Replication.Remote;
using Tidemark.Replication.Shards;
using Tidemark.Replication.Topics;

namespace Tidemark.Replication.Nodes;

/// <summary>A partition as a node's own programs see it: what changes it goes to whoever leads its shard; it is read here where this node keeps it, and else by another.</summary>
internal sealed class NodePartition(ClusterPartition place, NodeRoute route, PartitionCalls others, ProposalPool proposals, TimeProvider time) : ShardPartition(place.Number, proposals, time)
{
    private static readonly TimeSpan _longestLook = TimeSpan.FromMilliseconds(500);   // A replica that others keep by now changes no more.

    private volatile bool _isClosed;

    /// <summary>The name of its topic.</summary>
    internal string Topic => place.Topic.Name;

    internal long ShardId => route.ShardId;

    private PartitionReads? Here => route.Replica?.Reads;

    internal override async ValueTask<TopicPage> ReadAsync(TopicPosition from, TopicReadOptions options, CancellationToken cancellationToken) =>
        await TryReadAsync(from, options, cancellationToken).ConfigureAwait(false) ?? await others.ReadAsync(from, options, cancellationToken).ConfigureAwait(false);

    internal override async ValueTask WaitAsync(long offset, CancellationToken cancellationToken)
    {
        while (await TryWaitAsync(offset, cancellationToken).ConfigureAwait(false) is not true && !await AskToWaitAsync(offset, cancellationToken).ConfigureAwait(false))
        {
        }
    }

    internal override async ValueTask<PartitionInfo> DescribeAsync(ReadLevel level, CancellationToken cancellationToken) => await TryDescribeAsync(level, cancellationToken).ConfigureAwait(false) is { } bounds
        ? new PartitionInfo(Number, bounds.Start, bounds.End, bounds.Timestamp)
        : await others.DescribeAsync(level, cancellationToken).ConfigureAwait(false);

    internal override async ValueTask TrimAsync(long before, CancellationToken cancellationToken)
    {
        if (!await TryTrimAsync(before, cancellationToken).ConfigureAwait(false)) await others.TrimAsync(before, cancellationToken).ConfigureAwait(false);
    }

    internal override ValueTask ReleaseAsync(long before, CancellationToken cancellationToken) =>
        Here is { } here && before <= here.Bounds.Released ? ValueTask.CompletedTask : base.ReleaseAsync(before, cancellationToken);   // It never falls: a replica that is behind only says too little.

    /// <summary>Reads a page of the replica here.</summary>
    /// <returns>Null where this node keeps none.</returns>
    internal ValueTask<TopicPage?> TryReadAsync(TopicPosition from, TopicReadOptions options, CancellationToken cancellationToken) =>
        TryLookAsync(options.Level, here => here.Read(from, options), cancellationToken);

    /// <summary>Waits for the replica here to end behind an offset.</summary>
    /// <returns>True once it does; null where this node keeps none, or no more.</returns>
    internal async ValueTask<bool?> TryWaitAsync(long offset, CancellationToken cancellationToken)
    {
        while (true)
        {
            Task changed = route.Changed;
            ObjectDisposedException.ThrowIf(_isClosed, typeof(Topic));
            if (Here is not { } here) return null;
            if (here.Bounds.End > offset) return true;
            await Task.WhenAny(changed, Task.Delay(_longestLook, Time, cancellationToken)).ConfigureAwait(false);
            cancellationToken.ThrowIfCancellationRequested();
        }
    }

    /// <summary>Says where the partition begins and ends by the replica here.</summary>
    /// <returns>Null where this node keeps none.</returns>
    internal ValueTask<TopicBounds?> TryDescribeAsync(ReadLevel level, CancellationToken cancellationToken) => TryLookAsync(level, static here => here.Bounds, cancellationToken);

    /// <summary>Lets messages go, of which the replica here says where they are.</summary>
    /// <returns>False where this node keeps none.</returns>
    internal async ValueTask<bool> TryTrimAsync(long before, CancellationToken cancellationToken)
    {
        if (await TryLookAsync(ReadLevel.Linearizable, here => here.TrimCommand(before) ?? [], cancellationToken).ConfigureAwait(false) is not { } command) return false;
        if (command.Length > 0) await CommandAsync(TopicCommand.Trim, command, cancellationToken).ConfigureAwait(false);
        return true;
    }

    /// <summary>The state here has changed, or it is not here any more.</summary>
    internal void Signal() => route.Signal();

    /// <summary>Nothing begins any more, and what waits ends.</summary>
    internal void Close()
    {
        _isClosed = true;
        route.Close();
    }

    protected override bool IsReplicated => true;

    protected override void Send(Proposal proposal)
    {
        ObjectDisposedException.ThrowIf(_isClosed, typeof(Topic));
        route.Submit(proposal);
    }

    private async Task<bool> AskToWaitAsync(long offset, CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_isClosed, typeof(Topic));
        return Here is null && await others.WaitAsync(offset, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Looks at the replica here, once it shows what the level asks for.</summary>
    private async ValueTask<T?> TryLookAsync<T>(ReadLevel level, Func<PartitionReads, T> look, CancellationToken cancellationToken)
        where T : class
    {
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            ObjectDisposedException.ThrowIf(_isClosed, typeof(Topic));
            if (Here is not { } here) return null;
            try
            {
                await route.ReadyToReadAsync(level, cancellationToken).ConfigureAwait(false);
                return look(here);
            }
            catch (Exception e) when (e is not OperationCanceledException && Here != here)
            {
                // Another log took the place of the one that was read, or this node keeps none any more.
            }
        }
    }
}

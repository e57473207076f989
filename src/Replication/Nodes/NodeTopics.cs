using System.Collections.Concurrent;

using Tidemark.Core.Replication;
using Tidemark.Replication.Cluster;
using Tidemark.Replication.Consumers;
using Tidemark.Replication.Remote;
using Tidemark.Replication.Shards;
using Tidemark.Replication.Topics;
using Tidemark.Replication.Wire;

namespace Tidemark.Replication.Nodes;

/// <summary>The topics of a cluster as one of its nodes has them, in all its runs.</summary>
internal sealed class NodeTopics(INodeRuns runs, TidemarkNodeOptions options, IShardReads reads, KeyValueStore store)
    : ClusterTopics<NodePartition>(
        options.TimeProvider, options.OperationTimeout, TidemarkNodeOptions.NewId, (topic, cancellationToken) => ConsumerRows.ForgetTopicAsync(store, topic, cancellationToken))
{
    private readonly ProposalPool _proposals = new();
    private readonly ConcurrentDictionary<long, NodePartition> _partitions = new();
    private readonly ChangeSignal _changed = new();

    /// <summary>Completes when topics are others. Take it before looking.</summary>
    internal Task Changed => _changed.Next;

    /// <summary>The status is this one.</summary>
    internal void Follow(ClusterStatus status)
    {
        long before = Changes;
        Follow(status.TopicChanges, status.Topics.Values);
        foreach (NodePartition partition in _partitions.Values) partition.Signal();   // This node may keep the shard now, or no more.
        if (Changes != before) _changed.Raise();
    }

    /// <summary>Any thread: the state of a shard here has changed.</summary>
    internal void Published(long shard) => _partitions.GetValueOrDefault(shard)?.Signal();

    /// <summary>The topic that a shard is a partition of, and the partition; null where it is none.</summary>
    internal (Topic Topic, NodePartition Partition)? FindShard(long shard) =>
        _partitions.TryGetValue(shard, out NodePartition? partition) && Find(partition.Topic) is { } topic ? (topic, partition) : null;

    /// <summary>All topics, for somebody else.</summary>
    internal TopicsBody List() => new(Changes, Entries);

    /// <summary>Does what somebody wants, unless it is done already.</summary>
    internal Task DoAsync(TopicChange change, CancellationToken cancellationToken) => ChangeAsync(change, cancellationToken);

    protected override async Task ChangeAsync(TopicChange change, CancellationToken cancellationToken)
    {
        bool isBegun = false;
        for (long began = options.TimeProvider.GetTimestamp(); ;)
        {
            try
            {
                if (runs.Current is { } run)
                {
                    RequireRoom(run, change);
                    if (await run.TryRewriteAsync((status, isUp) => Noted(Apply(change, status, isUp)), cancellationToken).ConfigureAwait(false)) return;
                }
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                // The run is over: another may go on.
            }

            ObjectDisposedException.ThrowIf(runs.IsEnded, typeof(TidemarkNode));
            if (options.TimeProvider.GetElapsedTime(began) >= options.OperationTimeout)
                throw isBegun ? new OutcomeUnknownException("The status store did not answer. Whether the topics were changed shows there.") : Unreached();
            await Task.Delay(options.Heartbeat, options.TimeProvider, cancellationToken).ConfigureAwait(false);
        }

        ClusterStatus? Noted(ClusterStatus? next)
        {
            isBegun |= next is not null;
            return next;
        }
    }

    protected override Task LookAsync(CancellationToken cancellationToken) => Task.CompletedTask;   // A node hears of every change.

    protected override NodePartition Open(ClusterPartition place)
    {
        var route = new NodeRoute(place.Shard, runs, options.TimeProvider, options.OperationTimeout);
        return _partitions[place.Shard] = new NodePartition(place, route, new PartitionCalls(place.Shard, place.Number, reads), _proposals, options.TimeProvider);
    }

    protected override void Close(NodePartition partition)
    {
        partition.Close();
        _partitions.TryRemove(partition.ShardId, out _);
    }

    /// <summary>The status as it shall be; null where it is so.</summary>
    internal static ClusterStatus? Apply(TopicChange change, ClusterStatus status, Func<int, bool> isUp)
    {
        ClusterTopic? topic = status.Topics.GetValueOrDefault(change.Name);
        return change switch
        {
            CreateTopic create => topic?.Id == create.Id ? null : status.WithTopic(create.Name, create.Id, create.Options, isUp),
            ChangeTopic settings => topic?.Options == settings.Options ? null : status.WithTopicOptions(settings.Name, settings.Options, isUp),
            DeleteTopic delete when topic?.Id == delete.Id => status.WithoutTopic(delete.Name),
            _ => null,
        };
    }

    private static void RequireRoom(NodeRun run, TopicChange change)
    {
        TopicOptions? wanted = change is CreateTopic create ? create.Options : (change as ChangeTopic)?.Options;
        if (wanted is not null) run.RequireRoom(wanted.MaxBatchBytes);
    }

    private static ShardUnavailableException Unreached() => new(DescribeRequest.NoShard, "The status store could not be reached, or others write there all the time. Nothing was changed.", ShardStatus.Nobody);
}

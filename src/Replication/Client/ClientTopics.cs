using Tidemark.Replication.Cluster;
using Tidemark.Replication.Consumers;
using Tidemark.Replication.Shards;
using Tidemark.Replication.Topics;
using Tidemark.Replication.Wire;

namespace Tidemark.Replication.Client;

/// <summary>The topics of a cluster for a process that is no member: it asks for them once, and is told of each change.</summary>
internal sealed class ClientTopics : ClusterTopics<ClientPartition>
{
    private static readonly TimeSpan _pause = TimeSpan.FromSeconds(1);

    private readonly MemberCalls _calls;
    private readonly TimeProvider _time;
    private readonly ProposalPool _proposals;

    private ClientTopics(MemberCalls calls, KeyValueStore store, ProposalPool proposals, TidemarkClientOptions options)
        : base(options.TimeProvider, options.OperationTimeout, TidemarkNodeOptions.NewId, (topic, cancellationToken) => ConsumerRows.ForgetTopicAsync(store, topic, cancellationToken)) => (_calls, _proposals, _time) = (calls, proposals, options.TimeProvider);

    /// <summary>Asks for the topics there are.</summary>
    internal static async Task<ClientTopics> OpenAsync(MemberCalls calls, KeyValueStore store, ProposalPool proposals, TidemarkClientOptions options, CancellationToken cancellationToken)
    {
        var topics = new ClientTopics(calls, store, proposals, options);
        await topics.LookAsync(cancellationToken).ConfigureAwait(false);
        _ = Task.Run(topics.FollowAsync, CancellationToken.None);
        return topics;
    }

    protected override async Task ChangeAsync(TopicChange change, CancellationToken cancellationToken)
    {
        await _calls.ReadAsync(change, cancellationToken).ConfigureAwait(false);
        await LookAsync(cancellationToken).ConfigureAwait(false);   // Of the one that did it, as a rule: sooner than it is told.
    }

    protected override async Task LookAsync(CancellationToken cancellationToken) =>
        Follow(await _calls.ReadAsync(new TopicsRequest(Known: -1), cancellationToken).ConfigureAwait(false));

    protected override ClientPartition Open(ClusterPartition place) => new(place.Number, place.Shard, _calls, _proposals, _time);

    protected override void Close(ClientPartition partition) => partition.Dispose();

    /// <summary>Is told of each change, until the client is closed.</summary>
    private async Task FollowAsync()
    {
        while (true)
        {
            try
            {
                if (await _calls.WatchAsync(new TopicsRequest(Changes), CancellationToken.None).ConfigureAwait(false) is not { } found) return;
                Follow(found);
            }
            catch (Exception e) when (e is TidemarkException or ArgumentException)
            {
                await Task.Delay(_pause, _time).ConfigureAwait(false);   // Whoever was asked refuses; another may not.
            }
        }
    }

    private void Follow(TopicsBody found) => Follow(found.Changes, found.Topics);
}

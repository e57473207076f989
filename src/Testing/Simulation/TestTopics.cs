using Tidemark.Core.Topics;
using Tidemark.Replication.Cluster;
using Tidemark.Replication.Consumers;
using Tidemark.Replication.Shards;
using Tidemark.Replication.Topics;
using Tidemark.Replication.Wire;

namespace Tidemark.Testing.Simulation;

/// <summary>The topics of a test's cluster. A change advances virtual time until the status store has it.</summary>
internal sealed class TestTopics(TestCluster test, TestRoute route, TimeProvider time, Func<Guid> newId, TimeSpan patience)
    : ClusterTopics<TestPartition>(time, patience, newId, (topic, cancellationToken) => ConsumerRows.ForgetTopicAsync(test.Store, topic, cancellationToken))
{
    private readonly TimeProvider _time = time;
    private readonly ProposalPool _proposals = new();

    protected override Task ChangeAsync(TopicChange change, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        ClusterStatus status = test.Change(change);
        Follow(status.TopicChanges, status.Topics.Values);
        return Task.CompletedTask;
    }

    protected override Task LookAsync(CancellationToken cancellationToken) => Task.CompletedTask;   // Nobody else changes them.

    protected override TestPartition Open(ClusterPartition place) => new(place, test, route, _proposals, _time);

    protected override void Close(TestPartition partition) => partition.Close();
}

/// <summary>The way from a test to a partition. An operation advances virtual time until it is answered, on the caller's thread.</summary>
internal sealed class TestPartition(ClusterPartition place, TestCluster test, TestRoute route, ProposalPool proposals, TimeProvider time) : ShardPartition(place.Number, proposals, time)
{
    private volatile bool _isClosed;

    internal void Close() => _isClosed = true;

    internal override ValueTask<TopicPage> ReadAsync(TopicPosition from, TopicReadOptions options, CancellationToken cancellationToken) =>
        new(Look(options.Level, here => here.Read(from, options)));

    /// <summary>Advances time as far as a look takes, and no further: what is waited for, somebody else appends. A look at any replica would not do: one that is behind stays so while time stands still.</summary>
    internal override async ValueTask WaitAsync(long offset, CancellationToken cancellationToken)
    {
        while (true)
        {
            Task changed = route.Changed;
            if (Look(ReadLevel.Linearizable, static here => here.Bounds).End > offset) return;
            await changed.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    internal override ValueTask<PartitionInfo> DescribeAsync(ReadLevel level, CancellationToken cancellationToken)
    {
        TopicBounds bounds = Look(level, static here => here.Bounds);
        return new ValueTask<PartitionInfo>(new PartitionInfo(Number, bounds.Start, bounds.End, bounds.Timestamp));
    }

    internal override async ValueTask TrimAsync(long before, CancellationToken cancellationToken)
    {
        if (Look(ReadLevel.Linearizable, here => here.TrimCommand(before) ?? []) is { Length: > 0 } command) await CommandAsync(TopicCommand.Trim, command, cancellationToken).ConfigureAwait(false);
    }

    protected override bool IsReplicated => true;

    protected override void Send(Proposal proposal)
    {
        ObjectDisposedException.ThrowIf(_isClosed, typeof(Topic));
        test.Submit(place.Shard, proposal);
    }

    private T Look<T>(ReadLevel level, Func<PartitionReads, T> look)
    {
        ObjectDisposedException.ThrowIf(_isClosed, typeof(Topic));
        return test.Look(place.Shard, level, replica => look(replica.Reads!));
    }
}

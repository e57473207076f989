using Tidemark.Replication.Remote;
using Tidemark.Replication.Shards;
using Tidemark.Replication.Topics;

namespace Tidemark.Replication.Client;

/// <summary>A partition that other processes keep.</summary>
internal sealed class ClientPartition(int number, long shard, MemberCalls calls, ProposalPool proposals, TimeProvider time)
    : ShardPartition(number, proposals, time), IDisposable
{
    private readonly PartitionCalls _members = new(shard, number, calls);
    private readonly CancellationTokenSource _closing = new();

    internal override async ValueTask<TopicPage> ReadAsync(TopicPosition from, TopicReadOptions options, CancellationToken cancellationToken)
    {
        ThrowIfClosed();
        return await _members.ReadAsync(from, options, cancellationToken).ConfigureAwait(false);
    }

    internal override async ValueTask WaitAsync(long offset, CancellationToken cancellationToken)
    {
        ThrowIfClosed();
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _closing.Token);
        try
        {
            while (!await _members.WaitAsync(offset, either.Token).ConfigureAwait(false))
            {
            }
        }
        catch (Exception) when (_closing.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new ObjectDisposedException(nameof(Topic));
        }
    }

    internal override async ValueTask<PartitionInfo> DescribeAsync(ReadLevel level, CancellationToken cancellationToken)
    {
        ThrowIfClosed();
        return await _members.DescribeAsync(level, cancellationToken).ConfigureAwait(false);
    }

    internal override async ValueTask TrimAsync(long before, CancellationToken cancellationToken)
    {
        ThrowIfClosed();
        await _members.TrimAsync(before, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Nothing begins any more, and what waits ends.</summary>
    public void Dispose()
    {
        _closing.Cancel();
        _closing.Dispose();
    }

    protected override bool IsReplicated => true;

    protected override void Send(Proposal proposal)
    {
        ThrowIfClosed();
        _ = calls.SubmitAsync(shard, proposal);
    }

    private void ThrowIfClosed() => ObjectDisposedException.ThrowIf(_closing.IsCancellationRequested, typeof(Topic));
}

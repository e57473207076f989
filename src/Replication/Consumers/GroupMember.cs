using Tidemark.Replication.Consumers;

namespace Tidemark;

/// <summary>A consumer that shares the partitions of a topic with the other members of its group. Made by <see cref="ConsumerGroup.JoinAsync"/>.</summary>
/// <remarks>
/// Partitions come and go while it consumes; those that stay are read on without a break. Where its session is lost it stops reading at once, says so by <see cref="GroupOptions.Lost"/>, and joins
/// again as a new member. Disposing it stores what was done and leaves the group. docs/consumers.md.
/// </remarks>
public sealed class GroupMember : MessageConsumer
{
    private static readonly TimeSpan _pause = TimeSpan.FromMilliseconds(500);   // Before it is tried again to join.

    private readonly KeyValueStore _store;
    private readonly GroupOptions _options;
    private readonly CancellationTokenSource _leaving = new();
    private Membership? _membership;
    private Task _running = Task.CompletedTask;

    internal GroupMember(KeyValueStore store, Topic topic, string name, GroupOptions options)
        : base(new ConsumerRows(store, topic, name), options) => (_store, _options) = (store, options);

    /// <summary>Its id in the group. Another after its session was lost.</summary>
    public Guid Id => _membership?.Id ?? default;

    internal async ValueTask JoinAsync(CancellationToken cancellationToken)
    {
        Membership first = await EnterAsync(cancellationToken).ConfigureAwait(false);
        _running = RunAsync(first);
    }

    private protected override ValueTask PrepareAsync(CancellationToken cancellationToken) => ValueTask.CompletedTask;

    private protected override ValueTask<PartitionClaim?> ClaimAsync(int partition, CancellationToken cancellationToken) => new((PartitionClaim?)null);

    private protected override ValueTask LookAsync()
    {
        _membership?.Look();
        return ValueTask.CompletedTask;
    }

    private protected override async ValueTask EndAsync()
    {
        _leaving.Cancel();
        await _running.ConfigureAwait(false);
        _leaving.Dispose();
    }

    private async Task RunAsync(Membership membership)
    {
        try
        {
            while (true)
            {
                await using (membership.ConfigureAwait(false)) await membership.FollowAsync(_leaving.Token).ConfigureAwait(false);
                membership = await EnterAgainAsync().ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (_leaving.IsCancellationRequested)
        {
            // It was left.
        }
        catch (Exception e)
        {
            Queue.Complete(e);   // Who consumes is told.
        }
    }

    private async ValueTask<Membership> EnterAsync(CancellationToken cancellationToken)
    {
        StoreSession session = await _store.OpenSessionAsync(new SessionOptions { Timeout = _options.SessionTimeout, Identity = _options.Identity }, cancellationToken).ConfigureAwait(false);
        var membership = new Membership(Rows, Queue, _options, session, ResolveAsync, Logger);
        try
        {
            await membership.EnterAsync(cancellationToken).ConfigureAwait(false);
            return _membership = membership;
        }
        catch
        {
            await membership.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    private async ValueTask<Membership> EnterAgainAsync()
    {
        while (true)
        {
            try
            {
                return await EnterAsync(_leaving.Token).ConfigureAwait(false);
            }
            catch (TidemarkException e) when (e.IsTransient || e is OutcomeUnknownException or WriteRefusedException)
            {
                ConsumerMessages.NotFollowed(Logger, Topic.Name, Name, e);
            }

            await _options.TimeProvider.PauseAsync(_pause, _leaving.Token).ConfigureAwait(false);
        }
    }
}

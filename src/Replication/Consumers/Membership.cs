using System.Collections.Concurrent;
using System.Threading.Channels;

using Microsoft.Extensions.Logging;

using Tidemark.Core.Topics;

namespace Tidemark.Replication.Consumers;

/// <summary>One life of a member in its group, from the opening of its session to its end: sees who is there, has partitions shared out anew where that must be, and follows what was decided.</summary>
/// <remarks>
/// One loop does it, woken by changes of the group's records. Any member may change the assignment: the record's version lets one of several that try at once through, and the others look again.
/// What a partition that is given up still waits for goes on beside the loop.
/// </remarks>
internal sealed class Membership : IAsyncDisposable
{
    private static readonly TimeSpan _pause = TimeSpan.FromMilliseconds(200);   // Before it is looked again where the store could not be asked.

    private readonly ConsumerRows _rows;
    private readonly ConsumerQueue _queue;
    private readonly GroupOptions _options;
    private readonly StoreSession _session;
    private readonly Func<int, TopicPosition, CancellationToken, ValueTask<long>> _resolve;
    private readonly ILogger _logger;
    private readonly Channel<bool> _wakes;
    private readonly Dictionary<int, Task> _leaving = [];
    private readonly ConcurrentQueue<PartitionFeed> _left = new();   // Of those, what nothing is waited for any more.
    private readonly CancellationTokenSource _ended;
    private Task _watching = Task.CompletedTask;

    internal Membership(
        ConsumerRows rows, ConsumerQueue queue, GroupOptions options, StoreSession session, Func<int, TopicPosition, CancellationToken, ValueTask<long>> resolve, ILogger logger)
    {
        (_rows, _queue, _options, _session, _resolve, _logger) = (rows, queue, options, session, resolve, logger);
        _wakes = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite, AllowSynchronousContinuations = options.ContinuesInline });   // Two wakes at once are one.
        _ended = CancellationTokenSource.CreateLinkedTokenSource(session.Lost);
        Id = session.Id;
    }

    internal Guid Id { get; }

    /// <summary>Becomes a member that others see.</summary>
    internal async ValueTask EnterAsync(CancellationToken cancellationToken)
    {
        await _rows.Topic.DescribeAsync(0, ReadLevel.Local, cancellationToken).ConfigureAwait(false);   // One that was deleted has no members.
        IAsyncEnumerable<StoreEvent> changes = _rows.WatchGroupAsync(_ended.Token);   // Begun before the first look.
        await _rows.TryPutAsync(_rows.MemberKey(Id), default, expectedVersion: 0, _session, cancellationToken).ConfigureAwait(false);
        _watching = WatchAsync(changes);
        Look();
    }

    /// <summary>Has the loop look at the group once more.</summary>
    internal void Look() => _wakes.Writer.TryWrite(true);

    /// <summary>Follows the group until the session is lost. Where the member is to leave, what was done is stored first.</summary>
    internal async Task FollowAsync(CancellationToken leave)
    {
        // At once, whatever the loop is waiting for: from here on another may read.
        using CancellationTokenRegistration atLoss = _session.Lost.UnsafeRegister(static queue => EndAll((ConsumerQueue)queue!), _queue);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(_ended.Token, leave);
        try
        {
            while (true)
            {
                await _wakes.Reader.ReadAsync(either.Token).ConfigureAwait(false);
                try
                {
                    if (!await StepAsync(either.Token).ConfigureAwait(false)) return;
                }
                catch (TidemarkException e) when (e.IsTransient || e is OutcomeUnknownException)
                {
                    ConsumerMessages.NotFollowed(_logger, _rows.Topic.Name, _rows.Consumer, e);
                    await _options.TimeProvider.PauseAsync(_pause, either.Token).ConfigureAwait(false);
                    Look();
                }
            }
        }
        catch (OperationCanceledException) when (_session.Lost.IsCancellationRequested)
        {
            // The caller goes on with another session.
        }
        catch (OperationCanceledException) when (leave.IsCancellationRequested)
        {
            foreach (PartitionFeed feed in _queue.Feeds) _ = feed.LeaveAsync();
            await Task.WhenAll(_queue.Feeds.Select(feed => StoreLastAsync(feed, CancellationToken.None))).ConfigureAwait(false);
            Drop([.. _queue.Feeds], isLost: false);
            throw;
        }
        finally
        {
            Drop([.. _queue.Feeds], isLost: true);
        }
    }

    public async ValueTask DisposeAsync()
    {
        _ended.Cancel();
        await Task.WhenAll([_watching, .. _leaving.Values]).ConfigureAwait(false);
        _ended.Dispose();
        try
        {
            await _session.DisposeAsync().ConfigureAwait(false);
        }
        catch (TidemarkException e) when (e.IsTransient || e is OutcomeUnknownException)
        {
            ConsumerMessages.NotFollowed(_logger, _rows.Topic.Name, _rows.Consumer, e);   // It ends by its timeout.
        }
    }

    private static void EndAll(ConsumerQueue queue)
    {
        foreach (PartitionFeed feed in queue.Feeds) feed.End();
    }

    /// <summary>Looks at the group, decides, and follows.</summary>
    /// <returns>False where this is no member any more.</returns>
    private async ValueTask<bool> StepAsync(CancellationToken cancellationToken)
    {
        DropLeft();
        while (true)
        {
            (GroupAssignment known, long version, HashSet<Guid> members) = await ReadAsync(cancellationToken).ConfigureAwait(false);
            if (!members.Contains(Id)) return false;
            GroupAssignment next = GiveUp(known).Balance(members, _rows.Topic.Options.Partitions);
            if (next != known
                && await _rows.TryPutAsync(_rows.AssignmentKey, GroupAssignmentCodec.Write(next), version, session: null, cancellationToken).ConfigureAwait(false) is null)
                continue;   // Somebody else decided first.
            await ObeyAsync(next, cancellationToken).ConfigureAwait(false);
            return true;
        }
    }

    private async ValueTask<(GroupAssignment Assignment, long Version, HashSet<Guid> Members)> ReadAsync(CancellationToken cancellationToken)
    {
        (GroupAssignment Assignment, long Version, HashSet<Guid> Members) found = (GroupAssignment.Empty, 0, []);
        foreach (StoreRecord record in await _rows.ReadGroupAsync(cancellationToken).ConfigureAwait(false))
        {
            if (record.Key == _rows.AssignmentKey) (found.Assignment, found.Version) = (GroupAssignmentCodec.Read(record.Value.Span), record.Version);
            else if (_rows.MemberOf(record.Key) is { } member) found.Members.Add(member);
        }

        return found;
    }

    /// <summary>Gives up what is to go to others and is not read here.</summary>
    private GroupAssignment GiveUp(GroupAssignment known)
    {
        GroupAssignment next = known;
        for (int i = 0; i < known.Partitions.Length; i++)
            if (known.Partitions[i].Owner == Id && _queue.Find(i) is null) next = next.GiveUp(i, Id);
        return next;
    }

    /// <summary>Ends what is not this member's, begins to leave what is to go, and takes what is new.</summary>
    private async ValueTask ObeyAsync(GroupAssignment assignment, CancellationToken cancellationToken)
    {
        Drop([.. _queue.Feeds.Where(feed => !IsOwn(feed))], isLost: true);
        List<int> taken = [];
        int known = Math.Min(assignment.Partitions.Length, _rows.Topic.Options.Partitions);   // Another may have heard of more: those wait until they are known here.
        try
        {
            for (int i = 0; i < known; i++)
            {
                PartitionOwner partition = assignment.Partitions[i];
                if (partition.Owner != Id) continue;
                if (_queue.Find(i) is not { } feed)
                {
                    if (partition.Heir is null && await TakeAsync(i, partition.Version, cancellationToken).ConfigureAwait(false)) taken.Add(i);
                }
                else if (partition.Heir is not null && !_leaving.ContainsKey(i))
                {
                    _leaving[i] = LeaveAsync(feed);
                }
            }
        }
        finally
        {
            if (taken.Count > 0) Begin(taken);   // Also where the store could not be asked about the others.
        }

        bool IsOwn(PartitionFeed feed) => assignment.Partitions[feed.Partition] is { } partition && partition.Owner == Id && partition.Version == feed.Claim.Ownership;
    }

    private void Begin(List<int> taken)
    {
        ConsumerMessages.Assigned(_logger, _rows.Topic.Name, _rows.Consumer, Id, string.Join(", ", taken));
        _options.Assigned?.Invoke(taken);
        foreach (int partition in taken) _queue.Find(partition)?.Start();
    }

    private async ValueTask<bool> TakeAsync(int partition, long ownership, CancellationToken cancellationToken)
    {
        PartitionClaim? claim = await PartitionClaim.TryTakeAsync(
            _rows, partition, ownership, cancellation => _resolve(partition, _options.Start, cancellation), cancellationToken).ConfigureAwait(false);
        if (claim is null) return false;   // It has gone on to another already: a change of the assignment is on its way here.
        _queue.Add(claim);
        return true;
    }

    /// <summary>Hands out nothing more of a partition, waits for what is in hand, and stores what was done. The loop gives it up then.</summary>
    private async Task LeaveAsync(PartitionFeed feed)
    {
        try
        {
            await feed.LeaveAsync().WaitAsync(_options.RevocationTimeout, _options.TimeProvider, _ended.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is TimeoutException or OperationCanceledException)
        {
            // It goes all the same, and what is in hand is handled there too.
        }

        await StoreLastAsync(feed, _ended.Token).ConfigureAwait(false);
        _left.Enqueue(feed);   // Before the look, which may come before this task is over.
        Look();
    }

    private async Task StoreLastAsync(PartitionFeed feed, CancellationToken cancellationToken)
    {
        try
        {
            await _queue.StoreAsync(feed, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            if (!cancellationToken.IsCancellationRequested) ConsumerMessages.NotStored(_logger, _rows.Topic.Name, _rows.Consumer, feed.Partition, e);
        }
    }

    /// <summary>Forgets the partitions that nothing is waited for any more.</summary>
    private void DropLeft()
    {
        List<PartitionFeed> left = [];
        while (_left.TryDequeue(out PartitionFeed? feed))
        {
            _leaving.Remove(feed.Partition);
            if (_queue.Find(feed.Partition) == feed) left.Add(feed);
        }

        Drop([.. left], isLost: false);
    }

    private void Drop(PartitionFeed[] feeds, bool isLost)
    {
        if (feeds.Length == 0) return;
        foreach (PartitionFeed feed in feeds) _queue.Remove(feed);
        int[] partitions = [.. feeds.Select(feed => feed.Partition).Order()];
        string text = string.Join(", ", partitions);
        if (isLost) ConsumerMessages.Lost(_logger, _rows.Topic.Name, _rows.Consumer, Id, text);
        else ConsumerMessages.Revoked(_logger, _rows.Topic.Name, _rows.Consumer, Id, text);
        (isLost ? _options.Lost : _options.Revoked)?.Invoke(partitions);
    }

    private async Task WatchAsync(IAsyncEnumerable<StoreEvent>? changes)
    {
        while (true)
        {
            try
            {
                if (changes is null)
                {
                    changes = _rows.WatchGroupAsync(_ended.Token);
                    Look();   // What happened between the two.
                }

                await foreach (StoreEvent _ in changes.ConfigureAwait(false)) Look();
                Look();   // The store was closed: the next look says so.
                return;
            }
            catch (OperationCanceledException) when (_ended.IsCancellationRequested)
            {
                return;
            }
            catch (ObjectDisposedException)
            {
                Look();   // The same.
                return;
            }
            catch (TidemarkException e) when (e.IsTransient)
            {
                ConsumerMessages.NotFollowed(_logger, _rows.Topic.Name, _rows.Consumer, e);
            }

            await _options.TimeProvider.PauseAsync(_pause, _ended.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            changes = null;
        }
    }
}

using System.Collections.Concurrent;

using Tidemark.Replication.Consumers;

namespace Tidemark.Integration.Nodes;

/// <summary>What all members of a group have handled, and what is wrong with it.</summary>
internal sealed class GroupJournal
{
    private readonly ConcurrentDictionary<(int Partition, long Offset), bool> _handled = new();
    private readonly ConcurrentDictionary<(int Partition, long Ownership), int> _owners = new();
    private readonly ConcurrentDictionary<(int Partition, long Ownership), long> _places = new();

    internal ConcurrentQueue<string> Wrong { get; } = new();

    internal int Count(int partition) => _handled.Keys.Count(message => message.Partition == partition);

    internal void Note(int member, ConsumedMessage message)
    {
        (int, long) ownership = (message.Partition, message.Feed.Claim.Ownership);
        if (_owners.GetOrAdd(ownership, member) != member) Wrong.Enqueue($"{ownership} has two owners");
        if (_places.TryGetValue(ownership, out long last) && message.Offset != last + 1) Wrong.Enqueue($"{ownership} leaps from {last} to {message.Offset}");
        _places[ownership] = message.Offset;
        _handled[(message.Partition, message.Offset)] = true;
    }
}

/// <summary>A member of the group "g" that handles messages until it leaves or dies.</summary>
internal sealed class ChurnedMember
{
    private readonly GroupMember _member;
    private readonly Task _handling;
    private volatile bool _isDead;

    private ChurnedMember(GroupMember member, int node, int name, GroupJournal journal)
    {
        (_member, Node, Name) = (member, node, name);
        _handling = Task.Run(() => member.HandleAsync(async (message, _) =>
        {
            if (_isDead) await Task.Delay(Timeout.Infinite, CancellationToken.None);   // Its process is gone.
            journal.Note(name, message);
            await Task.Yield();
        }));
    }

    internal int Name { get; }

    /// <summary>The node in whose process it is; -1 for none.</summary>
    internal int Node { get; }

    internal IReadOnlyList<int> Partitions => _member.Partitions;

    internal string End => _handling.IsFaulted ? _handling.Exception!.InnerException!.ToString() : "";

    internal static Task<ChurnedMember> JoinAsync(TidemarkNode node, int number, int name, GroupJournal journal) => JoinAsync(node.Store, node.Topics.Get("t"), number, name, journal);

    internal static async Task<ChurnedMember> JoinAsync(KeyValueStore store, Topic topic, int node, int name, GroupJournal journal)
    {
        for (DateTime end = DateTime.UtcNow.AddSeconds(60); ;)
        {
            try
            {
                var options = new GroupOptions { SessionTimeout = TimeSpan.FromSeconds(1), Store = OffsetPolicy.Every(3), CheckInterval = TimeSpan.FromSeconds(1) };
                return new ChurnedMember(await ConsumerGroup.JoinAsync(store, topic, "g", options), node, name, journal);
            }
            catch (TidemarkException e) when ((e.IsTransient || e is OutcomeUnknownException) && DateTime.UtcNow < end)
            {
                await Task.Delay(20);
            }
        }
    }

    /// <summary>Which reading of each partition goes on, and under which ownership.</summary>
    internal Dictionary<int, (long Ownership, int Run)> Readings() => _member.Queue.Feeds.ToDictionary(feed => feed.Partition, feed => (feed.Claim.Ownership, feed.Run));

    /// <summary>Leaves in good order.</summary>
    internal async Task LeaveAsync()
    {
        await _member.DisposeAsync();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => _handling.WaitAsync(TimeSpan.FromSeconds(60)));
    }

    /// <summary>Dies: it handles nothing more and leaves nobody word. What is left of it in this process is nobody's concern.</summary>
    internal void Abandon() => _isDead = true;
}

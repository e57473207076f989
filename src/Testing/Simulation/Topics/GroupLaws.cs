using Tidemark.Core.KeyValue;
using Tidemark.Core.State;
using Tidemark.Core.Topics;
using Tidemark.Replication.Consumers;

namespace Tidemark.Testing.Simulation.Topics;

/// <summary>Watches who consumes a topic: the assignments and stored offsets among all committed entries of the store's shard, and what members do by them.</summary>
/// <param name="world">Where it is.</param>
/// <param name="startOf">The first message that is kept of a partition.</param>
internal sealed class GroupLaws(SimWorld world, Func<int, long> startOf)
{
    private readonly List<ConsumerLaws> _partitions = [];
    private readonly Dictionary<(int Partition, long Ownership), Guid> _owners = [];
    private readonly HashSet<(int Partition, Guid Owner)> _leaving = [];   // There was a heir.
    private readonly HashSet<(int Partition, Guid Member)> _held = [];     // As members were told.
    private readonly Dictionary<PartitionFeed, Reading> _readings = [];
    private ConsumerRows? _rows;
    private GroupAssignment _assignment = GroupAssignment.Empty;
    private long _version;

    /// <summary>What holds of one partition.</summary>
    internal ConsumerLaws this[int partition]
    {
        get
        {
            while (_partitions.Count <= partition)
            {
                int next = _partitions.Count;
                var laws = new ConsumerLaws(world, () => startOf(next));
                if (_rows is not null) laws.Follow(_rows.OffsetKey(next));
                _partitions.Add(laws);
            }

            return _partitions[partition];
        }
    }

    /// <summary>Where a group stores all it has.</summary>
    internal void Follow(ConsumerRows rows)
    {
        _rows = rows;
        for (int i = 0; i < _partitions.Count; i++) _partitions[i].Follow(rows.OffsetKey(i));
    }

    /// <summary>An entry of the store was committed, and this is the state after it.</summary>
    internal void Applied(StateReader reader, long offset)
    {
        if (_rows is not null && Find(reader, _rows.AssignmentKey) is { } found && found.Version != _version)
        {
            GroupAssignment next = GroupAssignmentCodec.Read(found.Value.Span);
            SimWorld.Require(next.Partitions.Length >= _assignment.Partitions.Length, $"entry {offset} takes partitions out of the assignment");
            for (int i = 0; i < next.Partitions.Length; i++) Assigned(reader, i, i < _assignment.Partitions.Length ? _assignment.Partitions[i] : default, next.Partitions[i], offset);
            (_assignment, _version) = (next, found.Version);
        }

        for (int i = 0; i < _partitions.Count; i++)
        {
            _partitions[i].Applied(reader, offset);
            long ownership = _partitions[i].Ownership;
            SimWorld.Require(_rows is null || ownership == 0 || _owners.ContainsKey((i, ownership)), $"entry {offset} stores an offset of partition {i} for owner {ownership}, which nobody is");
        }
    }

    /// <summary>A member was told that it reads partitions from now on.</summary>
    internal void Took(Guid member, IReadOnlyList<int> partitions)
    {
        foreach (int partition in partitions) _held.Add((partition, member));
    }

    /// <summary>A member was told that it reads partitions no more.</summary>
    internal void LetGo(Guid member, IReadOnlyList<int> partitions, bool isLost)
    {
        foreach (int partition in partitions)
        {
            _held.Remove((partition, member));
            world.Count(isLost ? "partition lost" : "partition given up");
        }
    }

    /// <summary>A member that stays has given up a partition.</summary>
    internal void GaveUp(Guid member, int partition) =>
        SimWorld.Require(_leaving.Contains((partition, member)), $"partition {partition} was given up by {member}, and nobody was to have it");

    /// <summary>A member begins to handle a message.</summary>
    internal void Begun(Guid member, ConsumedMessage message)
    {
        PartitionFeed feed = message.Feed;
        (int Partition, long Ownership) owner = (message.Partition, feed.Claim.Ownership);
        SimWorld.Require(_owners.TryGetValue(owner, out Guid known) && known == member, $"member {member} handles {owner}, which is owned by {known}");
        Reading reading = ReadingOf(feed);
        SimWorld.Require(message.Offset == reading.Next, $"owner {owner} is given message {message.Offset}, and {reading.Next} is next");
        SimWorld.Require(feed.Run == (reading.Run ??= feed.Run), $"the reading of {owner} was begun anew, and nothing had happened to it");
    }

    /// <summary>A member has handled a message.</summary>
    internal void Handled(ConsumedMessage message)
    {
        _partitions[message.Partition].Handled(message.Offset);
        ReadingOf(message.Feed).Next = message.Offset + 1;
        world.Count("message handled");
    }

    /// <summary>A member was told that a reading came to an end, and begins it anew.</summary>
    internal void Broken(PartitionFeed feed) => ReadingOf(feed).Run = null;

    /// <summary>A member was told that messages are kept no more, and goes on behind them.</summary>
    internal void ToldOutOfRange(PartitionFeed feed, long from, long start)
    {
        _partitions[feed.Partition].ToldOutOfRange(from, start);
        (ReadingOf(feed).Next, ReadingOf(feed).Run) = (start, null);
    }

    /// <summary>Whether all that there is was handled.</summary>
    internal bool AreHandled(IReadOnlyList<long> ends) => ends.Select((end, partition) => _partitions[partition].IsHandled(end)).All(isHandled => isHandled);

    /// <summary>Whether nothing is about to change hands, and none of the members has two partitions more than another.</summary>
    internal bool AreShared(int partitions, IReadOnlyCollection<Guid> members)
    {
        int[] shares = [.. members.Select(member => _assignment.Partitions.Count(partition => partition.Owner == member))];
        return _assignment.IsSettled && shares.Sum() == partitions && shares.Max() - shares.Min() <= 1;
    }

    /// <summary>How things stand, for a report.</summary>
    public override string ToString() => $"{string.Join("; ", _assignment.Partitions)}; stored {string.Join(", ", _partitions.Select(partition => partition.Stored))}";

    /// <summary>All members have left: that they have handled all there is, is stored.</summary>
    internal void CheckEnd(IReadOnlyList<long> ends)
    {
        for (int i = 0; i < ends.Count; i++) SimWorld.Require(Math.Max(_partitions[i].Stored, startOf(i)) == ends[i], $"of the {ends[i]} messages of partition {i} only {_partitions[i].Stored} are stored as handled");
    }

    private void Assigned(StateReader reader, int partition, in PartitionOwner before, in PartitionOwner now, long entry)
    {
        if (now is { Heir: not null, Owner: { } leaving }) _leaving.Add((partition, leaving));
        if (now.Version == before.Version)
        {
            SimWorld.Require(now.Owner is null || now.Owner == before.Owner, $"entry {entry} gives partition {partition} to {now.Owner} at the ownership version of {before.Owner}, {now.Version}");
            return;
        }

        SimWorld.Require(now.Version > before.Version && now.Owner is not null, $"entry {entry} makes {now} of {before}");
        bool isAlive = before.Owner is { } owner && Find(reader, _rows!.MemberKey(owner)) is not null;
        SimWorld.Require(!isAlive || !_held.Contains((partition, before.Owner!.Value)), $"entry {entry} gives partition {partition} to {now.Owner}, and {before.Owner} lives and has not given it up");
        _owners[(partition, now.Version)] = now.Owner!.Value;
        if (before.Version > 0) world.Count("partition changed its owner");
    }

    private static StoreRecord? Find(StateReader reader, StoreKey key) =>
        KvReads.Find(reader, KeyComparison.Equal, KeyOrder.Hierarchical.Encode(key.Span)) is { } found ? new StoreRecord(key, found.Row) : null;

    private Reading ReadingOf(PartitionFeed feed)
    {
        if (!_readings.TryGetValue(feed, out Reading? reading)) _readings[feed] = reading = new Reading { Next = feed.Claim.Stored };
        return reading;
    }

    /// <summary>How far a member is in a partition that it took.</summary>
    private sealed class Reading
    {
        /// <summary>The message that must be next.</summary>
        internal required long Next { get; set; }

        /// <summary>Which reading brings it; null where another begins.</summary>
        internal int? Run { get; set; }
    }
}

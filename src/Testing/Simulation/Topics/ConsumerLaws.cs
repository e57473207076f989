using Tidemark.Core.KeyValue;
using Tidemark.Core.State;
using Tidemark.Replication.Consumers;

namespace Tidemark.Testing.Simulation.Topics;

/// <summary>Watches the offset that owners of one partition store, over all committed entries of the store's shard.</summary>
/// <param name="world">Where it is.</param>
/// <param name="start">The first message that is kept.</param>
internal sealed class ConsumerLaws(SimWorld world, Func<long> start)
{
    private readonly List<bool> _covered = [];   // By offset: an owner has handled it, or was told that it is kept no more.
    private StoreKey _key;
    private byte[]? _encoded;
    private StoredOffset _record;
    private long _owners;

    /// <summary>How far the partition was read, as it is stored.</summary>
    internal long Stored => _record.Next;

    /// <summary>The version of the owner that has it, as it is stored.</summary>
    internal long Ownership => _record.Ownership;

    /// <summary>Where the offset is stored.</summary>
    internal void Follow(StoreKey key) => (_key, _encoded) = (key, KeyOrder.Hierarchical.Encode(key.Span));

    /// <summary>The next owner's version: higher than all that were given.</summary>
    internal long NextOwnership() => ++_owners;

    /// <summary>Whether all messages before an offset were handled, or are said to be gone.</summary>
    internal bool IsHandled(long end) => _covered.Count >= end && _covered.TrueForAll(isCovered => isCovered);

    internal void Handled(long offset) => Cover(offset, offset + 1);

    internal void ToldOutOfRange(long from, long start) => Cover(from, start);

    /// <summary>A claim says that it has stored an offset.</summary>
    internal void Acknowledged(long ownership, long next)
    {
        bool isStored = _record.Ownership > ownership || (_record.Ownership == ownership && _record.Next >= next);
        SimWorld.Require(isStored, $"owner {ownership} was told that {next} is stored, and {_record} is");
    }

    /// <summary>An entry of the store was committed, and this is the state after it.</summary>
    internal void Applied(StateReader reader, long offset)
    {
        if (_encoded is null || KvReads.Find(reader, KeyComparison.Equal, _encoded) is not { } found) return;
        var now = StoredOffset.Read(new StoreRecord(_key, found.Row));
        if (now == _record) return;
        if (_record.Version == 0) BeginAt(now.Next);
        SimWorld.Require(now.Ownership >= _record.Ownership, $"entry {offset} stores {now} over {_record}: an owner that lost the partition");
        SimWorld.Require(now.Ownership == _record.Ownership || now.Next == _record.Next, $"entry {offset} takes the partition and moves its offset: {now} over {_record}");
        SimWorld.Require(now.Next >= _record.Next, $"entry {offset} stores {now} over {_record}: back");
        for (long at = _record.Next; at < now.Next; at++)
            SimWorld.Require(at < _covered.Count && _covered[(int)at], $"entry {offset} stores {now}, and nobody was given message {at} or told that it is gone");
        world.Count(now.Ownership > _record.Ownership ? "partition taken" : "offset stored");
        _record = now;
    }

    /// <summary>Who begins begins at the first that is kept, by then at least.</summary>
    private void BeginAt(long next)
    {
        SimWorld.Require(next <= start(), $"the first consumer begins at {next}, and messages are kept from {start()} on");
        Cover(0, next);
        _record = _record with { Next = next };
    }

    private void Cover(long from, long end)
    {
        while (_covered.Count < end) _covered.Add(false);
        for (long at = from; at < end; at++) _covered[(int)at] = true;
    }
}

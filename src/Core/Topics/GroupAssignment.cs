using System.Collections.Immutable;
using System.Diagnostics;

using Tidemark.Core.Diagnostics;

namespace Tidemark.Core.Topics;

/// <summary>Whose a partition is.</summary>
/// <param name="Owner">The member that reads it; null for nobody.</param>
/// <param name="Heir">The member it goes to once its owner has given it up; null where it stays.</param>
/// <param name="Version">The ownership version: it grows by one with each new owner, and is never that of two.</param>
internal readonly record struct PartitionOwner(Guid? Owner, Guid? Heir, long Version)
{
    internal PartitionOwner GivenTo(Guid owner) => new(owner, null, Planted.Is(PlantedBug.OwnershipReused) && Version > 0 ? Version : Version + 1);
}

/// <summary>Which member of a group reads which partition. Immutable; each decision gives another.</summary>
/// <remarks>
/// Members share the partitions so that none has two more than another, and as few as possible change hands. A partition that nobody reads is given at once; one that is read gets an heir, and
/// goes to it only when its owner says so: in no state has a partition two owners, and who keeps one is not disturbed. The same members and the same state give the same decision, whoever takes it.
/// </remarks>
internal sealed class GroupAssignment(ImmutableArray<PartitionOwner> partitions)
{
    internal static GroupAssignment Empty { get; } = new([]);

    internal ImmutableArray<PartitionOwner> Partitions => partitions;

    /// <summary>Whether nothing is about to change hands, and each partition has an owner.</summary>
    internal bool IsSettled => partitions.All(partition => partition is { Owner: not null, Heir: null });

    /// <summary>What is to be where these are the members. Where that is what is, this very assignment.</summary>
    /// <param name="members">Those alive.</param>
    /// <param name="count">How many partitions the topic has, as far as known: an assignment never has fewer than before.</param>
    internal GroupAssignment Balance(IEnumerable<Guid> members, int count)
    {
        Dictionary<Guid, Share> shares = members.Distinct().ToDictionary(id => id, id => new Share(id));
        var next = new PartitionOwner[Math.Max(count, partitions.Length)];
        for (int i = 0; i < next.Length; i++)
        {
            PartitionOwner known = i < partitions.Length ? partitions[i] : default;
            next[i] = known with { Owner = Alive(known.Owner), Heir = Alive(known.Heir) };
            if (next[i].Owner is { } owner) shares[owner].Owned.Add(i);
            if ((next[i].Heir ?? next[i].Owner) is { } planned) shares[planned].Planned++;
        }

        if (shares.Count > 0) Share.Out(next, shares);
        return next.AsSpan().SequenceEqual(partitions.AsSpan()) ? this : new GroupAssignment([.. next]);

        Guid? Alive(Guid? member) => member is { } id && shares.ContainsKey(id) ? id : null;
    }

    /// <summary>A partition's owner has given it up: it is its heir's. Where it has none, or is not the owner's, nothing changes.</summary>
    internal GroupAssignment GiveUp(int partition, Guid owner)
    {
        PartitionOwner known = partitions[partition];
        return known.Owner == owner && known.Heir is { } heir ? new GroupAssignment(partitions.SetItem(partition, known.GivenTo(heir))) : this;
    }

    /// <summary>A member's part while it is being found.</summary>
    private sealed class Share(Guid id)
    {
        private int _room;

        internal List<int> Owned { get; } = [];

        /// <summary>How many it would have if everything went as was decided before.</summary>
        internal int Planned { get; set; }

        internal static void Out(Span<PartitionOwner> slots, Dictionary<Guid, Share> shares)
        {
            // Who is to have more anyway gets the one more that not all can have: nothing moves for its sake, and deciding again changes nothing.
            Share[] ranked = [.. shares.Values.OrderByDescending(share => share.Planned).ThenBy(share => share.Id)];
            for (int i = 0; i < ranked.Length; i++) ranked[i]._room = (slots.Length / ranked.Length) + (i < slots.Length % ranked.Length ? 1 : 0);
            var homeless = new SortedSet<int>();
            for (int i = 0; i < slots.Length; i++)
                if (slots[i].Owner is null) homeless.Add(i);
            foreach (Share share in ranked) share.Keep(slots, homeless);
            foreach (int partition in homeless.ToArray())
                if (slots[partition].Heir is { } heir && shares[heir].TryTake(slots, partition)) homeless.Remove(partition);
            foreach (int partition in homeless)
            {
                bool isTaken = ranked.MaxBy(share => share._room)!.TryTake(slots, partition);
                Debug.Assert(isTaken, "the members together have room for all partitions");
            }
        }

        private Guid Id => id;

        /// <summary>Keeps as many of its own as it may, those first that it was to keep before.</summary>
        private void Keep(Span<PartitionOwner> slots, SortedSet<int> homeless)
        {
            List<int> ordered = [];
            foreach (int partition in Owned)
                if (slots[partition].Heir is null) ordered.Add(partition);
            foreach (int partition in Owned)
                if (slots[partition].Heir is not null) ordered.Add(partition);
            int kept = Math.Min(_room, ordered.Count);
            _room -= kept;
            foreach (int partition in ordered[..kept]) slots[partition] = slots[partition] with { Heir = null };
            homeless.UnionWith(ordered[kept..]);
        }

        private bool TryTake(Span<PartitionOwner> slots, int partition)
        {
            if (_room == 0) return false;
            _room--;
            slots[partition] = slots[partition].Owner is null || Planted.Is(PlantedBug.PartitionTakenUnasked) ? slots[partition].GivenTo(id) : slots[partition] with { Heir = id };
            return true;
        }
    }
}

using FsCheck;
using FsCheck.Fluent;

using Tidemark.Core.Topics;

namespace Tidemark.Tests.Properties;

/// <summary>Whatever members come and go, an assignment comes to rest balanced, moves no more than it must, and gives no partition to two.</summary>
public sealed class GroupAssignmentProperties
{
    private static readonly Guid[] _people = [.. Enumerable.Range(1, 9).Select(i => new Guid(i, 0, 0, new byte[8]))];

    [Fact]
    public void From_any_state_giving_up_what_is_to_go_leads_to_a_balanced_rest() => Check((chance, state, members, count) =>
    {
        GroupAssignment now = state.Balance(members, count);
        for (int steps = 0; !now.IsSettled; steps++)
        {
            Assert.True(steps <= count, "it does not end");
            int[] pending = [.. Enumerable.Range(0, count).Where(i => now.Partitions[i].Heir is not null)];
            Assert.NotEmpty(pending);
            int chosen = pending[chance.Next(pending.Length)];
            now = now.GiveUp(chosen, now.Partitions[chosen].Owner!.Value);
            if (chance.Next(2) == 0) now = now.Balance(members, count);
        }

        Assert.Same(now, now.Balance(members, count));
        int[] loads = [.. members.Select(member => now.Partitions.Count(partition => partition.Owner == member))];
        Assert.Equal(count, loads.Sum());
        Assert.True(loads.Max() - loads.Min() <= 1, string.Join(", ", loads));
    });

    [Fact]
    public void Deciding_again_changes_nothing_and_gives_the_very_assignment() => Check((_, state, members, count) =>
    {
        GroupAssignment now = state.Balance(members, count);
        Assert.Same(now, now.Balance(members.Reverse(), count));
    });

    [Fact]
    public void A_new_owner_has_a_higher_version_and_an_owner_that_lives_loses_nothing_by_a_decision() => Check((chance, state, members, count) =>
    {
        GroupAssignment before = state;
        for (int step = 0; step < 20; step++)
        {
            HashSet<Guid> alive = [.. members.Where(_ => chance.Next(4) > 0)];
            GroupAssignment after = before.Balance(alive, count);
            for (int i = 0; i < before.Partitions.Length; i++)
            {
                PartitionOwner old = before.Partitions[i], now = after.Partitions[i];
                if (old.Owner is { } owner && alive.Contains(owner)) Assert.Equal((owner, old.Version), (now.Owner, now.Version));
                else Assert.Equal(old.Version + (now.Owner is null ? 0 : 1), now.Version);
                Assert.True(now.Owner is null || now.Owner != now.Heir);
            }

            before = after;
            for (int i = 0; i < count; i++)
            {
                if (before.Partitions[i] is not { Owner: { } owner, Heir: { } heir } || chance.Next(2) == 0) continue;
                GroupAssignment given = before.GiveUp(i, owner);
                Assert.Equal(new PartitionOwner(heir, null, before.Partitions[i].Version + 1), given.Partitions[i]);
                Assert.Same(given, given.GiveUp(i, owner));   // It is the other's now.
                before = given;
            }
        }
    });

    [Fact]
    public void A_member_that_leaves_moves_its_own_partitions_alone_and_one_that_comes_moves_only_its_share() => Check((chance, _, members, count) =>
    {
        GroupAssignment rest = Settle(GroupAssignment.Empty, members, count);
        Guid leaver = members[chance.Next(members.Length)];
        GroupAssignment without = rest.Balance(members.Where(member => member != leaver), count);
        for (int i = 0; i < count; i++)
        {
            if (rest.Partitions[i].Owner == leaver) Assert.NotEqual(leaver, without.Partitions[i].Owner);
            else Assert.Equal(rest.Partitions[i], without.Partitions[i]);
        }

        GroupAssignment with = rest.Balance([.. members, new Guid(77, 0, 0, new byte[8])], count);
        Assert.Equal(count / (members.Length + 1), with.Partitions.Count(partition => partition.Heir is not null));
    });

    [Fact]
    public void Partitions_that_are_added_are_given_at_once_and_no_other_moves() => Check((_, _, members, count) =>
    {
        GroupAssignment rest = Settle(GroupAssignment.Empty, members, count);
        GroupAssignment more = rest.Balance(members, count + members.Length);
        Assert.Equal(rest.Partitions.AsEnumerable(), more.Partitions[..count]);
        Assert.True(more.IsSettled);
        Assert.Same(more, more.Balance(members, count));   // Who knows of fewer takes none away.
    });

    [Fact]
    public void An_assignment_is_read_as_it_was_written() => Check((_, state, members, count) =>
    {
        GroupAssignment now = state.Balance(members, count);
        Assert.Equal(now.Partitions.AsEnumerable(), GroupAssignmentCodec.Read(GroupAssignmentCodec.Write(now)).Partitions);
        byte[] cut = GroupAssignmentCodec.Write(now)[..^1];
        Assert.Throws<MalformedDataException>(() => GroupAssignmentCodec.Read(cut));
    });

    private static GroupAssignment Settle(GroupAssignment now, Guid[] members, int count)
    {
        now = now.Balance(members, count);
        Assert.True(now.IsSettled, "where nobody reads, all is given at once");
        return now;
    }

    private static void Check(Action<System.Random, GroupAssignment, Guid[], int> fact) => Prop.ForAll(Gen.Choose(0, int.MaxValue - 1).ToArbitrary(), seed =>
    {
        var chance = new System.Random(seed);
        Guid[] members = [.. _people.OrderBy(_ => chance.Next()).Take(1 + chance.Next(6))];
        int count = 1 + chance.Next(24);
        var state = new GroupAssignment([.. Enumerable.Range(0, chance.Next(count + 1)).Select(_ => Drawn(chance))]);
        fact(chance, state, members, count);
    }).Check(Config.QuickThrowOnFailure.WithMaxTest(Soak.Times(500)));

    /// <summary>A partition of anybody's, or nobody's, also of some who are not there.</summary>
    private static PartitionOwner Drawn(System.Random chance)
    {
        Guid? owner = chance.Next(4) == 0 ? null : _people[chance.Next(_people.Length)];
        Guid? heir = owner is null || chance.Next(3) > 0 ? null : _people[chance.Next(_people.Length)];
        return new PartitionOwner(owner, heir == owner ? null : heir, chance.Next(1000));
    }
}

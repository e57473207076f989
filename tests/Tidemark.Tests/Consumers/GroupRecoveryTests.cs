using Tidemark.Replication.Consumers;

namespace Tidemark.Tests.Consumers;

/// <summary>What a member of a group does where the store, or the topic, is not as it should be for a while.</summary>
public sealed class GroupRecoveryTests
{
    /// <summary>A member was cut off until its session was lost. It could not close that session either, and what it was told ended it: nobody read its partitions any more.</summary>
    [Fact]
    public async Task A_member_that_cannot_close_its_lost_session_joins_again()
    {
        await using var bench = new ConsumerBench(2);
        await bench.FillAsync(0, 1);
        List<int> lost = [];
        await using GroupMember member = await JoinAsync(bench, new FailingStore(bench.Store) { KeepsSessions = true }, new GroupOptions { Lost = lost.AddRange });
        await bench.UntilAsync(() => member.Partitions.Count == 2);
        Guid before = member.Id;
        bench.Time.Advance(TimeSpan.FromMinutes(10));   // At once, so that no keep-alive arrives in time.
        await bench.UntilAsync(() => lost.Count == 2 && member.Id != before && member.Partitions.Count == 2, TimeSpan.FromSeconds(1));
        Assert.Equal(0, (await ConsumerBench.TakeAsync(member, 1))[0].Offset);
    }

    /// <summary>Of two partitions that a member was given it took one, and for the other the store could not be asked. When it could, the member took that, and never began to read the first.</summary>
    [Fact]
    public async Task A_partition_is_read_although_the_one_after_it_could_not_be_taken_at_first()
    {
        await using var bench = new ConsumerBench(2);
        for (int partition = 0; partition < 2; partition++) await bench.FillAsync(partition, 1);
        var store = new FailingStore(bench.Store) { Only = "offset-0001", Failure = new ShardUnavailableException(0, "Nobody answers.") };
        List<int> assigned = [];
        await using GroupMember member = await JoinAsync(bench, store, new GroupOptions { Assigned = assigned.AddRange });
        await bench.UntilAsync(() => store.Failed > 0);
        store.Failure = null;
        await bench.UntilAsync(() => member.Partitions.Count == 2, TimeSpan.FromSeconds(1));
        Assert.Equal([0, 1], (await ConsumerBench.TakeAsync(member, 2)).Select(message => message.Partition).Order());
        Assert.Equal([0, 1], assigned);
    }

    /// <summary>Partitions were added, and one member heard of it before the other. That one was given a partition that its topic did not have yet, and its loop ended.</summary>
    [Fact]
    public async Task A_partition_that_a_member_has_not_heard_of_waits_until_it_has()
    {
        await using var bench = new ConsumerBench(1);
        var grown = new FakeTopic(bench.Topic.Name, 2, bench.Time);
        var rows = new ConsumerRows(bench.Store, bench.Topic, "g");
        await using GroupMember late = await bench.JoinAsync("g");
        await using GroupMember early = await ConsumerGroup.JoinAsync(bench.Store, grown, "g", new GroupOptions { TimeProvider = bench.Time });
        await bench.UntilAsync(() => early.Partitions is [1]);
        Task<List<ConsumedMessage>> taking = ConsumerBench.TakeAsync(late, 1);
        await early.DisposeAsync();
        await bench.UntilAsync(() => OwnerOf(1) == late.Id);
        bench.Topic.Grow(2);
        await bench.FillAsync(1, 1);
        await bench.UntilAsync(() => taking.IsCompleted, TimeSpan.FromSeconds(1));
        Assert.Equal(1, (await taking)[0].Partition);

        Guid? OwnerOf(int partition)
        {
            StoreRecord assignment = bench.Store.GetAsync(rows.AssignmentKey).AsTask().Result!.Value;
            return Core.Topics.GroupAssignmentCodec.Read(assignment.Value.Span).Partitions[partition].Owner;
        }
    }

    /// <summary>A watch of the group broke off, and the next did not begin because the node's replicas were being opened again. There was no other: the member heard of changes only when it looked by itself.</summary>
    [Fact]
    public async Task A_watch_of_the_group_that_does_not_begin_is_begun_again()
    {
        await using var bench = new ConsumerBench(2);
        var store = new FailingStore(bench.Store) { BreaksWatches = true };
        await using GroupMember first = await JoinAsync(bench, store, new GroupOptions { CheckInterval = TimeSpan.FromHours(1) });
        await bench.UntilAsync(() => store.Watches == 3 && first.Partitions.Count == 2, TimeSpan.FromMilliseconds(100));
        await using GroupMember second = await bench.JoinAsync("g");
        await bench.UntilAsync(() => first.Partitions.Count == 1 && second.Partitions.Count == 1);
    }

    private static ValueTask<GroupMember> JoinAsync(ConsumerBench bench, KeyValueStore store, GroupOptions options) =>
        ConsumerGroup.JoinAsync(store, bench.Source, "g", options with { TimeProvider = bench.Time });
}

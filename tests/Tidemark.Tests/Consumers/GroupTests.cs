using Tidemark.Replication.Consumers;

namespace Tidemark.Tests.Consumers;

public sealed class GroupTests
{
    [Fact]
    public async Task Members_share_the_partitions_and_those_that_stay_are_read_on_in_the_same_run()
    {
        await using var bench = new ConsumerBench(4);
        await using GroupMember first = await bench.JoinAsync("g");
        await bench.UntilAsync(() => first.Partitions.Count == 4);
        int[] runs = [.. Enumerable.Range(0, 4).Select(i => first.Queue.Find(i)!.Run)];
        await using GroupMember second = await bench.JoinAsync("g");
        await bench.UntilAsync(() => first.Partitions.Count == 2 && second.Partitions.Count == 2);
        Assert.Empty(first.Partitions.Intersect(second.Partitions));
        Assert.All(first.Partitions, partition => Assert.Equal(runs[partition], first.Queue.Find(partition)!.Run));
        int[] kept = [.. first.Partitions];
        await second.DisposeAsync();
        await bench.UntilAsync(() => first.Partitions.Count == 4);
        Assert.All(kept, partition => Assert.Equal(runs[partition], first.Queue.Find(partition)!.Run));
    }

    /// <summary>Where what waits goes on at once, the member looks at the group before what gave the partition up has come to its end: it is given up all the same.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_partition_goes_to_another_member_only_when_the_message_in_hand_is_done(bool isAtOnce)
    {
        await using var bench = new ConsumerBench(2);
        List<int> revoked = [];
        await using GroupMember first = await bench.JoinAsync("g", new GroupOptions { Revoked = revoked.AddRange, ContinuesInline = isAtOnce });
        await bench.UntilAsync(() => first.Partitions.Count == 2);
        await using IAsyncEnumerator<ConsumedMessage> messages = first.ConsumeAsync().GetAsyncEnumerator();
        await bench.FillAsync(1, 1);
        Assert.True(await messages.MoveNextAsync());   // Partition 1 is the one that will go: it is the last of the first member's.
        await using GroupMember second = await bench.JoinAsync("g");
        await bench.UntilAsync(() => first.Queue.Find(1)!.Leaving.IsCancellationRequested);
        Assert.Empty(second.Partitions);
        Assert.False(messages.Current.Lost.IsCancellationRequested);
        ValueTask<bool> next = messages.MoveNextAsync();   // Done.
        await bench.UntilAsync(() => second.Partitions is [1] && first.Partitions is [0]);
        Assert.Equal([1], revoked);
        Assert.Equal(1, await second.GetOffsetAsync(1));
        await bench.FillAsync(0, 1);
        Assert.True(await next);
        Assert.Equal(0, messages.Current.Partition);
    }

    [Fact]
    public async Task A_message_that_is_in_hand_for_too_long_is_given_to_the_other_member_too()
    {
        await using var bench = new ConsumerBench(2);
        await using GroupMember first = await bench.JoinAsync("g", new GroupOptions { RevocationTimeout = TimeSpan.FromSeconds(5) });
        await bench.UntilAsync(() => first.Partitions.Count == 2);
        await using IAsyncEnumerator<ConsumedMessage> messages = first.ConsumeAsync().GetAsyncEnumerator();
        await bench.FillAsync(1, 1);
        Assert.True(await messages.MoveNextAsync());
        await using GroupMember second = await bench.JoinAsync("g");
        await bench.UntilAsync(() => second.Partitions is [1], TimeSpan.FromSeconds(1));
        Assert.True(messages.Current.Lost.IsCancellationRequested);
        Assert.False(await messages.Current.StoreAsync());
        Assert.Equal(0, (await ConsumerBench.TakeAsync(second, 1))[0].Offset);
    }

    [Fact]
    public async Task A_member_whose_session_is_lost_says_so_cannot_store_and_joins_again()
    {
        await using var bench = new ConsumerBench(2);
        await bench.FillAsync(0, 2);
        List<int> lost = [], assigned = [];
        await using GroupMember member = await bench.JoinAsync("g", new GroupOptions { Lost = lost.AddRange, Assigned = assigned.AddRange });
        await bench.UntilAsync(() => member.Partitions.Count == 2);
        Guid before = member.Id;
        await using IAsyncEnumerator<ConsumedMessage> messages = member.ConsumeAsync().GetAsyncEnumerator();
        Assert.True(await messages.MoveNextAsync());
        ConsumedMessage old = messages.Current;
        bench.Time.Advance(TimeSpan.FromMinutes(10));   // At once, so that no keep-alive arrives in time.
        await bench.UntilAsync(() => lost.Count == 2 && assigned.Count == 4 && member.Partitions.Count == 2, TimeSpan.FromSeconds(1));
        Assert.NotEqual(before, member.Id);
        Assert.True(old.Lost.IsCancellationRequested);
        Assert.False(await old.StoreAsync());
        Assert.True(await messages.MoveNextAsync());
        Assert.Equal(0, messages.Current.Offset);   // It was not done as far as anybody knows.
        Assert.True(await messages.Current.StoreAsync());
    }

    [Fact]
    public async Task Who_lost_a_partition_to_a_higher_ownership_version_cannot_store_an_offset()
    {
        await using var bench = new ConsumerBench(1);
        var rows = new ConsumerRows(bench.Store, bench.Topic, "g");
        PartitionClaim? old = await TakeAsync(3), now = await TakeAsync(4);
        Assert.True(await now!.TryStoreAsync(5, default));
        Assert.False(await old!.TryStoreAsync(9, default));
        Assert.Null(await TakeAsync(3));
        await using TopicConsumer alone = bench.Consumer("g");
        Assert.Equal(5, await alone.GetOffsetAsync(0));
        Assert.True(await alone.StoreOffsetAsync(0, 2));   // Somebody sets it back by hand. The owner's next store is the last word.
        Assert.True(await now.TryStoreAsync(6, default));
        Assert.Equal(6, await alone.GetOffsetAsync(0));

        ValueTask<PartitionClaim?> TakeAsync(long ownership) =>
            PartitionClaim.TryTakeAsync(rows, 0, ownership, _ => new(0L), default);
    }

    [Fact]
    public async Task Partitions_that_are_added_are_shared_out_and_those_of_a_deleted_topic_are_lost()
    {
        await using var bench = new ConsumerBench(1);
        List<int> lost = [];
        await using GroupMember first = await bench.JoinAsync("g", new GroupOptions { Lost = lost.AddRange }), second = await bench.JoinAsync("g");
        bench.Topic.Grow(4);
        await bench.UntilAsync(() => first.Partitions.Count == 2 && second.Partitions.Count == 2, TimeSpan.FromSeconds(1));
        await ConsumerRows.ForgetTopicAsync(bench.Store, bench.Topic, default);
        await bench.UntilAsync(() => lost.Count >= 2);
    }

    [Fact]
    public async Task A_store_that_is_closed_ends_the_loop()
    {
        var bench = new ConsumerBench(1);
        await using GroupMember member = await bench.JoinAsync("g");
        Task<List<ConsumedMessage>> taking = ConsumerBench.TakeAsync(member, 1);
        await bench.UntilAsync(() => member.Partitions.Count == 1);
        await bench.DisposeAsync();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => taking);
    }

    [Fact]
    public async Task A_retry_that_waits_does_not_hold_up_a_partition_that_is_to_go()
    {
        await using var bench = new ConsumerBench(2);
        await using GroupMember first = await bench.JoinAsync("g");
        await bench.UntilAsync(() => first.Partitions.Count == 2);
        await bench.FillAsync(1, 1);
        int failures = 0;
        using var stop = new CancellationTokenSource();
        Task handling = first.HandleAsync(
            (message, _) =>
            {
                failures++;
                throw new InvalidDataException();
            },
            new HandlerOptions { FirstDelay = TimeSpan.FromHours(1), LongestDelay = TimeSpan.FromHours(1) }, stop.Token);
        await bench.UntilAsync(() => failures == 1);
        await using GroupMember second = await bench.JoinAsync("g");
        await bench.UntilAsync(() => second.Partitions is [1]);
        Assert.Equal(0, (await ConsumerBench.TakeAsync(second, 1))[0].Offset);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => handling);
    }
}

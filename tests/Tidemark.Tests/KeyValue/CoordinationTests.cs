using System.Text;

namespace Tidemark.Tests.KeyValue;

public class CoordinationTests
{
    [Theory]
    [InlineData(1, false)]
    [InlineData(4, true)]
    public async Task A_lock_has_one_holder_and_goes_to_whoever_asked_first_with_a_rising_token(int shards, bool natural)
    {
        await using TidemarkStore store = Open(shards, natural);
        var guard = new DistributedLock(store, "/locks/one");
        var order = new List<long>();
        int inside = 0;
        await Task.WhenAll(Enumerable.Range(0, 20).Select(async i =>
        {
            await using StoreSession session = await store.OpenSessionAsync();
            await using LockHandle held = await guard.AcquireAsync(session, Encoding.UTF8.GetBytes($"{i}"));
            Assert.Equal(1, Interlocked.Increment(ref inside));
            Assert.Equal(held.FencingToken, (await guard.GetHolderAsync())!.Value.Version);
            order.Add(held.FencingToken);
            await Task.Yield();
            Interlocked.Decrement(ref inside);
        }));
        Assert.Equal(20, order.Count);
        Assert.Equal(order.Order(), order);
        Assert.Null(await guard.GetHolderAsync());
    }

    [Fact]
    public async Task A_lock_is_tried_without_waiting_and_left_by_who_cancels()
    {
        await using TidemarkStore store = Open(1, false);
        var guard = new DistributedLock(store, "l");
        await using StoreSession first = await store.OpenSessionAsync(), second = await store.OpenSessionAsync(), third = await store.OpenSessionAsync();
        LockHandle held = (await guard.TryAcquireAsync(first))!;
        Assert.Null(await guard.TryAcquireAsync(second));
        using var cancellation = new CancellationTokenSource();
        Task<LockHandle> cancelled = guard.AcquireAsync(second, default, cancellation.Token).AsTask();
        Task<LockHandle> waiting = guard.AcquireAsync(third).AsTask();
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cancelled);
        Assert.False(waiting.IsCompleted);
        await first.DisposeAsync();   // The session's end gives the lock back.
        LockHandle next = await waiting.WaitAsync(TimeSpan.FromSeconds(30));
        Assert.True(next.FencingToken > held.FencingToken);
        await held.DisposeAsync();    // Too late: it gives back nothing that is another's.
        Assert.Equal(next.FencingToken, (await guard.GetHolderAsync())!.Value.Version);
    }

    [Fact]
    public async Task An_election_tells_its_leaders_as_they_change()
    {
        await using TidemarkStore store = Open(1, false);
        var election = new LeaderElection(store, "/leader");
        await using IAsyncEnumerator<StoreRecord?> observed = election.ObserveAsync().GetAsyncEnumerator();
        Assert.True(await observed.MoveNextAsync());
        Assert.Null(observed.Current);
        await using StoreSession a = await store.OpenSessionAsync(), b = await store.OpenSessionAsync();
        LockHandle first = await election.CampaignAsync(a, "a"u8.ToArray());
        Task<LockHandle> second = election.CampaignAsync(b, "b"u8.ToArray()).AsTask();
        Assert.True(await observed.MoveNextAsync());
        Assert.Equal("a", observed.Current!.Value.GetString());
        await first.DisposeAsync();
        await second.WaitAsync(TimeSpan.FromSeconds(30));
        do Assert.True(await observed.MoveNextAsync());
        while (observed.Current is null);
        Assert.Equal("b", observed.Current!.Value.GetString());
    }

    [Fact]
    public async Task A_counter_loses_no_addition()
    {
        await using TidemarkStore store = Open(2, false);
        var counter = new DistributedCounter(store, "/count");
        await Task.WhenAll(Enumerable.Range(1, 8).Select(async i =>
        {
            for (int k = 0; k < 25; k++) await counter.AddAsync(i);
        }));
        Assert.Equal(25 * 36, await counter.GetAsync());
        Assert.Equal(25 * 36 - 1000, await counter.AddAsync(-1000));
        await store.PutAsync("/count", "no number"u8.ToArray());
        await Assert.ThrowsAsync<MalformedDataException>(async () => await counter.GetAsync());
    }

    [Theory]
    [InlineData(1, false)]
    [InlineData(3, true)]
    public async Task A_barrier_opens_when_all_have_come_and_stays_open(int shards, bool natural)
    {
        await using TidemarkStore store = Open(shards, natural);
        await using StoreSession session = await store.OpenSessionAsync();
        Task[] early = [.. Enumerable.Range(0, 3).Select(i => new DistributedBarrier(store, "/b", 4).SignalAndWaitAsync(session, $"{i}").AsTask())];
        Assert.False(await new DistributedBarrier(store, "/b", 4).IsOpenAsync());
        Assert.DoesNotContain(early, task => task.IsCompleted);
        await new DistributedBarrier(store, "/b", 4).SignalAndWaitAsync(session, "last");
        await Task.WhenAll(early).WaitAsync(TimeSpan.FromSeconds(30));
        await new DistributedBarrier(store, "/b", 4).SignalAndWaitAsync(session, "late");
    }

    private static TidemarkStore Open(int shards, bool natural) => TidemarkStore.InMemory(new TidemarkStoreOptions
    {
        DefaultNamespace = new NamespaceOptions { ShardCount = shards, KeyOrder = natural ? KeyOrder.Natural : KeyOrder.Hierarchical },
    });
}

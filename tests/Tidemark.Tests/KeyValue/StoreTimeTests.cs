using Tidemark.Testing;

namespace Tidemark.Tests.KeyValue;

public class StoreTimeTests
{
    private readonly ManualTimeProvider _time = new();

    [Fact]
    public async Task A_session_that_is_disposed_takes_its_records_with_it()
    {
        await using TidemarkStore store = Open();
        await using (StoreSession session = await store.OpenSessionAsync(new SessionOptions { Identity = "worker 7" }))
        {
            await store.PutAsync("e", default, new PutOptions { Session = session });
            await store.PutAsync("kept", default, new PutOptions { Session = session });
            await store.PutAsync("kept", default);   // Written without the session, it stays.
            StoreRecord record = (await store.GetAsync("e"))!.Value;
            Assert.Equal((session.Id, "worker 7"), (record.SessionId, record.ClientIdentity));
        }

        Assert.Equal(["kept"], await StoreWriteTests.Keys(store.ScanAsync(KeyRange.All)));
    }

    [Fact]
    public async Task A_session_lives_while_it_is_kept_alive_and_its_records_go_when_it_is_not()
    {
        var disk = new MemoryFileSystem();
        Guid id;
        await using (TidemarkStore store = await TidemarkStore.OpenAsync("s", Options(disk)))
        {
            StoreSession session = await store.OpenSessionAsync(new SessionOptions { Timeout = TimeSpan.FromSeconds(10) });
            await store.PutAsync("e", default, new PutOptions { Session = session });
            id = session.Id;
            for (int i = 0; i < 20; i++)
            {
                _time.Advance(TimeSpan.FromSeconds(2.5));
                await store.PutAsync("tick", default);   // A turn of the shard, behind the keep-alive.
                while (session.IsAsking) await Task.Yield();
            }

            Assert.False(session.IsEnded);
            Assert.NotNull(await store.GetAsync("e"));
        }

        // Reopened: nobody keeps it alive, and it has a full timeout again.
        await using (TidemarkStore store = await TidemarkStore.OpenAsync("s", Options(disk)))
        {
            await using IAsyncEnumerator<StoreEvent> watch = store.WatchAsync(KeyRange.Between("e", "f")).GetAsyncEnumerator();
            ValueTask<bool> gone = watch.MoveNextAsync();
            _time.Advance(TimeSpan.FromSeconds(9));
            await store.PutAsync("tick", default);
            Assert.Equal(id, (await store.GetAsync("e"))!.Value.SessionId);
            _time.Advance(TimeSpan.FromSeconds(2));
            Assert.True(await gone);
            Assert.Equal((StoreEventKind.Deleted, (StoreKey)"e"), (watch.Current.Kind, watch.Current.Key));
            Assert.Null(await store.GetAsync("e"));
        }
    }

    [Fact]
    public async Task A_put_with_an_ended_session_is_refused()
    {
        await using TidemarkStore store = Open();
        StoreSession session = await store.OpenSessionAsync();
        await session.DisposeAsync();
        Assert.Equal(StoreStatus.SessionNotFound, (await store.PutAsync("e", default, new PutOptions { Session = session })).Status);
        Assert.Null(await store.GetAsync("e"));
    }

    [Fact]
    public async Task A_record_goes_when_its_time_is_over_unless_it_was_written_again()
    {
        await using TidemarkStore store = Open();
        await using IAsyncEnumerator<StoreEvent> watch = store.WatchAsync(KeyRange.All).GetAsyncEnumerator();
        await store.PutAsync("short", default, new PutOptions { TimeToLive = TimeSpan.FromSeconds(5) });
        await store.PutAsync("renewed", default, new PutOptions { TimeToLive = TimeSpan.FromSeconds(5) });
        _time.Advance(TimeSpan.FromSeconds(3));
        await store.PutAsync("renewed", default, new PutOptions { TimeToLive = TimeSpan.FromSeconds(60) });
        for (int i = 0; i < 3; i++) Assert.True(await watch.MoveNextAsync());
        Assert.NotNull(await store.GetAsync("short"));
        _time.Advance(TimeSpan.FromSeconds(3));
        Assert.True(await watch.MoveNextAsync());
        Assert.Equal((StoreEventKind.Deleted, (StoreKey)"short"), (watch.Current.Kind, watch.Current.Key));
        Assert.NotNull(await store.GetAsync("renewed"));
        Assert.Null(await store.GetAsync("short"));
    }

    private TidemarkStore Open() => TidemarkStore.InMemory(new TidemarkStoreOptions { TimeProvider = _time });

    private TidemarkStoreOptions Options(IFileSystem disk) => new() { FileSystem = disk, TimeProvider = _time };
}

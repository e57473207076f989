using Microsoft.Extensions.Caching.Distributed;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

using Tidemark.Testing;

namespace Tidemark.Integration.Hosting;

/// <summary>The distributed cache, over a local store on a clock set by hand.</summary>
public sealed class StoreCacheTests : IAsyncLifetime
{
    private readonly ManualTimeProvider _time = new();
    private TidemarkStore _store = null!;
    private IDistributedCache _cache = null!;

    Task IAsyncLifetime.InitializeAsync()
    {
        _store = TidemarkStore.InMemory(new TidemarkStoreOptions { TimeProvider = _time });
        var services = new ServiceCollection();
        services.AddSingleton<KeyValueStore>(_store).AddSingleton<TimeProvider>(_time);
        _cache = services.AddTidemarkCache().BuildServiceProvider().GetRequiredService<IDistributedCache>();
        return Task.CompletedTask;
    }

    async Task IAsyncLifetime.DisposeAsync() => await _store.DisposeAsync();

    [Fact]
    public async Task What_is_set_is_there_until_it_is_removed()
    {
        Assert.Null(await _cache.GetAsync("key"));
        await _cache.SetAsync("key", [1, 2, 3], new DistributedCacheEntryOptions());
        Assert.Equal([1, 2, 3], await _cache.GetAsync("key"));
        Assert.Equal([1, 2, 3], _cache.Get("key"));
        _cache.Set("key", [], new DistributedCacheEntryOptions());
        Assert.Empty((await _cache.GetAsync("key"))!);
        _time.Advance(TimeSpan.FromDays(1000));
        Assert.NotNull(await _cache.GetAsync("key"));
        await _cache.RemoveAsync("key");
        Assert.Null(await _cache.GetAsync("key"));
        await _cache.RemoveAsync("key");   // As often as one likes.
        await _cache.RefreshAsync("key");
        _cache.Remove("key");
        _cache.Refresh("key");
    }

    [Fact]
    public async Task Entries_stand_below_the_prefix_and_meet_no_others()
    {
        await _store.PutAsync("key", "own"u8.ToArray());
        await _cache.SetStringAsync("key", "cached");
        Assert.Equal("own", (await _store.GetAsync("key"))?.GetString());
        Assert.NotNull(await _store.GetAsync("cache/key"));
        await _cache.RemoveAsync("key");
        Assert.NotNull(await _store.GetAsync("key"));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task An_absolute_expiration_ends_it_however_much_it_is_used(bool isRelative)
    {
        await _cache.SetStringAsync("key", "value", isRelative
            ? new DistributedCacheEntryOptions { AbsoluteExpirationRelativeToNow = TimeSpan.FromMinutes(10), SlidingExpiration = TimeSpan.FromMinutes(4) }
            : new DistributedCacheEntryOptions { AbsoluteExpiration = _time.GetUtcNow().AddMinutes(10), SlidingExpiration = TimeSpan.FromMinutes(4) });
        for (int minute = 3; minute <= 9; minute += 3)
        {
            _time.Advance(TimeSpan.FromMinutes(3));
            Assert.Equal("value", await _cache.GetStringAsync("key"));
        }

        _time.Advance(TimeSpan.FromSeconds(61));
        Assert.Null(await _cache.GetAsync("key"));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_sliding_expiration_begins_anew_with_each_use(bool isRefresh)
    {
        await _cache.SetStringAsync("key", "value", new DistributedCacheEntryOptions { SlidingExpiration = TimeSpan.FromMinutes(10) });
        for (int use = 0; use < 5; use++)
        {
            _time.Advance(TimeSpan.FromMinutes(10) - TimeSpan.FromSeconds(1));   // Never too short.
            if (isRefresh) await _cache.RefreshAsync("key");
            else Assert.Equal("value", await _cache.GetStringAsync("key"));
        }

        Assert.Equal("value", await _cache.GetStringAsync("key"));
        _time.Advance(TimeSpan.FromMinutes(12));
        Assert.Null(await _cache.GetAsync("key"));
    }

    /// <summary>A use that comes right after another writes nothing: else each read would cost a write.</summary>
    [Fact]
    public async Task A_use_shortly_after_another_writes_nothing_and_the_entry_still_lives_long_enough()
    {
        await _cache.SetStringAsync("key", "value", new DistributedCacheEntryOptions { SlidingExpiration = TimeSpan.FromMinutes(10) });
        long version = (await _store.GetAsync("cache/key"))!.Value.Version;
        _time.Advance(TimeSpan.FromSeconds(59));
        Assert.NotNull(await _cache.GetAsync("key"));
        Assert.Equal(version, (await _store.GetAsync("cache/key"))!.Value.Version);
        _time.Advance(TimeSpan.FromMinutes(10) - TimeSpan.FromSeconds(1));
        Assert.NotNull(await _cache.GetAsync("key"));
        Assert.True((await _store.GetAsync("cache/key"))!.Value.Version > version);
    }

    [Fact]
    public async Task What_is_over_is_removed_from_the_store_by_itself()
    {
        await _cache.SetStringAsync("key", "value", new DistributedCacheEntryOptions { AbsoluteExpirationRelativeToNow = TimeSpan.FromMinutes(1) });
        await using IAsyncEnumerator<StoreEvent> events = _store.WatchAsync(KeyRange.Children("cache")).GetAsyncEnumerator();
        _time.Advance(TimeSpan.FromMinutes(2));
        Assert.True(await events.MoveNextAsync().AsTask().WaitAsync(TimeSpan.FromMinutes(1)));
        Assert.Equal(StoreEventKind.Deleted, events.Current.Kind);
    }

    [Fact]
    public async Task What_makes_no_sense_is_refused()
    {
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => _cache.SetAsync("key", [1], new DistributedCacheEntryOptions { AbsoluteExpiration = _time.GetUtcNow() }));
        await Assert.ThrowsAsync<ArgumentNullException>(() => _cache.SetAsync("key", null!, new DistributedCacheEntryOptions()));
        await Assert.ThrowsAsync<ArgumentNullException>(() => _cache.GetAsync(null!));
        await Assert.ThrowsAsync<LimitExceededException>(() => _cache.SetAsync(new string('k', 481), [1], new DistributedCacheEntryOptions()));
    }

    [Fact]
    public async Task A_cache_takes_the_named_store_of_its_host()
    {
        using var home = new TemporaryDirectory();
        HostApplicationBuilder builder = new(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.Services.AddTidemarkStore("hot", home.At("hot")).AddTidemarkCache(options => (options.Store, options.KeyPrefix) = ("hot", "sessions:"));
        using IHost host = builder.Build();
        await host.StartAsync();
        await host.Services.GetRequiredService<IDistributedCache>().SetStringAsync("1", "value");
        Assert.NotNull(await host.Services.GetRequiredKeyedService<KeyValueStore>("hot").GetAsync("sessions:1"));
        await host.StopAsync();
    }
}

using System.Diagnostics;

using static Tidemark.Tests.Eventually;

namespace Tidemark.Integration;

/// <summary>The status store on a real etcd.</summary>
public sealed class EtcdStatusStoreTests : IAsyncLifetime, IDisposable
{
    private const string Put = "/v3/kv/txn", Watch = "/v3/watch";

    private static readonly byte[] _one = "one"u8.ToArray(), _two = "two"u8.ToArray();

    private readonly FaultyHttp _http = new();
    private EtcdServer _server = null!;

    public async Task InitializeAsync() => _server = await EtcdServer.RunAsync();

    public Task DisposeAsync() => Task.CompletedTask;

    public void Dispose()
    {
        _server?.Dispose();
        _http.Dispose();
    }

    [ExternalFact("etcd-server")]
    public Task The_store_keeps_the_contract() => StatusContract.CheckAsync(name => new EtcdClusterStatusStore(Options() with { Name = name, RequestTimeout = TimeSpan.FromSeconds(20) }));

    [ExternalFact("etcd-server")]
    public async Task A_write_whose_answer_is_lost_is_unknown_was_done_and_is_not_sent_again()
    {
        using var store = new EtcdClusterStatusStore(Options() with { HttpHandler = _http, Endpoints = [_server.Address, _server.Address] });
        long version = 0;
        foreach (HttpFault fault in (HttpFault[])[HttpFault.LoseAnswer, HttpFault.GatewayTimeout])
        {
            _http.Order(Put, fault);
            _http.Requests.Clear();
            await Assert.ThrowsAsync<OutcomeUnknownException>(async () => await store.TryWriteAsync(_one, version));
            Assert.Equal([Put], _http.Requests);
            version = (await store.ReadAsync())!.Version;
            Assert.Null(await store.TryWriteAsync(_two, 0));
        }
    }

    [ExternalFact("etcd-server")]
    public async Task A_write_that_could_not_leave_goes_to_the_next_endpoint_and_where_there_is_none_it_surely_was_not_done()
    {
        using var store = new EtcdClusterStatusStore(Options() with { HttpHandler = _http, Endpoints = [_server.Address, _server.Address] });
        _http.Order(Put, HttpFault.Refuse, HttpFault.Refuse);
        IOException refusal = await Assert.ThrowsAsync<IOException>(async () => await store.TryWriteAsync(_one, 0));
        Assert.Contains("surely was not written", refusal.Message, StringComparison.Ordinal);
        Assert.Contains(_server.Address.ToString(), refusal.Message, StringComparison.Ordinal);
        Assert.Null(await store.ReadAsync());
        _http.Order(Put, HttpFault.Refuse);
        Assert.NotNull(await store.TryWriteAsync(_one, 0));
    }

    [ExternalFact("etcd-server")]
    public async Task A_member_that_is_down_is_passed_over()
    {
        int closed = StatusServer.FreePort();
        using var store = new EtcdClusterStatusStore(Options() with { Endpoints = [new Uri($"http://127.0.0.1:{closed}"), _server.Address] });
        Assert.NotNull(await store.TryWriteAsync(_one, 0));
        Assert.Equal(_one, (await store.ReadAsync())!.Content.ToArray());
        using var alone = new EtcdClusterStatusStore(Options() with { Endpoints = [new Uri($"http://127.0.0.1:{closed}")] });
        await Assert.ThrowsAsync<IOException>(async () => await alone.ReadAsync());
        await Assert.ThrowsAsync<IOException>(async () => await alone.TryWriteAsync(_two, 1));
    }

    [ExternalFact("etcd-server")]
    public async Task A_request_that_etcd_refuses_is_an_error_by_etcds_words_and_surely_not_done()
    {
        using var store = new EtcdClusterStatusStore(Options() with { MaxDocumentBytes = 3 << 20 });
        foreach ((int length, string reason) in ((int, string)[])[(1600 << 10, "request is too large"), (2 << 20, "received message larger than max")])
        {
            IOException refusal = await Assert.ThrowsAsync<IOException>(async () => await store.TryWriteAsync(new byte[length], 0));
            Assert.Contains(reason, refusal.Message, StringComparison.Ordinal);
        }

        Assert.Null(await store.ReadAsync());
    }

    [ExternalFact("etcd-server")]
    public async Task Whatever_becomes_of_the_server_every_answer_is_true_and_a_watch_goes_on()
    {
        EtcdStatusOptions options = Options() with { RequestTimeout = TimeSpan.FromSeconds(1), WatchIdle = TimeSpan.FromMilliseconds(500) };
        using EtcdClusterStatusStore store = new(options), watched = new(options);
        using var outage = new StatusOutage(store, watched, _server);
        await outage.RunAsync(rounds: 2);
        Assert.True(outage.Unknown > 0, "No outcome was unknown.");
        Assert.True(outage.FailedWatches > 0, "The watch never noticed.");
    }

    [ExternalFact("etcd-server")]
    public async Task A_frozen_server_is_an_error_within_the_timeout_and_a_cancelled_write_is_cancelled()
    {
        using EtcdClusterStatusStore store = new(Options() with { RequestTimeout = TimeSpan.FromMilliseconds(300) }), patient = new(Options() with { RequestTimeout = TimeSpan.FromMinutes(2) });
        long version = (await patient.TryWriteAsync(_one, 0))!.Value;
        _server.Freeze();
        long begun = Stopwatch.GetTimestamp();
        IOException late = await Assert.ThrowsAsync<IOException>(async () => await store.ReadAsync());
        Assert.Contains("EtcdStatusOptions.RequestTimeout", late.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<OutcomeUnknownException>(async () => await store.TryWriteAsync(_two, version));
        Assert.True(Stopwatch.GetElapsedTime(begun) < TimeSpan.FromSeconds(30));
        using var cancellation = new CancellationTokenSource();
        Task<long?> write = patient.TryWriteAsync(_two, version, cancellation.Token).AsTask();
        await cancellation.CancelAsync();
        OperationCanceledException cancelled = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => write);
        Assert.Equal(cancellation.Token, cancelled.CancellationToken);
        _server.Thaw();
    }

    [ExternalFact("etcd-server")]
    public async Task A_watch_that_says_nothing_any_more_is_not_trusted()
    {
        using EtcdClusterStatusStore store = new(Options() with { HttpHandler = _http, WatchIdle = TimeSpan.FromMilliseconds(200) }), other = new(Options());
        _http.Order(Watch, HttpFault.SilentWatch);
        await using IAsyncEnumerator<ClusterStatusEntry> watch = store.WatchAsync(0).GetAsyncEnumerator();
        ValueTask<bool> next = watch.MoveNextAsync();
        await UntilAsync(() => _http.Requests.Contains(Watch));
        await other.TryWriteAsync(_one, 0);
        Assert.True(await next.AsTask().WaitAsync(TimeSpan.FromSeconds(30)));
        Assert.Equal(_one, watch.Current.Content.ToArray());
    }

    [ExternalFact("etcd-server")]
    public async Task A_watch_whose_revisions_were_compacted_away_goes_on_from_the_newest()
    {
        using EtcdClusterStatusStore store = new(Options() with { HttpHandler = _http }), other = new(Options());
        long first = (await other.TryWriteAsync(_one, 0))!.Value, second = (await other.TryWriteAsync(_two, first))!.Value;
        await _server.PostAsync("/v3/kv/compaction", new { revision = $"{second}", physical = true });
        _http.Order(Watch, HttpFault.CompactedWatch);
        await using IAsyncEnumerator<ClusterStatusEntry> watch = store.WatchAsync(first).GetAsyncEnumerator();
        Assert.True(await watch.MoveNextAsync());
        Assert.Equal(second, watch.Current.Version);
        ValueTask<bool> next = watch.MoveNextAsync();
        await UntilAsync(() => _http.Requests.Count(path => path == Watch) == 2);   // The second one is etcd's own.
        long third = (await other.TryWriteAsync(_one, second))!.Value;
        Assert.True(await next.AsTask().WaitAsync(TimeSpan.FromSeconds(30)));
        Assert.Equal(third, watch.Current.Version);
    }

    [ExternalFact("etcd-server")]
    public async Task Where_users_are_asked_for_the_store_signs_in_and_again_when_its_token_is_forgotten()
    {
        string prefix = EtcdServer.Base64("tidemark/"), end = EtcdServer.Base64("tidemark0");
        await _server.PostAsync("/v3/auth/user/add", new { name = "root", password = "secret" });
        await _server.PostAsync("/v3/auth/role/add", new { name = "root" });
        await _server.PostAsync("/v3/auth/user/grant", new { user = "root", role = "root" });
        await _server.PostAsync("/v3/auth/user/add", new { name = "node", password = "word" });
        await _server.PostAsync("/v3/auth/role/add", new { name = "tidemark" });
        await _server.PostAsync("/v3/auth/role/grant", new { name = "tidemark", perm = new { permType = "READWRITE", key = prefix, range_end = end } });
        await _server.PostAsync("/v3/auth/user/grant", new { user = "node", role = "tidemark" });
        await _server.PostAsync("/v3/auth/enable", new { });

        EtcdStatusOptions options = Options() with { User = "node", Password = "word" };
        Assert.DoesNotContain("word", options.ToString(), StringComparison.Ordinal);
        using var store = new EtcdClusterStatusStore(options);
        long version = (await store.TryWriteAsync(_one, 0))!.Value;
        await using (IAsyncEnumerator<ClusterStatusEntry> watch = store.WatchAsync(0).GetAsyncEnumerator()) Assert.True(await watch.MoveNextAsync());
        using EtcdClusterStatusStore nobody = new(Options()), wrong = new(options with { Password = "wrong" }), elsewhere = new(options with { Key = "other/key" });
        foreach (EtcdClusterStatusStore outsider in (EtcdClusterStatusStore[])[nobody, wrong, elsewhere])
        {
            await Assert.ThrowsAsync<IOException>(async () => await outsider.ReadAsync());
            await Assert.ThrowsAsync<IOException>(async () => await outsider.TryWriteAsync(_two, version));
        }

        await _server.KillAsync();   // Its tokens are in its memory alone.
        await _server.StartAsync();
        long next = (await store.TryWriteAsync(_two, version))!.Value;
        Assert.Equal(next, (await store.ReadAsync())!.Version);
    }

    private EtcdStatusOptions Options() => new() { Endpoints = [_server.Address], RequestTimeout = TimeSpan.FromSeconds(10) };
}

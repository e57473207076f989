using System.Text;

using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace Tidemark.Integration.Hosting;

/// <summary>Nodes and stores as services of a host.</summary>
public sealed class HostedNodeTests : IDisposable
{
    private readonly TemporaryDirectory _home = new();

    public void Dispose() => _home.Dispose();

    [Fact]
    public async Task A_service_may_take_the_store_in_its_constructor_and_use_it_when_it_starts()
    {
        HostApplicationBuilder builder = NewHost();
        builder.Services.AddHostedService<Greeter>();   // Before the node: the order does not matter.
        AddAlone(builder.Services.AddTidemark());
        using IHost host = builder.Build();
        await host.StartAsync();
        var store = host.Services.GetRequiredService<KeyValueStore>();
        var node = host.Services.GetRequiredService<TidemarkNode>();
        Assert.Equal("hello", (await store.GetAsync("greeting"))?.GetString());
        Assert.Equal("hello", (await node.Store.GetAsync("greeting"))?.GetString());
        Assert.True(node.Describe().IsRunning);
        await host.StopAsync();
        Assert.Equal("goodbye", Greeter.LastRead);   // Read while the host stopped: the node ends after all others.
        Assert.False(node.Describe().IsRunning);
    }

    [Fact]
    public async Task Before_the_host_has_started_a_use_says_so()
    {
        HostApplicationBuilder builder = NewHost();
        AddAlone(builder.Services.AddTidemark());
        using IHost host = builder.Build();
        var store = host.Services.GetRequiredService<KeyValueStore>();
        var error = await Assert.ThrowsAsync<InvalidOperationException>(async () => await store.GetAsync("key"));
        Assert.Contains("has not been started yet", error.Message, StringComparison.Ordinal);
        Assert.Throws<InvalidOperationException>(() => host.Services.GetRequiredService<TidemarkNode>());
        await host.StartAsync();
        Assert.Null(await store.GetAsync("key"));
        Assert.NotNull(host.Services.GetRequiredService<TidemarkNode>());
    }

    [Fact]
    public async Task Nodes_and_stores_of_different_names_live_side_by_side()
    {
        HostApplicationBuilder builder = NewHost();
        AddAlone(builder.Services.AddTidemark("orders"), "orders");
        AddAlone(builder.Services.AddTidemark("users"), "users");
        builder.Services.AddTidemarkStore(_home.At("local"));
        builder.Services.AddTidemarkStore("cold", _home.At("cold"));
        builder.Services.AddHealthChecks().AddTidemark().AddTidemark("orders").AddTidemark("cold", name: "archive");
        using IHost host = builder.Build();
        await host.StartAsync();
        string?[] names = ["orders", "users", "cold", null];
        foreach (string? name in names) await StoreOf(name).PutAsync("name", Encoding.UTF8.GetBytes($"{name}"));
        foreach (string? name in names) Assert.Equal($"{name}", (await StoreOf(name).GetAsync("name"))?.GetString());
        Assert.Equal(_home.At("orders"), Path.GetFullPath(host.Services.GetRequiredService<IOptionsMonitor<TidemarkHostOptions>>().Get("orders").Directory!));
        Assert.NotSame(host.Services.GetRequiredKeyedService<TidemarkNode>("orders"), host.Services.GetRequiredKeyedService<TidemarkNode>("users"));
        Assert.Equal(_home.At("local"), host.Services.GetRequiredService<TidemarkStore>().Directory);
        Assert.Equal(_home.At("cold"), host.Services.GetRequiredKeyedService<TidemarkStore>("cold").Directory);
        HealthReport report = await host.Services.GetRequiredService<HealthCheckService>().CheckHealthAsync();
        Assert.Equal(["archive", "tidemark", "tidemark-orders"], report.Entries.Keys.Order());
        Assert.Equal(HealthStatus.Healthy, report.Status);
        await host.StopAsync();

        KeyValueStore StoreOf(string? name) => name is null ? host.Services.GetRequiredService<KeyValueStore>() : host.Services.GetRequiredKeyedService<KeyValueStore>(name);
    }

    [Fact]
    public void Two_of_one_name_are_refused()
    {
        var services = new ServiceCollection();
        services.AddTidemark();
        Assert.Contains("has been added already", Assert.Throws<InvalidOperationException>(() => services.AddTidemarkStore("x")).Message, StringComparison.Ordinal);
        services.AddTidemark("a");
        Assert.Contains("'a' has been added already", Assert.Throws<InvalidOperationException>(() => services.AddTidemark("a")).Message, StringComparison.Ordinal);
    }

    public static TheoryData<string, Action<TidemarkHostOptions>, Action<TidemarkTcpOptions>> Mistakes => new()
    {
        { "Node is not set", options => options.Node = null, _ => { } },
        { "Directory is not set", options => options.Directory = " ", _ => { } },
        { "Members does not name node 3", options => options.Node = 3, _ => { } },
        { "Members names a node twice", options => { options.Members.Add(0); options.Members.Add(0); }, _ => { } },
        { "ShardCount is 0", options => options.ShardCount = 0, _ => { } },
        { "Suspicion is 00:00:00.1000000. It is at least four times Heartbeat", options => options.Suspicion = TimeSpan.FromMilliseconds(100), _ => { } },
        { "StartTimeout is", options => options.StartTimeout = TimeSpan.FromSeconds(-1), _ => { } },
        { "Listen is ''", _ => { }, tcp => tcp.Listen = null },
        { "Listen is 'somewhere:70'", _ => { }, tcp => tcp.Listen = "somewhere:70" },
        { "Listen is 10.0.0.7:7001, and without TLS everyone who reaches it can pose as any node. Set Tls", _ => { }, tcp => tcp.Listen = "10.0.0.7:7001" },
        { "Peers has no address of node 7", options => { options.Members.Add(0); options.Members.Add(7); }, _ => { } },
        { "Peers has 'nowhere' for node 1", _ => { }, tcp => tcp.Peers[1] = "nowhere" },
    };

    [Theory]
    [MemberData(nameof(Mistakes))]
    public async Task A_mistake_in_the_settings_is_named_when_the_host_starts(string message, Action<TidemarkHostOptions> spoil, Action<TidemarkTcpOptions> spoilTcp)
    {
        HostApplicationBuilder builder = NewHost();
        builder.Services.AddTidemark(options => (options.Node, options.Directory) = (0, _home.At("node")))
            .UseTcp(tcp =>
            {
                tcp.Listen = "127.0.0.1:7001";
                for (int node = 0; node < 3; node++) tcp.Peers[node] = $"host-{node}:7001";
                spoilTcp(tcp);
            })
            .UseFileStatus(_home.At("status"))
            .Options.Configure(spoil);
        using IHost host = builder.Build();
        var error = await Assert.ThrowsAsync<OptionsValidationException>(() => host.StartAsync());
        Assert.Contains($"Tidemark: {message}", error.Message, StringComparison.Ordinal);
        Assert.False(Directory.Exists(_home.At("node")));
    }

    [Fact]
    public async Task A_node_without_a_transport_or_a_status_store_says_what_to_call()
    {
        HostApplicationBuilder builder = NewHost();
        builder.Services.AddTidemark("orders", options => (options.Node, options.Directory) = (0, _home.At("node")));
        using IHost host = builder.Build();
        var error = await Assert.ThrowsAsync<OptionsValidationException>(() => host.StartAsync());
        Assert.Contains("Tidemark 'orders': There is no transport. Call UseTcp", error.Message, StringComparison.Ordinal);
        Assert.Contains("Tidemark 'orders': There is no status store. Call UseFileStatus", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Settings_are_bound_from_configuration()
    {
        int port = StatusServer.FreePort();
        HostApplicationBuilder builder = NewHost();
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["Tidemark:Node"] = "4",
            ["Tidemark:Directory"] = _home.At("bound"),
            ["Tidemark:ShardCount"] = "2",
            ["Tidemark:Heartbeat"] = "00:00:00.020",
            ["Tidemark:Tcp:Listen"] = $"127.0.0.1:{port}",
            ["Tidemark:Tcp:Peers:4"] = $"localhost:{port}",
        });
        TidemarkBuilder tidemark = builder.Services.AddTidemark().UseTcp().UseFileStatus(_home.At("status", "cluster"));
        tidemark.Options.Bind(builder.Configuration.GetSection("Tidemark"));
        builder.Services.Configure<TidemarkTcpOptions>(builder.Configuration.GetSection("Tidemark:Tcp"));
        TidemarkNodeOptions? made = null;
        tidemark.ConfigureNode((_, node) => made = node with { SnapshotLogBytes = 4096 });
        using IHost host = builder.Build();
        await host.StartAsync();
        Assert.Equal((4, 2, TimeSpan.FromMilliseconds(20), 4096), (made!.Node, made.Namespace.ShardCount, made.Heartbeat, made.SnapshotLogBytes));
        Assert.Equal([4], made.Members);
        Assert.Equal(2, host.Services.GetRequiredService<TidemarkNode>().Describe().Shards.Count);
        await host.StopAsync();
    }

    [Fact]
    public async Task A_status_store_that_cannot_be_reached_yet_is_tried_again()
    {
        var status = new LateStatusStore { FailuresLeft = 2 };
        HostApplicationBuilder builder = NewHost();
        AddAlone(builder.Services.AddTidemark()).UseStatusStore(_ => status);
        using (IHost host = builder.Build())
        {
            await host.StartAsync();
            Assert.Equal(0, status.FailuresLeft);
            Assert.False(status.IsDisposed);
            await host.StopAsync();
        }

        Assert.True(status.IsDisposed);

        HostApplicationBuilder impatient = NewHost();
        AddAlone(impatient.Services.AddTidemark(options => options.StartTimeout = TimeSpan.Zero), "other").UseStatusStore(_ => new LateStatusStore { FailuresLeft = 2 });
        using IHost failing = impatient.Build();
        await Assert.ThrowsAsync<IOException>(() => failing.StartAsync());
    }

    [Fact]
    public async Task Health_is_bad_before_the_start_and_without_a_leader_and_says_why()
    {
        HostApplicationBuilder builder = NewHost();
        AddAlone(builder.Services.AddTidemark(options => options.Members.Add(1)));   // Two of two are a majority, and the other never comes.
        builder.Services.AddHealthChecks().AddTidemark(timeout: TimeSpan.FromSeconds(1), tags: ["ready"]);
        using IHost host = builder.Build();
        var health = host.Services.GetRequiredService<HealthCheckService>();
        HealthReportEntry before = (await health.CheckHealthAsync()).Entries["tidemark"];
        Assert.Equal((HealthStatus.Unhealthy, "The node has not started yet."), (before.Status, before.Description));
        await host.StartAsync();
        HealthReportEntry alone = (await health.CheckHealthAsync()).Entries["tidemark"];
        Assert.Equal(HealthStatus.Unhealthy, alone.Status);
        Assert.Contains("ready", alone.Tags);
        await host.StopAsync();
    }

    [Fact]
    public async Task Health_is_good_once_a_leader_answers_and_tells_of_each_shard()
    {
        HostApplicationBuilder builder = NewHost();
        AddAlone(builder.Services.AddTidemark(options => options.ShardCount = 2));
        builder.Services.AddHealthChecks().AddTidemark(timeout: ServiceProcessPatience);
        using IHost host = builder.Build();
        await host.StartAsync();
        var health = host.Services.GetRequiredService<HealthCheckService>();
        HealthReportEntry good = (await health.CheckHealthAsync()).Entries["tidemark"];
        Assert.Equal(HealthStatus.Healthy, good.Status);
        Assert.Equal((0, true), (good.Data["node"], good.Data["running"]));
        Assert.StartsWith("leader 0, term ", (string)good.Data["shard 0"], StringComparison.Ordinal);
        Assert.Contains("Leader, applied ", (string)good.Data["shard 1"], StringComparison.Ordinal);
        await host.StopAsync();
        Assert.Equal(HealthStatus.Unhealthy, (await health.CheckHealthAsync()).Status);
    }

    private static TimeSpan ServiceProcessPatience => Service.ServiceProcess.Patience;

    private static HostApplicationBuilder NewHost() => new(new HostApplicationBuilderSettings { DisableDefaults = true });

    /// <summary>A node that is a cluster of its own, in memory but for its directory.</summary>
    private TidemarkBuilder AddAlone(TidemarkBuilder builder, string directory = "node")
    {
        var network = new MemoryNetwork();
        builder.Options.Configure(options =>
        {
            (options.Node, options.Directory) = (0, _home.At(directory));
            options.Members.Add(0);
        });
        return builder.UseTransport((_, _) => network.CreateTransport(0)).UseStatusStore(_ => new MemoryClusterStatusStore());
    }

    private sealed class Greeter(KeyValueStore store) : IHostedService
    {
        public static string? LastRead { get; private set; }

        public async Task StartAsync(CancellationToken cancellationToken) => await store.PutAsync("greeting", "hello"u8.ToArray(), cancellationToken: cancellationToken);

        public async Task StopAsync(CancellationToken cancellationToken)
        {
            await store.PutAsync("greeting", "goodbye"u8.ToArray(), cancellationToken: cancellationToken);
            LastRead = (await store.GetAsync("greeting", cancellationToken: cancellationToken))?.GetString();
        }
    }

    private sealed class LateStatusStore : IClusterStatusStore, IDisposable
    {
        private readonly MemoryClusterStatusStore _store = new();

        public int FailuresLeft { get; set; }

        public bool IsDisposed { get; private set; }

        public ValueTask<ClusterStatusEntry?> ReadAsync(CancellationToken cancellationToken = default) =>
            FailuresLeft == 0 ? _store.ReadAsync(cancellationToken) : throw new IOException($"not reached, {FailuresLeft--} times to go");

        public ValueTask<long?> TryWriteAsync(ReadOnlyMemory<byte> content, long expectedVersion, CancellationToken cancellationToken = default) =>
            _store.TryWriteAsync(content, expectedVersion, cancellationToken);

        public IAsyncEnumerable<ClusterStatusEntry> WatchAsync(long afterVersion, CancellationToken cancellationToken = default) => _store.WatchAsync(afterVersion, cancellationToken);

        public void Dispose() => IsDisposed = true;
    }
}

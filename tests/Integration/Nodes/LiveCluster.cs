using System.Diagnostics;
using System.Net;

using Tidemark.Core.Replication;

using static Tidemark.Tests.Eventually;

namespace Tidemark.Integration.Nodes;

/// <summary>Some nodes in this process, three unless it is said otherwise, each with its own directory and transport, in real time.</summary>
internal sealed class LiveCluster : IAsyncDisposable
{
    internal const int Count = 3;

    private const int Most = 8;

    private static readonly TimeSpan _settled = TimeSpan.FromSeconds(2.5);   // Nodes look once a second whether they lead more than others.

    private readonly TemporaryDirectory _home = new();
    private readonly MemoryNetwork? _network;
    private readonly int[] _ports = new int[Most];
    private readonly NamespaceOptions _settings;
    private readonly Func<ITransport, ITransport> _wrap;
    private readonly int _count;
    private readonly int? _replicas;
    private Func<ClientOperation, bool>? _authorize;
    private TimeSpan? _scrubInterval;
    private Mutators? _mutators;

    private LiveCluster(int count, int? replicas, bool isTcp, NamespaceOptions settings, Func<int, StorageEngine> engineOf, Func<ITransport, ITransport> wrap)
    {
        (_count, _replicas, _settings, EngineOf, _wrap) = (count, replicas, settings, engineOf, wrap);
        _network = isTcp ? null : new MemoryNetwork();
        Status = isTcp ? new FileClusterStatusStore(_home.At("status"), new FileStatusOptions { PollInterval = TimeSpan.FromMilliseconds(20) }) : new MemoryClusterStatusStore();
        StatusOf = _ => Status;
        if (isTcp) Directory.CreateDirectory(_home.Path);
    }

    internal IClusterStatusStore Status { get; }

    /// <summary>The first make the cluster; others may join it.</summary>
    internal TidemarkNode?[] Nodes { get; } = new TidemarkNode?[Most];

    internal IEnumerable<TidemarkNode> Up => Nodes.OfType<TidemarkNode>();

    /// <summary>The disk with which a node is started next.</summary>
    internal Func<int, IFileSystem> FilesOf { get; set; } = static _ => DiskFileSystem.Instance;

    /// <summary>The engine with which a node is started next.</summary>
    internal Func<int, StorageEngine> EngineOf { get; set; }

    /// <summary>The archive with which a node is started next.</summary>
    internal Func<int, ArchiveOptions?> ArchiveOf { get; set; } = static _ => null;

    /// <summary>The clock with which a node is started next.</summary>
    internal Func<int, TimeProvider> TimeOf { get; set; } = static _ => TimeProvider.System;

    /// <summary>The zone in which a node is started next.</summary>
    internal Func<int, string?> ZoneOf { get; set; } = static _ => null;

    /// <summary>The status store of a node that is started next.</summary>
    internal Func<int, IClusterStatusStore> StatusOf { get; set; }

    /// <summary>The versions of the protocol that a node speaks which is started next.</summary>
    internal Func<int, ProtocolVersions> VersionsOf { get; set; } = static _ => ProtocolVersions.Own;

    internal IReadOnlyList<string> Addresses => [.. _ports.Take(_count).Select(port => $"127.0.0.1:{port}")];

    internal static async Task<LiveCluster> StartAsync(bool isTcp, NamespaceOptions? settings = null, Func<int, StorageEngine>? engineOf = null, Func<ITransport, ITransport>? wrap = null,
        TimeSpan? scrubInterval = null, Mutators? mutators = null, Func<ClientOperation, bool>? authorize = null, ArchiveOptions? archive = null)
    {
        LiveCluster cluster = Prepare(isTcp, settings, engineOf, wrap);
        (cluster._scrubInterval, cluster._mutators, cluster._authorize) = (scrubInterval, mutators, authorize);
        cluster.ArchiveOf = _ => archive;
        await Task.WhenAll(Enumerable.Range(0, Count).Select(cluster.StartAsync));
        return cluster;
    }

    /// <summary>A cluster none of whose nodes is started yet.</summary>
    internal static LiveCluster Prepare(bool isTcp, NamespaceOptions? settings = null, Func<int, StorageEngine>? engineOf = null, Func<ITransport, ITransport>? wrap = null) =>
        new(Count, null, isTcp, settings ?? new NamespaceOptions(), engineOf ?? (static _ => StorageEngine.Memory), wrap ?? (static inner => inner));

    /// <summary>Starts a cluster in which only some of the nodes keep a shard.</summary>
    internal static async Task<LiveCluster> StartPlacedAsync(
        int count, int replicas, int shards, Func<int, string?>? zoneOf = null, bool isTcp = false, Func<ClientOperation, bool>? authorize = null, ArchiveOptions? archive = null, Func<int, TimeProvider>? timeOf = null)
    {
        var cluster = new LiveCluster(count, replicas, isTcp, new NamespaceOptions { ShardCount = shards }, static _ => StorageEngine.Memory, static inner => inner)
        {
            ZoneOf = zoneOf ?? (static _ => null),
            _authorize = authorize,
            ArchiveOf = _ => archive,
            TimeOf = timeOf ?? (static _ => TimeProvider.System),
        };
        await Task.WhenAll(Enumerable.Range(0, count).Select(cluster.StartAsync));
        return cluster;
    }

    internal async Task StartAsync(int node) => Nodes[node] = await TidemarkNode.StartAsync(new TidemarkNodeOptions
    {
        Node = node,
        Directory = _home.At($"node{node}"),
        Members = [.. Enumerable.Range(0, _count)],
        Replicas = _replicas,
        Zone = ZoneOf(node),
        Versions = VersionsOf(node),
        Status = StatusOf(node),
        CreateTransport = cluster => _wrap(_network?.CreateTransport(node) ?? CreateTcp(cluster, node)),
        Namespace = _settings,
        Authorize = _authorize,
        ScrubInterval = _scrubInterval,
        Mutators = _mutators,
        Archive = ArchiveOf(node),
        TimeProvider = TimeOf(node),
        Engine = EngineOf(node),
        FileSystem = FilesOf(node),
        EngineBatchBytes = 16 * 1024,
        SnapshotLogBytes = 256 * 1024,
        LogSegmentBytes = 256 * 1024,
    });

    /// <summary>Waits until every shard is led and nothing is handed over any more: that may leave the outcome of a write unknown.</summary>
    internal async Task SettleAsync()
    {
        IReadOnlyList<int> known = [];
        long since = Stopwatch.GetTimestamp();
        await UntilAsync(() =>
        {
            IReadOnlyList<int> leaders = Nodes[0]!.GetLeaders();
            if (!leaders.SequenceEqual(known) || leaders.Any(static leader => leader < 0)) (known, since) = (leaders, Stopwatch.GetTimestamp());
            return Stopwatch.GetElapsedTime(since) > _settled;
        }, () => string.Join(", ", known));
    }

    /// <summary>Connects a client; over TCP by the addresses alone.</summary>
    internal Task<TidemarkClient> ConnectAsync(Func<TidemarkClientOptions, TidemarkClientOptions>? change = null)
    {
        TidemarkClientOptions options = _network is null
            ? TidemarkClientOptions.OfAddresses(Addresses)
            : new TidemarkClientOptions { Members = [.. Enumerable.Range(0, _count)], CreateTransport = _network.CreateCaller };
        return TidemarkClient.ConnectAsync(change?.Invoke(options) ?? options);
    }

    /// <summary>The transport of a process that is no member and says what it likes.</summary>
    internal ITransport CreateCaller() => _network!.CreateCaller();

    /// <summary>Ends a node as a killed process would.</summary>
    internal async Task KillAsync(int node)
    {
        await Nodes[node]!.AbortAsync();
        Nodes[node] = null;
    }

    /// <summary>Ends all nodes in good order, and starts them again.</summary>
    internal async Task RestartAsync()
    {
        await Task.WhenAll(Up.Select(node => node.DisposeAsync().AsTask()));
        await Task.WhenAll(Enumerable.Range(0, _count).Select(StartAsync));
    }

    internal string DirectoryOf(int node) => _home.At($"node{node}");

    /// <summary>Waits until a node that is up leads a shard, by its own word.</summary>
    internal async Task<int> LeaderAsync(int shard = 0)
    {
        for (DateTime end = DateTime.UtcNow.AddSeconds(30); DateTime.UtcNow < end; await Task.Delay(10))
        {
            for (int node = 0; node < Nodes.Length; node++)
            {
                if (Nodes[node] is { } up && up.GetLeaders()[shard] == node) return node;
            }
        }

        throw new TimeoutException("nobody leads");
    }

    public async ValueTask DisposeAsync()
    {
        await Task.WhenAll(Up.Select(node => node.AbortAsync().AsTask()));
        _home.Dispose();
    }

    private TcpTransport CreateTcp(Guid cluster, int node)
    {
        // The port it has got the first time is kept: others know it.
        var listen = new IPEndPoint(IPAddress.Loopback, _ports[node]);
        if (listen.Port == 0) listen.Port = _ports[node] = StatusServer.FreePort();
        return TcpTransport.Create(new TcpTransportOptions
        {
            ClusterId = cluster,
            Node = node,
            Listen = listen,
            Versions = VersionsOf(node),
            AddressOf = other => _ports[other] != 0 ? $"127.0.0.1:{_ports[other]}" : null,
        });
    }
}

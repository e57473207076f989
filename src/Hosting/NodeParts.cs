using System.Net;

using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Tidemark.Hosting;

/// <summary>What was chosen for one node of a host, and how its settings are made of that. Filled before the services are built.</summary>
internal sealed class NodeParts(string name)
{
    private readonly List<Func<IServiceProvider, TidemarkNodeOptions, TidemarkNodeOptions>> _configured = [];
    private Func<IServiceProvider, Guid, ITransport>? _transport;
    private Func<IServiceProvider, IClusterStatusStore>? _status;

    internal string Name => name;

    /// <summary>For people.</summary>
    internal string Title => TitleOf(name);

    internal bool IsTcp { get; private set; }

    internal bool HasTransport => IsTcp || _transport is not null;

    internal bool HasStatus => _status is not null;

    internal static string TitleOf(string name) => name.Length == 0 ? "Tidemark" : $"Tidemark '{name}'";

    internal void UseTcp() => (IsTcp, _transport) = (true, null);

    internal void UseTransport(Func<IServiceProvider, Guid, ITransport> create) => (IsTcp, _transport) = (false, create);

    internal void UseStatus(Func<IServiceProvider, IClusterStatusStore> create) => _status = create;

    internal void Configure(Func<IServiceProvider, TidemarkNodeOptions, TidemarkNodeOptions> configure) => _configured.Add(configure);

    internal IClusterStatusStore CreateStatus(IServiceProvider services) => _status!(services);

    /// <summary>The node's settings. The options were checked before.</summary>
    internal TidemarkNodeOptions ToNodeOptions(IServiceProvider services, IClusterStatusStore status)
    {
        TidemarkHostOptions host = services.GetRequiredService<IOptionsMonitor<TidemarkHostOptions>>().Get(name);
        TidemarkTcpOptions tcp = services.GetRequiredService<IOptionsMonitor<TidemarkTcpOptions>>().Get(name);
        var node = new TidemarkNodeOptions
        {
            Node = host.Node!.Value,
            Directory = host.Directory!,
            Members = MembersOf(host, tcp),
            Status = status,
            CreateTransport = cluster => _transport is { } create ? create(services, cluster) : CreateTcp(services, host.Node.Value, tcp, cluster),
            Namespace = new NamespaceOptions { ShardCount = host.ShardCount },
            Heartbeat = host.Heartbeat,
            Suspicion = host.Suspicion,
            OperationTimeout = host.OperationTimeout,
            AnswerPatience = host.AnswerPatience,
            TimeProvider = services.GetService<TimeProvider>() ?? TimeProvider.System,
            LoggerFactory = services.GetService<ILoggerFactory>(),
        };
        foreach (Func<IServiceProvider, TidemarkNodeOptions, TidemarkNodeOptions> configure in _configured) node = configure(services, node);
        return node;
    }

    internal static int[] MembersOf(TidemarkHostOptions host, TidemarkTcpOptions tcp) => [.. (host.Members.Count > 0 ? host.Members : tcp.Peers.Keys).Order()];

    private static TcpTransport CreateTcp(IServiceProvider services, int node, TidemarkTcpOptions tcp, Guid cluster)
    {
        var options = new TcpTransportOptions
        {
            ClusterId = cluster,
            Node = node,
            Listen = IPEndPoint.Parse(tcp.Listen!),
            AddressOf = other => tcp.Peers.TryGetValue(other, out string? address) ? address : null,
            AdvertisedAddress = tcp.Peers.TryGetValue(node, out string? own) ? own : "",
            Tls = tcp.Tls,
            AllowPlaintext = tcp.AllowPlaintext,
            TimeProvider = services.GetService<TimeProvider>() ?? TimeProvider.System,
            LoggerFactory = services.GetService<ILoggerFactory>(),
        };
        return TcpTransport.Create(tcp.Configure?.Invoke(options) ?? options);
    }
}

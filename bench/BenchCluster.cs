using System.Net;
using System.Net.Sockets;

namespace Tidemark.Bench;

/// <summary>Three nodes in this process over loopback TCP, each with a directory of its own, their status in a file or in the etcd that was named.</summary>
internal sealed class BenchCluster : IAsyncDisposable
{
    internal const int Count = 3;

    private readonly BenchPlace _place;
    private readonly IClusterStatusStore _status;
    private readonly int[] _ports = FreePorts();

    private readonly string _name;
    private readonly int _shards;

    private BenchCluster(BenchPlace place, string name, int shards)
    {
        (_place, _name, _shards) = (place, name, shards);
        _status = place.Etcd is { } etcd
            ? new EtcdClusterStatusStore(new EtcdStatusOptions { Endpoints = [etcd], Name = $"bench-{Guid.NewGuid():N}" })
            : new FileClusterStatusStore(place.At($"{name}-status"));
    }

    internal TidemarkNode?[] Nodes { get; } = new TidemarkNode?[Count];

    internal static async Task<BenchCluster> StartAsync(BenchPlace place, string name = "node", int shards = 1)
    {
        var cluster = new BenchCluster(place, name, shards);
        await Task.WhenAll(Enumerable.Range(0, Count).Select(cluster.StartAsync));
        await cluster.LeaderAsync();
        return cluster;
    }

    internal async Task StartAsync(int node) => Nodes[node] = await TidemarkNode.StartAsync(new TidemarkNodeOptions
    {
        Node = node,
        Directory = _place.At($"{_name}{node}"),
        Members = [.. Enumerable.Range(0, Count)],
        Status = _status,
        Namespace = new NamespaceOptions { ShardCount = _shards },
        CreateTransport = cluster => TcpTransport.Create(new TcpTransportOptions
        {
            ClusterId = cluster,
            Node = node,
            Listen = new IPEndPoint(IPAddress.Loopback, _ports[node]),
            AddressOf = other => $"127.0.0.1:{_ports[other]}",
        }),
    });

    /// <summary>Waits until a node that is up leads, by its own word.</summary>
    internal async Task<int> LeaderAsync()
    {
        while (true)
        {
            foreach (TidemarkNode? node in Nodes)
            {
                if (node?.GetLeaders()[0] == node?.Node && node is not null) return node.Node;
            }

            await Task.Delay(5);
        }
    }

    /// <summary>Waits until all three are up and have everything.</summary>
    internal async Task WholeAsync()
    {
        foreach (TidemarkNode? node in Nodes)
        {
            await foreach (StoreKey _ in node!.Store.ListAsync(KeyRange.All, new ScanOptions { Limit = 1 })) break;   // Asks the leader of every shard.
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (TidemarkNode? node in Nodes)
        {
            if (node is not null) await node.DisposeAsync();
        }

        (_status as IDisposable)?.Dispose();
    }

    private static int[] FreePorts()
    {
        TcpListener[] probes = [.. Enumerable.Range(0, Count).Select(_ => new TcpListener(IPAddress.Loopback, 0))];
        foreach (TcpListener probe in probes) probe.Start();
        int[] ports = [.. probes.Select(probe => ((IPEndPoint)probe.LocalEndpoint).Port)];
        foreach (TcpListener probe in probes) probe.Dispose();
        return ports;
    }
}

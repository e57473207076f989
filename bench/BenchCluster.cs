using System.Net;
using System.Net.Sockets;

namespace Tidemark.Bench;

/// <summary>Three nodes in this process over loopback TCP, each with a directory of its own.</summary>
internal sealed class BenchCluster : IAsyncDisposable
{
    internal const int Count = 3;

    private readonly BenchPlace _place;
    private readonly MemoryClusterStatusStore _status = new();
    private readonly int[] _ports = FreePorts();

    private BenchCluster(BenchPlace place) => _place = place;

    internal TidemarkNode?[] Nodes { get; } = new TidemarkNode?[Count];

    internal static async Task<BenchCluster> StartAsync(BenchPlace place)
    {
        var cluster = new BenchCluster(place);
        await Task.WhenAll(Enumerable.Range(0, Count).Select(cluster.StartAsync));
        await cluster.LeaderAsync();
        return cluster;
    }

    internal async Task StartAsync(int node) => Nodes[node] = await TidemarkNode.StartAsync(new TidemarkNodeOptions
    {
        Node = node,
        Directory = _place.At($"node{node}"),
        Members = [.. Enumerable.Range(0, Count)],
        Status = _status,
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
        foreach (TidemarkNode? node in Nodes) await node!.Store.GetAsync("/bench/whole");
    }

    public async ValueTask DisposeAsync()
    {
        foreach (TidemarkNode? node in Nodes)
        {
            if (node is not null) await node.DisposeAsync();
        }
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

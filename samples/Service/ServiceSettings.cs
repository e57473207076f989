using Microsoft.Extensions.Configuration;

namespace Service;

/// <summary>What the command line says.</summary>
/// <param name="Name">This node's name.</param>
/// <param name="Names">The names of all nodes; a node's number is its place.</param>
/// <param name="Addresses">Where they reach each other.</param>
/// <param name="Listen">Where this one listens for them.</param>
/// <param name="Http">Where it serves HTTP.</param>
/// <param name="Data">Where it keeps its data.</param>
/// <param name="Status">Where the cluster's status is: the kind, then where.</param>
/// <param name="Engine">What the records are kept in.</param>
/// <param name="Replicas">How many nodes keep each shard; null for all.</param>
/// <param name="Zone">What fails together with this node; null for nothing.</param>
internal sealed record ServiceSettings(string Name, IReadOnlyList<string> Names, IReadOnlyList<string> Addresses, string Listen, string Http, string Data, (string Kind, string Place) Status, string Engine, int? Replicas, string? Zone)
{
    internal const string Usage = """
        usage: Service --node a --listen 127.0.0.1:7001 --http 127.0.0.1:8001
                       --peers a=127.0.0.1:7001,b=127.0.0.1:7002,c=127.0.0.1:7003
                       --data DIR --status file:PATH | etcd:URL[,URL...] | postgres:CONNECTION
                       [--engine memory|lmdb|sqlite] [--replicas 3] [--zone rack7]
        """;

    internal int Node => Names.ToList().IndexOf(Name);

    /// <summary>A node's name; of one that joined later and is not named here, its number.</summary>
    internal string NameOf(int node) => node < Names.Count ? Names[node] : $"{node}";

    /// <exception cref="ArgumentException">Something is missing or makes no sense.</exception>
    internal static ServiceSettings Read(IConfiguration commandLine)
    {
        string[][] peers = [.. Required("peers").Split(',').Select(peer => peer.Split('=', 2))];
        if (Array.Find(peers, peer => peer.Length != 2) is { } odd) throw new ArgumentException($"--peers: '{odd[0]}' is not like a=127.0.0.1:7001.");
        string[] status = Required("status").Split(':', 2);
        if (status.Length != 2 || status[0] is not ("file" or "etcd" or "postgres")) throw new ArgumentException("--status begins with file:, etcd: or postgres:.");
        string engine = commandLine["engine"] ?? "memory";
        if (engine is not ("memory" or "lmdb" or "sqlite")) throw new ArgumentException("--engine is memory, lmdb or sqlite.");
        var settings = new ServiceSettings(
            Required("node"), [.. peers.Select(peer => peer[0])], [.. peers.Select(peer => peer[1])], Required("listen"), Required("http"), Required("data"), (status[0], status[1]), engine,
            commandLine["replicas"] is not { } count ? null : int.TryParse(count, out int replicas) ? replicas : throw new ArgumentException("--replicas is a number."), commandLine["zone"]);
        return settings.Node >= 0 ? settings : throw new ArgumentException($"--peers does not name '{settings.Name}', which is this node.");

        string Required(string name) => commandLine[name] is { Length: > 0 } value ? value : throw new ArgumentException($"--{name} is missing.");
    }
}

using System.Net;

using Microsoft.Extensions.Options;

namespace Tidemark.Hosting;

/// <summary>Checks a node's options when the host starts. Each message names the setting and the remedy.</summary>
internal sealed class NodeOptionsCheck(NodeParts parts, IOptionsMonitor<TidemarkTcpOptions> tcpOptions) : IValidateOptions<TidemarkHostOptions>
{
    private static readonly TimeSpan _shortest = TimeSpan.FromMilliseconds(1);

    public ValidateOptionsResult Validate(string? name, TidemarkHostOptions options)
    {
        if (name != parts.Name) return ValidateOptionsResult.Skip;
        string[] failures = [.. Failures(options, tcpOptions.Get(name)).Select(failure => $"{parts.Title}: {failure}")];
        return failures.Length == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(failures);
    }

    private IEnumerable<string> Failures(TidemarkHostOptions options, TidemarkTcpOptions tcp)
    {
        if (!parts.HasTransport) yield return "There is no transport. Call UseTcp or UseTransport on the builder.";
        if (!parts.HasStatus) yield return "There is no status store. Call UseFileStatus, UseEtcd, UseDatabase or UseStatusStore on the builder.";
        if (options.Node is null or < 0) yield return "Node is not set. Give each node its own number, 0 or more, which never changes for its directory.";
        if (string.IsNullOrWhiteSpace(options.Directory)) yield return "Directory is not set. Name a directory that is this node's alone and outlives the process.";
        int[] members = NodeParts.MembersOf(options, tcp);
        if (members.Length is 0 or > 32) yield return $"Members names {members.Length} nodes. Name 1 to 32, or give the address of each in Peers.";
        else if (members.Distinct().Count() != members.Length || members[0] < 0) yield return "Members names a node twice, or a negative number. Name each once.";
        else if (options.Node is { } node && !members.Contains(node)) yield return $"Members does not name node {node}, which is this one. Name all nodes, on all of them alike.";
        if (options.ShardCount is < 1 or > NamespaceOptions.LargestShardCount) yield return $"ShardCount is {options.ShardCount}. It is from 1 to {NamespaceOptions.LargestShardCount}.";
        if (options.Heartbeat < _shortest) yield return $"Heartbeat is {options.Heartbeat}. It is at least 1 ms.";
        if (options.Suspicion < 4 * options.Heartbeat) yield return $"Suspicion is {options.Suspicion}. It is at least four times Heartbeat, which is {options.Heartbeat}.";
        if (options.OperationTimeout < _shortest) yield return $"OperationTimeout is {options.OperationTimeout}. It is at least 1 ms.";
        if (options.AnswerPatience < _shortest) yield return $"AnswerPatience is {options.AnswerPatience}. It is at least 1 ms.";
        if (options.StartTimeout < TimeSpan.Zero) yield return $"StartTimeout is {options.StartTimeout}. It is 0 or more.";
        if (!parts.IsTcp) yield break;
        if (tcp.Listen is null || !IPEndPoint.TryParse(tcp.Listen, out IPEndPoint? listen) || listen.Port == 0)
            yield return $"Listen is '{tcp.Listen}'. Give an IP address and a port, for example 10.0.0.7:7001; 0.0.0.0:7001 listens to all addresses.";
        else if (tcp.Tls is null && !tcp.AllowPlaintext && !IPAddress.IsLoopback(listen.Address))
            yield return $"Listen is {listen}, and without TLS everyone who reaches it can pose as any node. Set Tls, or AllowPlaintext where the network itself is trusted.";
        foreach (int member in members.Where(member => member != options.Node && !tcp.Peers.ContainsKey(member))) yield return $"Peers has no address of node {member}. Give one as host:port.";
        foreach ((int peer, string address) in tcp.Peers)
        {
            if (!IsHostAndPort(address)) yield return $"Peers has '{address}' for node {peer}. Give an address as host:port.";
        }
    }

    private static bool IsHostAndPort(string? address) =>
        Uri.TryCreate($"tcp://{address}", UriKind.Absolute, out Uri? uri) && uri.Port is > 0 and <= IPEndPoint.MaxPort && uri.Host.Length > 0 && uri.AbsolutePath is "/" or "" && uri.UserInfo.Length == 0;
}

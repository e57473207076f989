using Microsoft.Extensions.Logging;

namespace Tidemark.Hosting;

/// <summary>What is reported of nodes that a host runs. Event ids are stable: 600 to 699.</summary>
internal static partial class HostingMessages
{
    [LoggerMessage(600, LogLevel.Information, "Node {Node} has started.")]
    internal static partial void Started(ILogger logger, int node);

    [LoggerMessage(601, LogLevel.Warning, "Node {Node} could not be started. It is tried again.")]
    internal static partial void NotStarted(ILogger logger, int node, Exception cause);

    [LoggerMessage(602, LogLevel.Information, "Node {Node} has handed over and ended.")]
    internal static partial void Ended(ILogger logger, int node);
}

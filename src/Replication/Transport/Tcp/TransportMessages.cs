using System.Net;

using Microsoft.Extensions.Logging;

namespace Tidemark.Replication.Transport.Tcp;

/// <summary>What transports report. Event ids are stable: 500 to 599. Never contents.</summary>
internal static partial class TransportMessages
{
    [LoggerMessage(500, LogLevel.Information, "Node {Node} listens on {EndPoint}, {Security}.")]
    internal static partial void Listening(ILogger logger, int node, EndPoint endPoint, string security);

    [LoggerMessage(501, LogLevel.Warning, "Node {Node} at '{Address}' cannot be reached: {Reason} It is tried again while there is something for it.")]
    internal static partial void DialFailed(ILogger logger, int node, string address, string reason);

    [LoggerMessage(502, LogLevel.Warning, "Node {Node} at '{Address}' refuses this connection, {Code}: {Text}")]
    internal static partial void RefusedByPeer(ILogger logger, int node, string address, Refusal code, string text);

    [LoggerMessage(503, LogLevel.Warning, "Refused a connection from {EndPoint}, {Code}: {Text}")]
    internal static partial void Refused(ILogger logger, EndPoint endPoint, Refusal code, string text);

    [LoggerMessage(504, LogLevel.Warning, "Closed the connection of {Peer} at {EndPoint}: {Reason}. {Detail}")]
    internal static partial void ClosedForCause(ILogger logger, string peer, EndPoint endPoint, DisconnectReason reason, string detail);

    [LoggerMessage(505, LogLevel.Debug, "Connected with {Peer} at {EndPoint}.")]
    internal static partial void Connected(ILogger logger, string peer, EndPoint endPoint);

    [LoggerMessage(506, LogLevel.Debug, "The connection of {Peer} at {EndPoint} is closed: {Reason}.")]
    internal static partial void Closed(ILogger logger, string peer, EndPoint endPoint, DisconnectReason reason);

    [LoggerMessage(507, LogLevel.Error, "The receiver of messages threw at one of {Peer}. Its connection is closed.")]
    internal static partial void ReceiverFailed(ILogger logger, string peer, Exception cause);

    [LoggerMessage(508, LogLevel.Error, "Connections cannot be accepted for now.")]
    internal static partial void AcceptFailed(ILogger logger, Exception cause);

    [LoggerMessage(509, LogLevel.Error, "A part of the transport ended as it should not, or did not end. Please report it.")]
    internal static partial void LoopFailed(ILogger logger, Exception cause);
}

using System.Diagnostics.Metrics;

namespace Tidemark.Replication.Transport.Tcp;

/// <summary>Why a connection was closed.</summary>
internal enum DisconnectReason
{
    RemoteClosed,
    LocalClosed,
    Lost,
    Superseded,
    Idle,
    WriteTimeout,
    HandshakeTimeout,
    TooManyConnections,
    TooManyHandshakes,
    Refused,
    TlsFailed,
    BadMagic,
    BadLength,
    BadChecksum,
    BadKind,
    BadHandshake,
    MisplacedFrame,
    ReceiverFailed,
}

/// <summary>What transports measure, for all of the process together.</summary>
internal static class TransportMetrics
{
    private const string ReasonTag = "tidemark.reason";
    private const string DirectionTag = "tidemark.direction";

    private static readonly UpDownCounter<long> Connections = TidemarkDiagnostics.Meter.CreateUpDownCounter<long>(
        TidemarkDiagnostics.TransportConnections, "{connection}", "Connections that have shaken hands and are open.");

    private static readonly Counter<long> SentBytes = TidemarkDiagnostics.Meter.CreateCounter<long>(
        TidemarkDiagnostics.TransportSentBytes, "By", "Bytes sent, frames included and TLS not.");

    private static readonly Counter<long> ReceivedBytes = TidemarkDiagnostics.Meter.CreateCounter<long>(
        TidemarkDiagnostics.TransportReceivedBytes, "By", "Bytes received, frames included and TLS not.");

    private static readonly Counter<long> DroppedMessages = TidemarkDiagnostics.Meter.CreateCounter<long>(
        TidemarkDiagnostics.TransportDroppedMessages, "{message}", "Messages that were not sent.");

    private static readonly Counter<long> RefusedHandshakes = TidemarkDiagnostics.Meter.CreateCounter<long>(
        TidemarkDiagnostics.TransportRefusedHandshakes, "{handshake}", "Handshakes that were refused, by either side.");

    private static readonly Counter<long> Disconnects = TidemarkDiagnostics.Meter.CreateCounter<long>(
        TidemarkDiagnostics.TransportDisconnects, "{connection}", "Connections that were closed.");

    internal static void Opened(bool isInbound) => Connections.Add(1, Direction(isInbound));

    internal static void NoLongerOpen(bool isInbound) => Connections.Add(-1, Direction(isInbound));

    internal static void Sent(long bytes) => SentBytes.Add(bytes);

    internal static void Received(long bytes) => ReceivedBytes.Add(bytes);

    internal static void NotConnected() => DroppedMessages.Add(1, new KeyValuePair<string, object?>(ReasonTag, "not_connected"));

    internal static void OutboxFull() => DroppedMessages.Add(1, new KeyValuePair<string, object?>(ReasonTag, "outbox_full"));

    internal static void Refused(Refusal code) => RefusedHandshakes.Add(1, new KeyValuePair<string, object?>(ReasonTag, code switch
    {
        Refusal.WrongCluster => "wrong_cluster",
        Refusal.WrongNode => "wrong_node",
        Refusal.WrongVersion => "wrong_version",
        Refusal.NotAuthorized => "not_authorized",
        _ => "unknown",   // A later version's: the tag's values stay few whatever comes.
    }));

    internal static void Disconnected(DisconnectReason reason) => Disconnects.Add(1, new KeyValuePair<string, object?>(ReasonTag, reason switch
    {
        DisconnectReason.RemoteClosed => "remote_closed",
        DisconnectReason.LocalClosed => "local_closed",
        DisconnectReason.Superseded => "superseded",
        DisconnectReason.Idle => "idle",
        DisconnectReason.WriteTimeout => "write_timeout",
        DisconnectReason.HandshakeTimeout => "handshake_timeout",
        DisconnectReason.TooManyConnections => "too_many_connections",
        DisconnectReason.TooManyHandshakes => "too_many_handshakes",
        DisconnectReason.Refused => "refused",
        DisconnectReason.TlsFailed => "tls_failed",
        DisconnectReason.BadMagic => "bad_magic",
        DisconnectReason.BadLength => "bad_length",
        DisconnectReason.BadChecksum => "bad_checksum",
        DisconnectReason.BadKind => "bad_kind",
        DisconnectReason.BadHandshake => "bad_handshake",
        DisconnectReason.MisplacedFrame => "misplaced_frame",
        DisconnectReason.ReceiverFailed => "receiver_failed",
        _ => "lost",
    }));

    private static KeyValuePair<string, object?> Direction(bool isInbound) => new(DirectionTag, isInbound ? "in" : "out");
}

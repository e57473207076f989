namespace Tidemark.Replication.Transport.Tcp;

/// <summary>Magic, hello and answer over a connection that has shaken no hands yet.</summary>
internal static class HandshakeChannel
{
    internal static ValueTask WriteAsync(Link link, FrameKind kind, byte[] payload, CancellationToken cancellationToken) =>
        link.Stream.WriteAsync((byte[])[.. Frame.Magic, .. Frame.ToArray(kind, payload)], cancellationToken);

    /// <summary>Reads the magic and the one frame that may come first. What comes instead closes the connection.</summary>
    /// <returns>The payload; null where the connection was closed.</returns>
    internal static async Task<byte[]?> ReadAsync(Link link, FrameKind expected, CancellationToken cancellationToken)
    {
        for (bool hasMagic = false; ;)
        {
            hasMagic = hasMagic || TakeMagic(link);
            if (hasMagic && TakeFrame(link, expected) is { } payload) return payload;
            if (link.Reason is not null) return null;
            int bytes = await link.Stream.ReadAsync(link.Buffer.GetRoom(), cancellationToken).ConfigureAwait(false);
            if (bytes == 0) link.Close(DisconnectReason.RemoteClosed, "It closed before the handshake was done.");
            link.Buffer.Advance(bytes);
        }
    }

    private static bool TakeMagic(Link link)
    {
        bool? hasMagic = link.Buffer.TakeMagic();
        if (hasMagic is false) link.Close(DisconnectReason.BadMagic, "It is no Tidemark transport, or only one side uses TLS.");
        return hasMagic is true;
    }

    private static byte[]? TakeFrame(Link link, FrameKind expected)
    {
        FrameStatus status = link.Buffer.Take(Handshake.MaxPayloadBytes, out FrameKind kind, out ReadOnlySpan<byte> payload);
        if (Link.Violation(status) is { } reason) link.Close(reason, "Before the handshake was done.");
        else if (status == FrameStatus.Whole && kind != expected) link.Close(DisconnectReason.MisplacedFrame, $"{kind} where {expected} belongs.");
        else if (status == FrameStatus.Whole) return payload.ToArray();
        return null;
    }
}

using System.Net;
using System.Net.Sockets;

namespace Tidemark.Replication.Transport.Tcp;

/// <summary>Connects to a node once: socket, TLS, handshake.</summary>
internal static class Dialer
{
    /// <summary>Dials.</summary>
    /// <returns>The connection, open; or why there is none.</returns>
    internal static async Task<(Link? Link, DialFailure? Failure)> DialAsync(TransportScope scope, int node, string text)
    {
        if (!HostAddress.TryParse(text, out HostAddress address)) return (null, new DialFailure("Its address is not of the form host:port."));
        using Deadline deadline = scope.NewHandshakeDeadline();
        Link? link = null;
        try
        {
            link = await ConnectAsync(address.EndPoint, node, deadline.Token).ConfigureAwait(false);
            scope.Add(link);
            DialFailure? failure = await ShakeHandsAsync(scope.Options, link, node, address.Host, deadline.Token).ConfigureAwait(false);
            if (failure is null && link.Reason is null) return (link, null);
            failure ??= new DialFailure($"{link.Reason}. {link.Detail}");
            link.Close(DisconnectReason.Refused, failure.Text);
            scope.Remove(link);
            return (null, failure);
        }
        catch (Exception e)
        {
            bool isLate = deadline.HasPassed;
            string reason = isLate ? $"It did not answer within {scope.Options.HandshakeTimeout}." : $"{e.Message}{(e.InnerException is { } inner ? " " + inner.Message : "")}";
            if (link is not null)
            {
                bool isTls = scope.Options.Tls is not null && link.Stream is NetworkStream;   // TLS was never got around it.
                link.Close(isLate ? DisconnectReason.HandshakeTimeout : isTls ? DisconnectReason.TlsFailed : DisconnectReason.Lost, reason);
                scope.Remove(link);
            }

            return (null, new DialFailure(reason));
        }
    }

    private static async Task<Link> ConnectAsync(EndPoint endPoint, int node, CancellationToken cancellationToken)
    {
        Socket socket = endPoint is IPEndPoint ip ? new Socket(ip.AddressFamily, SocketType.Stream, ProtocolType.Tcp) : new Socket(SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.NoDelay = true;
            await socket.ConnectAsync(endPoint, cancellationToken).ConfigureAwait(false);   // Of a name with several addresses, one after the other.
            return new Link(socket, endPoint, isInbound: false) { Peer = $"node {node}" };
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static async Task<DialFailure?> ShakeHandsAsync(TcpTransportOptions options, Link link, int node, string host, CancellationToken cancellationToken)
    {
        if (options.Tls is { } tls)
        {
            link.Stream = await TlsChannel.DialAsync(link.Stream, tls, host, cancellationToken).ConfigureAwait(false);
            if (options.MemberNames is { } names && !(TlsChannel.CertificateOf(link.Stream) is { } certificate && names(certificate, node)))
                return new DialFailure("Its certificate may not speak for that node.");
            link.Principal = TlsChannel.PrincipalOf(TlsChannel.CertificateOf(link.Stream));
        }

        ReadOnlyMemory<byte> token = options.Token?.Invoke() ?? default;
        if (token.Length > Handshake.MaxTokenBytes) return new DialFailure($"The own token has {token.Length} bytes, above the limit of {Handshake.MaxTokenBytes}.");
        var hello = new Hello(options.Versions, options.ClusterId, options.IsCaller ? Handshake.Caller : options.Node, options.IsOfAnyCluster ? Handshake.AnyMember : node, token, options.AdvertisedAddress);
        await HandshakeChannel.WriteAsync(link, FrameKind.Hello, Handshake.Write(hello), cancellationToken).ConfigureAwait(false);
        if (await HandshakeChannel.ReadAsync(link, FrameKind.Answer, cancellationToken).ConfigureAwait(false) is not { } payload) return null;
        if (Handshake.ReadAnswer(payload) is not { } answer)
        {
            link.Close(DisconnectReason.BadHandshake, "Its answer is malformed.");
            return null;
        }

        if (answer.Refusal != Refusal.None) return new DialFailure(answer.Text, answer.Refusal);
        if ((answer.Node != node && !options.IsOfAnyCluster) || !options.Versions.Contains(answer.Version))
        {
            link.Close(DisconnectReason.BadHandshake, $"It accepts as node {answer.Node} in version {answer.Version}.");
            return null;
        }

        link.Open(options.MaxOutboxBytes);
        return null;
    }
}

/// <summary>Why a node was not connected to, and what it refused with, if it is that.</summary>
internal sealed record DialFailure(string Text, Refusal Refusal = Refusal.None);

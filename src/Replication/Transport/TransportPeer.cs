using System.Net;
using System.Security.Cryptography.X509Certificates;

namespace Tidemark;

/// <summary>Who dialed, as far as it has told and proved; for <see cref="TcpTransportOptions.Authenticate"/>.</summary>
public sealed class TransportPeer
{
    internal TransportPeer(int? node, X509Certificate2? certificate, ReadOnlyMemory<byte> token, EndPoint endPoint) =>
        (Node, Certificate, Token, EndPoint) = (node, certificate, token, endPoint);

    /// <summary>The node it says it is; null for a caller, which is no member.</summary>
    public int? Node { get; }

    /// <summary>The certificate it proved to have the key of, signed by a trusted authority. Null without TLS, or where it gave none. It is good during the call.</summary>
    public X509Certificate2? Certificate { get; }

    /// <summary>The token it sent; empty where it sent none.</summary>
    public ReadOnlyMemory<byte> Token { get; }

    /// <summary>Where the connection comes from.</summary>
    public EndPoint EndPoint { get; }
}

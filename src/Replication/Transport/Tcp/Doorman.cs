using System.Net;
using System.Security.Claims;
using System.Security.Cryptography.X509Certificates;

namespace Tidemark.Replication.Transport.Tcp;

/// <summary>Decides who may connect.</summary>
internal sealed class Doorman(TcpTransportOptions options)
{
    /// <summary>Decides about one that said hello, and proved a certificate by TLS if there is one. Gives the principal, where it may connect and something tells who it is.</summary>
    internal Answer Judge(Hello hello, X509Certificate2? certificate, EndPoint endPoint, out ClaimsPrincipal? principal)
    {
        principal = null;
        bool isAnyCluster = hello.Node == Handshake.Caller && hello.Cluster == Guid.Empty;
        if (hello.Cluster != options.ClusterId && !isAnyCluster) return Refuse(Refusal.WrongCluster, "This node is of another cluster.");
        if (hello.Dialed != options.Node && hello.Dialed != Handshake.AnyMember) return Refuse(Refusal.WrongNode, $"This is node {options.Node}, not {hello.Dialed}.");
        if (hello.Node == options.Node) return Refuse(Refusal.WrongNode, $"Node {hello.Node} is this one: two nodes have the same number.");
        if (options.Versions.InCommonWith(hello.Versions) is not { } version)
            return Refuse(Refusal.WrongVersion, $"This node speaks version {options.Versions}, the other {hello.Versions}.");
        if (!MayBeMember(hello, certificate, out string why)) return Refuse(Refusal.NotAuthorized, why);
        if (options.Authenticate is null)
        {
            principal = TlsChannel.PrincipalOf(certificate);
        }
        else
        {
            try
            {
                principal = options.Authenticate(new TransportPeer(hello.Node == Handshake.Caller ? null : hello.Node, certificate, hello.Token, endPoint));
            }
            catch (Exception e)
            {
                return Refuse(Refusal.NotAuthorized, $"Who it is could not be found out: {e.GetType().Name}.");   // Not its message, which may tell a stranger too much.
            }

            if (principal is null) return Refuse(Refusal.NotAuthorized, "It may not connect.");
        }

        return new Answer(Refusal.None, (ushort)version, options.Node, "");
    }

    /// <summary>With TLS, whether the certificate may speak for the node. A caller speaks for none.</summary>
    private bool MayBeMember(Hello hello, X509Certificate2? certificate, out string why)
    {
        why = "";
        if (options.Tls is null || hello.Node == Handshake.Caller) return true;
        if (certificate is null && (options.MemberNames is not null || options.Authenticate is null)) why = "A node needs a certificate.";
        else if (certificate is not null && options.MemberNames is { } names && !names(certificate, hello.Node)) why = $"Its certificate may not speak for node {hello.Node}.";
        return why.Length == 0;
    }

    private Answer Refuse(Refusal code, string text) => new(code, 0, options.Node, text);
}

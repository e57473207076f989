using System.Net.Security;
using System.Security.Authentication;
using System.Security.Claims;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Tidemark.Replication.Transport.Tcp;

/// <summary>Puts TLS around a connection. What is not as it should be throws <see cref="AuthenticationException"/>.</summary>
internal static class TlsChannel
{
    // Set rather than left to the machine: an old configuration must not let an old protocol in.
    private const SslProtocols Protocols = SslProtocols.Tls12 | SslProtocols.Tls13;

    internal static async Task<SslStream> AcceptAsync(Stream stream, TransportTls tls, CancellationToken cancellationToken)
    {
        var secured = new SslStream(stream, leaveInnerStreamOpen: false);
        try
        {
            await secured.AuthenticateAsServerAsync(new SslServerAuthenticationOptions
            {
                EnabledSslProtocols = Protocols,
                ServerCertificateContext = Context(tls.Certificate!()),
                ClientCertificateRequired = true,
                CertificateChainPolicy = Policy(tls.TrustedAuthorities()),
                RemoteCertificateValidationCallback = (_, _, _, errors) => errors == SslPolicyErrors.None
                    || (errors == SslPolicyErrors.RemoteCertificateNotAvailable && !tls.RequireClientCertificate),
                AllowRenegotiation = false,
                AllowTlsResume = false,   // Each connection is judged by the certificates that are in force when it is made.
            }, cancellationToken).ConfigureAwait(false);
            return secured;
        }
        catch
        {
            await secured.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>The certificate must be for the host, a name or address, that was dialed.</summary>
    internal static async Task<SslStream> DialAsync(Stream stream, TransportTls tls, string host, CancellationToken cancellationToken)
    {
        var secured = new SslStream(stream, leaveInnerStreamOpen: false);
        try
        {
            await secured.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
            {
                TargetHost = host,
                EnabledSslProtocols = Protocols,
                ClientCertificateContext = tls.Certificate is { } certificate ? Context(certificate()) : null,
                CertificateChainPolicy = Policy(tls.TrustedAuthorities()),
                AllowRenegotiation = false,
                AllowTlsResume = false,
            }, cancellationToken).ConfigureAwait(false);
            return secured;
        }
        catch
        {
            await secured.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>The other side's certificate, if it gave one; it is the stream's.</summary>
    internal static X509Certificate2? CertificateOf(Stream stream) => (stream as SslStream)?.RemoteCertificate as X509Certificate2;

    /// <summary>Who a certificate speaks for.</summary>
    internal static ClaimsPrincipal? PrincipalOf(X509Certificate2? certificate) => certificate is null
        ? null
        : new ClaimsPrincipal(new ClaimsIdentity(
        [
            new Claim(ClaimTypes.Name, certificate.GetNameInfo(X509NameType.SimpleName, forIssuer: false)),
            new Claim(ClaimTypes.X500DistinguishedName, certificate.Subject),
            new Claim(ClaimTypes.Thumbprint, certificate.GetCertHashString(HashAlgorithmName.SHA256)),
        ], "Certificate"));

    /// <summary>Offline: nothing is fetched from addresses that stand in certificates.</summary>
    private static SslStreamCertificateContext Context(X509Certificate2 certificate) => SslStreamCertificateContext.Create(certificate, additionalCertificates: null, offline: true);

    private static X509ChainPolicy Policy(X509Certificate2Collection authorities)
    {
        var policy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,
            DisableCertificateDownloads = true,
        };
        policy.CustomTrustStore.AddRange(authorities);
        return policy;
    }
}

using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Tidemark.Integration;

/// <summary>An authority of its own for a test, and certificates that it signs.</summary>
internal sealed class TestAuthority : IDisposable
{
    private const string ServerUse = "1.3.6.1.5.5.7.3.1";
    private const string ClientUse = "1.3.6.1.5.5.7.3.2";

    private readonly ECDsa _key = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    internal TestAuthority(string name = "Test authority")
    {
        var request = new CertificateRequest($"CN={name}", _key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign, true));
        Certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-10), DateTimeOffset.UtcNow.AddDays(10));
    }

    internal X509Certificate2 Certificate { get; }

    /// <summary>Signs a certificate.</summary>
    /// <param name="name">The subject's common name.</param>
    /// <param name="host">The host name or address it is for; null for none.</param>
    /// <param name="from">From how many days from now on it is good.</param>
    /// <param name="to">Until how many days from now it is good.</param>
    /// <param name="isSelfSigned">Signed by its own key instead.</param>
    /// <param name="isForServers">Good for who is dialed too, not for who dials alone.</param>
    internal X509Certificate2 Sign(string name, string? host = "127.0.0.1", double from = -1, double to = 1, bool isSelfSigned = false, bool isForServers = true)
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension(isForServers ? [new Oid(ServerUse), new Oid(ClientUse)] : [new Oid(ClientUse)], false));
        if (host is not null)
        {
            var names = new SubjectAlternativeNameBuilder();
            if (IPAddress.TryParse(host, out IPAddress? address)) names.AddIpAddress(address);
            else names.AddDnsName(host);
            request.CertificateExtensions.Add(names.Build());
        }

        DateTimeOffset now = DateTimeOffset.UtcNow;
        if (isSelfSigned) return request.CreateSelfSigned(now.AddDays(from), now.AddDays(to));
        using X509Certificate2 signed = request.Create(Certificate, now.AddDays(from), now.AddDays(to), RandomNumberGenerator.GetBytes(12));
        return signed.CopyWithPrivateKey(key);
    }

    /// <summary>Trusts this authority.</summary>
    internal TransportTls Tls(X509Certificate2? certificate, bool requireClientCertificate = true) => new()
    {
        Certificate = certificate is null ? null : () => certificate,
        TrustedAuthorities = () => [Certificate],
        RequireClientCertificate = requireClientCertificate,
    };

    public void Dispose()
    {
        Certificate.Dispose();
        _key.Dispose();
    }
}

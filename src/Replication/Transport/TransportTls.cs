using System.Security.Cryptography.X509Certificates;

using Tidemark.Replication.Transport.Tcp;

namespace Tidemark;

/// <summary>How a <see cref="TcpTransport"/> proves who it is, and whom it believes. TLS 1.2 and later.</summary>
/// <remarks>
/// A certificate is believed where one of the given authorities signed it, and none else, be it known to the machine or not; where it is of now; where it is for this use, if it says for which;
/// and, of who is dialed, where it is for the host name or IP address that was dialed. Nothing is asked of a revocation service: give short lives to certificates.
/// </remarks>
public sealed record TransportTls
{
    /// <summary>The own certificate with its private key; asked again at each new connection, so that a new one takes effect there. Null where a caller has none.</summary>
    public Func<X509Certificate2>? Certificate { get; init; }

    /// <summary>The authorities that are trusted; asked again at each new connection.</summary>
    public required Func<X509Certificate2Collection> TrustedAuthorities { get; init; }

    /// <summary>Whether who dials must have a certificate. Default: yes. If not, one that it gives all the same must be good, and a member needs one unless it is authenticated by token.</summary>
    public bool RequireClientCertificate { get; init; } = true;

    /// <summary>Takes all from files in PEM, and reads them again at the next connection after they were written.</summary>
    /// <param name="certificateFile">The own certificate.</param>
    /// <param name="keyFile">Its private key, not encrypted.</param>
    /// <param name="authoritiesFile">The certificates of the authorities that are trusted, one or more.</param>
    /// <exception cref="IOException">A file cannot be read.</exception>
    /// <exception cref="System.Security.Cryptography.CryptographicException">A file holds something else, or the key is not the certificate's.</exception>
    /// <remarks>New files that are not good yet, because only one of two was written for example, are tried again at each connection; what was good stays in force until they are.</remarks>
    public static TransportTls FromPem(string certificateFile, string keyFile, string authoritiesFile)
    {
        ArgumentException.ThrowIfNullOrEmpty(certificateFile);
        ArgumentException.ThrowIfNullOrEmpty(keyFile);
        ArgumentException.ThrowIfNullOrEmpty(authoritiesFile);
        var certificate = new WatchedFiles<X509Certificate2>([certificateFile, keyFile], () => PemFiles.ReadCertificate(certificateFile, keyFile));
        var authorities = new WatchedFiles<X509Certificate2Collection>([authoritiesFile], () => PemFiles.ReadAuthorities(authoritiesFile));
        return new TransportTls { Certificate = certificate.Get, TrustedAuthorities = authorities.Get };
    }

    internal void Validate(bool isCaller)
    {
        ArgumentNullException.ThrowIfNull(TrustedAuthorities);
        if (!isCaller) ArgumentNullException.ThrowIfNull(Certificate);
    }
}

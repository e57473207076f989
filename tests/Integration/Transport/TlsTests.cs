using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;

using Tidemark.Replication.Transport.Tcp;

using static Tidemark.Tests.Eventually;

namespace Tidemark.Integration;

/// <summary>Who is let in with TLS, and who is not. Node 1 is dialed; what the other side does differs.</summary>
public sealed class TlsTests : IDisposable
{
    private readonly TestAuthority _authority = new();
    private readonly TestAuthority _stranger = new("Another authority");

    public void Dispose()
    {
        _authority.Dispose();
        _stranger.Dispose();
    }

    public static TheoryData<string> Good =>
    [
        "a node's certificate",
        "a caller's certificate, of a caller",
        "a certificate for dialing alone",
        "a host name that was dialed",
        "a dialed certificate of now",
    ];

    public static TheoryData<string> Bad =>
    [
        "of another authority",
        "expired",
        "not good yet",
        "self-signed",
        "none, of a caller",
        "in plain",
        "a caller's certificate, of a node",
        "another node's certificate",
        "trusts another authority",
        "dialed is in plain",
        "dialed is for another host",
        "dialed is for no host",
        "dialed is expired",
        "dialed is not good yet",
        "dialed is self-signed",
        "dialed is for dialing alone",
        "dialed is a caller's",
    ];

    [Theory]
    [MemberData(nameof(Good))]
    public async Task Who_has_a_good_certificate_is_connected(string what)
    {
        await using var nodes = new TcpNodes();
        (TcpTransport one, TcpTransport other) = await StartAsync(nodes, what);
        int number = await nodes.DeliverAsync(other, one, "in");
        Assert.Equal(other.Node >= 0 ? other.Node : int.MinValue, number);
        Assert.Equal(what.StartsWith("a caller's", StringComparison.Ordinal) ? "caller" : "node-2", one.PrincipalOf(number)?.Identity?.Name);
    }

    [Theory]
    [MemberData(nameof(Bad))]
    public async Task Who_has_not_is_told_and_nothing_of_it_is_received(string what)
    {
        await using var nodes = new TcpNodes();
        (TcpTransport one, TcpTransport other) = await StartAsync(nodes, what);
        int sent = 0;
        await UntilAsync(() =>
        {
            if (other.TrySend(1, "in"u8.ToArray())) sent++;
            return nodes.Log.Count(501) + nodes.Log.Count(502) > 0;
        }, () => $"it is refused; log:\n{nodes.Log}");
        for (int i = 0; i < 5; i++)
        {
            await Task.Delay(20);   // For more attempts.
            if (other.TrySend(1, "in"u8.ToArray())) sent++;
        }

        Assert.Equal(0, sent);
        Assert.Empty(nodes.Came);
    }

    /// <summary>Each row changes one thing of two nodes that fit.</summary>
    private async Task<(TcpTransport One, TcpTransport Other)> StartAsync(TcpNodes nodes, string what)
    {
        X509Certificate2 dialed = what switch
        {
            "dialed is for another host" => _authority.Sign("node-1", "127.0.0.2"),
            "dialed is for no host" => _authority.Sign("node-1", host: null),
            "dialed is expired" => _authority.Sign("node-1", from: -3, to: -1),
            "dialed is not good yet" => _authority.Sign("node-1", from: 1, to: 3),
            "dialed is self-signed" => _authority.Sign("node-1", isSelfSigned: true),
            "dialed is for dialing alone" => _authority.Sign("node-1", isForServers: false),
            "dialed is a caller's" => _authority.Sign("caller"),
            "a host name that was dialed" => _authority.Sign("node-1", "localhost"),
            _ => _authority.Sign("node-1"),
        };
        TransportTls? own = what switch
        {
            "of another authority" => _authority.Tls(_stranger.Sign("node-2")),
            "expired" => _authority.Tls(_authority.Sign("node-2", from: -3, to: -1)),
            "not good yet" => _authority.Tls(_authority.Sign("node-2", from: 1, to: 3)),
            "self-signed" => _authority.Tls(_authority.Sign("node-2", isSelfSigned: true)),
            "none, of a caller" => _authority.Tls(null),
            "a caller's certificate, of a node" or "a caller's certificate, of a caller" => _authority.Tls(_authority.Sign("caller")),
            "another node's certificate" => _authority.Tls(_authority.Sign("node-3")),
            "trusts another authority" => _stranger.Tls(_authority.Sign("node-2")),
            "a certificate for dialing alone" => _authority.Tls(_authority.Sign("node-2", isForServers: false)),
            "in plain" => null,
            _ => _authority.Tls(_authority.Sign("node-2")),
        };
        TcpTransport one = await nodes.StartAsync(1, options => options with { Tls = what == "dialed is in plain" ? null : _authority.Tls(dialed), MemberNames = Names });
        string address = $"{(what == "a host name that was dialed" ? "localhost" : "127.0.0.1")}:{one.LocalEndPoint!.Port}";
        TcpTransportOptions Change(TcpTransportOptions options) => options with { Tls = own, MemberNames = Names, AddressOf = node => node == 1 ? address : null };
        return (one, what.EndsWith("of a caller", StringComparison.Ordinal) ? await nodes.StartCallerAsync(Change) : await nodes.StartAsync(2, Change));
    }

    private static bool Names(X509Certificate2 certificate, int node) => certificate.Subject == $"CN=node-{node}";

    [Fact]
    public async Task A_member_that_offers_no_certificate_is_refused()
    {
        await using var nodes = new TcpNodes();
        TcpTransport one = await nodes.StartAsync(1, options => options with { Tls = _authority.Tls(_authority.Sign("node-1")) });
        await AssertNotWelcomeAsync(one);

        // Not required of callers: but a member has to have one all the same.
        TcpTransport lax = await nodes.StartAsync(3, options => options with { Tls = _authority.Tls(_authority.Sign("node-3"), requireClientCertificate: false) });
        Assert.Equal(Refusal.NotAuthorized, (await AnswerAsync(lax, from: 7))!.Refusal);
        Assert.Equal(Refusal.None, (await AnswerAsync(lax, from: -1))!.Refusal);
    }

    [Fact]
    public async Task TLS_1_1_is_refused_where_the_same_hello_in_1_2_is_answered()
    {
        await using var nodes = new TcpNodes();
        TcpTransport one = await nodes.StartAsync(1, options => options with { Tls = _authority.Tls(_authority.Sign("node-1")) });
        Assert.Equal(0x16, (await FirstByteAsync(one, minor: 3))[0]);   // A handshake record: it goes on.
        byte[] refused = await FirstByteAsync(one, minor: 2);
        Assert.True(refused is [] or [0x15], "an alert, or nothing");
    }

    [Fact]
    public async Task Certificates_in_files_are_read_again_for_new_connections_and_old_ones_stay()
    {
        using var folder = new TemporaryDirectory();
        (string certificate, string key, string authority) = (folder.At("node.pem"), folder.At("node.key"), folder.At("ca.pem"));
        File.WriteAllText(authority, _authority.Certificate.ExportCertificatePem());
        Write(_authority.Sign("node-1"), minutes: 0);
        await using var nodes = new TcpNodes();
        TcpTransport one = await nodes.StartAsync(1, options => options with { Tls = TransportTls.FromPem(certificate, key, authority) });
        TcpTransport two = await nodes.StartAsync(2, options => options with { Tls = _authority.Tls(_authority.Sign("node-2")) });
        await nodes.DeliverAsync(two, one, "first");

        // Now of another authority: who trusts the old one alone cannot connect any more, who is connected stays, and who trusts the new one can.
        Write(_stranger.Sign("node-1"), minutes: 1);
        TcpTransport three = await nodes.StartAsync(3, options => options with { Tls = _authority.Tls(_authority.Sign("node-3")) });
        await UntilAsync(() => !three.TrySend(1, "x"u8.ToArray()) && nodes.Log.Count(501, "Node 1") > 0, () => $"the old authority's is not connected; log:\n{nodes.Log}");
        Assert.True(two.TrySend(1, "still"u8.ToArray()), "an old connection stays");
        TransportTls both = _stranger.Tls(_authority.Sign("node-4"));
        TcpTransport four = await nodes.StartAsync(4, options => options with { Tls = both });
        await nodes.DeliverAsync(four, one, "with the new one");

        // Half of a pair: what was good stays in force.
        File.WriteAllText(key, "not a key");
        File.SetLastWriteTimeUtc(key, DateTime.UtcNow.AddMinutes(2));
        TcpTransport five = await nodes.StartAsync(5, options => options with { Tls = _stranger.Tls(_authority.Sign("node-5")) });
        await nodes.DeliverAsync(five, one, "as before");

        void Write(X509Certificate2 signed, int minutes)
        {
            File.WriteAllText(certificate, signed.ExportCertificatePem());
            File.WriteAllText(key, signed.GetECDsaPrivateKey()!.ExportPkcs8PrivateKeyPem());
            foreach (string file in (string[])[certificate, key]) File.SetLastWriteTimeUtc(file, DateTime.UtcNow.AddMinutes(minutes));
        }
    }

    [Fact]
    public async Task Authorities_that_are_reloaded_hold_for_new_connections()
    {
        await using var nodes = new TcpNodes();
        X509Certificate2Collection trusted = [_authority.Certificate];
        TransportTls tls = _authority.Tls(_authority.Sign("node-1")) with { TrustedAuthorities = () => trusted };
        TcpTransport one = await nodes.StartAsync(1, options => options with { Tls = tls });
        TcpTransport two = await nodes.StartAsync(2, options => options with { Tls = _authority.Tls(_stranger.Sign("node-2")) });
        await UntilAsync(() => !two.TrySend(1, "x"u8.ToArray()) && nodes.Log.Count(501) > 0, () => "it is refused");
        trusted = [_authority.Certificate, _stranger.Certificate];
        await nodes.DeliverAsync(two, one, "now");
    }

    [Fact]
    public void Listening_beyond_the_own_machine_in_plain_has_to_be_asked_for()
    {
        var options = new TcpTransportOptions { ClusterId = TcpNodes.Cluster, Node = 1, Listen = new IPEndPoint(IPAddress.Any, 0), AddressOf = _ => null };
        Assert.Contains("AllowPlaintext", Assert.Throws<ArgumentException>(() => TcpTransport.Create(options)).Message, StringComparison.Ordinal);
        TcpTransport.Create(options with { AllowPlaintext = true });
        TcpTransport.Create(options with { Tls = _authority.Tls(_authority.Sign("node-1")) });
    }

    private async Task<SslStream> DialAsync(TcpTransport member)
    {
        Socket socket = await TcpNodes.DialAsync(member);
        var stream = new SslStream(new NetworkStream(socket, ownsSocket: true));
        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        policy.CustomTrustStore.Add(_authority.Certificate);
        await stream.AuthenticateAsClientAsync(new SslClientAuthenticationOptions { TargetHost = "127.0.0.1", CertificateChainPolicy = policy });
        return stream;
    }

    /// <summary>With TLS 1.3 who dials learns of it only when it reads.</summary>
    private async Task AssertNotWelcomeAsync(TcpTransport member)
    {
        try
        {
            Assert.Null(await AnswerAsync(member, from: 7));
        }
        catch (Exception e) when (e is IOException or AuthenticationException)
        {
            // Not welcome.
        }
    }

    private async Task<Answer?> AnswerAsync(TcpTransport member, int from)
    {
        await using SslStream stream = await DialAsync(member);
        await stream.WriteAsync(TcpNodes.HelloBytes(TcpNodes.GoodHello(member, from)));
        byte[] bytes = new byte[1000];
        int count = await stream.ReadAtLeastAsync(bytes, Frame.Magic.Length + Frame.HeaderBytes + 9, throwOnEndOfStream: false);
        return count == 0 ? null : Handshake.ReadAnswer(bytes.AsSpan(Frame.Magic.Length + Frame.HeaderBytes, count - Frame.Magic.Length - Frame.HeaderBytes));
    }

    /// <summary>Sends the first record of a TLS handshake, written by hand: the machine's own library may refuse to speak so old a version.</summary>
    private static async Task<byte[]> FirstByteAsync(TcpTransport member, byte minor)
    {
        using Socket socket = await TcpNodes.DialAsync(member);
        byte[] extensions = [0, 10, 0, 4, 0, 2, 0, 23, 0, 11, 0, 2, 1, 0, 0, 13, 0, 4, 0, 2, 4, 3];   // P-256, uncompressed points, ECDSA with SHA-256.
        byte[] body = [3, minor, .. new byte[32], 0, 0, 6, 0xC0, 0x2B, 0xC0, 0x09, 0xC0, 0x0A, 1, 0, 0, (byte)extensions.Length, .. extensions];
        byte[] message = [1, 0, 0, (byte)body.Length, .. body];
        await socket.SendAsync((byte[])[0x16, 3, 1, 0, (byte)message.Length, .. message]);
        return await TcpNodes.ReadAsync(socket, 1);
    }
}

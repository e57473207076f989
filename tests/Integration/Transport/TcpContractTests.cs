using Tidemark.Testing;

namespace Tidemark.Integration;

/// <summary>The contract of transports over real connections, in plain and with TLS.</summary>
public sealed class TcpContractTests
{
    public static TheoryData<AsyncContractCase<TransportSubject>> Rules => [.. TransportContract.Cases];

    [Theory]
    [MemberData(nameof(Rules))]
    public async Task Tcp_keeps_the_contract(AsyncContractCase<TransportSubject> rule)
    {
        await using var nodes = new TcpNodes();
        await rule.RunAsync(Subject(nodes, options => options));
    }

    [Theory]
    [MemberData(nameof(Rules))]
    public async Task Tcp_with_certificates_keeps_the_contract(AsyncContractCase<TransportSubject> rule)
    {
        using var authority = new TestAuthority();
        await using var nodes = new TcpNodes();
        await rule.RunAsync(Subject(nodes, options => options with
        {
            Tls = authority.Tls(authority.Sign(options.IsCaller ? "caller" : $"node-{options.Node}")),
            MemberNames = (certificate, node) => certificate.Subject == $"CN=node-{node}",
        }));
    }

    private static TransportSubject Subject(TcpNodes nodes, Func<TcpTransportOptions, TcpTransportOptions> change) =>
        new(count => new ValueTask<IReadOnlyList<ITransport>>([.. Enumerable.Range(0, count).Select(i => nodes.Create(10 + (3 * i), change))]))
        {
            ConnectCaller = _ => new ValueTask<ITransport>(nodes.CreateCaller(change)),
        };
}

using System.Text;

using Maelstrom;

using Tidemark.Testing;

namespace Tidemark.Integration;

/// <summary>The contracts of transports and status stores, kept by the sample's own over lines of JSON in this process.</summary>
public sealed class MaelstromContractTests
{
    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(30);

    public static TheoryData<AsyncContractCase<TransportSubject>> Rules => [.. TransportContract.Cases];

    /// <remarks>The cases about callers hold of themselves: only nodes that <c>init</c> names take part.</remarks>
    [Theory]
    [MemberData(nameof(Rules))]
    public async Task The_transport_keeps_the_contract(AsyncContractCase<TransportSubject> rule)
    {
        await using var network = new MaelstromNetwork();
        await rule.RunAsync(new TransportSubject(count => new ValueTask<IReadOnlyList<ITransport>>(Connect(network, count))));
        Assert.Empty(network.Faults);
    }

    [Fact]
    public async Task The_status_store_keeps_the_contract()
    {
        List<MaelstromNetwork> networks = [];
        await StatusContract.CheckAsync(_ =>
        {
            var network = new MaelstromNetwork();
            networks.Add(network);
            return new LinKvStatusStore(network.CreateLink("n0"), "n0", _patience);
        });
        foreach (MaelstromNetwork network in networks)
        {
            Assert.Empty(network.Faults);
            await network.DisposeAsync();
        }
    }

    [Fact]
    public async Task A_status_that_is_not_answered_is_unknown_where_it_may_have_been_written_and_only_there()
    {
        await using var network = new MaelstromNetwork();
        var store = new LinKvStatusStore(network.CreateLink("n0"), "n0", TimeSpan.FromMilliseconds(300));
        var patient = new LinKvStatusStore(network.CreateLink("n1"), "n1", _patience);
        Assert.Equal(1, await patient.TryWriteAsync(Encoding.UTF8.GetBytes("1"), 0));

        network.Drops = message => message is { Source: "n0", Type: "read" };
        await Assert.ThrowsAsync<IOException>(async () => await store.ReadAsync());
        await Assert.ThrowsAsync<IOException>(async () => await store.TryWriteAsync(Encoding.UTF8.GetBytes("2"), 1));
        Assert.Equal(1, (await patient.ReadAsync())!.Version);

        network.Drops = message => message.Type == "cas_ok";   // Written, and nobody hears of it.
        await Assert.ThrowsAsync<OutcomeUnknownException>(async () => await store.TryWriteAsync(Encoding.UTF8.GetBytes("2"), 1));
        Assert.Equal(2, (await patient.ReadAsync())!.Version);
    }

    private static ITransport[] Connect(MaelstromNetwork network, int count)
    {
        string[] names = [.. Enumerable.Range(0, count).Select(node => $"n{node}")];
        var transports = new MaelstromTransport[count];
        for (int i = 0; i < count; i++)
        {
            int node = i;
            Link link = network.CreateLink(names[node], message => Volatile.Read(ref transports[node])?.Receive(message));
            Volatile.Write(ref transports[node], new MaelstromTransport(link, names, node));
        }

        return transports;
    }
}

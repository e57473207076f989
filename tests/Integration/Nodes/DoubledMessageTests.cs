using System.Collections.Concurrent;

namespace Tidemark.Integration.Nodes;

/// <summary>A transport may double what it carries, and bring the copy late.</summary>
public sealed class DoubledMessageTests
{
    /// <summary>A write that was sent to the leader came a second time, after the next had been acknowledged, and was done again: what was acknowledged was gone.</summary>
    [Fact]
    public async Task A_write_whose_message_comes_twice_is_done_once()
    {
        await using LiveCluster cluster = await LiveCluster.StartAsync(isTcp: false, wrap: static inner => new Doubling(inner));
        int leader = await cluster.LeaderAsync();
        KeyValueStore other = cluster.Nodes[(leader + 1) % 3]!.Store;
        long version = 0;
        for (int i = 0; i < 300; i++)
        {
            WriteResult result = await other.PutAsync("key", BitConverter.GetBytes(i));
            Assert.Equal(StoreStatus.Ok, result.Status);
            Assert.True(result.Version > version, "versions rise");
            version = result.Version;
            StoreRecord found = (await other.GetAsync("key"))!.Value;
            Assert.Equal((i, version), (BitConverter.ToInt32(found.Value.Span), found.Version));
        }
    }

    [Fact]
    public void An_id_counts_once_also_when_it_is_older_than_all_that_are_remembered()
    {
        var seen = new Replication.Nodes.SeenRequests();
        for (long id = 0; id < 3 * Replication.Nodes.SeenRequests.Most; id += 2) Assert.True(seen.TryAdd(id));
        for (long id = 0; id < 3 * Replication.Nodes.SeenRequests.Most; id += 2) Assert.False(seen.TryAdd(id));
        Assert.True(seen.TryAdd((3 * Replication.Nodes.SeenRequests.Most) - 99));   // Late, and not too late.
        Assert.False(seen.TryAdd(1));
    }

    /// <summary>Gives everything twice, the second time some messages later.</summary>
    private sealed class Doubling(ITransport inner) : ITransport
    {
        private const int Lateness = 6;

        private readonly ConcurrentQueue<(int From, byte[] Bytes)> _late = new();

        public int Node => inner.Node;

        public int MaxMessageBytes => inner.MaxMessageBytes;

        public ValueTask StartAsync(Action<int, ReadOnlyMemory<byte>> receive, CancellationToken cancellationToken = default) => inner.StartAsync(
            (from, message) =>
            {
                _late.Enqueue((from, message.ToArray()));
                receive(from, message);
                if (_late.Count > Lateness && _late.TryDequeue(out (int From, byte[] Bytes) copy)) receive(copy.From, copy.Bytes);
            },
            cancellationToken);

        public bool TrySend(int node, ReadOnlyMemory<byte> message) => inner.TrySend(node, message);

        public ValueTask DisposeAsync() => inner.DisposeAsync();
    }
}

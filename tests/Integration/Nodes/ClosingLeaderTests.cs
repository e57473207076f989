using Tidemark.Replication.Wire;

namespace Tidemark.Integration.Nodes;

/// <summary>What becomes of writes of others that are under way when a leader is closed.</summary>
public sealed class ClosingLeaderTests
{
    /// <summary>
    /// A leader was closed while a write of another node had a place in its log and was with its followers, but was not known to be committed. It answered that the write surely did not happen, so that was
    /// tried again at the next leader, who had it already: a write that was done was refused, or done twice. Now nobody knows what has become of it.
    /// </summary>
    [Fact]
    public async Task A_write_that_others_may_have_is_not_tried_again_when_its_leader_is_closed()
    {
        using var home = new TemporaryDirectory();
        var (network, status) = (new MemoryNetwork(), new MemoryClusterStatusStore());
        int deaf = -1;   // This node hears requests alone: no follower's word, so nothing is committed and nobody takes over in time.
        var followerHasIt = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        TidemarkNode[] nodes = await Task.WhenAll(Enumerable.Range(0, 3).Select(node => TidemarkNode.StartAsync(new TidemarkNodeOptions
        {
            Node = node,
            Directory = home.At($"node{node}"),
            Members = [0, 1, 2],
            Status = status,
            CreateTransport = _ => new Filtered(network.CreateTransport(node), bytes =>
            {
                if (Volatile.Read(ref deaf) < 0 || RouteMessageCodec.Is(bytes.Span)) return true;
                if (node == deaf) return false;
                if (bytes.Span.IndexOf("once"u8) >= 0) followerHasIt.TrySetResult();
                return true;
            }),
            Suspicion = TimeSpan.FromSeconds(2),        // A leader gives up after twice that, and closes before.
            AnswerPatience = TimeSpan.FromSeconds(20),
            OperationTimeout = TimeSpan.FromSeconds(30),
        })));
        try
        {
            await nodes[0].Store.PutAsync("first", "x"u8.ToArray());
            int leader = nodes[0].GetLeaders()[0], other = (leader + 1) % 3;
            await nodes[other].Store.PutAsync("first", "y"u8.ToArray());   // The other knows the leader too.

            Volatile.Write(ref deaf, leader);
            Task<WriteResult> write = nodes[other].Store.PutAsync("key", "once"u8.ToArray(), PutOptions.MustNotExist).AsTask();
            await followerHasIt.Task.WaitAsync(TimeSpan.FromSeconds(30));
            await nodes[leader].DisposeAsync();
            await Assert.ThrowsAsync<OutcomeUnknownException>(() => write);
        }
        finally
        {
            foreach (TidemarkNode node in nodes) await node.DisposeAsync();
        }
    }

    /// <summary>A transport that hears some messages only.</summary>
    private sealed class Filtered(ITransport inner, Func<ReadOnlyMemory<byte>, bool> hears) : ITransport
    {
        public int Node => inner.Node;

        public int MaxMessageBytes => inner.MaxMessageBytes;

        public ValueTask StartAsync(Action<int, ReadOnlyMemory<byte>> receive, CancellationToken cancellationToken = default) => inner.StartAsync(
            (from, message) =>
            {
                if (hears(message)) receive(from, message);
            },
            cancellationToken);

        public bool TrySend(int node, ReadOnlyMemory<byte> message) => inner.TrySend(node, message);

        public ValueTask DisposeAsync() => inner.DisposeAsync();
    }
}

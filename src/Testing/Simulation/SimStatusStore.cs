using Tidemark.Replication.Cluster;
using Tidemark.Replication.Nodes;

namespace Tidemark.Testing.Simulation;

/// <summary>A status store that is slow, out of reach, and whose answers are lost after the deed or before it.</summary>
internal sealed class SimStatusStore(SimWorld world) : IClusterStatusStore
{
    private ClusterStatusEntry? _entry;
    private ClusterStatus? _status;

    /// <summary>Whether nobody reaches it.</summary>
    internal bool IsDown { get; set; }

    /// <summary>How likely the answer to a call is lost.</summary>
    internal double Unknown { get; set; }

    internal ClusterStatus? Status => _status;

    /// <summary>Whether no ensemble may begin to change: one that asks comes too late.</summary>
    internal Func<bool> KeepsEnsembles { get; set; } = static () => false;

    public ValueTask<ClusterStatusEntry?> ReadAsync(CancellationToken cancellationToken = default)
    {
        ThrowIfDown();
        return new ValueTask<ClusterStatusEntry?>(_entry);
    }

    public ValueTask<long?> TryWriteAsync(ReadOnlyMemory<byte> content, long expectedVersion, CancellationToken cancellationToken = default)
    {
        ThrowIfDown();
        bool isUnknown = world.Fraction() < Unknown;
        if (isUnknown) world.Count("status answer lost");
        if (isUnknown && world.Chance.Coin()) throw new OutcomeUnknownException("The simulated store did not answer.");
        long? version = Write(content, expectedVersion);
        return isUnknown ? throw new OutcomeUnknownException("The simulated store did not answer.") : new ValueTask<long?>(version);
    }

    public IAsyncEnumerable<ClusterStatusEntry> WatchAsync(long afterVersion, CancellationToken cancellationToken = default) =>
        throw new NotSupportedException("The simulation reads instead.");

    /// <summary>The calls of one run of a node's coordinator.</summary>
    internal IStatusCalls CallsOf(NodeHost node) => new Calls(this, world, node);

    private long? Write(ReadOnlyMemory<byte> content, long expectedVersion)
    {
        if ((_entry?.Version ?? 0) != expectedVersion) return null;
        var status = ClusterStatus.Read(content.ToArray());
        if (_status is { } before && before.Shards.Any(shard => shard.Value.Next is null && status.Shards.GetValueOrDefault(shard.Key)?.Next is not null) && KeepsEnsembles()) return null;
        _entry = new ClusterStatusEntry(content.ToArray(), expectedVersion + 1);
        _status = status;
        return expectedVersion + 1;
    }

    private void ThrowIfDown()
    {
        if (!IsDown) return;
        world.Count("status store down");
        throw new IOException("The simulated store is down.");
    }

    private sealed class Calls(SimStatusStore store, SimWorld world, NodeHost node) : IStatusCalls
    {
        public void Read() => world.After(world.Between(0.2, 3), () =>
        {
            if (world.Fraction() < store.Unknown) return;   // Lost: the caller calls again.
            ClusterStatusEntry? entry = store._entry;
            bool isDown = store.IsDown;
            if (isDown) world.Count("status store down");
            Answer(() =>
            {
                if (isDown) node.Coordinator.NotRead();
                else node.Coordinator.Read(entry);
            });
        });

        public void Write(byte[] content, long over) => world.After(world.Between(0.2, 3), () =>
        {
            if (store.IsDown)
            {
                world.Count("status store down");
                Answer(node.Coordinator.NotWritten);
                return;
            }

            if (world.Fraction() < store.Unknown)
            {
                world.Count("status answer lost");
                if (world.Chance.Coin()) Answer(node.Coordinator.NotWritten);   // Nobody knows; else no answer at all.
                if (world.Chance.Coin()) return;
                TimeSpan late = world.Chance.Coin() ? world.Between(5, 400) : TimeSpan.Zero;
                world.After(late, () => store.Write(content, over));            // It may yet come to pass.
                return;
            }

            long? version = store.Write(content, over);
            Answer(() =>
            {
                if (version is { } done) node.Coordinator.Written(done);
                else node.Coordinator.NotWritten();
            });
        });

        private void Answer(Action action) => world.After(world.Between(0.2, 3), () => node.Post(action));
    }
}

namespace Tidemark.Testing.Simulation;

/// <summary>A network that delays, loses, doubles, reorders and holds back messages, and cuts its links both ways or one way.</summary>
internal sealed class SimNetwork(SimWorld world, int nodeCount)
{
    private readonly bool[,] _cut = new bool[nodeCount, nodeCount];
    private readonly bool[,] _clogged = new bool[nodeCount, nodeCount];
    private readonly SimTransport?[] _transports = new SimTransport?[nodeCount];
    private readonly TimeSpan[,] _lastArrival = new TimeSpan[nodeCount, nodeCount];

    /// <summary>How likely a message is lost, doubled, late by seconds, or overtaken. All 0 once the faults are over.</summary>
    internal double Loss { get; set; }

    internal double Doubling { get; set; }

    internal double Lateness { get; set; }

    internal double Reordering { get; set; }

    /// <summary>What nodes have sent each other, in bytes.</summary>
    internal long BytesSent { get; private set; }

    internal ITransport Connect(int node) => _transports[node] = new SimTransport(this, node);

    internal void Disconnect(int node) => _transports[node] = null;

    internal void Cut(int from, int to) => _cut[from, to] = true;

    internal void Clog(int from, int to) => _clogged[from, to] = true;

    internal void Heal()
    {
        HealLinks();
        (Loss, Doubling, Lateness, Reordering) = (0, 0, 0, 0);
    }

    internal void HealLinks()
    {
        Array.Clear(_cut);
        Array.Clear(_clogged);
    }

    private void Send(int from, int to, byte[] message)
    {
        BytesSent += message.Length;
        if (_cut[from, to])
        {
            world.Count("cut message");
            return;
        }

        if (Happens(Loss, "lost message")) return;
        Deliver(from, to, message);
        if (Happens(Doubling, "doubled message")) Deliver(from, to, message);
    }

    private void Deliver(int from, int to, byte[] message)
    {
        TimeSpan delay = world.Between(0.05, 0.6);
        if (_clogged[from, to])
        {
            world.Count("clogged message");
            delay += world.Between(200, 800);
        }

        if (Happens(Lateness, "late message"))
        {
            delay += world.Between(100, 5000);
        }
        else if (!Happens(Reordering, "reordered message"))
        {
            ref TimeSpan last = ref _lastArrival[from, to];   // In order, as on one connection.
            if (world.Now + delay < last) delay = last - world.Now;
            last = world.Now + delay;
        }

        world.After(delay, () => _transports[to]?.Receive?.Invoke(from, message));
    }

    private bool Happens(double probability, string what)
    {
        if (probability == 0 || world.Fraction() >= probability) return false;
        world.Count(what);
        return true;
    }

    private sealed class SimTransport(SimNetwork network, int node) : ITransport
    {
        public int Node => node;

        public int MaxMessageBytes => 64 * 1024 * 1024;

        internal Action<int, ReadOnlyMemory<byte>>? Receive { get; private set; }

        public ValueTask StartAsync(Action<int, ReadOnlyMemory<byte>> receive, CancellationToken cancellationToken = default)
        {
            Receive = receive;
            return ValueTask.CompletedTask;
        }

        public bool TrySend(int node, ReadOnlyMemory<byte> message)
        {
            network.Send(Node, node, message.ToArray());
            return true;
        }

        public ValueTask DisposeAsync()
        {
            Receive = null;
            return ValueTask.CompletedTask;
        }
    }
}

namespace Tidemark.Integration;

/// <summary>What goes wrong between nodes, and between them and lin-kv: delays and losses all the time, and nodes that are cut off from all others.</summary>
internal sealed class Weather
{
    private const double Loss = 0.03;

    private readonly MaelstromNetwork _network;
    private readonly Random _random = new(2);
    private readonly Lock _gate = new();
    private volatile string[] _cutOff = [];
    private int _lost;
    private int _parted;

    internal Weather(MaelstromNetwork network)
    {
        _network = network;
        network.Drops = Drops;
        network.MostDelay = TimeSpan.FromMilliseconds(10);
    }

    internal int Lost => Volatile.Read(ref _lost);

    internal int Parted => Volatile.Read(ref _parted);

    internal void CutOff(params string[] nodes) => _cutOff = nodes;

    internal void Heal() => _cutOff = [];

    internal void Calm()
    {
        Heal();
        _network.Drops = _ => false;
    }

    private bool Drops(Envelope message)
    {
        if (message.Source == message.Destination) return false;
        if (_cutOff.Contains(message.Source) || _cutOff.Contains(message.Destination))
        {
            Interlocked.Increment(ref _parted);
            return true;
        }

        bool isLost;
        lock (_gate) isLost = _random.NextDouble() < Loss;
        if (isLost) Interlocked.Increment(ref _lost);
        return isLost;
    }
}

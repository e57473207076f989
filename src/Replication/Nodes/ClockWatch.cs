using Tidemark.Core.Replication;

namespace Tidemark.Replication.Nodes;

/// <summary>Knows whether this node's wall clock can be trusted to stamp entries: it agrees with most clocks of the cluster, and has not jumped since that was found out.</summary>
/// <remarks><see cref="IsFit"/> may be asked from any thread; all else belongs to the node's.</remarks>
internal sealed class ClockWatch(TimeProvider time, int self)
{
    private static readonly ClockMonitorOptions _monitoring = new();

    private readonly ClockMonitor _monitor = new(_monitoring);
    private readonly Dictionary<int, (long Time, long At)> _heard = [];   // What a peer said last, and when on the stopwatch.
    private readonly long _start = time.GetTimestamp();
    private int _needed;   // Peers to agree before it is fit again.
    private volatile Reading _reading = new(time.GetUtcNow(), time.GetTimestamp(), IsHealthy: true);

    /// <summary>Whether the clock may stamp entries now.</summary>
    internal bool IsFit
    {
        get
        {
            Reading last = _reading;
            return last.IsHealthy && (time.GetUtcNow() - last.Wall - time.GetElapsedTime(last.Steady)).Duration() < _monitoring.ForwardJump;
        }
    }

    /// <summary>What to say to a peer about time.</summary>
    internal Hello HelloTo(int peer, long run) => _heard.TryGetValue(peer, out (long Time, long At) heard)
        ? new Hello(run, time.GetUtcNow().UtcTicks, heard.Time, time.GetElapsedTime(heard.At).Ticks)
        : new Hello(run, time.GetUtcNow().UtcTicks, 0, 0);

    /// <summary>A peer said something about time: with what it repeats of ours it is a round trip.</summary>
    internal void Heard(int peer, Hello hello)
    {
        _heard[peer] = (hello.Time, time.GetTimestamp());
        if (hello.EchoTime == 0 || peer == self) return;
        var sent = new DateTimeOffset(hello.EchoTime + hello.EchoAge, TimeSpan.Zero);   // What it waited there is no part of the way.
        _monitor.Measure((ulong)peer, new ClockRoundTrip(sent, new DateTimeOffset(hello.Time, TimeSpan.Zero), time.GetUtcNow()));
    }

    /// <summary>Looks at the clock. Called with every heartbeat.</summary>
    /// <param name="nodes">How many nodes count.</param>
    internal void Look(int nodes)
    {
        DateTimeOffset wall = time.GetUtcNow();
        long steady = time.GetTimestamp();
        if (_monitor.Sample(wall, time.GetElapsedTime(_start, steady)) is not null) _needed = nodes / 2;   // With itself they are a majority.
        ClockHealth health = _monitor.GetHealth(wall);
        if (health.AgreeingPeers >= _needed) _needed = 0;
        _reading = new Reading(wall, steady, health.IsHealthy && _needed == 0);
    }

    private sealed record Reading(DateTimeOffset Wall, long Steady, bool IsHealthy);
}

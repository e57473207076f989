namespace Tidemark;

/// <summary>Watches this node's wall clock against its peers' and against elapsed time, so that a wrong clock is noticed where it is.</summary>
/// <remarks>
/// It reads no clock and moves none: all times are arguments, and the same calls give the same answers. Not thread-safe: one loop feeds it.
/// Memory: one small row per peer, until <see cref="Forget"/>.
/// </remarks>
public sealed class ClockMonitor
{
    private readonly ClockMonitorOptions _options;
    private readonly SortedDictionary<ulong, Row> _rows = [];
    private DateTimeOffset _sampledWall;
    private TimeSpan? _sampledElapsed;   // Null before the first sample.

    /// <summary>Makes a monitor that knows no peers yet.</summary>
    /// <param name="options">Settings, or null for the defaults.</param>
    public ClockMonitor(ClockMonitorOptions? options = null)
    {
        _options = options ?? new ClockMonitorOptions();
        _options.Validate();
    }

    /// <summary>How often the wall clock jumped forward.</summary>
    public long ForwardJumps { get; private set; }

    /// <summary>How often the wall clock jumped backward.</summary>
    public long BackwardJumps { get; private set; }

    /// <summary>Takes a measure of a peer's clock.</summary>
    /// <returns>Whether it counts from now on: it is the first, the one before is too old, or it is sharper than that.</returns>
    /// <remarks>A round trip that ends before it began is ignored: this node's wall clock was set back meanwhile.</remarks>
    public bool Measure(ulong peer, ClockRoundTrip trip)
    {
        if (trip.Received < trip.Sent) return false;
        Row row = RowOf(peer);
        bool counts = !IsFresh(row, trip.Received) || trip.Uncertainty < row.Trip!.Value.Uncertainty;
        if (counts) row.Trip = trip;
        return counts;
    }

    /// <summary>Counts a timestamp of a peer that <see cref="HybridClock.TryObserve"/> refused.</summary>
    /// <remarks>One peer with many points at that peer's clock; many peers with some point at this node's.</remarks>
    public void CountRejection(ulong peer) => RowOf(peer).Rejections++;

    /// <summary>Drops all that is known of a peer, as when it leaves the cluster.</summary>
    public void Forget(ulong peer) => _rows.Remove(peer);

    /// <summary>Whether this node's clock agrees with most clocks.</summary>
    /// <param name="now">This node's wall clock.</param>
    public ClockHealth GetHealth(DateTimeOffset now)
    {
        int measured = 0;
        int agreeing = 0;
        foreach (Row row in _rows.Values)
        {
            if (!IsFresh(row, now)) continue;
            measured++;
            if (Agrees(row.Trip!.Value)) agreeing++;
        }
        return new ClockHealth(agreeing, measured);
    }

    /// <summary>What is known of each peer, in the order of their ids.</summary>
    /// <param name="now">This node's wall clock.</param>
    public IReadOnlyList<PeerClock> GetPeers(DateTimeOffset now)
    {
        var peers = new List<PeerClock>(_rows.Count);
        foreach ((ulong peer, Row row) in _rows)
        {
            peers.Add(IsFresh(row, now) && row.Trip is { } trip
                ? new PeerClock(peer, trip.Offset, trip.Uncertainty, Agrees(trip), row.Rejections)
                : new PeerClock(peer, Offset: null, TimeSpan.Zero, Agrees: true, row.Rejections));
        }
        return peers;
    }

    /// <summary>Compares the wall clock with elapsed time since the sample before. Call it at regular intervals, a second or less apart.</summary>
    /// <param name="wall">This node's wall clock.</param>
    /// <param name="elapsed">A clock that nobody sets, read at the same moment, from any zero: for example <see cref="TimeProvider.GetElapsedTime(long)"/>.</param>
    /// <returns>The jump, or null where there was none.</returns>
    /// <remarks>
    /// After a jump all measures are dropped: they compared peers with a clock that is gone. Slow correction by time synchronization
    /// stays far below the limits; waking from suspend reads as a jump forward where the elapsed clock slept too.
    /// </remarks>
    public ClockJump? Sample(DateTimeOffset wall, TimeSpan elapsed)
    {
        TimeSpan size = _sampledElapsed is { } before ? (wall - _sampledWall) - (elapsed - before) : TimeSpan.Zero;
        var step = new ClockJump(_sampledWall, wall, size);
        _sampledWall = wall;
        _sampledElapsed = elapsed;

        bool forward = size >= _options.ForwardJump;
        bool backward = size <= -_options.BackwardJump;
        if (!forward && !backward) return null;
        if (forward) ForwardJumps++;
        if (backward) BackwardJumps++;
        foreach (Row row in _rows.Values) row.Trip = null;
        return step;
    }

    // What may be within tolerance counts as within: a blurred measure must not stop a good node.
    private bool Agrees(ClockRoundTrip trip) => trip.Offset.Duration() - trip.Uncertainty <= _options.Tolerance;

    // A measure from the future was made before the wall clock was set back.
    private bool IsFresh(Row row, DateTimeOffset now)
        => row.Trip is { } trip && now >= trip.Received && now - trip.Received <= _options.OffsetLifetime;

    private Row RowOf(ulong peer)
    {
        if (!_rows.TryGetValue(peer, out Row? row)) _rows.Add(peer, row = new Row());
        return row;
    }

    private sealed class Row
    {
        public ClockRoundTrip? Trip { get; set; }

        public long Rejections { get; set; }
    }
}

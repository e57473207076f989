namespace Tidemark;

/// <summary>One exchange with a peer, from which its clock's offset follows.</summary>
/// <param name="Sent">This node's wall clock when the request left.</param>
/// <param name="Remote">The peer's wall clock when it answered.</param>
/// <param name="Received">This node's wall clock when the answer came.</param>
public readonly record struct ClockRoundTrip(DateTimeOffset Sent, DateTimeOffset Remote, DateTimeOffset Received)
{
    /// <summary>How far the peer's clock is ahead of this node's, if both ways took equally long; negative where it is behind.</summary>
    public TimeSpan Offset => Remote - (Sent + Uncertainty);

    /// <summary>Half of the round trip: the true offset lies within this of <see cref="Offset"/>.</summary>
    public TimeSpan Uncertainty => (Received - Sent) / 2;
}

/// <summary>What is known of a peer's clock.</summary>
/// <param name="Peer">The peer's node id.</param>
/// <param name="Offset">How far its clock is ahead of this node's, or null where no measure is fresh.</param>
/// <param name="Uncertainty">The true offset lies within this of <paramref name="Offset"/>; zero without one.</param>
/// <param name="Agrees">Whether the offset may be within tolerance; true without one.</param>
/// <param name="Rejections">How many of its timestamps were refused for drift, since the monitor was made or the peer forgotten.</param>
public readonly record struct PeerClock(ulong Peer, TimeSpan? Offset, TimeSpan Uncertainty, bool Agrees, long Rejections);

/// <summary>Whether this node's clock agrees with its peers'.</summary>
/// <param name="AgreeingPeers">Peers with a fresh measure that may be within tolerance.</param>
/// <param name="MeasuredPeers">Peers with a fresh measure.</param>
public readonly record struct ClockHealth(int AgreeingPeers, int MeasuredPeers)
{
    /// <summary>Whether this node and the peers that agree with it are more than half of all measured clocks, its own included.</summary>
    /// <remarks>So one wrong peer of two does not condemn a node, two of two do; of two nodes that differ neither is trusted.</remarks>
    public bool IsHealthy => 2 * (AgreeingPeers + 1) > MeasuredPeers + 1;
}

/// <summary>A step of the wall clock that elapsed time does not explain.</summary>
/// <param name="Before">The reading before.</param>
/// <param name="After">The reading after.</param>
/// <param name="Size">Wall time minus elapsed time: positive is forward, negative backward.</param>
public readonly record struct ClockJump(DateTimeOffset Before, DateTimeOffset After, TimeSpan Size)
{
    /// <summary>Whether the wall clock was set ahead; otherwise it was set back.</summary>
    public bool IsForward => Size > TimeSpan.Zero;
}

using FsCheck;
using FsCheck.Fluent;

namespace Tidemark.Tests.Unit;

public sealed class ClockMonitorTests
{
    private static readonly DateTimeOffset _now = new(2030, 1, 1, 12, 0, 0, TimeSpan.Zero);

    private readonly ClockMonitor _monitor = new();

    [Fact]
    public void An_offset_is_measured_against_the_middle_of_the_round_trip()
    {
        var trip = new ClockRoundTrip(_now, _now.AddMilliseconds(130), _now.AddMilliseconds(20));
        Assert.Equal(TimeSpan.FromMilliseconds(120), trip.Offset);
        Assert.Equal(TimeSpan.FromMilliseconds(10), trip.Uncertainty);
        var behind = new ClockRoundTrip(_now, _now.AddMilliseconds(-130), _now.AddMilliseconds(20));
        Assert.Equal(TimeSpan.FromMilliseconds(-140), behind.Offset);
    }

    [Fact]
    public void Without_measures_a_node_is_healthy()
    {
        Assert.True(_monitor.GetHealth(_now).IsHealthy);
        _monitor.CountRejection(peer: 4);
        Assert.Equal(new ClockHealth(0, 0), _monitor.GetHealth(_now));
    }

    /// <summary>Own clock and agreeing peers against all measured clocks; a tie is not a majority.</summary>
    [Theory]
    [InlineData(1, 0, true)]
    [InlineData(0, 1, false)]   // of two that differ, neither is trusted
    [InlineData(2, 0, true)]
    [InlineData(1, 1, true)]    // three nodes, one wrong: it is not us
    [InlineData(0, 2, false)]
    [InlineData(1, 2, false)]   // two against two
    [InlineData(2, 2, true)]
    [InlineData(1, 3, false)]
    [InlineData(3, 4, false)]
    public void A_node_is_healthy_while_more_than_half_of_all_clocks_agree_with_it(int agreeing, int differing, bool healthy)
    {
        for (int p = 0; p < agreeing; p++) Measure((ulong)p, offsetMs: p % 2 == 0 ? 399 : -399);
        for (int p = 0; p < differing; p++) Measure((ulong)(100 + p), offsetMs: p % 2 == 0 ? 500 : -500);
        ClockHealth health = _monitor.GetHealth(_now);
        Assert.Equal(new ClockHealth(agreeing, agreeing + differing), health);
        Assert.Equal(healthy, health.IsHealthy);
    }

    [Fact]
    public void Health_is_a_strict_majority_for_any_counts()
        => Prop.ForAll(Gen.Choose(0, 1000).ToArbitrary(), Gen.Choose(0, 1000).ToArbitrary(), (good, bad) =>
            new ClockHealth(good, good + bad).IsHealthy == (good + 1 > bad)).QuickCheckThrowOnFailure();

    [Theory]
    [InlineData(400, 0, true)]     // at the tolerance
    [InlineData(401, 0, false)]
    [InlineData(-400, 0, true)]
    [InlineData(-401, 0, false)]
    [InlineData(430, 30, true)]    // it may be 400 or 460: in doubt for the peer
    [InlineData(431, 30, false)]
    [InlineData(-430, 30, true)]
    [InlineData(-431, 30, false)]
    public void A_peer_disagrees_only_when_it_is_certain_to_be_out_of_tolerance(int offsetMs, int uncertaintyMs, bool agrees)
    {
        Measure(1, offsetMs, uncertaintyMs);
        PeerClock peer = Assert.Single(_monitor.GetPeers(_now));
        Assert.Equal(TimeSpan.FromMilliseconds(offsetMs), peer.Offset);
        Assert.Equal(TimeSpan.FromMilliseconds(uncertaintyMs), peer.Uncertainty);
        Assert.Equal(agrees, peer.Agrees);
        Assert.Equal(agrees ? 1 : 0, _monitor.GetHealth(_now).AgreeingPeers);
    }

    [Fact]
    public void A_blurred_measure_does_not_replace_a_sharper_one_until_that_is_too_old()
    {
        Assert.True(Measure(1, offsetMs: 10, uncertaintyMs: 5, at: _now));
        Assert.False(Measure(1, offsetMs: 80, uncertaintyMs: 5, at: _now.AddSeconds(1)));
        Assert.False(Measure(1, offsetMs: 80, uncertaintyMs: 6, at: _now.AddSeconds(10)));
        Assert.True(Measure(1, offsetMs: 12, uncertaintyMs: 4, at: _now.AddSeconds(10)));
        Assert.True(Measure(1, offsetMs: 80, uncertaintyMs: 50, at: _now.AddSeconds(20).AddTicks(1)));
        Assert.Equal(TimeSpan.FromMilliseconds(80), Assert.Single(_monitor.GetPeers(_now.AddSeconds(21))).Offset);
    }

    [Fact]
    public void A_measure_counts_no_longer_than_its_lifetime()
    {
        Measure(1, offsetMs: 900);
        Assert.False(_monitor.GetHealth(_now.AddSeconds(10)).IsHealthy);
        Assert.Equal(new ClockHealth(0, 0), _monitor.GetHealth(_now.AddSeconds(10).AddTicks(1)));
        PeerClock peer = Assert.Single(_monitor.GetPeers(_now.AddSeconds(11)));
        Assert.Null(peer.Offset);
        Assert.True(peer.Agrees);
    }

    [Fact]
    public void A_measure_from_before_the_wall_clock_was_set_back_counts_no_more()
    {
        Measure(1, offsetMs: 900);
        Assert.Equal(0, _monitor.GetHealth(_now.AddTicks(-1)).MeasuredPeers);
    }

    [Fact]
    public void A_round_trip_that_ends_before_it_began_is_ignored()
    {
        Assert.False(_monitor.Measure(1, new ClockRoundTrip(_now, _now, _now.AddTicks(-1))));
        Assert.Empty(_monitor.GetPeers(_now));
    }

    [Fact]
    public void Rejections_are_counted_per_peer_and_forgotten_with_it()
    {
        _monitor.CountRejection(7);
        _monitor.CountRejection(7);
        _monitor.CountRejection(3);
        Assert.Equal([(3UL, 1L), (7UL, 2L)], _monitor.GetPeers(_now).Select(p => (p.Peer, p.Rejections)));
        _monitor.Forget(7);
        _monitor.Forget(8);
        Assert.Equal([3UL], _monitor.GetPeers(_now).Select(p => p.Peer));
    }

    [Theory]
    [InlineData(1_000, null)]
    [InlineData(1_249, null)]
    [InlineData(1_250, 250)]
    [InlineData(951, null)]
    [InlineData(950, -50)]
    [InlineData(-5_000, -6_000)]
    public void A_jump_is_what_elapsed_time_does_not_explain(int wallMs, int? jumpMs)
    {
        Assert.Null(_monitor.Sample(_now, TimeSpan.FromSeconds(90)));
        ClockJump? jump = _monitor.Sample(_now.AddMilliseconds(wallMs), TimeSpan.FromSeconds(91));
        ClockJump? expected = jumpMs is { } ms
            ? new ClockJump(_now, _now.AddMilliseconds(wallMs), TimeSpan.FromMilliseconds(ms))
            : null;
        Assert.Equal(expected, jump);
        Assert.Equal(jumpMs > 0, jump?.IsForward ?? false);
        Assert.Equal(jumpMs > 0 ? 1 : 0, _monitor.ForwardJumps);
        Assert.Equal(jumpMs < 0 ? 1 : 0, _monitor.BackwardJumps);
    }

    [Fact]
    public void A_node_that_slept_long_between_samples_has_not_jumped()
    {
        _monitor.Sample(_now, TimeSpan.Zero);
        Assert.Null(_monitor.Sample(_now.AddHours(3), TimeSpan.FromHours(3)));
    }

    [Fact]
    public void A_jump_is_reported_once_and_drops_the_measures_made_before_it()
    {
        Measure(1, offsetMs: 900);
        _monitor.CountRejection(1);
        _monitor.Sample(_now, TimeSpan.Zero);
        Assert.NotNull(_monitor.Sample(_now.AddSeconds(2), TimeSpan.FromSeconds(1)));
        Assert.Null(_monitor.Sample(_now.AddSeconds(3), TimeSpan.FromSeconds(2)));
        Assert.Equal(0, _monitor.GetHealth(_now.AddSeconds(3)).MeasuredPeers);
        Assert.Equal(1, Assert.Single(_monitor.GetPeers(_now)).Rejections);
    }

    [Fact]
    public void Settings_without_sense_are_refused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new ClockMonitor(new ClockMonitorOptions { Tolerance = TimeSpan.FromTicks(-1) }));
        Assert.Throws<ArgumentOutOfRangeException>(() => new ClockMonitor(new ClockMonitorOptions { OffsetLifetime = TimeSpan.Zero }));
        Assert.Throws<ArgumentOutOfRangeException>(() => new ClockMonitor(new ClockMonitorOptions { ForwardJump = TimeSpan.Zero }));
        Assert.Throws<ArgumentOutOfRangeException>(() => new ClockMonitor(new ClockMonitorOptions { BackwardJump = TimeSpan.Zero }));
    }

    private bool Measure(ulong peer, int offsetMs, int uncertaintyMs = 0, DateTimeOffset? at = null)
    {
        DateTimeOffset received = at ?? _now;
        DateTimeOffset middle = received.AddMilliseconds(-uncertaintyMs);
        return _monitor.Measure(peer, new ClockRoundTrip(middle.AddMilliseconds(-uncertaintyMs), middle.AddMilliseconds(offsetMs), received));
    }
}

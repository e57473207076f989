using System.Diagnostics.Metrics;
using Tidemark.Testing;

namespace Tidemark.Tests.Unit;

public sealed class HybridClockTests
{
    private const long Base = 1_900_000_000_000_000;   // Microseconds; numbers in the tests count from here.

    private readonly ManualTimeProvider _time = new(At(0));

    /// <summary>The paper's branches of a receive, with the physical clock below, at and above the others.</summary>
    [Theory]
    // physical wins alone
    [InlineData(50, 40, 7, 45, 9, 50, 0)]
    [InlineData(50, 45, 7, 45, 9, 50, 0)]
    // the last stamp wins
    [InlineData(10, 40, 7, 30, 99, 40, 8)]
    [InlineData(40, 40, 7, 30, 99, 40, 8)]
    [InlineData(40, 40, 0, 0, 0, 40, 1)]
    // the remote stamp wins
    [InlineData(10, 30, 99, 40, 7, 40, 8)]
    [InlineData(40, 30, 99, 40, 7, 40, 8)]
    // all three or the last two tie: the result must exceed both counters
    [InlineData(10, 40, 7, 40, 7, 40, 8)]
    [InlineData(10, 40, 7, 40, 8, 40, 9)]
    [InlineData(10, 40, 7, 40, 99, 40, 100)]
    [InlineData(10, 40, 99, 40, 7, 40, 100)]
    [InlineData(40, 40, 7, 40, 99, 40, 100)]
    [InlineData(40, 40, 99, 40, 7, 40, 100)]
    // a full counter carries, whoever holds it
    [InlineData(10, 40, 4095, 30, 0, 41, 0)]
    [InlineData(10, 30, 0, 40, 4095, 41, 0)]
    [InlineData(40, 40, 4095, 40, 4095, 41, 0)]
    [InlineData(41, 40, 4095, 40, 4095, 41, 0)]
    public void Observe_follows_the_paper(long physical, long lastTime, int lastCount, long remoteTime, int remoteCount, long time, int count)
    {
        HybridClock clock = ClockAt(Stamp(lastTime, lastCount), physical);
        HybridTimestamp received = clock.Observe(Stamp(remoteTime, remoteCount));
        Assert.Equal(Stamp(time, count), received);
        Assert.Equal(received, clock.Last);
        Assert.True(clock.Now() > received);
    }

    [Theory]
    [InlineData(50, 40, 7, 50, 0)]      // physical time moved on
    [InlineData(40, 40, 7, 40, 8)]      // it did not
    [InlineData(10, 40, 7, 40, 8)]      // it was set back
    [InlineData(40, 40, 4095, 41, 0)]   // a full counter carries
    [InlineData(41, 40, 4095, 41, 0)]
    [InlineData(41, 41, 0, 41, 1)]      // after a carry the counter goes on
    public void Now_follows_the_paper(long physical, long lastTime, int lastCount, long time, int count)
        => Assert.Equal(Stamp(time, count), ClockAt(Stamp(lastTime, lastCount), physical).Now());

    /// <summary>
    /// A node at (40, 2) whose physical clock is behind hears (40, 3). Taking "last + 1" because the physical parts are equal gives
    /// (40, 3) again: two events with one stamp, the effect not after its cause. Comparing whole words cannot make that mistake.
    /// </summary>
    [Fact]
    public void A_remote_stamp_that_ties_with_the_last_in_time_is_exceeded_too()
    {
        HybridClock clock = ClockAt(Stamp(40, 2), physical: 10);
        Assert.Equal(Stamp(40, 4), clock.Observe(Stamp(40, 3)));
    }

    /// <summary>
    /// The physical clock is finer than the stamp. Comparing 100 ns ticks with a stamp cut to microseconds finds "later" again within
    /// one microsecond, resets the counter and repeats the stamp.
    /// </summary>
    [Fact]
    public void Two_readings_within_one_microsecond_get_different_stamps()
    {
        var clock = new HybridClock(_time);
        _time.SetUtcNow(At(5).AddTicks(1));
        Assert.Equal(Stamp(5, 0), clock.Now());
        _time.SetUtcNow(At(5).AddTicks(9));
        Assert.Equal(Stamp(5, 1), clock.Now());
    }

    [Fact]
    public void A_conversation_with_steps_of_the_wall_clock_both_ways_stays_in_order()
    {
        var clock = new HybridClock(_time);
        _time.SetUtcNow(At(70));
        Assert.Equal(Stamp(70, 0), clock.Now());
        Assert.Equal(Stamp(70, 1), clock.Now());
        _time.SetUtcNow(At(120));
        Assert.Equal(Stamp(120, 0), clock.Now());
        Assert.Equal(Stamp(150, 31), clock.Observe(Stamp(150, 30)));   // a peer is ahead
        Assert.Equal(Stamp(150, 32), clock.Now());
        Assert.Equal(Stamp(150, 33), clock.Observe(Stamp(120, 900)));  // an old message
        _time.SetUtcNow(At(60));                                       // the wall clock is set back
        Assert.Equal(Stamp(150, 34), clock.Now());
        Assert.Equal(Stamp(150, 401), clock.Observe(Stamp(150, 400)));
        _time.SetUtcNow(At(150));
        Assert.Equal(Stamp(150, 402), clock.Now());
        _time.SetUtcNow(At(151));
        Assert.Equal(Stamp(151, 0), clock.Now());
    }

    [Fact]
    public void A_remote_stamp_at_the_drift_limit_is_taken_and_one_microsecond_more_is_refused()
    {
        var clock = new HybridClock(_time, new HybridClockOptions { MaxDrift = TimeSpan.FromMilliseconds(20) });
        HybridTimestamp atLimit = Stamp(20_000, HybridTimestamp.MaxCounter);
        Assert.False(clock.TryObserve(Stamp(20_001, 0), out HybridTimestamp none, out TimeSpan drift));
        Assert.Equal(TimeSpan.FromMicroseconds(20_001), drift);
        Assert.Equal(default, none);
        Assert.Equal(HybridTimestamp.MinValue, clock.Last);

        ClockDriftException refusal = Assert.Throws<ClockDriftException>(() => clock.Observe(Stamp(20_001, 0)));
        Assert.Equal(drift, refusal.Drift);
        Assert.Equal(clock.MaxDrift, refusal.MaxDrift);
        Assert.True(refusal.IsTransient);
        Assert.Equal(HybridTimestamp.MinValue, clock.Last);

        Assert.True(clock.TryObserve(atLimit, out HybridTimestamp now, out drift));
        Assert.Equal(TimeSpan.FromMilliseconds(20), drift);
        Assert.Equal(atLimit.Next(), now);
    }

    [Fact]
    public void A_remote_stamp_from_the_past_has_negative_drift_and_is_taken()
    {
        var clock = new HybridClock(_time);
        Assert.True(clock.TryObserve(Stamp(-3_000_000, 0), out HybridTimestamp now, out TimeSpan drift));
        Assert.Equal(TimeSpan.FromSeconds(-3), drift);
        Assert.Equal(Stamp(0, 0), now);
    }

    [Fact]
    public void The_widest_drift_takes_every_stamp_but_the_last_which_has_no_successor()
    {
        var clock = new HybridClock(_time, new HybridClockOptions { MaxDrift = TimeSpan.MaxValue });
        Assert.Equal(HybridTimestamp.MaxValue, clock.Observe(new HybridTimestamp(ulong.MaxValue - 1)));
        Assert.Throws<OverflowException>(() => clock.Now());
        Assert.Throws<OverflowException>(() => clock.Reserve(2));
        Assert.Throws<OverflowException>(() => clock.Observe(HybridTimestamp.MaxValue));
        Assert.Equal(HybridTimestamp.MaxValue, clock.Last);
    }

    [Fact]
    public void A_run_that_would_pass_the_end_of_time_is_refused_whole()
    {
        var clock = new HybridClock(_time);
        clock.Adopt(new HybridTimestamp(ulong.MaxValue - 3));
        Assert.Throws<OverflowException>(() => clock.Reserve(4));
        Assert.Equal(new HybridTimestamp(ulong.MaxValue - 2), clock.Reserve(3));
        Assert.Equal(HybridTimestamp.MaxValue, clock.Last);
    }

    [Fact]
    public void A_chain_of_stamps_each_just_inside_the_limit_cannot_walk_the_clock_ahead()
    {
        var clock = new HybridClock(_time);
        long limit = (long)clock.MaxDrift.TotalMicroseconds;
        int refused = 0;
        for (int hop = 1; hop <= 50; hop++)
        {
            var forged = HybridTimestamp.FromParts(Math.Max(clock.Last.UnixMicroseconds, Base) + limit, 0);
            if (!clock.TryObserve(forged, out _, out _)) refused++;
        }
        Assert.Equal(49, refused);
        Assert.True(clock.Last <= Stamp(limit, 1));
    }

    [Fact]
    public void Nodes_each_within_the_limit_of_the_next_stop_the_lead_at_the_first_who_is_beyond_it()
    {
        // Node k's wall clock is 400 ms ahead of node k - 1's. The news travels from node 3 down to node 0.
        HybridClock[] nodes = [.. Enumerable.Range(0, 4).Select(k => new HybridClock(new ManualTimeProvider(At(k * 400_000))))];
        HybridTimestamp news = nodes[3].Now();
        Assert.True(nodes[2].TryObserve(news, out news, out _));
        Assert.False(nodes[1].TryObserve(news, out _, out TimeSpan drift));
        Assert.Equal(TimeSpan.FromMilliseconds(800), drift);
        Assert.Equal(Stamp(400_000, 0), nodes[1].Now());
    }

    [Fact]
    public void A_logged_stamp_is_adopted_whatever_its_drift_and_the_next_is_above_it()
    {
        var clock = new HybridClock(_time);
        HybridTimestamp logged = Stamp(3_600_000_000, 17);
        clock.Adopt(logged);
        Assert.Equal(logged, clock.Last);
        Assert.Equal(logged.Next(), clock.Now());
        clock.Adopt(Stamp(1, 0));
        Assert.Equal(logged.Next(2), clock.Now());
    }

    [Fact]
    public void A_reserved_run_belongs_to_its_caller_alone()
    {
        var clock = new HybridClock(_time);
        HybridTimestamp before = clock.Now();
        HybridTimestamp first = clock.Reserve(5000);
        Assert.Equal(before.Next(), first);
        Assert.Equal(first.Next(4999), clock.Last);
        Assert.Equal(Stamp(1, 905), first.Next(5000));   // 1 + 5000 stamps after (0, 0): the counter carried once
        Assert.Equal(first.Next(5000), clock.Now());
        _time.SetUtcNow(At(9));
        Assert.Equal(Stamp(9, 0), clock.Reserve(1));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(HybridClock.MaxReservedCount + 1)]
    public void A_run_of_a_senseless_length_is_refused(int count)
        => Assert.Throws<ArgumentOutOfRangeException>(() => new HybridClock(_time).Reserve(count));

    [Fact]
    public void A_wall_clock_outside_the_range_is_an_error_and_leaves_the_clock_alone()
    {
        var clock = new HybridClock(_time);
        HybridTimestamp last = clock.Now();
        _time.SetUtcNow(DateTimeOffset.UnixEpoch.AddTicks(-1));
        Assert.Throws<OverflowException>(() => clock.Now());
        _time.SetUtcNow(HybridTimestamp.MaxValue.Physical.AddMicroseconds(1));
        Assert.Throws<OverflowException>(() => clock.Observe(last));
        Assert.Equal(last, clock.Last);
    }

    [Fact]
    public void Uncertainty_is_as_wide_as_the_drift_on_both_sides()
    {
        var clock = new HybridClock(_time);
        Assert.Equal(Stamp(0, 0).GetUncertainty(TimeSpan.FromMilliseconds(500)), clock.GetUncertainty(clock.Now()));
    }

    [Fact]
    public void Drift_below_a_millisecond_is_no_setting()
        => Assert.Throws<ArgumentOutOfRangeException>(
            () => new HybridClock(_time, new HybridClockOptions { MaxDrift = TimeSpan.FromMicroseconds(999) }));

    [Fact]
    public void Every_refusal_is_counted_by_the_meter_and_nothing_else_is()
    {
        int here = Environment.CurrentManagedThreadId;   // Measurements arrive on the caller's thread; other tests refuse on theirs.
        long counted = 0;
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, l) =>
        {
            if (instrument.Meter.Name == TidemarkDiagnostics.MeterName && instrument.Name == TidemarkDiagnostics.ClockDriftRefusals)
                l.EnableMeasurementEvents(instrument);
        };
        listener.SetMeasurementEventCallback<long>((_, value, _, _) =>
        {
            if (Environment.CurrentManagedThreadId == here) counted += value;
        });
        listener.Start();

        var clock = new HybridClock(_time);
        clock.Observe(Stamp(400_000, 0));
        clock.TryObserve(Stamp(600_000, 0), out _, out _);
        Assert.Throws<ClockDriftException>(() => clock.Observe(Stamp(600_000, 0)));
        clock.Adopt(Stamp(600_000, 0));
        Assert.Equal(2, counted);
    }

    private static DateTimeOffset At(long microseconds) => DateTimeOffset.UnixEpoch.AddTicks((Base + microseconds) * 10);

    private static HybridTimestamp Stamp(long microseconds, int counter) => HybridTimestamp.FromParts(Base + microseconds, counter);

    private HybridClock ClockAt(HybridTimestamp last, long physical)
    {
        var clock = new HybridClock(_time);
        clock.Adopt(last);
        _time.SetUtcNow(At(physical));
        return clock;
    }
}

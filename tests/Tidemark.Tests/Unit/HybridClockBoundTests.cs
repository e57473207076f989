using FsCheck;
using FsCheck.Fluent;
using Tidemark.Testing;

namespace Tidemark.Tests.Unit;

public sealed class HybridClockBoundTests
{
    private static readonly TimeSpan _step = TimeSpan.FromMilliseconds(250);   // Half of the default drift.

    private readonly ManualTimeProvider _time = new();
    private readonly MemoryBound _disk = new();

    [Fact]
    public void A_new_clock_persists_a_bound_one_step_ahead_before_it_gives_a_stamp()
    {
        HybridClock clock = Start();
        Assert.Equal(HybridTimestamp.FromDateTimeOffset(_time.GetUtcNow() + _step), _disk.Bound);
        Assert.Equal(_disk.Bound, clock.Bound);
        Assert.Equal(HybridTimestamp.FromDateTimeOffset(_time.GetUtcNow()), clock.Now());
    }

    [Fact]
    public void Half_a_step_later_the_clock_asks_for_an_extension_and_gets_a_whole_step_again()
    {
        HybridClock clock = Start();
        int asked = 0;
        clock.BoundRunsLow += (_, _) => asked++;
        _time.Advance(_step / 2);
        clock.Now();
        Assert.False(clock.BoundNeedsExtension);
        Assert.False(clock.ExtendBound());
        _time.Advance(TimeSpan.FromMicroseconds(1));
        Assert.True(clock.BoundNeedsExtension);
        clock.Now();
        Assert.Equal(1, asked);
        Assert.True(clock.ExtendBound());
        Assert.Equal(HybridTimestamp.FromDateTimeOffset(_time.GetUtcNow() + _step), clock.Bound);
        Assert.False(clock.BoundNeedsExtension);
        Assert.Equal(2, _disk.Count);
    }

    [Fact]
    public void At_the_bound_time_stands_still_and_the_counter_goes_on()
    {
        HybridClock clock = Start();
        _time.Advance(TimeSpan.FromMilliseconds(200));
        HybridTimestamp last = clock.Now();
        _time.Advance(TimeSpan.FromSeconds(30));
        Assert.Equal(last.Next(), clock.Now());
        Assert.Equal(last.Next(2), clock.Reserve(10));
        Assert.Equal(last.Next(12), clock.Observe(HybridTimestamp.FromDateTimeOffset(_time.GetUtcNow() - TimeSpan.FromHours(1))));
        clock.ExtendBound();
        Assert.Equal(HybridTimestamp.FromDateTimeOffset(_time.GetUtcNow()), clock.Now());
    }

    [Fact]
    public void The_last_stamp_given_is_the_bound_itself_and_then_the_clock_refuses_until_it_is_extended()
    {
        HybridClock clock = Start();
        clock.Adopt(new HybridTimestamp(clock.Bound.Value - 2));
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Throws<ClockBoundException>(() => clock.Reserve(3));
        clock.Now();
        Assert.Equal(_disk.Bound, clock.Now());

        ClockBoundException refusal = Assert.Throws<ClockBoundException>(() => clock.Now());
        Assert.True(refusal.IsTransient);
        Assert.Equal(_disk.Bound, clock.Last);
        Assert.True(clock.ExtendBound());
        Assert.Equal(HybridTimestamp.FromDateTimeOffset(_time.GetUtcNow()), clock.Now());
    }

    [Fact]
    public void A_remote_stamp_beyond_the_bound_is_refused_for_now_and_taken_after_the_next_extension()
    {
        HybridClock clock = Start();
        HybridTimestamp before = clock.Now();
        HybridTimestamp remote = HybridTimestamp.FromDateTimeOffset(_time.GetUtcNow() + TimeSpan.FromMilliseconds(400));
        Assert.Throws<ClockBoundException>(() => clock.Observe(remote));
        Assert.Equal(before, clock.Last);
        Assert.True(clock.ExtendBound());
        Assert.Equal(remote.Next(), clock.Observe(remote));
        Assert.True(clock.Last <= _disk.Bound);
    }

    [Fact]
    public void A_run_longer_than_what_is_left_is_refused_whole_and_fits_after_the_next_extension()
    {
        HybridClock clock = Start();
        clock.Adopt(clock.Bound);
        Assert.Throws<ClockBoundException>(() => clock.Reserve(HybridClock.MaxReservedCount));
        Assert.True(clock.ExtendBound());
        Assert.Equal(clock.Last.Next(), clock.Reserve(HybridClock.MaxReservedCount));
        Assert.True(clock.Last <= _disk.Bound);
    }

    [Fact]
    public void A_logged_stamp_beyond_the_bound_is_adopted_and_asks_for_an_extension()
    {
        HybridClock clock = Start();
        int asked = 0;
        clock.BoundRunsLow += (_, _) => asked++;
        HybridTimestamp logged = HybridTimestamp.FromDateTimeOffset(_time.GetUtcNow() + TimeSpan.FromHours(1));
        clock.Adopt(logged);
        Assert.Equal(1, asked);
        Assert.Throws<ClockBoundException>(() => clock.Now());
        clock.ExtendBound();
        Assert.Equal(logged.Next(), clock.Now());
    }

    [Fact]
    public void A_handler_that_extends_at_once_spares_the_caller_the_refusal()
    {
        HybridClock clock = Start();
        clock.BoundRunsLow += (sender, _) => ((HybridClock)sender!).ExtendBound();
        _time.Advance(TimeSpan.FromHours(5));
        Assert.Equal(HybridTimestamp.FromDateTimeOffset(_time.GetUtcNow()), clock.Now());
    }

    [Fact]
    public void A_restart_starts_above_everything_given_out_and_peers_accept_it()
    {
        HybridClock clock = Start();
        _time.Advance(TimeSpan.FromMilliseconds(100));
        HybridTimestamp last = clock.Reserve(100_000).Next(99_999);

        var peer = new HybridClock(_time);
        HybridClock restarted = Start();
        HybridTimestamp first = restarted.Now();
        Assert.True(first > last);
        Assert.True(peer.TryObserve(first, out _, out TimeSpan lead));
        Assert.True(lead <= _step);
    }

    [Fact]
    public void A_restart_with_a_wall_clock_set_back_an_hour_still_starts_above()
    {
        HybridTimestamp last = Start().Now();
        _time.SetUtcNow(_time.GetUtcNow() - TimeSpan.FromHours(1));
        HybridClock restarted = Start();
        HybridTimestamp first = restarted.Now();
        Assert.True(first > last);
        Assert.True(restarted.Now() > first);
    }

    [Theory]
    [InlineData(64)]
    [InlineData(1_000)]
    [InlineData(20_000)]
    public void A_loop_of_crashes_never_puts_the_clock_more_than_a_step_ahead(int lifeMicroseconds)
    {
        for (int restart = 0; restart < 2_000; restart++)
        {
            HybridClock clock = Start();
            HybridTimestamp first = clock.Now();
            TimeSpan lead = first.Physical - _time.GetUtcNow();
            Assert.True(lead <= _step + TimeSpan.FromMicroseconds(64), $"restart {restart} leads by {lead}");
            _time.Advance(TimeSpan.FromMicroseconds(lifeMicroseconds) / 2);
            clock.Now();
            clock.ExtendBound();
            _time.Advance(TimeSpan.FromMicroseconds(lifeMicroseconds) / 2);
        }
    }

    [Fact]
    public void A_loop_of_crashes_that_each_use_up_their_stamps_does_not_grow_the_lead_either()
    {
        for (int restart = 0; restart < 500; restart++)
        {
            HybridClock clock = Start();
            clock.BoundRunsLow += (sender, _) => ((HybridClock)sender!).ExtendBound();
            for (int i = 0; i < 8; i++)
            {
                HybridTimestamp run = clock.Reserve(1 << 14);   // 4 microseconds' worth of stamps in 50 of time
                Assert.True(run.Physical - _time.GetUtcNow() <= _step + TimeSpan.FromMilliseconds(1));
                _time.Advance(TimeSpan.FromMicroseconds(50));
            }
        }
    }

    [Fact]
    public void A_bound_that_was_persisted_but_not_used_is_respected_by_the_next_clock()
    {
        HybridClock clock = Start();
        HybridTimestamp old = clock.Bound;
        _time.Advance(_step);
        _disk.After = () => throw new InvalidOperationException("crash");
        Assert.Throws<InvalidOperationException>(() => clock.ExtendBound());
        _disk.After = null;
        Assert.True(_disk.Bound > old);
        Assert.Equal(old, clock.Bound);

        HybridTimestamp persisted = _disk.Bound;
        Assert.True(Start().Now() > persisted);
    }

    [Fact]
    public void A_failed_extension_leaves_the_bound_and_the_next_call_tries_again()
    {
        HybridClock clock = Start();
        HybridTimestamp old = clock.Bound;
        _time.Advance(_step);
        _disk.Before = () => throw new StoreFullException("full");
        Assert.Throws<StoreFullException>(() => clock.ExtendBound());
        Assert.Throws<StoreFullException>(() => clock.ExtendBound());
        Assert.Equal(old, clock.Bound);
        _disk.Before = null;
        Assert.True(clock.ExtendBound());
    }

    [Fact]
    public void Of_two_extensions_at_once_the_second_does_nothing()
    {
        HybridClock clock = Start();
        bool? second = null;
        _disk.Before = () => second = clock.ExtendBound();
        _time.Advance(_step);
        Assert.True(clock.ExtendBound());
        Assert.False(second);
        Assert.Equal(2, _disk.Count);
    }

    [Fact]
    public void A_wall_clock_that_jumps_ahead_is_followed_only_after_an_extension()
    {
        HybridClock clock = Start();
        HybridTimestamp last = clock.Now();
        _time.SetUtcNow(_time.GetUtcNow() + TimeSpan.FromDays(1));
        Assert.Equal(last.Next(), clock.Now());
        clock.ExtendBound();
        Assert.Equal(HybridTimestamp.FromDateTimeOffset(_time.GetUtcNow()), clock.Now());
    }

    [Fact]
    public void A_peer_far_ahead_that_drags_the_clock_along_costs_a_bounded_number_of_flushes()
    {
        HybridClock clock = Start();
        clock.BoundRunsLow += (sender, _) => ((HybridClock)sender!).ExtendBound();
        for (int ms = 0; ms < 10_000; ms++)
        {
            clock.Observe(HybridTimestamp.FromDateTimeOffset(_time.GetUtcNow() + TimeSpan.FromMilliseconds(400)));
            _time.Advance(TimeSpan.FromMilliseconds(1));
        }
        Assert.InRange(_disk.Count, 10, 1000);   // 100 a second at most, not one per message.
    }

    [Fact]
    public void A_lead_that_leaves_nothing_to_gain_is_not_asked_about_again_and_again()
    {
        HybridClock clock = Start();
        clock.Observe(HybridTimestamp.FromDateTimeOffset(_time.GetUtcNow() + TimeSpan.FromMilliseconds(150)));
        Assert.True(clock.BoundNeedsExtension);
        Assert.False(clock.ExtendBound());   // one step ahead of physical time already
        Assert.False(clock.BoundNeedsExtension);
        Assert.Equal(1, _disk.Count);
        _time.Advance(TimeSpan.FromMilliseconds(201));
        Assert.True(clock.BoundNeedsExtension);
        Assert.True(clock.ExtendBound());
    }

    [Fact]
    public void Accepting_any_drift_does_not_set_the_bound_far_ahead()
    {
        HybridClock clock = new(_time, new HybridClockOptions { MaxDrift = TimeSpan.MaxValue }, _disk);
        Assert.Equal(_time.GetUtcNow() + TimeSpan.FromSeconds(1), clock.Bound.Physical);
    }

    [Fact]
    public void Without_a_bound_there_is_nothing_to_extend()
    {
        var clock = new HybridClock(_time);
        Assert.Equal(HybridTimestamp.MaxValue, clock.Bound);
        Assert.False(clock.BoundNeedsExtension);
        Assert.False(clock.ExtendBound());
    }

    [Fact]
    public void No_stamp_is_ever_above_the_bound_on_disk_nor_below_an_earlier_one_across_any_restarts()
    {
        Arbitrary<List<(int Act, int Amount)>> acts = (
            from act in Gen.Choose(0, 7)
            from amount in Gen.Choose(-400_000, 400_000)
            select (act, amount)).ListOf().Select(list => list.ToList()).ToArbitrary();
        Prop.ForAll(acts, list =>
        {
            var time = new ManualTimeProvider();
            var disk = new MemoryBound();
            var clock = new HybridClock(time, null, disk);
            HybridTimestamp highest = default;
            foreach ((int act, int amount) in list)
            {
                DateTimeOffset wall = time.GetUtcNow();
                HybridTimestamp? given = null;
                try
                {
                    switch (act)
                    {
                        case 0: time.SetUtcNow(wall.AddMicroseconds(amount)); break;
                        case 1: time.Advance(TimeSpan.FromMicroseconds(Math.Abs(amount))); break;
                        case 2: clock.ExtendBound(); break;
                        case 3: clock = new HybridClock(time, null, disk); break;
                        case 4: given = clock.Observe(HybridTimestamp.FromDateTimeOffset(wall.AddMicroseconds(amount))); break;
                        case 5: given = clock.Reserve(Math.Abs(amount) + 1).Next(Math.Abs(amount)); break;
                        default: given = clock.Now(); break;
                    }
                }
                catch (ClockBoundException)
                {
                    // Refused: nothing was given out.
                }
                if (given is not { } stamp) continue;
                if (stamp <= highest || stamp > disk.Bound || stamp != clock.Last) return false;
                highest = stamp;
            }
            return true;
        }).QuickCheckThrowOnFailure();
    }

    private HybridClock Start() => new(_time, null, _disk);

    private sealed class MemoryBound : IClockBound
    {
        public HybridTimestamp Bound { get; private set; }

        public int Count { get; private set; }

        public Action? Before { get; set; }

        public Action? After { get; set; }

        public HybridTimestamp Load() => Bound;

        public void Persist(HybridTimestamp bound)
        {
            Before?.Invoke();
            Assert.True(bound > Bound, "bounds only rise");
            Bound = bound;
            Count++;
            After?.Invoke();
        }
    }
}

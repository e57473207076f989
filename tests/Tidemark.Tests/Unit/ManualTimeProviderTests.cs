using Tidemark.Testing;

namespace Tidemark.Tests.Unit;

public sealed class ManualTimeProviderTests
{
    private readonly ManualTimeProvider _time = new();
    private readonly List<string> _fired = [];

    [Fact]
    public void Time_stands_still_until_it_is_advanced()
    {
        DateTimeOffset wall = _time.GetUtcNow();
        long mark = _time.GetTimestamp();
        Assert.Equal(wall, _time.GetUtcNow());
        _time.Advance(TimeSpan.FromSeconds(3));
        Assert.Equal(wall.AddSeconds(3), _time.GetUtcNow());
        Assert.Equal(TimeSpan.FromSeconds(3), _time.GetElapsedTime(mark));
        Assert.Equal(TimeSpan.FromSeconds(3), _time.Elapsed);
    }

    [Fact]
    public void Setting_the_wall_clock_moves_no_elapsed_time_and_fires_nothing()
    {
        using ITimer timer = After(1, "late");
        DateTimeOffset wall = _time.GetUtcNow();
        _time.SetUtcNow(wall.AddHours(-1));
        _time.SetUtcNow(wall.AddHours(5));
        Assert.Equal(wall.AddHours(5), _time.GetUtcNow());
        Assert.Equal(0, _time.GetTimestamp());
        Assert.Empty(_fired);
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(["late@1"], _fired);
        Assert.Equal(wall.AddHours(5).AddSeconds(1), _time.GetUtcNow());
    }

    [Fact]
    public void Timers_fire_in_the_order_they_are_due_and_see_that_time()
    {
        using ITimer c = After(3, "c");
        using ITimer a = After(1, "a");
        using ITimer b = After(2, "b");
        using ITimer alsoA = After(1, "also a");
        _time.Advance(TimeSpan.FromSeconds(2.5));
        Assert.Equal(["a@1", "also a@1", "b@2"], _fired);
        _time.Advance(TimeSpan.FromSeconds(0.5));
        Assert.Equal("c@3", _fired[^1]);
    }

    [Fact]
    public void A_periodic_timer_fires_once_per_period_on_the_way()
    {
        using ITimer tick = _time.CreateTimer(_ => Note("tick"), null, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(2));
        _time.Advance(TimeSpan.FromSeconds(6));
        Assert.Equal(["tick@1", "tick@3", "tick@5"], _fired);
    }

    [Fact]
    public void A_timer_due_at_once_waits_for_the_next_advance_even_by_nothing()
    {
        using ITimer timer = After(0, "now");
        Assert.Empty(_fired);
        _time.Advance(TimeSpan.Zero);
        _time.Advance(TimeSpan.Zero);
        Assert.Equal(["now@0"], _fired);
    }

    [Fact]
    public void A_timer_can_be_changed_stopped_and_disposed()
    {
        ITimer timer = After(1, "x");
        Assert.True(timer.Change(TimeSpan.FromSeconds(5), Timeout.InfiniteTimeSpan));
        _time.Advance(TimeSpan.FromSeconds(2));
        Assert.Empty(_fired);
        timer.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        _time.Advance(TimeSpan.FromSeconds(10));
        Assert.Empty(_fired);
        timer.Dispose();
        Assert.False(timer.Change(TimeSpan.Zero, Timeout.InfiniteTimeSpan));
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Empty(_fired);
    }

    [Fact]
    public void A_callback_may_arm_timers_and_those_due_on_the_way_fire_too()
    {
        ITimer? second = null;
        using ITimer first = _time.CreateTimer(_ => second = After(1, "second"), null, TimeSpan.FromSeconds(1), Timeout.InfiniteTimeSpan);
        _time.Advance(TimeSpan.FromSeconds(4));
        Assert.Equal(["second@2"], _fired);
        Assert.Equal(TimeSpan.FromSeconds(4), _time.Elapsed);
        second!.Dispose();
    }

    [Fact]
    public async Task Delays_and_cancellation_run_on_it()
    {
        Task delay = Task.Delay(TimeSpan.FromMinutes(1), _time);
        using var source = new CancellationTokenSource(TimeSpan.FromMinutes(2), _time);
        _time.Advance(TimeSpan.FromMinutes(1));
        await delay;
        Assert.False(source.IsCancellationRequested);
        _time.Advance(TimeSpan.FromMinutes(1));
        Assert.True(source.IsCancellationRequested);
    }

    [Fact]
    public void Time_does_not_run_backward()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => _time.Advance(TimeSpan.FromTicks(-1)));
        Assert.Throws<ArgumentOutOfRangeException>(() => After(-2, "x"));
    }

    private ITimer After(int seconds, string name)
        => _time.CreateTimer(_ => Note(name), null, TimeSpan.FromSeconds(seconds), Timeout.InfiniteTimeSpan);

    private void Note(string name) => _fired.Add($"{name}@{_time.Elapsed.TotalSeconds}");
}

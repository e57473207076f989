using Microsoft.Extensions.Logging;
using Tidemark.Testing;

namespace Tidemark.Tests.Unit;

public sealed class ClockBoundExtenderTests
{
    private readonly ManualTimeProvider _time = new();
    private readonly Bound _bound = new();
    private readonly Log _log = new();

    [Fact]
    public async Task A_clock_nobody_asks_still_follows_physical_time_when_it_is_asked()
    {
        var clock = new HybridClock(_time, null, _bound);
        await using var extender = new ClockBoundExtender(clock, _time);
        for (int i = 0; i < 60; i++)
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            Assert.Equal(HybridTimestamp.FromDateTimeOffset(_time.GetUtcNow()), clock.Now());
        }
        Assert.InRange(_bound.Count, 60 * 4, 60 * 8 + 1);   // once per half step of 250 ms, at the pace of the timer
    }

    [Fact]
    public async Task A_clock_that_runs_low_is_extended_at_once_and_not_at_the_next_tick()
    {
        var clock = new HybridClock(_time, null, _bound);
        await using var extender = new ClockBoundExtender(clock, _time);
        clock.Adopt(clock.Bound);
        Assert.Throws<ClockBoundException>(() => clock.Now());
        _time.Advance(TimeSpan.Zero);   // the woken timer fires
        clock.Now();
        Assert.Equal(2, _bound.Count);
    }

    [Fact]
    public async Task Disk_errors_are_logged_once_tried_again_and_their_end_is_logged_too()
    {
        var clock = new HybridClock(_time, null, _bound);
        await using var extender = new ClockBoundExtender(clock, _time, _log);
        _bound.Failure = new StoreFullException("full");
        _time.Advance(TimeSpan.FromSeconds(2));
        Assert.Same(_bound.Failure, extender.LastFailure);
        Assert.Equal([(50, LogLevel.Error)], _log.Entries);
        clock.Adopt(clock.Bound);
        Assert.Throws<ClockBoundException>(() => clock.Now());

        _bound.Failure = null;
        _time.Advance(TimeSpan.FromMilliseconds(63));
        Assert.Null(extender.LastFailure);
        Assert.Equal([(50, LogLevel.Error), (51, LogLevel.Information)], _log.Entries);
        Assert.Equal(HybridTimestamp.FromDateTimeOffset(_time.GetUtcNow()), clock.Now());
    }

    [Fact]
    public async Task While_the_disk_fails_a_busy_clock_does_not_make_it_try_faster()
    {
        var clock = new HybridClock(_time, null, _bound);
        await using var extender = new ClockBoundExtender(clock, _time);
        _bound.Failure = new StoreFullException("full");
        _time.Advance(TimeSpan.FromMilliseconds(200));
        int tried = _bound.Tried;
        for (int i = 0; i < 100; i++)
        {
            clock.Now();
            _time.Advance(TimeSpan.Zero);
        }
        Assert.Equal(tried, _bound.Tried);
    }

    [Fact]
    public async Task After_dispose_the_bound_stays_where_it_is()
    {
        var clock = new HybridClock(_time, null, _bound);
        var extender = new ClockBoundExtender(clock, _time);
        await extender.DisposeAsync();
        _time.Advance(TimeSpan.FromSeconds(10));
        clock.Now();
        _time.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal(1, _bound.Count);
    }

    private sealed class Bound : IClockBound
    {
        private HybridTimestamp _value;

        public int Count { get; private set; }

        public int Tried { get; private set; }

        public Exception? Failure { get; set; }

        public HybridTimestamp Load() => _value;

        public void Persist(HybridTimestamp bound)
        {
            Tried++;
            if (Failure is not null) throw Failure;
            _value = bound;
            Count++;
        }
    }

    private sealed class Log : ILogger
    {
        public List<(int Id, LogLevel Level)> Entries { get; } = [];

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        void ILogger.Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
            => Entries.Add((eventId.Id, logLevel));
    }
}

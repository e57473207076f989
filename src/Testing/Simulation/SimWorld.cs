using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;

namespace Tidemark.Testing.Simulation;

/// <summary>Time, chance and the order of events of a simulation: all that happens comes from one seed.</summary>
/// <param name="seed">Decides it.</param>
/// <param name="isTold">Whether what happens is kept in words.</param>
internal sealed class SimWorld(long seed, bool isTold)
{
    private const int StoryLength = 4000;

    private readonly SimEvents _events = new();
    private readonly Queue<string> _story = new();
    private readonly SortedDictionary<string, long> _counts = new(StringComparer.Ordinal);
    private readonly List<string> _landmarks = [];
    private ExceptionDispatchInfo? _failure;   // Of a program.
    private int _thread;   // On which alone things may happen; 0 for any.

    internal static DateTimeOffset Epoch { get; } = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    internal SeededChance Chance { get; } = SeededChance.For(seed, 10);

    /// <summary>Virtual time since the beginning.</summary>
    internal TimeSpan Now { get; private set; }

    internal long Events { get; private set; }

    internal bool IsTold => isTold;

    /// <summary>Of when each thing happened and what came of it: equal for equal seeds.</summary>
    internal ulong TraceHash { get; private set; } = 14695981039346656037;

    /// <summary>How often each thing happened.</summary>
    internal IReadOnlyDictionary<string, long> Counts => _counts;

    /// <summary>What went wrong, who started and who led, from the beginning.</summary>
    internal IReadOnlyList<string> Landmarks => _landmarks;

    /// <summary>The last things that happened, one a line.</summary>
    internal string Story => string.Join('\n', _story);

    /// <summary>Has something happen later.</summary>
    internal void After(TimeSpan delay, Action action)
    {
        if (_thread != 0 && _thread != Environment.CurrentManagedThreadId) _failure ??= ExceptionDispatchInfo.Capture(new InvalidOperationException("Something went on beside the world: " + Environment.StackTrace));
        lock (_events) _events.Add((Now + delay).Ticks, action);   // A program in a test's cluster may begin its timers on any thread.
    }

    /// <summary>From now on all happens on this thread: what goes on elsewhere would not be the same in each run, and ends it.</summary>
    internal void StayHere() => _thread = Environment.CurrentManagedThreadId;

    /// <summary>Lets the next thing happen; false where none is left before a time, which it is then.</summary>
    private bool Step(TimeSpan until)
    {
        long at;
        Action action;
        lock (_events)
        {
            at = _events.NextAt;
            if (at > until.Ticks)
            {
                if (until > Now) Now = until;
                return false;
            }

            action = _events.Take();
        }

        if (at > Now.Ticks) Now = new TimeSpan(at);
        Events++;
        Trace(at);
        action();
        _failure?.Throw();
        return true;
    }

    /// <summary>Begins a program that awaits what happens. What it fails with ends the simulation.</summary>
    internal void Begin(Func<Task> program) => _ = WatchAsync(program);

    private async Task WatchAsync(Func<Task> program)
    {
        try
        {
            await program().ConfigureAwait(false);
        }
        catch (Exception e)
        {
            _failure ??= ExceptionDispatchInfo.Capture(e);
        }
    }

    /// <summary>Completes later. Who awaits it goes on at once, as part of the event: so every run is the same.</summary>
    internal Task Delay(double leastMilliseconds, double mostMilliseconds)
    {
        var over = new TaskCompletionSource();
        After(Between(leastMilliseconds, mostMilliseconds), over.SetResult);
        return over.Task;
    }

    /// <summary>Lets things happen while a condition holds, at most until a time.</summary>
    internal void RunWhile(Func<bool> condition, TimeSpan until)
    {
        while (condition() && Step(until))
        {
        }
    }

    internal void RunUntil(TimeSpan time) => RunWhile(static () => true, time);

    internal TimeSpan Between(double leastMilliseconds, double mostMilliseconds) =>
        TimeSpan.FromTicks((long)((leastMilliseconds + ((mostMilliseconds - leastMilliseconds) * Fraction())) * TimeSpan.TicksPerMillisecond));

    internal double Fraction() => (Chance.Next() >> 11) * (1.0 / (1UL << 53));

    internal Guid NewId()
    {
        Span<byte> bytes = stackalloc byte[16];
        BitConverter.TryWriteBytes(bytes, Chance.Next());
        BitConverter.TryWriteBytes(bytes[8..], Chance.Next());
        return new Guid(bytes, bigEndian: true);
    }

    internal void Count(string what, long times = 1) => _counts[what] = _counts.GetValueOrDefault(what) + times;

    /// <summary>Something happened that the rest hangs on.</summary>
    internal void Mark(string what)
    {
        if (!isTold) return;
        Tell(what);
        _landmarks.Add(Line(what));
    }

    /// <summary>Something happened that belongs to the story.</summary>
    internal void Note([InterpolatedStringHandlerArgument("")] ref StoryText what)
    {
        if (isTold) Tell(what.ToString());
    }

    /// <summary>Adds to the trace.</summary>
    internal void Trace(long what) => TraceHash = (TraceHash ^ (ulong)what) * 1099511628211;

    /// <summary>What must hold does not.</summary>
    internal static void Require(bool holds, string law)
    {
        if (!holds) throw new SimulationException(law);
    }

    internal static void Require(bool holds, [InterpolatedStringHandlerArgument(nameof(holds))] ref LawText law)
    {
        if (!holds) throw new SimulationException(law.ToString());
    }

    private string Line(string what) => string.Create(CultureInfo.InvariantCulture, $"{Now.TotalMilliseconds,12:F3} {what}");

    private void Tell(string what)
    {
        _story.Enqueue(Line(what));
        if (_story.Count > StoryLength) _story.Dequeue();
    }
}

/// <summary>A law that must hold in every schedule was broken.</summary>
internal sealed class SimulationException(string rule) : Exception(rule);

/// <summary>A node's clock: it may be off, drift and jump; its stopwatch only drifts.</summary>
internal sealed class SimClock(SimWorld world) : TimeProvider
{
    private TimeSpan _driftsSince;
    private long _then;

    /// <summary>How far the wall clock is off.</summary>
    internal TimeSpan Offset { get; set; }

    /// <summary>How much faster than the world's its time runs from now on.</summary>
    internal double Drift
    {
        get;
        set => (_then, _driftsSince, field) = (GetTimestamp(), world.Now, value);
    }

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    /// <summary>What the node's timers go by.</summary>
    internal DateTimeOffset Steady => SimWorld.Epoch + TimeSpan.FromTicks(GetTimestamp());

    /// <summary>The wall clock: set right now and then, it does not drift.</summary>
    public override DateTimeOffset GetUtcNow() => SimWorld.Epoch + world.Now + Offset;

    public override long GetTimestamp() => _then + (long)((world.Now - _driftsSince).Ticks * (1 + Drift));
}

using System.Globalization;

namespace Tidemark.Testing.Simulation;

/// <summary>Time, chance and the order of events of a simulation: all that happens comes from one seed.</summary>
internal sealed class SimWorld(long seed)
{
    private const int StoryLength = 4000;

    private readonly PriorityQueue<Action, (long At, long Number)> _events = new();
    private readonly Queue<string> _story = new();
    private readonly SortedDictionary<string, long> _counts = new(StringComparer.Ordinal);
    private readonly List<string> _landmarks = [];
    private long _number;

    internal static DateTimeOffset Epoch { get; } = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    internal SeededChance Chance { get; } = SeededChance.For(seed, 10);

    /// <summary>Virtual time since the beginning.</summary>
    internal TimeSpan Now { get; private set; }

    internal long Events { get; private set; }

    /// <summary>Of all that was noted: equal for equal seeds.</summary>
    internal ulong TraceHash { get; private set; } = 14695981039346656037;

    /// <summary>How often each thing happened.</summary>
    internal IReadOnlyDictionary<string, long> Counts => _counts;

    /// <summary>What went wrong, who started and who led, from the beginning.</summary>
    internal IReadOnlyList<string> Landmarks => _landmarks;

    /// <summary>The last things that happened, one a line.</summary>
    internal string Story => string.Join('\n', _story);

    /// <summary>Has something happen later.</summary>
    internal void After(TimeSpan delay, Action action) => _events.Enqueue(action, ((Now + delay).Ticks, _number++));

    /// <summary>Lets the next thing happen; false where none is left before a time, which it is then.</summary>
    private bool Step(TimeSpan until)
    {
        if (!_events.TryPeek(out Action? action, out (long At, long Number) place) || place.At > until.Ticks)
        {
            if (until > Now) Now = until;
            return false;
        }

        _events.Dequeue();
        Now = new TimeSpan(Math.Max(place.At, Now.Ticks));
        Events++;
        action();
        return true;
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
        Note(what);
        _landmarks.Add(string.Create(CultureInfo.InvariantCulture, $"{Now.TotalMilliseconds,12:F3} {what}"));
    }

    /// <summary>Something happened that belongs to the trace.</summary>
    internal void Note(string what)
    {
        string line = string.Create(CultureInfo.InvariantCulture, $"{Now.TotalMilliseconds,12:F3} {what}");
        foreach (char letter in line) TraceHash = (TraceHash ^ letter) * 1099511628211;
        _story.Enqueue(line);
        if (_story.Count > StoryLength) _story.Dequeue();
    }

    /// <summary>What must hold does not.</summary>
    internal static void Require(bool holds, string rule)
    {
        if (!holds) throw new SimulationException(rule);
    }
}

/// <summary>A law that must hold in every schedule was broken.</summary>
internal sealed class SimulationException(string rule) : Exception(rule);

/// <summary>A node's clock: it may be off, drift and jump; its stopwatch only drifts.</summary>
internal sealed class SimClock(SimWorld world) : TimeProvider
{
    /// <summary>How far the wall clock is off.</summary>
    internal TimeSpan Offset { get; set; }

    /// <summary>How much faster than the world's its time runs.</summary>
    internal double Drift { get; set; }

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    /// <summary>What the node's timers go by.</summary>
    internal DateTimeOffset Steady => SimWorld.Epoch + TimeSpan.FromTicks(GetTimestamp());

    public override DateTimeOffset GetUtcNow() => Steady + Offset;

    public override long GetTimestamp() => (long)(world.Now.Ticks * (1 + Drift));
}

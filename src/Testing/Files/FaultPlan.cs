using System.Text;

namespace Tidemark.Testing.Files;

/// <summary>What is to become of an operation.</summary>
internal enum Verdict
{
    Done,
    Failed,
    Full,
    Halfway,
}

/// <summary>Decides which operations fail and where the machine stops, and remembers what was done.</summary>
/// <remarks>Not thread-safe.</remarks>
internal sealed class FaultPlan(long seed, FaultCounts counts)
{
    private const int TraceLength = 4096;

    private readonly SeededChance _chance = SeededChance.For(seed, 1);
    private readonly Dictionary<FaultKind, List<long>> _countdowns = [];
    private readonly Dictionary<FaultKind, double> _probabilities = [];
    private readonly Queue<(DiskOperation Operation, Verdict Verdict)> _trace = new();
    private long _stopAt;
    private StopMoment _stopMoment;

    public long Operations { get; private set; }

    public bool IsStopped { get; private set; }

    public FaultCounts Counts => counts;

    public Action<DiskOperation>? Observer { get; set; }

    public void Stop() => IsStopped = true;

    public void StopAt(long operation, StopMoment moment) => (_stopAt, _stopMoment) = (operation, moment);

    public void FailNth(FaultKind kind, long nth)
    {
        if (!_countdowns.TryGetValue(kind, out List<long>? list)) _countdowns[kind] = list = [];
        list.Add(nth);
    }

    public void FailWithProbability(FaultKind kind, double probability) => _probabilities[kind] = probability;

    public void ThrowIfStopped()
    {
        if (IsStopped) throw Stopped();
    }

    public SimulatedCrashException Stopped() => new(Operations);

    /// <summary>Decides about an operation that changes the disk.</summary>
    /// <param name="operation">The operation; its number is given here.</param>
    /// <param name="failure">How it may fail.</param>
    /// <param name="hasRoom">Whether there is room for it, or null where it takes none.</param>
    public Verdict Begin(DiskOperation operation, FaultKind failure, bool? hasRoom = null)
    {
        operation = operation with { Number = Operations + 1 };
        Observer?.Invoke(operation);
        ThrowIfStopped();   // The observer may have pulled the plug.
        Operations = operation.Number;
        if (Operations == _stopAt)
        {
            IsStopped = true;
            if (_stopMoment == StopMoment.Before) throw Stopped();
        }
        Verdict verdict = IsStopped ? Verdict.Halfway
            : Hits(failure) ? Verdict.Failed
            : hasRoom is { } room && IsFull(room) ? Verdict.Full
            : Verdict.Done;
        if (_trace.Count == TraceLength) _trace.Dequeue();
        _trace.Enqueue((operation, verdict));
        return verdict;
    }

    /// <summary>Whether an operation of this kind fails now; if so it is counted.</summary>
    public bool Hits(FaultKind kind)
    {
        bool hit = false;
        if (_countdowns.TryGetValue(kind, out List<long>? list))
        {
            for (int i = 0; i < list.Count; i++) hit |= --list[i] == 0;
            list.RemoveAll(left => left == 0);
        }
        if (_probabilities.TryGetValue(kind, out double probability)) hit |= _chance.Hits(probability);
        if (hit) counts.Add(kind);
        return hit;
    }

    private bool IsFull(bool hasRoom)
    {
        bool planned = Hits(FaultKind.DiskFull);
        if (!hasRoom && !planned) counts.Add(FaultKind.DiskFull);
        return planned || !hasRoom;
    }

    /// <summary>How many of some parts get done: none to all.</summary>
    public int SomeOf(int parts) => _chance.Below(parts + 1);

    /// <summary>How many of some parts get done by what fails: none to all but one.</summary>
    public int FewerThan(int parts) => _chance.Below(Math.Max(1, parts));

    public string TraceText()
    {
        var text = new StringBuilder();
        foreach ((DiskOperation operation, Verdict verdict) in _trace)
        {
            text.Append(operation);
            if (verdict != Verdict.Done) text.Append(" -> ").Append(verdict);
            text.Append('\n');
        }
        return text.ToString();
    }
}

namespace Tidemark.Storage.Files;

/// <summary>Keeps work that nobody waits for from holding up what somebody does wait for: after each step it rests three times as long as the step took, until it is told to hurry.</summary>
internal sealed class Pace(TimeProvider time)
{
    private const int RestForWork = 3;

    private static readonly TimeSpan _longestRest = TimeSpan.FromSeconds(1);   // Where the whole process stood still meanwhile.

    private readonly object _gate = new();   // Waited on, so not a Lock.
    private long _stepBegan = time.GetTimestamp();
    private bool _isHurried;

    internal bool IsHurried
    {
        get
        {
            lock (_gate) return _isHurried;
        }
    }

    /// <summary>Any thread: somebody waits for it now. It rests no more.</summary>
    internal void Hurry()
    {
        lock (_gate)
        {
            _isHurried = true;
            Monitor.PulseAll(_gate);
        }
    }

    /// <summary>A step was done: rests, and begins the next.</summary>
    internal void Rest()
    {
        TimeSpan rest = RestForWork * time.GetElapsedTime(_stepBegan);
        lock (_gate)
        {
            if (!_isHurried) Monitor.Wait(_gate, rest < _longestRest ? rest : _longestRest);
        }

        _stepBegan = time.GetTimestamp();
    }
}

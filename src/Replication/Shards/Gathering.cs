namespace Tidemark.Replication.Shards;

/// <summary>When to pause for writers that were just answered: those that come back in time share one flush.</summary>
/// <remarks>
/// A pause is one yield of the thread: what is ready to run, as those writers are, goes first, and that takes about as long as they do. Where other programs want
/// the processors it takes some milliseconds, far more than a saved flush; so behind such a one pauses are left out, twice as many each time.
/// </remarks>
internal sealed class Gathering
{
    private const int FewestLeftOut = 8;
    private const int MostLeftOut = 1024;

    private static readonly TimeSpan _long = TimeSpan.FromMilliseconds(2);   // A scheduler gives a program that computes at least this.

    private int _leftOut;      // Behind the last pause that took long.
    private int _toLeaveOut;   // Of those, from now on.

    /// <summary>Whether to pause now. Where not, a pause is left out.</summary>
    internal bool IsWorthIt()
    {
        if (_toLeaveOut == 0) return true;
        _toLeaveOut--;
        return false;
    }

    /// <summary>Learns how long a pause took.</summary>
    internal void Paused(TimeSpan time)
    {
        if (time > _long) _toLeaveOut = _leftOut = Math.Clamp(2 * _leftOut, FewestLeftOut, MostLeftOut);
        else _leftOut -= (_leftOut + 31) / 32;   // Slowly: a busy processor is free by chance at times.
    }
}

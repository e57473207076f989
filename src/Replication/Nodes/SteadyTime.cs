namespace Tidemark.Replication.Nodes;

/// <summary>A time that only goes forward: the wall clock's at the start, and from there on the stopwatch's. Whoever sets the clock neither hurries timers nor holds them up.</summary>
internal sealed class SteadyTime(TimeProvider time)
{
    private readonly DateTimeOffset _start = time.GetUtcNow();
    private readonly long _began = time.GetTimestamp();

    internal DateTimeOffset Now => _start + time.GetElapsedTime(_began);
}

namespace Tidemark.Testing;

/// <summary>How much of what was not flushed a power cut takes.</summary>
public enum CrashLoss
{
    /// <summary>All of it: only what was flushed is left.</summary>
    Everything,

    /// <summary>None of it: the disk happened to write all in time.</summary>
    Nothing,

    /// <summary>What chance decides, torn writes included.</summary>
    Some,
}

/// <summary>Where in an operation a disk stops.</summary>
public enum StopMoment
{
    /// <summary>Before it has any effect.</summary>
    Before,

    /// <summary>With a part of its effect where it has parts (a write, a flush), else with all of it; the caller gets no answer.</summary>
    Halfway,
}

/// <summary>A disk as a power cut may leave it.</summary>
/// <param name="Disk">A new disk: no locks, no open files, no planned faults, and all that it holds is on stable storage.</param>
/// <param name="Description">What was kept and what was lost, for the message of a failing test.</param>
public sealed record CrashState(FaultyFileSystem Disk, string Description)
{
    /// <summary>The description.</summary>
    public override string ToString() => Description;
}

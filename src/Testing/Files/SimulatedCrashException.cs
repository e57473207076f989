namespace Tidemark.Testing;

/// <summary>The simulated machine has stopped: this operation and every later one on that disk throws it.</summary>
/// <remarks>It is no <see cref="IOException"/>, since a program never gets to see the crash that ends it and must not act on it.</remarks>
public sealed class SimulatedCrashException(long operation)
    : Exception($"The simulated disk stopped at operation {operation}; what a crash leaves is in Crash, CrashStates and ProcessKill.")
{
    /// <summary>The number of the operation at which the disk stopped.</summary>
    public long Operation { get; } = operation;
}

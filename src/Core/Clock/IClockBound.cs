namespace Tidemark;

/// <summary>Remembers, across restarts, the highest timestamp a clock may have given out.</summary>
/// <remarks>
/// The clock calls <see cref="Load"/> once, when it is made, and <see cref="Persist"/> from <see cref="HybridClock.ExtendBound"/>,
/// never two at a time. Both may block on a disk. One clock at a time may use a bound.
/// </remarks>
public interface IClockBound
{
    /// <summary>The bound persisted last, or <see cref="HybridTimestamp.MinValue"/> where none ever was.</summary>
    HybridTimestamp Load();

    /// <summary>Returns once every later <see cref="Load"/>, also after a crash, gives this bound or a higher one.</summary>
    /// <param name="bound">Higher than every bound before it.</param>
    /// <remarks>Where it throws, a later load may give this bound or the one before it. The clock goes on below the one before.</remarks>
    void Persist(HybridTimestamp bound);
}

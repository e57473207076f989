namespace Tidemark;

/// <summary>A documented limit was exceeded. Nothing was written.</summary>
public sealed class LimitExceededException : TidemarkException
{
    /// <summary>Creates the error.</summary>
    /// <param name="what">The thing that is limited, for example "record payload".</param>
    /// <param name="actual">Its size or count.</param>
    /// <param name="limit">The largest allowed.</param>
    /// <param name="setting">The option that sets the limit.</param>
    public LimitExceededException(string what, long actual, long limit, string setting)
        : base(TidemarkErrorCode.LimitExceeded, isTransient: false, $"The {what} is {actual}, above the limit of {limit} set by {setting}.")
    {
        Actual = actual;
        Limit = limit;
    }

    /// <summary>The size or count that was asked for.</summary>
    public long Actual { get; }

    /// <summary>The largest allowed.</summary>
    public long Limit { get; }
}

/// <summary>Received bytes are not valid in their format.</summary>
public sealed class MalformedDataException : TidemarkException
{
    /// <summary>Creates the error.</summary>
    /// <param name="position">Where in the input the fault is, in bytes.</param>
    /// <param name="message">What was expected and what was found.</param>
    public MalformedDataException(long position, string message)
        : base(TidemarkErrorCode.MalformedData, isTransient: false, $"Malformed data at byte {position}: {message}.") => Position = position;

    /// <summary>Where in the input the fault is, in bytes.</summary>
    public long Position { get; }
}

/// <summary>A remote timestamp is further ahead of the physical clock than allowed. The clock was not moved.</summary>
public sealed class ClockDriftException : TidemarkException
{
    /// <summary>Creates the error.</summary>
    /// <param name="drift">How far the remote timestamp is ahead of the physical clock.</param>
    /// <param name="maxDrift">The largest drift allowed.</param>
    public ClockDriftException(TimeSpan drift, TimeSpan maxDrift)
        : base(TidemarkErrorCode.ClockDrift, isTransient: true,
            $"A remote timestamp is {drift.TotalMilliseconds:F3} ms ahead of this node's physical clock, above the limit of "
            + $"{maxDrift.TotalMilliseconds:F3} ms. Check the time synchronization of both nodes.")
    {
        Drift = drift;
        MaxDrift = maxDrift;
    }

    /// <summary>How far the remote timestamp is ahead of the physical clock.</summary>
    public TimeSpan Drift { get; }

    /// <summary>The largest drift allowed.</summary>
    public TimeSpan MaxDrift { get; }
}

/// <summary>The clock has reached its persisted bound and may not pass it before the bound is extended.</summary>
public sealed class ClockBoundException(string message, Exception? innerException = null)
    : TidemarkException(TidemarkErrorCode.ClockBound, isTransient: true, message, innerException);

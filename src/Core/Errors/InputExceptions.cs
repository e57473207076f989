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

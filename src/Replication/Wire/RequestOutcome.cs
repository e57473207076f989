namespace Tidemark.Replication.Wire;

/// <summary>What came of a request to another node.</summary>
internal enum RequestOutcome : byte
{
    /// <summary>It was done.</summary>
    Done = 0,

    /// <summary>The session is over.</summary>
    SessionIsOver = 1,

    /// <summary>This node cannot, and it surely did not happen.</summary>
    Unavailable = 2,

    /// <summary>Nobody knows whether it happened.</summary>
    Unknown = 3,

    /// <summary>Too much waits; it surely did not happen.</summary>
    Overloaded = 4,

    /// <summary>There is no room; it surely did not happen.</summary>
    Full = 5,

    /// <summary>The shard failed, or refused; it surely did not happen.</summary>
    Failed = 6,

    /// <summary>Who asks may not; it surely did not happen. Said to callers alone.</summary>
    NotAuthorized = 7,

    /// <summary>What is asked means nothing, or is beyond a limit; it surely did not happen.</summary>
    Refused = 8,

    /// <summary>This node does not keep the shard; another does. It surely did not happen.</summary>
    NotKept = 9,
}

/// <summary>Errors as outcomes, and back.</summary>
internal static class RequestOutcomes
{
    internal static RequestOutcome Of(Exception failure) => failure switch
    {
        ShardUnavailableException or ObjectDisposedException => RequestOutcome.Unavailable,
        OutcomeUnknownException => RequestOutcome.Unknown,
        OverloadedException => RequestOutcome.Overloaded,
        StoreFullException => RequestOutcome.Full,
        NotAuthorizedException => RequestOutcome.NotAuthorized,
        ArgumentException or LimitExceededException or MalformedDataException => RequestOutcome.Refused,
        _ => RequestOutcome.Failed,
    };

    /// <summary>The error of a request that was not done.</summary>
    internal static Exception ErrorOf(RequestOutcome outcome, string text, long shard, int leader) => outcome switch
    {
        RequestOutcome.Unavailable or RequestOutcome.NotKept => new ShardUnavailableException(shard, text, leader),
        RequestOutcome.Overloaded => new OverloadedException(text),
        RequestOutcome.Full => new StoreFullException(text),
        RequestOutcome.Failed => new StoreFailedException(text),
        RequestOutcome.NotAuthorized => new NotAuthorizedException(text),
        RequestOutcome.Refused => new ArgumentException(text),
        _ => new OutcomeUnknownException(text),
    };
}

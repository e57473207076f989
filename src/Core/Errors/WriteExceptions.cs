namespace Tidemark;

/// <summary>A write was under way when something failed: it may have happened or not, and nobody can say now.</summary>
/// <remarks>Not transient: blindly writing again might do it twice. Read what it would have changed, or use writes that happen once.</remarks>
public sealed class OutcomeUnknownException(string message, Exception? innerException = null)
    : TidemarkException(TidemarkErrorCode.OutcomeUnknown, isTransient: false, message, innerException);

/// <summary>A write was refused by the rules of the store and nothing was changed. Thrown only where the caller asked for success or nothing.</summary>
public sealed class WriteRefusedException : TidemarkException
{
    /// <summary>Creates the error.</summary>
    /// <param name="status">Why the write was refused.</param>
    /// <param name="message">The thing, the rule and the remedy.</param>
    public WriteRefusedException(StoreStatus status, string message)
        : base(TidemarkErrorCode.WriteRefused, isTransient: false, message) => Status = status;

    /// <summary>Why the write was refused.</summary>
    public StoreStatus Status { get; }
}

/// <summary>A shard has no leader that could be reached, or none with a majority behind it. The operation surely did not happen; try again.</summary>
public sealed class ShardUnavailableException : TidemarkException
{
    /// <summary>Creates the error.</summary>
    /// <param name="shardId">The shard.</param>
    /// <param name="message">What was tried.</param>
    /// <param name="leader">The node that is believed to lead, or -1.</param>
    public ShardUnavailableException(long shardId, string message, int leader = -1)
        : base(TidemarkErrorCode.ShardUnavailable, isTransient: true, message) => (ShardId, Leader) = (shardId, leader);

    /// <summary>The shard.</summary>
    public long ShardId { get; }

    /// <summary>The node that is believed to lead it, or -1.</summary>
    public int Leader { get; }
}

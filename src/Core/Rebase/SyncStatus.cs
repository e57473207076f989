namespace Tidemark;

/// <summary>How far a local store's sync is.</summary>
public enum SyncState
{
    /// <summary>There is no server, or none that answers.</summary>
    Offline = 0,

    /// <summary>What the server has is being fetched.</summary>
    CatchingUp = 1,

    /// <summary>The copy was the server's state when it was asked last, and changes are fetched as they come.</summary>
    Live = 2,

    /// <summary>The copy differed from the server's state too often: nothing is tried any more. Reads and mutations go on.</summary>
    Faulted = 3,
}

/// <summary>How a local store's sync is.</summary>
/// <param name="State">How far it is.</param>
/// <param name="Rows">How many rows the copy has that is being fetched, or the one that is there.</param>
/// <param name="RowsInAll">How many rows there are in all, as far as is known.</param>
/// <param name="Delay">Why the server takes no mutations for now; null while it does. They are tried again.</param>
/// <param name="Fault">Why the last request failed, or the sync ended; null where it did not.</param>
public readonly record struct SyncStatus(SyncState State, long Rows, long RowsInAll, string? Delay, string? Fault)
{
    /// <summary>How many rows came from the server since this sync began: those that changed, and all of them where a copy was downloaded.</summary>
    public long RowsReceived { get; init; }

    /// <summary>Whether the server takes no mutations for now.</summary>
    public bool IsDelayed => Delay is not null;
}

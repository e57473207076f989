namespace Tidemark.Core.Rebase;

/// <summary>Something that a client's sync is told.</summary>
internal abstract record SyncEvent;

/// <summary>Time passed, or entries were applied.</summary>
internal sealed record SyncTicked : SyncEvent;

/// <summary>There is a server to ask.</summary>
internal sealed record SyncConnected : SyncEvent;

/// <summary>There is none any more; what was asked is not answered.</summary>
internal sealed record SyncDisconnected(string? Why) : SyncEvent;

/// <summary>The server has something new, or somebody wants to know whether it has.</summary>
internal sealed record SyncWanted : SyncEvent;

/// <summary>A pull was answered.</summary>
internal sealed record SyncPullAnswered(long Request, SyncAnswer Answer) : SyncEvent;

/// <summary>A push was answered.</summary>
internal sealed record SyncPushAnswered(long Request, SyncPushed Answer) : SyncEvent;

/// <summary>A request was not answered, and will not be.</summary>
internal sealed record SyncRequestFailed(long Request, string Why) : SyncEvent;

/// <summary>An entry that the sync proposed was applied, or could not be appended.</summary>
internal sealed record SyncProposalEnded(bool IsApplied) : SyncEvent;

/// <summary>Something that a client's sync wants done.</summary>
internal abstract record SyncEffect;

/// <summary>Ask the server for what changed.</summary>
internal sealed record SyncSendPull(long Request, SyncPull Pull) : SyncEffect;

/// <summary>Bring the server mutations.</summary>
internal sealed record SyncSendPush(long Request, SyncPush Push) : SyncEffect;

/// <summary>Append an entry to the local store's own log.</summary>
internal sealed record SyncPropose(LocalCommand Kind, byte[] Payload) : SyncEffect;

/// <summary>How long a client's sync waits.</summary>
internal sealed record SyncTimes
{
    /// <summary>How long after a pull that brought all there was the next is sent, if nothing else tells of changes.</summary>
    public TimeSpan Poll { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long after the first failure a request is sent again.</summary>
    public TimeSpan FirstPause { get; init; } = TimeSpan.FromMilliseconds(10);

    /// <summary>The longest pause; each is twice the one before.</summary>
    public TimeSpan LongestPause { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How long what the server has taken may stay undecided before it is pushed again.</summary>
    public TimeSpan Resend { get; init; } = TimeSpan.FromSeconds(2);
}

using Tidemark.Core.Rebase;

namespace Tidemark.Replication.Rebase;

/// <summary>The way from a local store to the server of its namespace.</summary>
/// <remarks>Whatever a call throws means that there is no answer: it is asked again.</remarks>
internal interface ISyncRoute
{
    Task<SyncAnswer> PullAsync(SyncPull pull, CancellationToken cancellationToken);

    Task<SyncPushed> PushAsync(SyncPush push, CancellationToken cancellationToken);

    /// <summary>Completes when the server may have something new since the call before.</summary>
    Task WaitForChangeAsync(CancellationToken cancellationToken);
}

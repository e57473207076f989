using Tidemark.Core.Rebase;

namespace Tidemark.Testing.Sync;

/// <summary>What a harness's clients sync with.</summary>
internal interface ISyncServer
{
    SyncAnswer Answer(SyncPull pull);

    SyncPushed Answer(SyncPush push);
}

using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;

using Tidemark.Core.KeyValue;
using Tidemark.Replication.Shards;
using Tidemark.Replication.Topics;
using Tidemark.Storage.Catalog;
using Tidemark.Storage.Snapshots;

namespace Tidemark.Replication.KeyValue;

/// <summary>Makes a store of a backup, or of what else there is of it. Pages: docs/backup.md.</summary>
/// <remarks>
/// The catalog is there from the first step to the last and says that the restore is unfinished, so that what an interruption leaves is never opened: without a
/// catalog it would be taken for a new store as long as no shard is complete.
/// </remarks>
internal static class StoreRestore
{
    /// <summary>Stands in the catalog in the place of the engine's name until all is there.</summary>
    internal const string Unfinished = "unfinished restore";

    internal static Task RunAsync(string backupFolder, string directory, TidemarkStoreOptions options, IProgress<BackupProgress>? progress, CancellationToken cancellation)
    {
        var backup = new BackupFolder(options.FileSystem, backupFolder);
        VerifyReport check = backup.Verify(progress, cancellation);
        if (!check.IsWhole) ExceptionDispatchInfo.Throw(check.Damage[0]);

        StoreCatalog saved = backup.ReadCatalog();
        return MakeAsync(saved, directory, options, (runtime, storeId) =>
        {
            Fill(runtime, storeId, backup, saved, new ProgressMeter(progress, saved.ShardIds.Count(), cancellation));
            return Task.CompletedTask;
        });
    }

    /// <summary>Makes a store that is what a catalog says, but for its id, its age and its engine.</summary>
    /// <param name="saved">The catalog.</param>
    /// <param name="directory">The store's directory.</param>
    /// <param name="options">Engine and file system.</param>
    /// <param name="fill">Makes all shards of the store that has the id.</param>
    internal static async Task MakeAsync(StoreCatalog saved, string directory, TidemarkStoreOptions options, Func<StoreRuntime, Guid, Task> fill)
    {
        long[] shardIds = [.. saved.ShardIds];
        StoreLayout.RequireEmpty(options.FileSystem, directory, shardIds);
        var runtime = StoreRuntime.Open(directory, options);
        await using ConfiguredAsyncDisposable opened = runtime.ConfigureAwait(false);
        StoreLayout.RequireEmpty(options.FileSystem, directory, shardIds);   // Another may have been at work between the look and the lock.

        StoreCatalog catalog = saved with { StoreId = runtime.NewId(), Created = options.TimeProvider.GetUtcNow(), Engine = options.Engine.Name };
        CatalogFile.Write(options.FileSystem, directory, catalog with { Engine = Unfinished, Namespaces = [], Topics = [] });
        await fill(runtime, catalog.StoreId).ConfigureAwait(false);
        CatalogFile.Write(options.FileSystem, directory, catalog);
    }

    private static void Fill(StoreRuntime runtime, Guid storeId, BackupFolder backup, StoreCatalog saved, ProgressMeter meter)
    {
        foreach ((CatalogNamespace space, long shardId) in BackupFolder.ShardsOf(saved))
        {
            using SnapshotReader state = backup.OpenShard(saved, shardId, KvMachine.Number);
            runtime.CreateShard(storeId, shardId, space.Options, meter.Watch(state.Pieces()), state.Info.Position);
            meter.EndShard();
        }

        foreach (CatalogTopic topic in saved.Topics)
        {
            foreach (long shardId in topic.Shards)
            {
                using SnapshotReader file = backup.OpenShard(saved, shardId, PartitionCut.Number);
                using var partition = new SavedLog(file, meter.Watch(file.Pieces()));
                runtime.CreatePartition(storeId, shardId, topic.Options, partition);
                meter.EndShard();
            }
        }
    }
}

using Tidemark.Core.KeyValue;
using Tidemark.Storage.Catalog;
using Tidemark.Storage.Log;
using Tidemark.Storage.Snapshots;

namespace Tidemark.Replication.KeyValue;

/// <summary>Writes a backup: the state of one shard after another, then the catalog. Pages: docs/backup.md.</summary>
internal sealed class BackupWriter(IFileSystem files, string folder, IProgress<BackupProgress>? progress)
{
    internal async Task<BackupReport> RunAsync(StoreDirectory store, CancellationToken cancellation)
    {
        (StoreCatalog catalog, IReadOnlyList<LocalNamespace> spaces) = store.View();
        long[] shardIds = [.. spaces.SelectMany(space => space.Shards).Select(shard => shard.Id)];
        StoreLayout.RequireEmpty(files, folder, shardIds);
        files.CreateDirectory(folder);
        using IDisposable held = files.Lock(Path.Combine(folder, LogFiles.LockName));
        StoreLayout.RequireEmpty(files, folder, shardIds);   // Another may have been at work between the look and the lock.

        var meter = new ProgressMeter(progress, shardIds.Length, cancellation);
        var shards = new List<ShardBackup>(shardIds.Length);
        foreach (LocalNamespace space in spaces)
        {
            foreach (LocalShard shard in space.Shards)
            {
                SnapshotInfo info = await WriteAsync(catalog.StoreId, shard, meter, cancellation).ConfigureAwait(false);
                shards.Add(new ShardBackup(space.Name, shard.Id, info.Position, info.Hash, info.Bytes));
                meter.EndShard();
            }
        }

        CatalogFile.Write(files, folder, catalog with { Topics = [] });
        return new BackupReport(catalog.StoreId, shards, [.. catalog.Topics.Select(topic => topic.Name)]);
    }

    private async ValueTask<SnapshotInfo> WriteAsync(Guid storeId, LocalShard shard, ProgressMeter meter, CancellationToken cancellation)
    {
        string directory = StoreLayout.Shard(folder, shard.Id);
        files.CreateDirectory(directory);
        using IStateSnapshot state = await shard.TakeSnapshotAsync().ConfigureAwait(false);
        long before = 0;
        return SnapshotWriter.Write(files, directory, new SnapshotIdentity(storeId, shard.Id, KvMachine.Number), state, written =>
        {
            meter.Add(written.Bytes - before);
            before = written.Bytes;
        }, cancellation);
    }
}

using Tidemark.Core.KeyValue;
using Tidemark.Replication.Topics;
using Tidemark.Storage.Catalog;
using Tidemark.Storage.Files;
using Tidemark.Storage.Log;
using Tidemark.Storage.Snapshots;

namespace Tidemark.Replication.KeyValue;

/// <summary>Writes a backup: the state of one shard after another, then of one partition after another, then the catalog. Pages: docs/backup.md.</summary>
/// <remarks>
/// Partitions come after the shards: so no stored offset is beyond the end of its partition, and no message is in neither the outbox nor its topic.
/// </remarks>
internal sealed class BackupWriter(IFileSystem files, string folder, IProgress<BackupProgress>? progress)
{
    internal async Task<BackupReport> RunAsync(StoreDirectory store, CancellationToken cancellation)
    {
        (StoreCatalog catalog, IReadOnlyList<LocalNamespace> spaces, IReadOnlyList<LocalTopic> topics) = store.View();
        long[] shardIds = [.. catalog.ShardIds];
        StoreLayout.RequireEmpty(files, folder, shardIds);
        files.CreateDirectory(folder);
        using IDisposable held = files.Lock(Path.Combine(folder, LogFiles.LockName));
        StoreLayout.RequireEmpty(files, folder, shardIds);   // Another may have been at work between the look and the lock.

        var meter = new ProgressMeter(progress, shardIds.Length, cancellation);
        var shards = new List<ShardBackup>();
        foreach (LocalNamespace space in spaces)
        {
            foreach (LocalShard shard in space.Shards)
            {
                using IStateSnapshot state = await shard.TakeSnapshotAsync().ConfigureAwait(false);
                SnapshotInfo info = Write(new SnapshotIdentity(catalog.StoreId, shard.Id, KvMachine.Number), state, meter, cancellation);
                shards.Add(new ShardBackup(space.Name, shard.Id, info.Position, info.Hash, info.Bytes));
                meter.EndShard();
            }
        }

        var partitions = new List<PartitionBackup>();
        var saved = new List<CatalogTopic>();
        foreach (LocalTopic topic in topics)
        {
            if (await TryWriteAsync(store, catalog.StoreId, topic, meter, cancellation).ConfigureAwait(false) is not { } written) continue;
            partitions.AddRange(written);
            saved.Add(topic.Entry);
        }

        CatalogFile.Write(files, folder, catalog with { Topics = saved });
        return new BackupReport(catalog.StoreId, shards, partitions);
    }

    /// <summary>Writes the partitions of a topic; null, and nothing is left of it, where it was deleted meanwhile.</summary>
    private async ValueTask<List<PartitionBackup>?> TryWriteAsync(StoreDirectory store, Guid storeId, LocalTopic topic, ProgressMeter meter, CancellationToken cancellation)
    {
        var written = new List<PartitionBackup>();
        try
        {
            for (int number = 0; number < topic.Partitions.Count; number++)
            {
                long shardId = topic.Entry.Shards[number];
                using PartitionCut cut = await topic.Partitions[number].TakeCutAsync().ConfigureAwait(false);
                SnapshotInfo info = Write(new SnapshotIdentity(storeId, shardId, PartitionCut.Number), cut.Log, meter, cancellation);
                written.Add(new PartitionBackup(topic.Entry.Name, number, shardId, cut.Start, cut.End, info.Position, info.Hash, info.Bytes));
                meter.EndShard();
            }

            return written;
        }
        catch (Exception e) when (e is not OperationCanceledException && !cancellation.IsCancellationRequested && store.Topics.Find(topic.Entry.Name) != topic.Face)
        {
            // Its files went while they were read. What it was is nobody's concern any more.
            foreach (long shardId in topic.Entry.Shards) DirectoryFiles.Remove(files, StoreLayout.Shard(folder, shardId), isForGood: true);
            return null;
        }
    }

    private SnapshotInfo Write(SnapshotIdentity identity, IStateSnapshot state, ProgressMeter meter, CancellationToken cancellation)
    {
        string directory = StoreLayout.Shard(folder, identity.ShardId);
        files.CreateDirectory(directory);
        long before = 0;
        return SnapshotWriter.Write(files, directory, identity, state, null, written =>
        {
            meter.Add(written.Bytes - before);
            before = written.Bytes;
        }, cancellation);
    }
}

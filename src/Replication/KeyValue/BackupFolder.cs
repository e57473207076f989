using Tidemark.Core.KeyValue;
using Tidemark.Core.State;
using Tidemark.Core.Topics;
using Tidemark.Replication.Shards;
using Tidemark.Replication.Topics;
using Tidemark.Storage.Catalog;
using Tidemark.Storage.Files;
using Tidemark.Storage.Snapshots;

namespace Tidemark.Replication.KeyValue;

/// <summary>A folder that holds a backup: a snapshot file for each shard and partition, and the store's catalog, which is written last. Pages: docs/backup.md.</summary>
internal sealed class BackupFolder(IFileSystem files, string folder)
{
    /// <summary>The catalog of the store that was backed up.</summary>
    /// <exception cref="FormatMismatchException">There is no finished backup.</exception>
    /// <exception cref="CorruptDataException">It is damaged.</exception>
    internal StoreCatalog ReadCatalog()
    {
        files.ListFiles(folder);   // Throws where there is no such folder.
        StoreCatalog catalog = CatalogFile.TryRead(files, folder) ?? throw new FormatMismatchException(folder, "a backup", "no catalog: it is none, or was not finished");
        bool isStore = catalog.Namespaces.SelectMany(space => space.Shards).Any(range => DirectoryFiles.Names(files, StoreLayout.Log(folder, range.ShardId)).Count > 0);
        if (isStore) throw new FormatMismatchException(folder, "a backup", "a store: back it up first");
        return catalog.Namespaces.Count > 0 ? catalog : throw new FormatMismatchException(folder, "a backup", "the catalog of a store without namespaces");
    }

    /// <summary>Whether a shard's directory holds a state as backups do.</summary>
    internal static bool HasShard(IFileSystem files, string folder, long shardId) => SnapshotNames(files, StoreLayout.Shard(folder, shardId)).Any();

    /// <summary>The names of the snapshot files in a directory, in the order of their offsets.</summary>
    internal static IEnumerable<string> SnapshotNames(IFileSystem files, string directory) =>
        DirectoryFiles.Names(files, directory).Where(name => name.EndsWith(SnapshotWriter.Extension, StringComparison.Ordinal));

    /// <summary>Opens what is saved of a shard, which a machine of a number has written.</summary>
    /// <exception cref="CorruptDataException">It is missing, there is more than one, or its header or end is damaged.</exception>
    /// <exception cref="FormatMismatchException">It is of another store or shard, or of another version.</exception>
    internal SnapshotReader OpenShard(StoreCatalog catalog, long shardId, ushort machine)
    {
        string directory = StoreLayout.Shard(folder, shardId);
        string[] names = [.. SnapshotNames(files, directory)];
        if (names.Length != 1) throw new CorruptDataException(directory, 0, $"one snapshot file of shard {shardId}", $"{names.Length}");
        SnapshotReader reader = SnapshotReader.Open(files, Path.Combine(directory, names[0]), new SnapshotIdentity(catalog.StoreId, shardId, machine));
        string named = SnapshotWriter.FileName(reader.Info.NextOffset);
        if (names[0] == named) return reader;
        reader.Dispose();
        throw new CorruptDataException(reader.FilePath, SnapshotHeader.OffsetAt, $"the name {named} for its offset", names[0]);
    }

    /// <summary>Reads all of it, and holds one piece in memory at a time; of topics, the state of one partition too.</summary>
    internal VerifyReport Verify(IProgress<BackupProgress>? progress, CancellationToken cancellation)
    {
        StoreCatalog catalog;
        try
        {
            catalog = ReadCatalog();
        }
        catch (CorruptDataException damaged)
        {
            return new VerifyReport([], [], [damaged]);
        }

        var shards = new List<ShardVerification>();
        var damage = new List<TidemarkException>();
        var meter = new ProgressMeter(progress, catalog.ShardIds.Count(), cancellation);
        foreach ((CatalogNamespace space, long shardId) in ShardsOf(catalog))
        {
            long rows = 0;
            try
            {
                using SnapshotReader reader = OpenShard(catalog, shardId, KvMachine.Number);
                rows = VerifyState(reader, meter);
            }
            catch (TidemarkException damaged)
            {
                damage.Add(damaged);
            }

            shards.Add(new ShardVerification(space.Name, shardId, 0, 0, rows > 0 ? 1 : 0, rows));
            meter.EndShard();
        }

        var partitions = new List<PartitionVerification>();
        foreach (CatalogTopic topic in catalog.Topics)
        {
            for (int number = 0; number < topic.Shards.Count; number++)
            {
                partitions.Add(VerifyPartition(catalog, topic, number, meter, damage));
                meter.EndShard();
            }
        }

        return new VerifyReport(shards, partitions, damage);
    }

    /// <summary>Brings a partition that nobody will use to its state, and compares what came of it.</summary>
    private PartitionVerification VerifyPartition(StoreCatalog catalog, CatalogTopic topic, int number, ProgressMeter meter, List<TidemarkException> damage)
    {
        long shardId = topic.Shards[number];
        try
        {
            using SnapshotReader file = OpenShard(catalog, shardId, PartitionCut.Number);
            using var partition = new SavedLog(file, meter.Watch(file.Pieces()));
            using var machine = new TopicMachine(new KvIdentity(catalog.StoreId, shardId));
            partition.RestoreBase(machine);
            partition.Replay(machine);
            return new PartitionVerification(topic.Name, number, shardId, partition.Entries, partition.Bytes, 1);
        }
        catch (TidemarkException damaged)
        {
            damage.Add(damaged);
            return new PartitionVerification(topic.Name, number, shardId, 0, 0, 0);
        }
    }

    /// <summary>Reads a snapshot file to its end, and computes the hash of its rows anew.</summary>
    /// <returns>How many rows there are.</returns>
    internal static long VerifyState(SnapshotReader reader, ProgressMeter meter)
    {
        StateHash hash = RowSnapshot.Sum(meter.Watch(reader.Pieces()));
        if (hash != reader.Info.Hash) throw new CorruptDataException(reader.FilePath, SnapshotHeader.Size, $"rows of the hash {reader.Info.Hash}", $"{hash}");
        return hash.Rows;
    }

    /// <summary>The shards of all namespaces.</summary>
    internal static IEnumerable<(CatalogNamespace Space, long ShardId)> ShardsOf(StoreCatalog catalog) =>
        catalog.Namespaces.SelectMany(space => space.Shards.Select(range => (space, range.ShardId)));
}

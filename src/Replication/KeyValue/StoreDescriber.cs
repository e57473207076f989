using Tidemark.Storage.Catalog;
using Tidemark.Storage.Files;
using Tidemark.Storage.Log;

namespace Tidemark.Replication.KeyValue;

/// <summary>Says what a store or a backup is, from catalog, manifests and the names of files alone.</summary>
internal sealed class StoreDescriber(IFileSystem files, string directory)
{
    internal StoreDescription Run()
    {
        files.ListFiles(directory);   // Throws where there is no such directory.
        StoreCatalog catalog = CatalogFile.TryRead(files, directory) ?? throw new FormatMismatchException(directory, "a store or a backup", "no catalog");
        var spaces = new List<NamespaceDescription>();
        foreach (CatalogNamespace space in catalog.Namespaces)
            spaces.Add(new NamespaceDescription(space.Name, space.Options, [.. space.Shards.Select(range => new ShardDescription(range.ShardId, range, DescribeLog(range.ShardId), DescribeSnapshots(range.ShardId)))]));
        var topics = new List<TopicDescription>();
        foreach (CatalogTopic topic in catalog.Topics)
            topics.Add(new TopicDescription(topic.Name, topic.Options, [.. topic.Shards.Select(id => new PartitionDescription(id, DescribeLog(id), DescribeSnapshots(id)))]));
        bool isBackup = BackupFolder.ShardsOf(catalog).Any(shard => BackupFolder.HasShard(files, directory, shard.ShardId));
        return new StoreDescription(catalog.StoreId, catalog.Created, catalog.Engine, isBackup, spaces, topics);
    }

    private List<SnapshotDescription> DescribeSnapshots(long shardId)
    {
        string[] places = [StoreLayout.Shard(directory, shardId), StoreLayout.State(directory, shardId)];
        var snapshots = new List<SnapshotDescription>();
        foreach (string place in places)
        {
            foreach (string name in BackupFolder.SnapshotNames(files, place))
            {
                try
                {
                    using IFile file = files.Open(Path.Combine(place, name), FileOpenMode.Existing);
                    snapshots.Add(new SnapshotDescription(name, file.Length));
                }
                catch (FileNotFoundException)
                {
                    // The store is open and has removed it since.
                }
            }
        }

        return snapshots;
    }

    private LogDescription? DescribeLog(long shardId)
    {
        string log = StoreLayout.Log(directory, shardId);
        if (new LogFiles(new FilePool(files, 0), log).ReadManifest() is not { } manifest) return null;
        int segments = files.ListFiles(log).Count(name => Segment.TryParseFileName(name, out _));
        return new LogDescription(manifest.Start, manifest.Point.Offset, manifest.State == ManifestState.Closed, segments);
    }
}

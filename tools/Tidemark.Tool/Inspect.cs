namespace Tidemark.Tool;

/// <summary>tidemark inspect: what the files of a store or backup say. Needs no engine, and takes nothing.</summary>
internal static class Inspect
{
    internal static int Run(string directory)
    {
        StoreDescription store = TidemarkStore.Describe(directory);
        Console.WriteLine($"{(store.IsBackup ? "backup of store" : "store")} {store.StoreId}");
        Console.WriteLine($"created {store.Created:yyyy-MM-ddTHH:mm:ss.fffZ}, engine {store.Engine}, {store.Namespaces.Count} namespaces, {store.Topics.Count} topics");
        foreach (NamespaceDescription space in store.Namespaces)
        {
            NamespaceOptions settings = space.Settings;
            Console.WriteLine($"namespace {space.Name}: {settings.KeyOrder} order, {settings.ShardCount} shards, keys to {settings.MaxKeyBytes}, values to {settings.MaxValueBytes} bytes");
            foreach (ShardDescription shard in space.Shards) Show(shard);
        }

        foreach (TopicDescription topic in store.Topics)
        {
            Console.WriteLine($"topic {topic.Name}: {topic.Partitions.Count} partitions, messages to {topic.Options.MaxMessageBytes} bytes");
            for (int i = 0; i < topic.Partitions.Count; i++)
            {
                Console.WriteLine($"  partition {i}: shard {topic.Partitions[i].ShardId}");
                Show(topic.Partitions[i].Log, topic.Partitions[i].Snapshots);
            }
        }

        return ExitCode.Ok;
    }

    private static void Show(ShardDescription shard)
    {
        Console.WriteLine($"  shard {shard.ShardId}: hashes [{shard.HashRange.Start:x8}, {shard.HashRange.End:x8})");
        Show(shard.Log, shard.Snapshots);
    }

    private static void Show(LogDescription? log, IReadOnlyList<SnapshotDescription> snapshots)
    {
        if (log is not null)
            Console.WriteLine($"    log [{log.Start}, {log.End}{(log.IsClosed ? ")" : " or later), in use or not closed")}, {log.Segments} segments");
        foreach (SnapshotDescription snapshot in snapshots) Console.WriteLine($"    {snapshot.Name}, {Text.Size(snapshot.Bytes)}");
    }
}

namespace Tidemark.Tool;

/// <summary>tidemark inspect: what the files of a store or backup say. Needs no engine, and takes nothing.</summary>
internal static class Inspect
{
    internal static int Run(string directory)
    {
        StoreDescription store = TidemarkStore.Describe(directory);
        Console.WriteLine($"{(store.IsBackup ? "backup of store" : "store")} {store.StoreId}");
        Console.WriteLine($"created {store.Created:yyyy-MM-ddTHH:mm:ss.fffZ}, engine {store.Engine}, {store.Namespaces.Count} namespaces");
        foreach (NamespaceDescription space in store.Namespaces)
        {
            NamespaceOptions settings = space.Settings;
            Console.WriteLine($"namespace {space.Name}: {settings.KeyOrder} order, {settings.ShardCount} shards, keys to {settings.MaxKeyBytes}, values to {settings.MaxValueBytes} bytes");
            foreach (ShardDescription shard in space.Shards) Show(shard);
        }

        return ExitCode.Ok;
    }

    private static void Show(ShardDescription shard)
    {
        Console.WriteLine($"  shard {shard.ShardId}: hashes [{shard.HashRange.Start:x8}, {shard.HashRange.End:x8})");
        if (shard.Log is { } log)
            Console.WriteLine($"    log [{log.Start}, {log.End}{(log.IsClosed ? ")" : " or later), in use or not closed")}, {log.Segments} segments");
        foreach (SnapshotDescription snapshot in shard.Snapshots) Console.WriteLine($"    {snapshot.Name}, {Text.Size(snapshot.Bytes)}");
    }
}

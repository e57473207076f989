namespace Tidemark.Tool;

/// <summary>tidemark verify: reads and checks all of a store or backup.</summary>
internal static class Verify
{
    internal static async Task<int> RunAsync(string directory, CancellationToken cancellation)
    {
        StoreDescription found = TidemarkStore.Describe(directory);
        VerifyReport report = await Bar.RunAsync("verify", async progress => found.IsBackup
            ? await TidemarkStore.VerifyBackupAsync(directory, null, progress, cancellation)
            : await TidemarkStore.VerifyAsync(directory, Stores.OptionsOf(directory), progress, cancellation));
        foreach (ShardVerification shard in report.Shards)
            Console.WriteLine($"{shard.Namespace} shard {shard.ShardId}: {shard.LogRecords} log records, {shard.Snapshots} snapshot files, {shard.Rows} rows");
        foreach (PartitionVerification partition in report.Partitions)
            Console.WriteLine($"{partition.Topic} partition {partition.Partition}: {partition.LogRecords} log records, {partition.Snapshots} snapshot files");
        foreach (TidemarkException damage in report.Damage) Console.Error.WriteLine("tidemark: " + damage.Message);
        Console.WriteLine(report.IsWhole ? "whole" : $"DAMAGED in {report.Damage.Count} places");
        return report.IsWhole ? ExitCode.Ok : ExitCode.Damage;
    }
}

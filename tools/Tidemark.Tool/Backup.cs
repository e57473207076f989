namespace Tidemark.Tool;

/// <summary>tidemark backup and restore.</summary>
internal static class Backup
{
    internal static async Task<int> RunAsync(string directory, string folder, CancellationToken cancellation)
    {
        await using TidemarkStore store = await Stores.OpenAsync(directory, cancellation);
        BackupReport report = await Bar.RunAsync("backup", async progress => await store.BackupAsync(folder, progress, cancellation));
        Console.WriteLine($"{report.Shards.Count} shards, {report.Partitions.Count} partitions, {Text.Size(report.Bytes)}");
        return ExitCode.Ok;
    }

    internal static async Task<int> RestoreAsync(string folder, string directory, string? engine, CancellationToken cancellation)
    {
        TidemarkStoreOptions options = Stores.Fresh(engine);
        await Bar.RunAsync("restore", async progress =>
        {
            await TidemarkStore.RestoreAsync(folder, directory, options, progress, cancellation);
            return ExitCode.Ok;
        });
        Console.WriteLine($"store {TidemarkStore.Describe(directory).StoreId}, engine {options.Engine}");
        return ExitCode.Ok;
    }
}

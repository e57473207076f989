using System.Globalization;

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

    /// <summary>Of a backup or, where the folder is one, of an archive.</summary>
    internal static async Task<int> RestoreAsync(string folder, string directory, string? engine, string? until, CancellationToken cancellation)
    {
        TidemarkStoreOptions options = Stores.Fresh(engine);
        HybridTimestamp? moment = until is null ? null : MomentOf(until);
        bool isArchive = Directory.Exists(Path.Combine(folder, "points"));
        if (moment is not null && !isArchive) throw new ArgumentException($"'{folder}' is no archive: --until is for archives.");
        await Bar.RunAsync("restore", async progress =>
        {
            if (isArchive) await TidemarkStore.RestoreAsync(new FolderArchive(folder), directory, moment, options, progress, cancellation);
            else await TidemarkStore.RestoreAsync(folder, directory, options, progress, cancellation);
            return ExitCode.Ok;
        });
        Console.WriteLine($"store {TidemarkStore.Describe(directory).StoreId}, engine {options.Engine}");
        return ExitCode.Ok;
    }

    private static HybridTimestamp MomentOf(string text)
    {
        if (HybridTimestamp.TryParse(text, out HybridTimestamp moment)) return moment;
        if (DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out DateTimeOffset time)) return HybridTimestamp.FromDateTimeOffset(time);
        throw new ArgumentException($"'{text}' is no moment: give one as 2026-11-21T09:00:00Z, or as records show it.");
    }
}

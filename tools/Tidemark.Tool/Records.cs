namespace Tidemark.Tool;

/// <summary>tidemark export and import: records as lines of JSON.</summary>
internal static class Records
{
    private const string Standard = "-";

    internal static async Task<int> ExportAsync(string directory, string path, string? space, CancellationToken cancellation)
    {
        await using TidemarkStore store = await Stores.OpenAsync(directory, cancellation);
        // A file that is there is not overwritten: it may be the export one has.
        await using Stream output = path == Standard ? Console.OpenStandardOutput() : new FileStream(path, FileMode.CreateNew);
        ExportReport report = await Bar.RunAsync<ExportReport>("export", null, async progress => await store.ExportAsync(output, space, progress, cancellation));
        if (output is FileStream file) file.Flush(flushToDisk: true);
        Say(path, $"{report.Records} records, {Text.Size(report.Bytes)}; {report.Ephemerals} of sessions left out");
        return ExitCode.Ok;
    }

    internal static async Task<int> ImportAsync(string directory, string path, string? space, string? engine, CancellationToken cancellation)
    {
        // The file first: where there is none, no store is made.
        await using Stream input = path == Standard ? Console.OpenStandardInput() : File.OpenRead(path);
        await using TidemarkStore store = await Stores.OpenOrCreateAsync(directory, engine, cancellation);
        long? bytes = input is FileStream file ? file.Length : null;
        ImportReport report = await Bar.RunAsync<ImportReport>("import", bytes, async progress => await store.ImportAsync(input, space, progress, cancellation));
        Console.WriteLine($"{report.Records} records; {report.Expired} whose time was over and {report.Skipped} of other namespaces left out");
        return ExitCode.Ok;
    }

    private static void Say(string path, string line)
    {
        if (path == Standard) Console.Error.WriteLine(line);
        else Console.WriteLine(line);
    }
}

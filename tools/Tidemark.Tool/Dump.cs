using System.Text;

namespace Tidemark.Tool;

/// <summary>tidemark dump: records, one a line, for people. Programs read an export.</summary>
internal static class Dump
{
    private const int ValueLength = 120;

    internal static async Task<int> RunAsync(string directory, string? space, string? prefix, long? limit, CancellationToken cancellation)
    {
        if (limit is < 0) throw new UsageException("A limit is 0 or more.");
        byte[] start = Encoding.UTF8.GetBytes(prefix ?? "");
        await using TidemarkStore store = await Stores.OpenAsync(directory, cancellation);
        long shown = 0;
        foreach (string name in space is null ? store.Namespaces : [space])
        {
            // All is walked: in hierarchical order the keys with a prefix do not lie together.
            await foreach (StoreRecord record in store.GetNamespace(name).ScanAsync(KeyRange.All, cancellationToken: cancellation))
            {
                if (shown == limit) return ExitCode.Ok;
                if (!record.Key.Span.StartsWith(start)) continue;
                Console.WriteLine($"{name}\t{Text.Show(record.Key.Span)}\t@{record.Version}\t{record.Modified}\t{Text.Show(record.Value.Span, ValueLength)}{Extras(record)}");
                shown++;
            }
        }

        return ExitCode.Ok;
    }

    private static string Extras(StoreRecord record)
    {
        var extras = new StringBuilder();
        if (record.PartitionKey is { } partition) extras.Append($"\tpartition {Text.Show(partition.Span)}");
        if (record.SessionId is { } session) extras.Append($"\tsession {session}");
        if (record.Expires is { } expires) extras.Append($"\texpires {expires}");
        foreach (IndexEntry entry in record.Indexes) extras.Append($"\tindex {Text.Show(entry.Index.Span)}={Text.Show(entry.Key.Span)}");
        return extras.ToString();
    }
}

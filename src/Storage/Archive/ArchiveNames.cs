using System.Globalization;

namespace Tidemark.Storage.Archive;

/// <summary>What the objects of an archive are called. Names: docs/format/archive.md.</summary>
internal static class ArchiveNames
{
    internal const string Points = "points";

    private const string StateExtension = ".state", EntriesExtension = ".entries", ChangesExtension = ".changes", PointExtension = ".point";
    private const int MostSegments = 4;

    /// <exception cref="ArgumentException">It is no name.</exception>
    internal static void Require(string name)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        string[] segments = name.Split('/');
        bool isName = segments.Length <= MostSegments && segments.All(static segment =>
            segment.Length is > 0 and <= 128 && segment[0] != '.' && segment.All(static c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c is '-' or '.'));
        if (!isName) throw new ArgumentException($"'{name}' is no name of an object: segments of a to z, 0 to 9, '-' and '.', with '/' between them.", nameof(name));
    }

    internal static string Folder(long shardId) => string.Create(CultureInfo.InvariantCulture, $"shards/{shardId:D6}");

    internal static string Point(HybridTimestamp time) => string.Create(CultureInfo.InvariantCulture, $"{Points}/{time.Value:D20}{PointExtension}");

    internal static string Entries(long shardId, long first, long last) => Span(shardId, first, last, EntriesExtension);

    internal static string Changes(long shardId, long first, long last) => Span(shardId, first, last, ChangesExtension);

    internal static string State(long shardId, in StatePosition position) =>
        string.Create(CultureInfo.InvariantCulture, $"{Folder(shardId)}/{position.Offset + 1:D20}-{position.Timestamp.Value:D20}{StateExtension}");

    internal static bool TryParsePoint(string name, out HybridTimestamp time)
    {
        bool isOne = TryParse(name, PointExtension, 1, out ulong[] numbers);
        time = new HybridTimestamp(isOne ? numbers[0] : 0);
        return isOne;
    }

    internal static bool TryParseEntries(string name, out long first, out long last) => TryParseSpan(name, EntriesExtension, out first, out last);

    internal static bool TryParseChanges(string name, out long first, out long last) => TryParseSpan(name, ChangesExtension, out first, out last);

    /// <param name="name">The name.</param>
    /// <param name="next">The first entry that is not in it.</param>
    /// <param name="time">The time of the last one that is.</param>
    internal static bool TryParseState(string name, out long next, out HybridTimestamp time)
    {
        bool isOne = TryParse(name, StateExtension, 2, out ulong[] numbers);
        (next, time) = isOne ? ((long)numbers[0], new HybridTimestamp(numbers[1])) : default;
        return isOne;
    }

    private static string Span(long shardId, long first, long last, string extension) => string.Create(CultureInfo.InvariantCulture, $"{Folder(shardId)}/{first:D20}-{last:D20}{extension}");

    private static bool TryParseSpan(string name, string extension, out long first, out long last)
    {
        bool isOne = TryParse(name, extension, 2, out ulong[] numbers);
        (first, last) = isOne ? ((long)numbers[0], (long)numbers[1]) : default;
        return isOne;
    }

    private static bool TryParse(string name, string extension, int count, out ulong[] numbers)
    {
        numbers = [];
        if (!name.EndsWith(extension, StringComparison.Ordinal)) return false;
        string[] parts = name[(name.LastIndexOf('/') + 1)..^extension.Length].Split('-');
        if (parts.Length != count) return false;
        numbers = new ulong[count];
        for (int i = 0; i < count; i++)
        {
            if (!ulong.TryParse(parts[i], NumberStyles.None, CultureInfo.InvariantCulture, out numbers[i])) return false;
        }

        return true;
    }
}

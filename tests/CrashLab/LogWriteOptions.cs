using System.Globalization;

namespace Tidemark.CrashLab;

/// <summary>What <c>log-write</c> was asked to do.</summary>
/// <param name="Directory">The log's directory.</param>
/// <param name="Round">The first half of every record's name.</param>
/// <param name="Max">How many records to append.</param>
internal sealed record LogWriteOptions(string Directory, int Round, int Max)
{
    internal const string Usage = "DIR ROUND MAX [--segment-bytes N] [--writers 1..16]";

    private const int MostWriters = 16;

    /// <summary>Small, so that segments are closed and begun all the time.</summary>
    internal long SegmentBytes { get; private init; } = 256 * 1024;

    /// <summary>How many appends are in flight at once.</summary>
    internal int Writers { get; private init; } = 3;

    /// <summary>Reads the arguments; null where they are not understood.</summary>
    internal static LogWriteOptions? Parse(string[] args)
    {
        if (args.Length < 3 || args.Length % 2 == 0) return null;
        if (args[0].Length == 0 || Number(args[1]) is not { } round || Number(args[2]) is not { } max) return null;
        var options = new LogWriteOptions(args[0], round, max);
        for (int i = 3; i < args.Length; i += 2)
        {
            int? value = Number(args[i + 1]);
            switch (args[i])
            {
                case "--segment-bytes" when value >= 4096:
                    options = options with { SegmentBytes = value.Value };
                    break;
                case "--writers" when value is >= 1 and <= MostWriters:
                    options = options with { Writers = value.Value };
                    break;
                default:
                    return null;
            }
        }

        return options;
    }

    private static int? Number(string text) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number : null;
}

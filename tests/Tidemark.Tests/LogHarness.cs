using System.Text;

using Tidemark.Testing;

namespace Tidemark.Tests;

/// <summary>What the tests of the log share: a log on a memory disk with a hand-set clock, and its records as text.</summary>
internal static class LogHarness
{
    internal const string LogDirectory = "/data/log";

    internal static LogGroupOptions On(IFileSystem disk, TimeProvider? time = null) =>
        new() { FileSystem = disk, TimeProvider = time ?? new ManualTimeProvider(), Random = new Random(7) };

    internal static ValueTask<SegmentedLog> OpenAsync(IFileSystem disk, LogOptions? options = null, TimeProvider? time = null) =>
        SegmentedLog.OpenAsync(LogDirectory, options, On(disk, time));

    internal static ReadOnlyMemory<byte> Bytes(string text) => Encoding.UTF8.GetBytes(text);

    internal static async Task<List<string>> AllAsync(SegmentedLog log)
    {
        List<string> found = [];
        await foreach (LogRecord record in log.ReadAsync(log.Start)) found.Add(Encoding.UTF8.GetString(record.Payload.Span));
        return found;
    }

    internal static async Task AppendAsync(SegmentedLog log, params string[] texts)
    {
        foreach (string text in texts) await log.AppendAsync(Bytes(text));
    }

    /// <summary>"r0" to "r(count-1)", padded to a length.</summary>
    internal static IEnumerable<string> Numbered(int from, int count, int length = 0) =>
        Enumerable.Range(from, count).Select(i => $"r{i}".PadRight(length, '.'));
}

using System.Diagnostics;

using Tidemark.Core.Hashing;

namespace Tidemark.Bench;

/// <summary>Reading a cached log from end to end, every checksum checked, beside reading the same files and checksumming them in bulk.</summary>
internal static class LogScanBench
{
    public static IEnumerable<BenchRow> Run(BenchOptions options)
    {
        foreach (int bytes in (int[])[100, 1024]) yield return MeasureAsync(options, bytes).GetAwaiter().GetResult();
    }

    private static async Task<BenchRow> MeasureAsync(BenchOptions options, int bytes)
    {
        string directory = Path.Combine(options.Directory, "log-scan");
        int records = 256 * 1024 * 1024 / (bytes + 48);
        try
        {
            await using SegmentedLog log = await LogFill.OpenAsync(directory, records, bytes);
            var floor = new Samples();
            var scan = new Samples();
            for (int round = 0; round < options.Rounds; round++)
            {
                long begin = Stopwatch.GetTimestamp();
                BulkRead(directory);
                floor.AddRate(records, Stopwatch.GetElapsedTime(begin));

                begin = Stopwatch.GetTimestamp();
                long seen = 0;
                using (LogReader reader = log.OpenReader(0))
                {
                    while (reader.TryRead(out LogRecord record)) seen += record.Payload.Length;
                }

                TimeSpan elapsed = Stopwatch.GetElapsedTime(begin);
                if (seen != (long)records * bytes) throw new InvalidOperationException($"read {seen} bytes");
                scan.Add(records, elapsed);
            }

            return scan.ToRow($"log-scan-{bytes}B", 1, floor);
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    internal static void BulkRead(string directory)
    {
        byte[] buffer = new byte[64 * 1024];
        foreach (string path in Directory.GetFiles(directory, "*.log", SearchOption.AllDirectories))
        {
            using IFile file = DiskFileSystem.Instance.Open(path, FileOpenMode.Existing);
            uint crc = 0;
            for (long at = 0; ;)
            {
                int read = file.Read(at, buffer);
                if (read == 0) break;
                crc = Crc32C.Append(crc, buffer.AsSpan(0, read));
                at += read;
            }

            GC.KeepAlive(crc);
        }
    }
}

/// <summary>Makes logs to measure on.</summary>
internal static class LogFill
{
    internal static async Task<SegmentedLog> OpenAsync(string directory, int records, int bytes)
    {
        SegmentedLog log = await SegmentedLog.OpenAsync(directory);
        byte[] payload = new byte[bytes];
        new Random(1).NextBytes(payload);
        var batch = new LogEntry[1000];
        Array.Fill(batch, new LogEntry(payload));
        for (int done = 0; done < records; done += batch.Length)
            await log.AppendBatchAsync(batch.AsSpan(0, Math.Min(batch.Length, records - done)));
        return log;
    }
}

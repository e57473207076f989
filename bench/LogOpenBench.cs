using System.Diagnostics;

namespace Tidemark.Bench;

/// <summary>Opening a log of 1 GiB after a crash, beside reading its last segment; and verifying all of it, beside reading all of it.</summary>
internal static class LogOpenBench
{
    private const int Bytes = 1024;
    private const int Records = 1000 * 1000;

    public static IEnumerable<BenchRow> Run(BenchOptions options)
    {
        string directory = Path.Combine(options.Directory, "log-open");
        try
        {
            string crashed = Path.Combine(directory, "crashed");
            SegmentedLog log = LogFill.OpenAsync(Path.Combine(directory, "log"), Records, Bytes).GetAwaiter().GetResult();
            Copy(log.Directory, crashed);
            log.DisposeAsync().AsTask().GetAwaiter().GetResult();

            var open = new Samples();
            var openFloor = new Samples();
            var verify = new Samples();
            var verifyFloor = new Samples();
            for (int round = 0; round < options.Rounds; round++)
            {
                string copy = Path.Combine(directory, "copy");
                Copy(crashed, copy);
                string[] files = [.. Directory.GetFiles(copy, "*.log").Order()];
                openFloor.AddRate(1, Time(() => Read(files[^1..])));
                SegmentedLog opened = null!;
                TimeSpan elapsed = Time(() => opened = SegmentedLog.OpenAsync(copy).AsTask().GetAwaiter().GetResult());
                open.Add(1, elapsed);
                if (opened.End != Records) throw new InvalidOperationException($"opened with {opened.End} records");

                verifyFloor.AddRate(Records, Time(() => Read(files)));
                elapsed = Time(() =>
                {
                    if (!opened.Verify().IsWhole) throw new InvalidOperationException("damaged");
                });
                verify.AddRate(Records, elapsed);
                verify.AddLatencies([elapsed.TotalMicroseconds]);
                opened.DisposeAsync().AsTask().GetAwaiter().GetResult();
                Directory.Delete(copy, recursive: true);
            }

            yield return open.ToRow("log-open-1GiB", 1, openFloor);
            yield return verify.ToRow("log-verify-1GiB", 1, verifyFloor);
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    private static TimeSpan Time(Action action)
    {
        long begin = Stopwatch.GetTimestamp();
        action();
        return Stopwatch.GetElapsedTime(begin);
    }

    private static void Read(string[] files)
    {
        byte[] buffer = new byte[64 * 1024];
        foreach (string path in files)
        {
            using IFile file = DiskFileSystem.Instance.Open(path, FileOpenMode.Existing);
            for (long at = 0, read; (read = file.Read(at, buffer)) > 0;) at += read;
        }
    }

    private static void Copy(string from, string to)
    {
        Directory.CreateDirectory(to);
        foreach (string path in Directory.GetFiles(from).Where(path => !path.EndsWith(".lock", StringComparison.Ordinal))) File.Copy(path, Path.Combine(to, Path.GetFileName(path)));
    }
}

namespace Tidemark.Bench;

/// <summary>Durable append-and-wait: what a caller sees who awaits every record.</summary>
internal static class LogAppendBench
{
    public static IEnumerable<BenchRow> Run(BenchOptions options)
    {
        foreach (int bytes in (int[])[100, 1024])
        {
            foreach (int writers in (int[])[1, 16, 128])
                yield return MeasureAsync(options, writers, new byte[bytes]).GetAwaiter().GetResult();
        }
    }

    private static async Task<BenchRow> MeasureAsync(BenchOptions options, int writers, byte[] payload)
    {
        new Random(1).NextBytes(payload);
        string directory = Path.Combine(options.Directory, "log-append");
        Directory.CreateDirectory(directory);
        try
        {
            var floor = new Samples();
            var log = new Samples();
            TimeSpan time = TimeSpan.FromSeconds(options.Seconds / options.Rounds / 2);
            using var bare = new BareLog(Path.Combine(directory, "bare"));
            BareLog.Waiter[] waiters = [.. Enumerable.Range(0, writers).Select(_ => new BareLog.Waiter())];
            await using SegmentedLog segmented = await SegmentedLog.OpenAsync(Path.Combine(directory, "log"));
            for (int round = 0; round < options.Rounds; round++)
            {
                await floor.RunAsync(writers, time, writer =>
                {
                    if (writers > 1) return bare.AppendAsync(waiters[writer], payload);
                    bare.AppendAlone(payload);
                    return ValueTask.CompletedTask;
                });
                await log.RunAsync(writers, time, async _ => await segmented.AppendAsync(payload));
                await segmented.TrimBeforeAsync(segmented.End);
            }

            return log.ToRow($"log-append-{payload.Length}B", writers, floor);
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }
}

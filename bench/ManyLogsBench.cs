namespace Tidemark.Bench;

/// <summary>Durable appends spread over 1,000 logs of one group, beside the same appends to 1,000 bare files, each flushed by its writer.</summary>
internal static class ManyLogsBench
{
    private const int Logs = 1000;

    public static IEnumerable<BenchRow> Run(BenchOptions options)
    {
        foreach (int writers in (int[])[1, 16, 128]) yield return MeasureAsync(options, writers).GetAwaiter().GetResult();
    }

    private static async Task<BenchRow> MeasureAsync(BenchOptions options, int writers)
    {
        string directory = Path.Combine(options.Directory, "many-logs");
        Directory.CreateDirectory(directory);
        try
        {
            byte[] payload = new byte[100];
            var floor = new Samples();
            var measured = new Samples();
            TimeSpan time = TimeSpan.FromSeconds(options.Seconds / options.Rounds / 2);
            IFile[] files = [.. Enumerable.Range(0, Logs).Select(i => Zeroed(Path.Combine(directory, $"bare{i}")))];
            long[] positions = new long[Logs];
            await using LogGroup group = LogGroup.Open(Path.Combine(directory, "group"));
            var logs = new SegmentedLog[Logs];
            for (int i = 0; i < Logs; i++)
            {
                logs[i] = await group.OpenLogAsync($"log{i}");
                await logs[i].AppendAsync(payload);
            }

            int[] next = new int[writers];
            for (int round = 0; round < options.Rounds; round++)
            {
                // Each writer walks its own share of the files, so that no two meet in one.
                await floor.RunAsync(writers, time, writer =>
                {
                    int at = Share(writer, writers, ref next[writer]);
                    files[at].Write(positions[at] % (60 * 1024), payload);
                    positions[at] += payload.Length;
                    files[at].Flush();
                    return ValueTask.CompletedTask;
                });
                await measured.RunAsync(writers, time, async writer => await logs[Share(writer, writers, ref next[writer])].AppendAsync(payload));
            }

            foreach (IFile file in files) file.Dispose();
            return measured.ToRow($"many-logs-{Logs}", writers, floor);
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    private static int Share(int writer, int writers, ref int next) => (writer + (next++ * writers)) % Logs;

    private static IFile Zeroed(string path)
    {
        IFile file = DiskFileSystem.Instance.Open(path, FileOpenMode.New);
        file.Write(0, new byte[64 * 1024]);
        file.Flush();
        return file;
    }
}

using System.Globalization;

namespace Tidemark.CrashLab;

/// <summary>Opens a log, recovering it, and appends records until it is done or killed.</summary>
internal sealed class LogWrite : IVerb
{
    private const int Writers = 3;

    private readonly Lock _order = new();
    private readonly Lines _lines = new();
    private int _next;
    private volatile bool _isStopped;

    public string Name => "log-write";

    public string Usage => "log-write DIR ROUND MAX [--segment-bytes N]";

    public async Task<int?> RunAsync(string[] args)
    {
        if (args.Length < 3
            || !int.TryParse(args[1], CultureInfo.InvariantCulture, out int round)
            || !int.TryParse(args[2], CultureInfo.InvariantCulture, out int max)) return null;
        long segmentBytes = args is [_, _, _, "--segment-bytes", { } given] ? long.Parse(given, CultureInfo.InvariantCulture) : 256 * 1024;

        SegmentedLog log;
        try
        {
            log = await SegmentedLog.OpenAsync(args[0], new LogOptions { SegmentBytes = segmentBytes });
        }
        catch (Exception e) when (e is TidemarkException or IOException)
        {
            Console.Error.WriteLine(e.Message);
            return ExitCode.Refused;
        }

        bool[] done = await Task.WhenAll(Enumerable.Range(0, Writers).Select(_ => Task.Run(() => WriteAsync(log, round, max))));
        try
        {
            await log.DisposeAsync();
        }
        catch (TidemarkException e)
        {
            Console.Error.WriteLine(e.Message);
            return ExitCode.Stopped;
        }

        return Array.TrueForAll(done, d => d) ? ExitCode.Done : ExitCode.Stopped;
    }

    private async Task<bool> WriteAsync(SegmentedLog log, int round, int max)
    {
        while (!_isStopped)
        {
            string[] names;
            ValueTask<long> append;
            try
            {
                // Tried and appended in one order, so that the survivors of a round are a prefix of what was tried.
                lock (_order)
                {
                    int count = Math.Min(_next % 10 == 9 ? 3 : 1, max - _next);
                    if (count <= 0) return true;
                    int first = _next;
                    _next += count;
                    names = [.. Enumerable.Range(first, count).Select(i => LabRecord.NameOf(round, i))];
                    LogEntry[] batch = [.. Enumerable.Range(first, count).Select(i => new LogEntry(LabRecord.Make(round, i)))];
                    foreach (string name in names) _lines.Write("try " + name);
                    append = log.AppendBatchAsync(batch);
                }

                await append;
            }
            catch (Exception e) when (e is TidemarkException or IOException)
            {
                _isStopped = true;
                Console.Error.WriteLine(e.Message);
                return false;
            }

            foreach (string name in names) _lines.Write("ack " + name);
        }

        return false;
    }
}

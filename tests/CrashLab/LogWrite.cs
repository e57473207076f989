namespace Tidemark.CrashLab;

/// <summary>Opens a log, recovering it, and appends records until it is done or killed.</summary>
internal sealed class LogWrite : IVerb
{
    public string Name => "log-write";

    public string Usage => "log-write " + LogWriteOptions.Usage;

    public async Task<int?> RunAsync(string[] args)
    {
        if (LogWriteOptions.Parse(args) is not { } options) return null;

        SegmentedLog log;
        try
        {
            log = await SegmentedLog.OpenAsync(options.Directory, new LogOptions { SegmentBytes = options.SegmentBytes });
        }
        catch (Exception e) when (e is TidemarkException or IOException)
        {
            Console.Error.WriteLine(e.Message);
            return ExitCode.Refused;
        }

        var run = new WriteRun(options.Round, options.Max, (_, records) => Done(log.AppendBatchAsync(Array.ConvertAll(records, record => new LogEntry(record)))));
        await run.RunAsync(options.Writers);
        try
        {
            await log.DisposeAsync();
        }
        catch (Exception e) when (e is TidemarkException or IOException)
        {
            run.Stop(e);
        }

        return run.IsStopped ? ExitCode.Stopped : ExitCode.Done;
    }

    private static async Task Done(ValueTask<long> append) => await append;
}

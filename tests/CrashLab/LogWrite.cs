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

        var run = new LogWriteRun(log, options);
        await Task.WhenAll(Enumerable.Range(0, options.Writers).Select(_ => Task.Run(run.WriteAsync)));
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
}

/// <summary>The writers of one run: what they have tried, what they have acknowledged, and whether the log has refused one of them.</summary>
internal sealed class LogWriteRun(SegmentedLog log, LogWriteOptions options)
{
    private readonly Lock _tryGate = new();
    private readonly Lock _ackGate = new();
    private readonly Lines _lines = new();
    private int _next;
    private bool _isStopped;

    /// <summary>Whether the log refused something. Nothing is acknowledged from then on.</summary>
    internal bool IsStopped
    {
        get
        {
            lock (_ackGate) return _isStopped;
        }
    }

    /// <summary>Appends, one batch after the other, until all is done or one writer is refused.</summary>
    internal async Task WriteAsync()
    {
        while (!IsStopped)
        {
            string[] names;
            try
            {
                ValueTask<long> append;
                // Tried and appended in one order, so that the survivors of a round are a prefix of what was tried.
                lock (_tryGate)
                {
                    int first = _next;
                    int count = Math.Min(first % 10 == 9 ? 3 : 1, options.Max - first);
                    if (count <= 0) return;
                    _next += count;
                    int[] sequence = [.. Enumerable.Range(first, count)];
                    names = Array.ConvertAll(sequence, i => LabRecord.NameOf(options.Round, i));
                    LogEntry[] batch = Array.ConvertAll(sequence, i => new LogEntry(LabRecord.Make(options.Round, i)));
                    foreach (string name in names) _lines.Write("try " + name);
                    append = log.AppendBatchAsync(batch);
                }

                await append;
            }
            catch (Exception e) when (e is TidemarkException or IOException)
            {
                Stop(e);
                return;
            }

            Acknowledge(names);
        }
    }

    /// <summary>Ends the run and says why, once.</summary>
    internal void Stop(Exception cause)
    {
        lock (_ackGate)
        {
            if (!_isStopped) Console.Error.WriteLine(cause.Message);
            _isStopped = true;
        }
    }

    /// <summary>Says that records are durable, unless another writer was refused meanwhile: whoever watches sees no word after that.</summary>
    private void Acknowledge(string[] names)
    {
        lock (_ackGate)
        {
            if (_isStopped) return;
            foreach (string name in names) _lines.Write("ack " + name);
        }
    }
}

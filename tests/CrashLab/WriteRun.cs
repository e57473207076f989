namespace Tidemark.CrashLab;

/// <summary>The writers of one run: what they have tried, what they have acknowledged, and whether one was refused.</summary>
/// <param name="round">The first half of every record's name.</param>
/// <param name="max">How many records to write.</param>
/// <param name="write">Begins to write records of those names as one, in the order of the calls, and completes once they are durable.</param>
internal sealed class WriteRun(int round, int max, Func<string[], byte[][], Task> write)
{
    private readonly Lock _tryGate = new();
    private readonly Lock _ackGate = new();
    private readonly Lines _lines = new();
    private int _next;
    private bool _isStopped;

    /// <summary>Whether something was refused. Nothing is acknowledged from then on.</summary>
    internal bool IsStopped
    {
        get
        {
            lock (_ackGate) return _isStopped;
        }
    }

    internal Task RunAsync(int writers) => Task.WhenAll(Enumerable.Range(0, writers).Select(_ => Task.Run(WriteAsync)));

    /// <summary>Writes, one batch after the other, until all is done or one writer is refused.</summary>
    private async Task WriteAsync()
    {
        while (!IsStopped)
        {
            string[] names;
            try
            {
                Task written;
                // Tried and begun in one order, so that the survivors of a round are a prefix of what was tried.
                lock (_tryGate)
                {
                    int first = _next;
                    int count = Math.Min(first % 10 == 9 ? 3 : 1, max - first);
                    if (count <= 0) return;
                    _next += count;
                    int[] sequence = [.. Enumerable.Range(first, count)];
                    names = Array.ConvertAll(sequence, i => LabRecord.NameOf(round, i));
                    byte[][] records = Array.ConvertAll(sequence, i => LabRecord.Make(round, i));
                    foreach (string name in names) _lines.Write("try " + name);
                    written = write(names, records);
                }

                await written;
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

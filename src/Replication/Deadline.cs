namespace Tidemark.Replication;

/// <summary>A time that passes, or an end that comes before it.</summary>
internal sealed class Deadline : IDisposable
{
    private readonly CancellationTokenSource _timeout;
    private readonly CancellationTokenSource _either;

    internal Deadline(TimeSpan time, TimeProvider provider, CancellationToken end)
    {
        _timeout = new CancellationTokenSource(time, provider);
        _either = CancellationTokenSource.CreateLinkedTokenSource(_timeout.Token, end);
    }

    internal CancellationToken Token => _either.Token;

    internal bool HasPassed => _timeout.IsCancellationRequested;

    public void Dispose()
    {
        _either.Dispose();
        _timeout.Dispose();
    }
}

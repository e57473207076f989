using System.Collections.Concurrent;

namespace Tidemark.Replication.Transport;

/// <summary>Requests that are under way from this process to nodes: each ends once, with its answer or without.</summary>
/// <remarks>Safe for concurrent calls.</remarks>
internal sealed class RequestDesk<TAnswer>(ITransport transport, TimeProvider time, TimeSpan patience)
    where TAnswer : struct
{
    private readonly ConcurrentDictionary<long, Inquiry> _open = new();
    private long _lastId;
    private volatile bool _isClosed;

    /// <summary>Sends a request.</summary>
    /// <param name="node">To whom.</param>
    /// <param name="write">Makes its bytes, given its id.</param>
    /// <param name="ended">Told the answer; null where none came in time. On any thread.</param>
    /// <returns>False where it surely was not sent; then nothing is told.</returns>
    internal bool TryAsk(int node, Func<long, ReadOnlyMemory<byte>> write, Action<TAnswer?> ended)
    {
        if (_isClosed) return false;
        long id = Interlocked.Increment(ref _lastId);
        ReadOnlyMemory<byte> bytes = write(id);
        _open[id] = new Inquiry(node, time.GetTimestamp(), ended);
        try
        {
            if (transport.TrySend(node, bytes)) return true;
        }
        catch
        {
            _open.TryRemove(id, out _);
            throw;
        }

        return !_open.TryRemove(id, out _);
    }

    /// <summary>An answer came from a node.</summary>
    internal void Answered(int from, long id, in TAnswer answer)
    {
        if (!_open.TryGetValue(id, out Inquiry? inquiry) || inquiry.Node != from || !_open.TryRemove(id, out _)) return;
        inquiry.Ended(answer);
    }

    /// <summary>Gives up what has waited for too long.</summary>
    internal void Look()
    {
        foreach ((long id, Inquiry inquiry) in _open)
        {
            if (time.GetElapsedTime(inquiry.SentAt) >= patience && _open.TryRemove(id, out _)) inquiry.Ended(null);
        }
    }

    /// <summary>Takes no more, and gives up all.</summary>
    internal void Close()
    {
        _isClosed = true;
        foreach ((long id, Inquiry inquiry) in _open)
        {
            if (_open.TryRemove(id, out _)) inquiry.Ended(null);
        }
    }

    private sealed record Inquiry(int Node, long SentAt, Action<TAnswer?> Ended);
}

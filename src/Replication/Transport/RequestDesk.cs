using System.Collections.Concurrent;

namespace Tidemark.Replication.Transport;

/// <summary>Requests that are under way from this process to nodes: each ends once, with its answer or without.</summary>
/// <remarks>Safe for concurrent calls.</remarks>
/// <param name="transport">Over which they go.</param>
/// <param name="time">Clock.</param>
/// <param name="patience">How long an answer may take.</param>
/// <param name="run">Which start of a node it is. An answer to an earlier one may still come, and must not fit a request of this one: so no two runs give the same ids.</param>
internal sealed class RequestDesk<TAnswer>(ITransport transport, TimeProvider time, TimeSpan patience, long run)
    where TAnswer : struct
{
    private const int IdBits = 40;   // A run has a million million of them.

    private readonly ConcurrentDictionary<long, Inquiry> _open = new();
    private long _lastId = run << IdBits;
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

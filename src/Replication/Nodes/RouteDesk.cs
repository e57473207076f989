using System.Buffers;
using System.Collections.Concurrent;

using Tidemark.Replication.Wire;

namespace Tidemark.Replication.Nodes;

/// <summary>Requests that are under way from this node to leaders elsewhere: each ends once, with its answer or without.</summary>
/// <remarks>Safe for concurrent calls.</remarks>
/// <param name="transport">Over which they go.</param>
/// <param name="time">Clock.</param>
/// <param name="patience">How long an answer may take.</param>
/// <param name="run">Which start of the node it is. An answer to an earlier one may still come, and must not fit a request of this one: so no two runs give the same ids.</param>
internal sealed class RouteDesk(ITransport transport, TimeProvider time, TimeSpan patience, long run)
{
    private const int IdBits = 40;   // A run has a million million of them.

    private readonly ConcurrentDictionary<long, Inquiry> _open = new();
    private long _lastId = run << IdBits;
    private volatile bool _isClosed;

    /// <summary>Sends a request.</summary>
    /// <param name="node">To whom.</param>
    /// <param name="request">What; its id is set here.</param>
    /// <param name="ended">Told the answer; null where none came in time. On any thread.</param>
    /// <returns>False where it surely was not sent; then nothing is told.</returns>
    internal bool TryAsk(int node, RouteRequest request, Action<RouteAnswer?> ended)
    {
        if (_isClosed) return false;
        long id = Interlocked.Increment(ref _lastId);
        var output = new ArrayBufferWriter<byte>(request.Payload.Length + 64);
        RouteMessageCodec.Write(output, request with { Id = id });
        _open[id] = new Inquiry(node, time.GetTimestamp(), ended);
        if (transport.TrySend(node, output.WrittenMemory)) return true;
        return !_open.TryRemove(id, out _);
    }

    /// <summary>An answer came from a node.</summary>
    internal void Answered(int from, in RouteAnswer answer)
    {
        if (!_open.TryGetValue(answer.Id, out Inquiry? inquiry) || inquiry.Node != from || !_open.TryRemove(answer.Id, out _)) return;
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

    private sealed record Inquiry(int Node, long SentAt, Action<RouteAnswer?> Ended);
}

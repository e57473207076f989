using System.Collections.Concurrent;

namespace Tidemark;

/// <summary>Connects nodes that live in one process. Nothing is lost on it, and nothing delayed.</summary>
/// <remarks>Safe for concurrent calls. A message is handed to its receiver by the sender's thread; cost: one copy.</remarks>
public sealed class MemoryNetwork
{
    private readonly ConcurrentDictionary<int, MemoryTransport> _transports = new();
    private int _lastCaller = int.MinValue;

    /// <summary>Makes the transport of a node.</summary>
    /// <param name="node">The node's number. One at a time may have it.</param>
    /// <exception cref="ArgumentException">There is a transport of that node that was not disposed.</exception>
    public ITransport CreateTransport(int node)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(node);
        var transport = new MemoryTransport(this, node);
        if (!_transports.TryAdd(node, transport)) throw new ArgumentException($"Node {node} has a transport already. Dispose it first.", nameof(node));
        return transport;
    }

    /// <summary>Makes the transport of a caller, which is no member: it reaches all members, and no other caller.</summary>
    public ITransport CreateCaller()
    {
        var transport = new MemoryTransport(this, Interlocked.Increment(ref _lastCaller));
        _transports[transport.Node] = transport;
        return transport;
    }

    private sealed class MemoryTransport(MemoryNetwork network, int node) : ITransport
    {
        private readonly ConcurrentDictionary<int, Lock> _gates = new();   // One for each sender.
        private Action<int, ReadOnlyMemory<byte>>? _receive;
        private volatile bool _isDisposed;

        public int Node => node;

        public int MaxMessageBytes => 256 * 1024 * 1024;

        public ValueTask StartAsync(Action<int, ReadOnlyMemory<byte>> receive, CancellationToken cancellationToken = default)
        {
            ArgumentNullException.ThrowIfNull(receive);
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            cancellationToken.ThrowIfCancellationRequested();
            if (Interlocked.CompareExchange(ref _receive, receive, null) is not null) throw new InvalidOperationException("The transport was started before.");
            return ValueTask.CompletedTask;
        }

        public bool TrySend(int node, ReadOnlyMemory<byte> message)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            if (message.Length > MaxMessageBytes) throw new LimitExceededException("message in bytes", message.Length, MaxMessageBytes, nameof(MaxMessageBytes));
            if (Node < 0 && node < 0) return false;   // Callers do not know each other, nor themselves.
            if (!network._transports.TryGetValue(node, out MemoryTransport? other) || other._receive is not { } receive || other._isDisposed) return false;
            lock (other._gates.GetOrAdd(Node, _ => new Lock())) receive(Node, message.ToArray());
            return true;
        }

        public ValueTask DisposeAsync()
        {
            _isDisposed = true;
            network._transports.TryRemove(new KeyValuePair<int, MemoryTransport>(node, this));
            return ValueTask.CompletedTask;
        }
    }
}

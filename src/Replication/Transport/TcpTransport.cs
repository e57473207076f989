using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Security.Claims;

using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

using Tidemark.Replication.Transport.Tcp;

namespace Tidemark;

/// <summary>Connects nodes, and callers with nodes, over TCP, in plain or with TLS.</summary>
/// <remarks>
/// Safe for concurrent calls. A message to a connection on which nobody writes is written by the thread that sends it; it allocates nothing. What cannot be sent now is not sent: nothing waits
/// for a node that is not connected. Dialing begins with the first message for a node, and is given up while there is none. Bytes and limits: docs/format/transport.md.
/// </remarks>
public sealed class TcpTransport : ITransport
{
    private const int CallersOwnNumber = -2;
    private const int Backlog = 512;

    private static readonly TimeSpan _endPatience = TimeSpan.FromSeconds(5);

    private readonly TcpTransportOptions _options;
    private readonly TransportScope _scope;
    private readonly ConcurrentDictionary<int, Peer> _peers = new();
    private readonly Lock _gate = new();
    private readonly TaskCompletionSource _disposed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile Started? _started;
    private volatile bool _isDisposed;
    private int _isTicking;

    private TcpTransport(TcpTransportOptions options)
    {
        _options = options;
        _scope = new TransportScope(options, options.LoggerFactory?.CreateLogger("Tidemark.Transport") ?? (ILogger)NullLogger.Instance);
    }

    /// <summary>Makes a transport; it neither listens nor dials before it is started.</summary>
    /// <param name="options">The settings.</param>
    /// <exception cref="ArgumentException">A setting is wrong; the message says which.</exception>
    public static TcpTransport Create(TcpTransportOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        return new TcpTransport(options);
    }

    /// <summary>The own node; -2 for a caller, which has no number of its own.</summary>
    public int Node => _options.IsCaller ? CallersOwnNumber : _options.Node;

    /// <inheritdoc/>
    public int MaxMessageBytes => _options.MaxMessageBytes;

    /// <summary>Where it listens, with the port that it has really got; null before it is started, and for a caller.</summary>
    public IPEndPoint? LocalEndPoint => _started?.EndPoint;

    /// <inheritdoc/>
    /// <exception cref="AddressUnavailableException">The address to listen to is another's, or none of this machine's. It may be started again.</exception>
    /// <exception cref="ObjectDisposedException">It was closed.</exception>
    public ValueTask StartAsync(Action<int, ReadOnlyMemory<byte>> receive, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(receive);
        cancellationToken.ThrowIfCancellationRequested();
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            if (_started is not null) throw new InvalidOperationException("The transport was started before.");
            Socket? listener = _options.Listen is { } address ? Listen(address) : null;
            var started = new Started(receive, new Inbox(receive, _options.MaxConnections, _scope.Logger), new Sender(Node, receive, _scope.Logger), listener, NewTimer());
            _started = started;
            if (listener is null) return ValueTask.CompletedTask;
            TransportMessages.Listening(_scope.Logger, Node, listener.LocalEndPoint!, _options.Tls is null ? "in plain" : "with TLS");
            _scope.Loops.Run(() => new Acceptor(_scope, listener, started.Inbox).RunAsync());
        }

        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public bool TrySend(int node, ReadOnlyMemory<byte> message)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        if (message.Length > MaxMessageBytes) throw new LimitExceededException("message in bytes", message.Length, MaxMessageBytes, nameof(MaxMessageBytes));
        if (_started is not { } started) return false;
        SendResult result = SendResult.Closed;
        if (node < 0) result = started.Inbox.TrySend(node, message.Span);
        else if (node != Node) result = PeerOf(node)?.TrySend(message.Span) ?? SendResult.Closed;
        else
        {
            started.Self.Deliver(message.ToArray());
            result = SendResult.Taken;
        }

        if (result == SendResult.Full) TransportMetrics.OutboxFull();
        else if (result == SendResult.Closed) TransportMetrics.NotConnected();
        return result == SendResult.Taken;
    }

    /// <inheritdoc/>
    public ClaimsPrincipal? PrincipalOf(int node) =>
        _options.IsCaller ? _peers.TryGetValue(node, out Peer? peer) ? peer.Link?.Principal : null : _started?.Inbox.PrincipalOf(node);

    /// <summary>Closes all connections and stops listening. Nothing is received once it has returned.</summary>
    /// <remarks>Waits for what is being received, at most 5 s. Messages that wait to be sent are lost. Not to be called while a message is received, on its thread.</remarks>
    public async ValueTask DisposeAsync()
    {
        bool isFirst;
        lock (_gate) (isFirst, _isDisposed) = (!_isDisposed, true);
        if (!isFirst)
        {
            await _disposed.Task.ConfigureAwait(false);
            return;
        }

        if (_started is { } started)
        {
            await started.Timer.DisposeAsync().ConfigureAwait(false);
            started.Listener?.Dispose();
        }

        await _scope.StopAsync().ConfigureAwait(false);
        await _scope.Loops.EndAsync(_endPatience, _options.TimeProvider).ConfigureAwait(false);
        _scope.Dispose();
        _disposed.SetResult();
    }

    private Peer? PeerOf(int node)
    {
        if (_peers.TryGetValue(node, out Peer? peer)) return peer;
        return _options.AddressOf(node) is null ? null : _peers.GetOrAdd(node, static (number, from) => new Peer(from._scope, number, from._started!.Receive), this);
    }

    private static Socket Listen(IPEndPoint address)
    {
        var listener = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            listener.Bind(address);
            listener.Listen(Backlog);
            return listener;
        }
        catch (SocketException e)
        {
            listener.Dispose();
            string reason = e.SocketErrorCode switch
            {
                SocketError.AddressAlreadyInUse => "Another process listens there. Stop it, or set Listen to another port; port 0 takes a free one.",
                SocketError.AddressNotAvailable => "It is no address of this machine. Set Listen to one of its own, or to IPAddress.Any.",
                SocketError.AccessDenied => "This process may not. Set Listen to a port above 1023, or give it the right.",
                _ => $"{e.Message}. Set Listen to another address.",
            };
            throw new AddressUnavailableException(address.ToString(), $"{address} cannot be listened to. {reason}", e);
        }
    }

    /// <summary>One timer for all connections: deadlines are passed by at most a quarter of the shortest.</summary>
    private ITimer NewTimer()
    {
        TimeSpan period = TimeSpan.FromTicks(Math.Min(_options.PingInterval.Ticks, Math.Min(_options.IdleTimeout.Ticks, _options.WriteTimeout.Ticks)) / 4);
        return _options.TimeProvider.CreateTimer(_ => Tick(period), null, period, period);
    }

    private void Tick(TimeSpan period)
    {
        if (Interlocked.CompareExchange(ref _isTicking, 1, 0) != 0) return;   // The one before is not done yet.
        _scope.Tick(period);
        Volatile.Write(ref _isTicking, 0);
    }

    /// <summary>What there is once it is started.</summary>
    private sealed record Started(Action<int, ReadOnlyMemory<byte>> Receive, Inbox Inbox, Sender Self, Socket? Listener, ITimer Timer)
    {
        internal IPEndPoint? EndPoint { get; } = Listener?.LocalEndPoint as IPEndPoint;
    }
}

using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Security.Claims;

namespace Tidemark.Replication.Transport.Tcp;

/// <summary>One connection, from the moment there is a socket: first it shakes hands, then frames go over it, then it is closed, once, for one reason.</summary>
internal sealed class Link : IDisposable
{
    private readonly Socket _socket;
    private readonly FrameBuffer _buffer = new();
    private Outbox? _outbox;
    private int _reason = -1;
    private int _hasReceived;
    private int _hasSent;
    private TimeSpan _silence;
    private TimeSpan _quiet;
    private TimeSpan _stall;
    private int _slices;

    internal Link(Socket socket, EndPoint endPoint, bool isInbound)
    {
        (_socket, EndPoint, IsInbound) = (socket, endPoint, isInbound);
        Stream = new NetworkStream(socket, ownsSocket: false);
    }

    internal EndPoint EndPoint { get; }

    internal bool IsInbound { get; }

    /// <summary>Where the other side is, without the port, which changes with each attempt and so does not tell failures apart.</summary>
    internal string Host => EndPoint is IPEndPoint ip ? ip.Address.ToString() : EndPoint.ToString()!;

    /// <summary>Who is on the other side, for people.</summary>
    internal string Peer { get; set; } = "a stranger";

    /// <summary>Who the other side proved to be.</summary>
    internal ClaimsPrincipal? Principal { get; set; }

    /// <summary>What is read and written; TLS goes around it.</summary>
    internal Stream Stream { get; set; }

    /// <summary>What came and was not taken.</summary>
    internal FrameBuffer Buffer => _buffer;

    /// <summary>Why it was closed; null while it is not.</summary>
    internal DisconnectReason? Reason => Volatile.Read(ref _reason) is >= 0 and int reason ? (DisconnectReason)reason : null;

    /// <summary>More about why it was closed, for people; never contents.</summary>
    internal string Detail { get; private set; } = "";

    /// <summary>Hands have been shaken: frames may go out.</summary>
    internal void Open(int maxOutboxBytes)
    {
        Debug.Assert(_outbox is null, "a connection is opened once");
        Interlocked.Exchange(ref _outbox, new Outbox(Stream, maxOutboxBytes, e => Close(DisconnectReason.Lost, e.Message)));
        if (Reason is not null) _outbox.Close();
    }

    internal SendResult TrySend(FrameKind kind, ReadOnlySpan<byte> payload)
    {
        SendResult result = _outbox!.TrySend(kind, payload);
        if (result == SendResult.Taken) Volatile.Write(ref _hasSent, 1);
        return result;
    }

    /// <summary>Reads until it is closed, and gives each message away as memory of its own; without a receiver no message may come.</summary>
    internal async Task ReceiveAsync(Action<Link, ReadOnlyMemory<byte>>? receive, int maxMessageBytes)
    {
        try
        {
            while (TakeAll(receive, maxMessageBytes))
            {
                int bytes = await Stream.ReadAsync(_buffer.GetRoom()).ConfigureAwait(false);
                if (bytes == 0) Close(DisconnectReason.RemoteClosed);
                Volatile.Write(ref _hasReceived, 1);
                TransportMetrics.Received(bytes);
                _buffer.Advance(bytes);
            }
        }
        catch (Exception e)
        {
            Close(DisconnectReason.Lost, e.Message);
        }
    }

    /// <summary>Looks at the deadlines. Called from time to time, by one thread at a time.</summary>
    /// <remarks>It counts calls, not time, so that a process that stood still for a while does not take every other for dead.</remarks>
    internal void Tick(TimeSpan since, TcpTransportOptions options)
    {
        if (_outbox is not { } outbox) return;
        _silence = Interlocked.Exchange(ref _hasReceived, 0) != 0 ? default : _silence + since;
        _quiet = Interlocked.Exchange(ref _hasSent, 0) != 0 ? default : _quiet + since;
        int slices = outbox.Slices;
        _stall = outbox.IsWriting && slices == _slices ? _stall + since : default;
        _slices = slices;
        if (_silence >= options.IdleTimeout) Close(DisconnectReason.Idle);
        else if (_stall >= options.WriteTimeout) Close(DisconnectReason.WriteTimeout);
        else if (_quiet >= options.PingInterval && !outbox.IsWriting) TrySend(FrameKind.Ping, default);
    }

    /// <summary>Closes it; the first reason counts.</summary>
    internal void Close(DisconnectReason reason, string detail = "")
    {
        if (Interlocked.CompareExchange(ref _reason, (int)reason, -1) != -1) return;
        Detail = detail;
        TransportMetrics.Disconnected(reason);
        _outbox?.Close();
        _socket.Dispose();
    }

    /// <summary>Gives back what it holds, once nobody reads from it any more.</summary>
    public void Dispose()
    {
        Debug.Assert(Reason is not null, "a connection is closed before it is let go of");
        Stream.Dispose();
        _buffer.Dispose();
    }

    /// <summary>Takes all frames that are whole.</summary>
    /// <returns>False once it is closed.</returns>
    private bool TakeAll(Action<Link, ReadOnlyMemory<byte>>? receive, int maxMessageBytes)
    {
        while (Reason is null)
        {
            FrameStatus status = _buffer.Take(maxMessageBytes, out FrameKind kind, out ReadOnlySpan<byte> payload);
            if (status == FrameStatus.Partial) return true;
            if (Violation(status) is { } reason) Close(reason);
            else if (kind == FrameKind.Message && receive is not null) receive(this, payload.ToArray());
            else if (kind != FrameKind.Ping) Close(DisconnectReason.MisplacedFrame, $"{kind} must not stand there.");
            else if (!payload.IsEmpty) Close(DisconnectReason.BadLength, "A ping is empty.");
        }

        return false;
    }

    internal static DisconnectReason? Violation(FrameStatus status) => status switch
    {
        FrameStatus.BadLength => DisconnectReason.BadLength,
        FrameStatus.BadChecksum => DisconnectReason.BadChecksum,
        FrameStatus.BadKind => DisconnectReason.BadKind,
        _ => null,
    };
}

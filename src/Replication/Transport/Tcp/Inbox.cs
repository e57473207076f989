using System.Collections.Concurrent;
using System.Diagnostics;
using System.Security.Claims;

using Microsoft.Extensions.Logging;

namespace Tidemark.Replication.Transport.Tcp;

/// <summary>One sender, as the receiver knows it: the connection that counts, and the gate through which its messages come one at a time.</summary>
internal sealed class Sender(int number, Action<int, ReadOnlyMemory<byte>> receive, ILogger logger)
{
    private readonly Lock _gate = new();
    private Link? _link;

    internal int Number => number;

    internal Link? Link => Volatile.Read(ref _link);

    /// <summary>From here on this connection counts; the one before it is closed, and nothing is taken from it any more.</summary>
    internal void Join(Link link)
    {
        Link? older;
        lock (_gate) (older, _link) = (_link, link);   // Waits for a message that is being received.
        older?.Close(DisconnectReason.Superseded);
    }

    internal void Deliver(Link link, ReadOnlyMemory<byte> message)
    {
        lock (_gate)
        {
            if (_link == link) Receive(message, link);
        }
    }

    /// <summary>Delivers what came over no connection: the own node's.</summary>
    internal void Deliver(ReadOnlyMemory<byte> message)
    {
        lock (_gate) receive(number, message);
    }

    private void Receive(ReadOnlyMemory<byte> message, Link link)
    {
        try
        {
            receive(number, message);
        }
        catch (Exception e)
        {
            TransportMessages.ReceiverFailed(logger, link.Peer, e);
            link.Close(DisconnectReason.ReceiverFailed);
        }
    }
}

/// <summary>Those who dialed and have shaken hands: members by their number, callers by one that they are given.</summary>
internal sealed class Inbox(Action<int, ReadOnlyMemory<byte>> receive, int maxConnections, ILogger logger)
{
    private readonly Lock _gate = new();
    private readonly ConcurrentDictionary<int, Sender> _senders = new();
    private int _nextCaller = int.MinValue;
    private int _count;

    /// <summary>How many connections there are.</summary>
    internal int Count => Volatile.Read(ref _count);

    /// <summary>Adds a connection, of a member or, without a number, of a caller.</summary>
    /// <returns>Its sender; null where there are too many.</returns>
    internal Sender? Join(int? node, Link link)
    {
        lock (_gate)
        {
            if (_count >= maxConnections || (node is null && _nextCaller >= -2)) return null;
            _count++;
            int number = node ?? _nextCaller++;
            Sender sender = _senders.GetOrAdd(number, (key, inbox) => inbox.NewSender(key), this);
            sender.Join(link);
            return sender;
        }
    }

    /// <summary>Takes a connection out, once nothing is read from it any more: only then may another sender of the same number be made.</summary>
    internal void Leave(Sender sender, Link link)
    {
        Debug.Assert(link.Reason is not null, "a connection is closed before it leaves");
        lock (_gate)
        {
            _count--;
            if (sender.Link == link) _senders.TryRemove(sender.Number, out _);
        }
    }

    internal SendResult TrySend(int caller, ReadOnlySpan<byte> message) =>
        caller < 0 && _senders.TryGetValue(caller, out Sender? sender) && sender.Link is { } link ? link.TrySend(FrameKind.Message, message) : SendResult.Closed;

    internal ClaimsPrincipal? PrincipalOf(int node) => _senders.TryGetValue(node, out Sender? sender) ? sender.Link?.Principal : null;

    private Sender NewSender(int number) => new(number, receive, logger);
}

using System.Net.Sockets;
using System.Security.Claims;

namespace Tidemark.Replication.Transport.Tcp;

/// <summary>Takes the connections that others dial, shakes hands with them, and reads from those that may stay.</summary>
internal sealed class Acceptor(TransportScope scope, Socket listener, Inbox inbox)
{
    private static readonly TimeSpan _pause = TimeSpan.FromMilliseconds(100);   // Where the machine has no sockets left, for example.

    private readonly LinkedList<Link> _handshaking = [];

    internal async Task RunAsync()
    {
        while (!scope.Stopping.IsCancellationRequested)
        {
            try
            {
                Socket socket = await listener.AcceptAsync(scope.Stopping).ConfigureAwait(false);
                Accept(socket);
            }
            catch (OperationCanceledException)
            {
                return;
            }
            catch (Exception e) when (!scope.Stopping.IsCancellationRequested)
            {
                if (scope.IsNewFailure($"accept: {e.Message}")) TransportMessages.AcceptFailed(scope.Logger, e);
                await Task.Delay(_pause, scope.Options.TimeProvider, scope.Stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
            catch (Exception)
            {
                return;   // Closed under it.
            }
        }
    }

    private void Accept(Socket socket)
    {
        Link link;
        try
        {
            socket.NoDelay = true;
            link = new Link(socket, socket.RemoteEndPoint!, isInbound: true);
        }
        catch (Exception e) when (e is SocketException or IOException or ObjectDisposedException)
        {
            socket.Dispose();   // It was closed again before it was looked at.
            return;
        }

        scope.Add(link);
        if (inbox.Count >= scope.Options.MaxConnections) link.Close(DisconnectReason.TooManyConnections, Limit(nameof(TcpTransportOptions.MaxConnections)));
        scope.Loops.Run(() => ServeAsync(link, Begin(link)));
    }

    /// <summary>Notes that a connection shakes hands. The one that has for longest makes room: who means well is long done.</summary>
    private LinkedListNode<Link> Begin(Link link)
    {
        Link? oldest = null;
        LinkedListNode<Link> place;
        lock (_handshaking)
        {
            if (_handshaking.Count >= scope.Options.MaxHandshaking)
            {
                oldest = _handshaking.First!.Value;
                _handshaking.RemoveFirst();
            }

            place = _handshaking.AddLast(link);
        }

        oldest?.Close(DisconnectReason.TooManyHandshakes, Limit(nameof(TcpTransportOptions.MaxHandshaking)));
        return place;
    }

    private void End(LinkedListNode<Link> place)
    {
        lock (_handshaking)
        {
            if (place.List is not null) _handshaking.Remove(place);
        }
    }

    private async Task ServeAsync(Link link, LinkedListNode<Link> place)
    {
        try
        {
            if (link.Reason is null && await ShakeHandsAsync(link).ConfigureAwait(false) is { } sender)
            {
                End(place);
                await ReceiveAsync(link, sender).ConfigureAwait(false);
            }
        }
        finally
        {
            End(place);
            link.Close(DisconnectReason.Lost);
            scope.Tell(link);
            scope.Remove(link);
        }
    }

    private async Task ReceiveAsync(Link link, Sender sender)
    {
        TransportMetrics.Opened(isInbound: true);
        TransportMessages.Connected(scope.Logger, link.Peer, link.EndPoint);
        await link.ReceiveAsync(sender.Deliver, scope.Options.MaxMessageBytes).ConfigureAwait(false);
        TransportMetrics.NoLongerOpen(isInbound: true);
        inbox.Leave(sender, link);
    }

    /// <returns>Whose messages come now; null where the connection was closed.</returns>
    private async Task<Sender?> ShakeHandsAsync(Link link)
    {
        using Deadline deadline = scope.NewHandshakeDeadline();
        Sender? sender = null;
        try
        {
            if (scope.Options.Tls is { } tls) link.Stream = await TlsChannel.AcceptAsync(link.Stream, tls, deadline.Token).ConfigureAwait(false);
            if (await HandshakeChannel.ReadAsync(link, FrameKind.Hello, deadline.Token).ConfigureAwait(false) is not { } payload) return null;
            if (Handshake.ReadHello(payload) is not { } hello)
            {
                link.Close(DisconnectReason.BadHandshake, "Its hello is malformed.");
                return null;
            }

            Answer answer = new Doorman(scope.Options).Judge(hello, TlsChannel.CertificateOf(link.Stream), link.EndPoint, out ClaimsPrincipal? principal);

            // Before it is answered: who has the answer may dial anew, and of two connections the newer one counts.
            if (answer.Refusal == Refusal.None && (sender = Join(link, hello, principal)) is null) return null;

            await HandshakeChannel.WriteAsync(link, FrameKind.Answer, Handshake.Write(answer), deadline.Token).ConfigureAwait(false);
            if (sender is not null)
            {
                link.Open(scope.Options.MaxOutboxBytes);
                return sender;
            }

            TransportMetrics.Refused(answer.Refusal);
            if (scope.IsNewFailure($"{link.Host} {hello.Node} {answer.Refusal}")) TransportMessages.Refused(scope.Logger, link.EndPoint, answer.Refusal, answer.Text);
            link.Close(DisconnectReason.Refused);
        }
        catch (Exception e)
        {
            bool isTls = scope.Options.Tls is not null && link.Stream is NetworkStream;
            link.Close(deadline.HasPassed ? DisconnectReason.HandshakeTimeout : isTls ? DisconnectReason.TlsFailed : DisconnectReason.Lost, e.Message);
            if (sender is not null) inbox.Leave(sender, link);
        }

        return null;
    }

    private Sender? Join(Link link, Hello hello, ClaimsPrincipal? principal)
    {
        link.Principal = principal;
        link.Peer = hello.Node == Handshake.Caller ? "a caller" : $"node {hello.Node}";
        Sender? sender = inbox.Join(hello.Node == Handshake.Caller ? null : hello.Node, link);
        if (sender is null) link.Close(DisconnectReason.TooManyConnections, Limit(nameof(TcpTransportOptions.MaxConnections)));
        return sender;
    }

    private static string Limit(string setting) => $"The limit is set by {setting}.";
}

using System.Security.Claims;

namespace Tidemark;

/// <summary>Carries messages between the nodes of a cluster, and between them and callers.</summary>
/// <remarks>
/// A member of the cluster has a number of 0 or more. A caller is a process that is no member, such as a client: it sends to any member, and is answered over its own connection. To a member it
/// appears as a sender with a negative number below -1, which it keeps as long as it stays connected, and which is never given again while this transport lives. So the sign tells that a message is
/// of no member. A transport of a caller has a <see cref="Node"/> of -2 or below, which means nothing to others, and receives from members under their real numbers.
/// What replicates over it bears that messages are lost, doubled, late and out of order; never that one is altered, so a transport checks what it carries. Your own can be checked
/// with <c>TransportContract</c> of the package Tidemark.Testing.
/// </remarks>
public interface ITransport : IAsyncDisposable
{
    /// <summary>The node whose transport it is; -2 or below for a caller.</summary>
    int Node { get; }

    /// <summary>Begins to receive.</summary>
    /// <param name="receive">
    /// Called with the sender, a negative number where it is a caller, and the message, on any thread, for one sender one message at a time. It returns quickly and does not throw. The memory is the receiver's
    /// from then on.
    /// </param>
    /// <param name="cancellationToken">Ends the attempt.</param>
    /// <exception cref="InvalidOperationException">It was started before.</exception>
    ValueTask StartAsync(Action<int, ReadOnlyMemory<byte>> receive, CancellationToken cancellationToken = default);

    /// <summary>Sends a message, without waiting for anything.</summary>
    /// <param name="node">To whom. The own node is allowed, except to a caller. A negative number is of the caller that was received from under it, and is unknown once that is gone.</param>
    /// <param name="message">The bytes. They are the caller's again on return.</param>
    /// <returns>False where it surely is not sent: the node is unknown or not connected, or too much waits for it already. True promises nothing.</returns>
    /// <exception cref="LimitExceededException">It is longer than <see cref="MaxMessageBytes"/>.</exception>
    /// <exception cref="ObjectDisposedException">The transport was closed.</exception>
    bool TrySend(int node, ReadOnlyMemory<byte> message);

    /// <summary>The longest message it carries.</summary>
    int MaxMessageBytes { get; }

    /// <summary>Who a sender proved to be, by certificate or token; for deciding what a caller may do.</summary>
    /// <param name="node">The sender's number, as it is received from.</param>
    /// <returns>Null where it proved nothing, or is not connected any more. While a message of it is being received, it is who sent that message.</returns>
    ClaimsPrincipal? PrincipalOf(int node) => null;
}

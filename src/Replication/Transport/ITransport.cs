namespace Tidemark;

/// <summary>Carries messages between the nodes of a cluster.</summary>
/// <remarks>
/// What replicates over it bears that messages are lost, doubled, late and out of order; never that one is altered, so a transport checks what it carries. Your own can be checked
/// with <c>TransportContract</c> of the package Tidemark.Testing.
/// </remarks>
public interface ITransport : IAsyncDisposable
{
    /// <summary>The node whose transport it is.</summary>
    int Node { get; }

    /// <summary>Begins to receive.</summary>
    /// <param name="receive">
    /// Called with the sender and the message, on any thread, for one sender one message at a time. It returns quickly and does not throw. The memory is the receiver's
    /// from then on.
    /// </param>
    /// <param name="cancellationToken">Ends the attempt.</param>
    /// <exception cref="InvalidOperationException">It was started before.</exception>
    ValueTask StartAsync(Action<int, ReadOnlyMemory<byte>> receive, CancellationToken cancellationToken = default);

    /// <summary>Sends a message, without waiting for anything.</summary>
    /// <param name="node">To whom. The own node is allowed.</param>
    /// <param name="message">The bytes. They are the caller's again on return.</param>
    /// <returns>False where it surely is not sent: the node is unknown or not connected, or too much waits for it already. True promises nothing.</returns>
    /// <exception cref="LimitExceededException">It is longer than <see cref="MaxMessageBytes"/>.</exception>
    /// <exception cref="ObjectDisposedException">The transport was closed.</exception>
    bool TrySend(int node, ReadOnlyMemory<byte> message);

    /// <summary>The longest message it carries.</summary>
    int MaxMessageBytes { get; }
}

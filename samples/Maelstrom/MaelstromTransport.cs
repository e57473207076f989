using System.Text.Json;
using System.Text.Json.Nodes;

using Tidemark;

namespace Maelstrom;

/// <summary>Carries what nodes say to each other as messages of a type of its own. A member's number is its place in the list of nodes; there are no callers.</summary>
/// <remarks>A line comes whole or not at all: it is text in pipes of one host.</remarks>
internal sealed class MaelstromTransport(Link link, string[] nodes, int node) : ITransport
{
    internal const string MessageType = "tidemark";

    private Action<int, ReadOnlyMemory<byte>>? _receive;
    private volatile bool _isDisposed;

    public int Node => node;

    public int MaxMessageBytes => 8 * 1024 * 1024;

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
        if (node < 0 || node >= nodes.Length) return false;
        return link.TrySend(nodes[Node], nodes[node], new JsonObject { ["type"] = MessageType, ["data"] = Convert.ToBase64String(message.Span) });
    }

    /// <summary>The line's one reading loop: a message of this type came.</summary>
    internal void Receive(Message message)
    {
        int sender = Array.IndexOf(nodes, message.Source);
        if (sender < 0 || _isDisposed || !message.Body.TryGetProperty("data", out JsonElement data)) return;
        if (data.ValueKind == JsonValueKind.String && data.TryGetBytesFromBase64(out byte[]? bytes)) Volatile.Read(ref _receive)?.Invoke(sender, bytes);
    }

    public ValueTask DisposeAsync()
    {
        _isDisposed = true;
        return ValueTask.CompletedTask;
    }
}

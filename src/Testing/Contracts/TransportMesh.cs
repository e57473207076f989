using System.Buffers.Binary;
using System.Collections.Concurrent;

using static Tidemark.Testing.ContractCheck;

namespace Tidemark.Testing;

/// <summary>Transports that are connected, and all that came over them, each message looked at as it comes.</summary>
/// <remarks>A message says by whom, for whom, which and how long it is; the rest of it follows from that. So whoever receives one can tell what it should be.</remarks>
internal sealed class TransportMesh(IReadOnlyList<ITransport> transports, TimeSpan patience)
{
    internal const int LeastBytes = 16;

    private const int Empty = -1;
    private static readonly TimeSpan _again = TimeSpan.FromMilliseconds(20);

    private readonly ConcurrentDictionary<(int From, int To, int Number), TaskCompletionSource> _sent = new();
    private readonly ConcurrentQueue<(int From, int To, ReadOnlyMemory<byte> Message)> _came = new();
    private readonly ConcurrentDictionary<(int From, int To), int> _receiving = new();
    private string? _fault;

    internal ITransport this[int index] => transports[index];

    /// <summary>What a receiver does with a message beside looking at it.</summary>
    internal Action? Receiving { get; set; }

    internal async Task StartAsync()
    {
        foreach (ITransport transport in transports)
        {
            int to = transport.Node;
            await transport.StartAsync((from, message) => Receive(from, to, message)).ConfigureAwait(false);
        }
    }

    internal void Send(int from, int to, int number, int length, bool overwrite = false)
    {
        (int sender, int receiver) = (transports[from].Node, transports[to].Node);
        _sent.TryAdd((sender, receiver, number), New());
        byte[] bytes = number == Empty ? [] : Bytes(sender, receiver, number, length);
        transports[from].TrySend(receiver, bytes);
        if (overwrite) Array.Fill(bytes, (byte)0xEE);
    }

    /// <summary>Sends a message until it has arrived.</summary>
    internal Task Deliver(int from, int to, int number, int length, bool overwrite = false) => Deliver(from, to, [(number, length)], overwrite);

    /// <summary>Sends messages, and those that do not arrive again, until all have.</summary>
    internal async Task Deliver(int from, int to, IReadOnlyList<(int Number, int Length)> messages, bool overwrite = false)
    {
        (int sender, int receiver) = (transports[from].Node, transports[to].Node);
        using var deadline = new CancellationTokenSource(patience);
        for (TimeSpan wait = _again; messages.Count > 0; wait = TimeSpan.FromTicks(Math.Min(2 * wait.Ticks, TimeSpan.TicksPerSecond)))
        {
            foreach ((int number, int length) in messages) Send(from, to, number, length, overwrite);
            try
            {
                await Task.WhenAll(messages.Select(message => Arrival(message.Number))).WaitAsync(wait, deadline.Token).ConfigureAwait(false);
            }
            catch (TimeoutException)
            {
                // What is left is sent once more.
            }
            catch (OperationCanceledException e)
            {
                Check();
                (int number, int length) = messages[0];
                throw new ContractViolationException($"A message that is sent again and again arrives. Message {number} of {length} bytes from {sender} to {receiver} did not within {patience}.", e);
            }

            Check();
            messages = [.. messages.Where(message => !Arrival(message.Number).IsCompleted)];
        }

        Task Arrival(int number) => _sent[(sender, receiver, number)].Task;
    }

    internal Task DeliverEmpty(int from, int to) => Deliver(from, to, Empty, 0);

    /// <summary>Nothing wrong came.</summary>
    internal void Check() => True(_fault is null, _fault ?? "");

    /// <summary>What came is still what it was.</summary>
    internal void LookAgain()
    {
        foreach ((int from, int to, ReadOnlyMemory<byte> message) in _came) Look(from, to, message.Span, "later changed");
    }

    internal static byte[] Bytes(int from, int to, int number, int length)
    {
        var bytes = new byte[length];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, from);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(4), to);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(8), number);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(12), length);
        for (int i = LeastBytes; i < length; i++) bytes[i] = (byte)(((i * 31) + number) % 251);
        return bytes;
    }

    private void Receive(int from, int to, ReadOnlyMemory<byte> message)
    {
        if (_receiving.AddOrUpdate((from, to), 1, (_, count) => count + 1) != 1) Fault($"Messages of one sender come one at a time. Two of {from} came to {to} at once.");
        Receiving?.Invoke();
        if (Look(from, to, message.Span, "altered or invented") is { } number)
        {
            _came.Enqueue((from, to, message));
            _sent[(from, to, number)].TrySetResult();
        }

        _receiving.AddOrUpdate((from, to), 0, (_, count) => count - 1);
    }

    /// <summary>Which message it is; null where it is none that was sent.</summary>
    private int? Look(int from, int to, ReadOnlySpan<byte> message, string what)
    {
        int number = message.IsEmpty ? Empty : message.Length < LeastBytes ? int.MinValue : BinaryPrimitives.ReadInt32LittleEndian(message[8..]);
        if (_sent.ContainsKey((from, to, number)) && (message.IsEmpty || message.SequenceEqual(Bytes(from, to, number, message.Length)))) return number;
        Fault($"What comes was sent, to this node, by the node that is named. {to} got {message.Length} bytes as from {from} that were {what}, or are for another or of another.");
        return null;
    }

    private void Fault(string rule) => Interlocked.CompareExchange(ref _fault, rule, null);

    private static TaskCompletionSource New() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}

using System.Collections.Concurrent;

using Tidemark.Testing;

namespace Tidemark.Tests.Contracts;

/// <summary>The ways in which a transport may be wrong; the first is right.</summary>
public enum TransportFlaw
{
    LosesDoublesAndReordersAsItMay,
    NamesTheReceiver,
    GivesItToAnotherToo,
    LosesWhatIsForItself,
    GoesOneWayAlone,
    AltersAByteNowAndThen,
    InventsMessages,
    CannotCarryNothing,
    CutsLongMessages,
    TakesMessagesOfAnyLength,
    TakesWhatIsForNobody,
    KeepsTheSendersBuffer,
    UsesReceivedMemoryAgain,
    ReceivesSeveralAtOnce,
    MixesWhatIsSentAtOnce,
    StartsAgain,
    SendsOnceDisposed,
    ThrowsWhereTheReceiverIsGone,
    NumbersCallersAsMembers,
    GivesAnswersToAnotherCaller,
    TakesWhatIsForACallerThatIsGone,
    ConnectsCallersWithEachOther,
}

/// <summary>Connects nodes as <see cref="MemoryNetwork"/> does, with one flaw.</summary>
internal sealed class FlawedNetwork(TransportFlaw flaw)
{
    private readonly ConcurrentDictionary<int, Node> _nodes = new();
    private readonly byte[] _shared = new byte[1 << 20];
    private int _atOnce;

    internal static TransportSubject Subject(TransportFlaw flaw)
    {
        var network = new FlawedNetwork(flaw);
        return new TransportSubject(network.Connect) { ConnectCaller = _ => new ValueTask<ITransport>(network.ConnectCaller()) };
    }

    private Node ConnectCaller()
    {
        int number = flaw == TransportFlaw.NumbersCallersAsMembers ? 1000 + _nodes.Count : -1000 + _nodes.Count;
        return _nodes[number] = new Node(this, number);
    }

    internal ValueTask<IReadOnlyList<ITransport>> Connect(int count)
    {
        for (int i = 1; i <= count; i++) _nodes[i] = new Node(this, i);
        return new ValueTask<IReadOnlyList<ITransport>>([.. _nodes.Values.OrderBy(node => node.Number)]);
    }

    private sealed class Node(FlawedNetwork network, int number) : ITransport
    {
        private readonly Lock _gate = new();
        private readonly ConcurrentDictionary<string, int> _attempts = new();
        private readonly byte[] _used = new byte[1 << 23];
        private Action<int, ReadOnlyMemory<byte>>? _receive;
        private ReadOnlyMemory<byte> _held;
        private bool _isDisposed;
        private int _count;

        internal int Number => number;

        int ITransport.Node => number;

        public int MaxMessageBytes => 5 * 1024 * 1024;

        public ValueTask StartAsync(Action<int, ReadOnlyMemory<byte>> receive, CancellationToken cancellationToken = default)
        {
            if (_receive is not null && network.Flaw != TransportFlaw.StartsAgain) throw new InvalidOperationException("It was started before.");
            _receive = receive;
            return ValueTask.CompletedTask;
        }

        public bool TrySend(int node, ReadOnlyMemory<byte> message)
        {
            ObjectDisposedException.ThrowIf(_isDisposed && network.Flaw != TransportFlaw.SendsOnceDisposed, this);
            if (message.Length > MaxMessageBytes && network.Flaw != TransportFlaw.TakesMessagesOfAnyLength) throw new LimitExceededException("message in bytes", message.Length, MaxMessageBytes, "MaxMessageBytes");
            if (!network._nodes.TryGetValue(node, out Node? other)) return network.Flaw == TransportFlaw.TakesWhatIsForNobody;
            if (other._isDisposed && node < 0 && network.Flaw == TransportFlaw.TakesWhatIsForACallerThatIsGone) return true;
            if (number < 0 && node < 0 && network.Flaw != TransportFlaw.ConnectsCallersWithEachOther) return false;
            if (other._isDisposed && node != number) return network.Flaw == TransportFlaw.ThrowsWhereTheReceiverIsGone ? throw new IOException("The connection was closed.") : false;
            int count = Interlocked.Increment(ref _count);
            byte[] copy = message.ToArray();
            switch (network.Flaw)
            {
                case TransportFlaw.LosesDoublesAndReordersAsItMay:
                    Badly(other, copy);
                    break;
                case TransportFlaw.GivesAnswersToAnotherCaller when node < 0:
                    network._nodes[network._nodes.Keys.Where(each => each < 0).Max()].Receive(number, copy);
                    break;
                case TransportFlaw.NamesTheReceiver:
                    other.Receive(node, copy);
                    break;
                case TransportFlaw.GivesItToAnotherToo:
                    foreach (Node each in network._nodes.Values.Where(each => each != this)) each.Receive(number, copy);
                    break;
                case TransportFlaw.LosesWhatIsForItself when node == number:
                case TransportFlaw.GoesOneWayAlone when node < number:
                case TransportFlaw.CannotCarryNothing when copy.Length == 0:
                    break;
                case TransportFlaw.AltersAByteNowAndThen when count % 100 == 0:
                    copy[^1] ^= 1;
                    other.Receive(number, copy);
                    break;
                case TransportFlaw.InventsMessages when count % 10 == 0:
                    other.Receive(number, new byte[20]);
                    break;
                case TransportFlaw.CutsLongMessages:
                    other.Receive(number, copy.AsMemory(0, Math.Min(copy.Length, 65_536)));
                    break;
                case TransportFlaw.KeepsTheSendersBuffer:
                    _ = Task.Delay(5).ContinueWith(_ => other.Receive(number, message), TaskScheduler.Default);
                    break;
                case TransportFlaw.UsesReceivedMemoryAgain:
                    lock (other._gate)
                    {
                        copy.CopyTo(other._used.AsSpan());
                        other.Receive(number, other._used.AsMemory(0, copy.Length));
                    }

                    break;
                case TransportFlaw.ReceivesSeveralAtOnce:
                    _ = Task.Run(() => other._receive!(number, copy));
                    break;
                case TransportFlaw.MixesWhatIsSentAtOnce:
                    copy.CopyTo(network._shared.AsSpan());
                    Interlocked.Increment(ref network._atOnce);
                    SpinWait.SpinUntil(() => Volatile.Read(ref network._atOnce) > 1, 20);   // For another to come in between, where there is one.
                    other.Receive(number, network._shared.AsSpan(0, copy.Length).ToArray());
                    Interlocked.Decrement(ref network._atOnce);
                    break;
                default:
                    other.Receive(number, copy);
                    break;
            }

            return true;
        }

        public ValueTask DisposeAsync()
        {
            _isDisposed = true;
            return ValueTask.CompletedTask;
        }

        /// <summary>Loses each message once, then brings it twice, and holds one back until the next has passed it.</summary>
        private void Badly(Node other, byte[] copy)
        {
            if (_attempts.AddOrUpdate(Convert.ToHexString(copy.AsSpan(0, Math.Min(16, copy.Length))), 1, (_, attempts) => attempts + 1) == 1) return;
            ReadOnlyMemory<byte> late;
            lock (_gate) (late, _held) = (_held, copy.Length > 0 ? copy : default);
            other.Receive(number, copy);
            if (!late.IsEmpty && BitConverter.ToInt32(late.Span[4..]) == other.Number) other.Receive(number, late.ToArray());
            other.Receive(number, copy.ToArray());
        }

        private void Receive(int from, ReadOnlyMemory<byte> message)
        {
            lock (_gate) _receive?.Invoke(from, message);
        }
    }

    private TransportFlaw Flaw => flaw;
}

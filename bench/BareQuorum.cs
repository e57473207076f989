using System.Net;

namespace Tidemark.Bench;

/// <summary>The floor under every replicated write: a loop writes what gathered to a file, flushes it, and meanwhile two others do the same with what they are sent; one of them is enough.</summary>
/// <remarks>The same transport and disk loop as under the nodes, and nothing else: no log, no terms, no state, nobody who could take over.</remarks>
internal sealed class BareQuorum : IAsyncDisposable
{
    private const int Leader = 0, Nodes = 3;
    private const int MostBytes = 16 * 1024 * 1024;   // What a message may hold.

    private readonly TcpTransport[] _transports = new TcpTransport[Nodes];
    private readonly BareLog[]? _logs;
    private readonly object _gate = new();
    private readonly long[] _done = new long[Nodes];
    private readonly Queue<(long Round, List<BareLog.Waiter> Waiters)> _underWay = new();
    private readonly Stack<List<BareLog.Waiter>> _spare = new();
    private readonly ManualResetEventSlim _committed = new();
    private readonly Thread _loop;
    private byte[] _filling = new byte[MostBytes];
    private byte[] _sending = new byte[MostBytes];
    private List<BareLog.Waiter> _waiting = [];
    private int _filled = sizeof(long);
    private long _round;
    private bool _isStopped;

    /// <param name="directory">Where each of the three has its file; null for rounds of messages alone.</param>
    private BareQuorum(string? directory)
    {
        if (directory is not null) _logs = [.. Enumerable.Range(0, Nodes).Select(node => new BareLog(Path.Combine(directory, $"bare{node}")))];
        for (int node = 0; node < Nodes; node++)
        {
            _transports[node] = TcpTransport.Create(new TcpTransportOptions
            {
                ClusterId = new Guid("00112233-4455-6677-8899-aabbccddeeff"),
                Node = node,
                Listen = new IPEndPoint(IPAddress.Loopback, 0),
                AddressOf = other => _transports[other].LocalEndPoint?.ToString(),
            });
        }

        _loop = new Thread(Run) { IsBackground = true };
    }

    internal static async Task<BareQuorum> StartAsync(string? directory)
    {
        var quorum = new BareQuorum(directory);
        for (int node = 0; node < Nodes; node++)
        {
            int self = node;
            await quorum._transports[node].StartAsync((from, message) => quorum.Receive(self, from, message));
        }

        byte[] nothing = new byte[sizeof(long)];
        for (int other = 1; other < Nodes; other++)
        {
            while (!quorum._transports[Leader].TrySend(other, nothing) || !quorum._transports[other].TrySend(Leader, nothing)) await Task.Delay(10);
        }

        quorum._loop.Start();
        return quorum;
    }

    /// <summary>On the caller's thread alone, one at a time.</summary>
    internal void AppendAlone(ReadOnlySpan<byte> payload)
    {
        payload.CopyTo(_sending.AsSpan(sizeof(long)));
        _committed.Reset();
        long round = ++_round;
        Send(round, sizeof(long) + payload.Length);
        Done(Leader, round);
        while (!IsCommitted(round))
        {
            _committed.Wait();
            _committed.Reset();
        }
    }

    internal ValueTask AppendAsync(BareLog.Waiter waiter, ReadOnlySpan<byte> payload)
    {
        lock (_gate)
        {
            payload.CopyTo(_filling.AsSpan(_filled));
            _filled += payload.Length;
            _waiting.Add(waiter);
            if (_waiting.Count == 1) Monitor.Pulse(_gate);
            return waiter.Start();
        }
    }

    public async ValueTask DisposeAsync()
    {
        lock (_gate)
        {
            _isStopped = true;
            Monitor.Pulse(_gate);
        }

        _loop.Join();
        foreach (TcpTransport transport in _transports) await transport.DisposeAsync();
        foreach (BareLog log in _logs ?? []) log.Dispose();
        _committed.Dispose();
    }

    private void Run()
    {
        while (true)
        {
            lock (_gate)
            {
                while (_waiting.Count == 0)
                {
                    if (_isStopped) return;
                    Monitor.Wait(_gate);
                }
            }

            Thread.Yield();   // As the bare log does: those that were answered together come back together.
            int length;
            long round;
            lock (_gate)
            {
                (_filling, _sending) = (_sending, _filling);
                (length, _filled) = (_filled, sizeof(long));
                round = ++_round;
                _underWay.Enqueue((round, _waiting));
                _waiting = _spare.TryPop(out List<BareLog.Waiter>? spare) ? spare : [];
            }

            Send(round, length);
            Done(Leader, round);
        }
    }

    private void Send(long round, int length)
    {
        BitConverter.TryWriteBytes(_sending, round);
        for (int other = 1; other < Nodes; other++) _transports[Leader].TrySend(other, _sending.AsMemory(0, length));
        _logs?[Leader].AppendAlone(_sending.AsSpan(sizeof(long), length - sizeof(long)));
    }

    private void Receive(int self, int from, ReadOnlyMemory<byte> message)
    {
        long round = BitConverter.ToInt64(message.Span);
        if (self == Leader)
        {
            Done(from, round);
            return;
        }

        if (round == 0) return;
        _logs?[self].AppendAlone(message.Span[sizeof(long)..]);
        Span<byte> answer = stackalloc byte[sizeof(long)];
        BitConverter.TryWriteBytes(answer, round);
        _transports[self].TrySend(Leader, answer.ToArray());
    }

    private bool IsCommitted(long round)
    {
        lock (_gate) return _done[Leader] >= round && Math.Max(_done[1], _done[2]) >= round;
    }

    private void Done(int node, long round)
    {
        lock (_gate)
        {
            _done[node] = Math.Max(_done[node], round);
            long committed = Math.Min(_done[Leader], Math.Max(_done[1], _done[2]));
            while (_underWay.TryPeek(out (long Round, List<BareLog.Waiter> Waiters) first) && first.Round <= committed)
            {
                _underWay.Dequeue();
                foreach (BareLog.Waiter waiter in first.Waiters) waiter.Finish();
                first.Waiters.Clear();
                _spare.Push(first.Waiters);
            }
        }

        _committed.Set();
    }
}

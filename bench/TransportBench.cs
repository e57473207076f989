using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace Tidemark.Bench;

/// <summary>What a message over the loopback address costs beside bare sockets: there and back, and one way without waiting.</summary>
/// <remarks>
/// The floor of there-and-back is two threads with blocking sockets, which read and write messages of a known length; that of one way is a thread that writes messages, one call each, and one that
/// reads what comes. Rounds are interleaved.
/// </remarks>
internal static class TransportBench
{
    public static IEnumerable<BenchRow> Run(BenchOptions options)
    {
        foreach (int bytes in (int[])[100, 1024])
        {
            foreach (BenchRow row in MeasureAsync(options, bytes).GetAwaiter().GetResult()) yield return row;
        }
    }

    private static async Task<List<BenchRow>> MeasureAsync(BenchOptions options, int bytes)
    {
        TimeSpan time = TimeSpan.FromSeconds(options.Seconds / options.Rounds / 8);
        await using TransportPair pair = await TransportPair.StartAsync(bytes);
        using var bare = new BarePair(bytes);
        Samples floorBack = new(), back = new(), floorOneWay = new(), oneWay = new();
        pair.PingPong(new Samples(), TimeSpan.FromMilliseconds(300));   // Until the loops are compiled for good.
        bare.PingPong(new Samples(), TimeSpan.FromMilliseconds(300));
        for (int round = 0; round < options.Rounds; round++)
        {
            bare.PingPong(floorBack, time);
            pair.PingPong(back, time);
            bare.OneWay(floorOneWay, time);
            pair.OneWay(oneWay, time);
        }

        return [back.ToRow($"transport-there-and-back-{bytes}B", 1, floorBack), floorBack.ToRow($"bare-there-and-back-{bytes}B", 1, floorBack), oneWay.ToRow($"transport-one-way-{bytes}B", 1, floorOneWay)];
    }

    /// <summary>Two transports. The second answers a message that begins with 1, and counts the others.</summary>
    private sealed class TransportPair : IAsyncDisposable
    {
        private readonly TcpTransport _one;
        private readonly TcpTransport _two;
        private readonly byte[] _asked;
        private readonly byte[] _told;
        private readonly ManualResetEventSlim _answered = new();
        private long _came;

        private TransportPair(int bytes)
        {
            (_asked, _told) = (new byte[bytes], new byte[bytes]);
            _asked[0] = 1;
            _one = Create(1, () => _two!.LocalEndPoint);
            _two = Create(2, () => _one.LocalEndPoint);
        }

        internal static async Task<TransportPair> StartAsync(int bytes)
        {
            var pair = new TransportPair(bytes);
            await pair._one.StartAsync((_, _) => pair._answered.Set());
            await pair._two.StartAsync((_, message) =>
            {
                if (message.Span[0] == 1) pair._two.TrySend(1, message);
                else Interlocked.Increment(ref pair._came);
            });
            while (!pair._one.TrySend(2, pair._told) || !pair._two.TrySend(1, pair._told)) await Task.Delay(10);
            return pair;
        }

        internal void PingPong(Samples samples, TimeSpan time)
        {
            Repeat(samples, time, () =>
            {
                _answered.Reset();
                _one.TrySend(2, _asked);
                _answered.Wait();
            });
        }

        internal void OneWay(Samples samples, TimeSpan time)
        {
            long begin = Stopwatch.GetTimestamp(), target = Volatile.Read(ref _came), first = target;
            while (Stopwatch.GetElapsedTime(begin) < time)
            {
                for (int i = 0; i < 100; i++)
                {
                    if (_one.TrySend(2, _told)) target++;
                    else Thread.Sleep(1);   // The outbox is full.
                }
            }

            while (Volatile.Read(ref _came) < target) Thread.Sleep(1);
            samples.AddRate(target - first, Stopwatch.GetElapsedTime(begin));
        }

        public async ValueTask DisposeAsync()
        {
            await _one.DisposeAsync();
            await _two.DisposeAsync();
            _answered.Dispose();
        }

        private static TcpTransport Create(int node, Func<IPEndPoint?> other) => TcpTransport.Create(new TcpTransportOptions
        {
            ClusterId = new Guid("00112233-4455-6677-8899-aabbccddeeff"),
            Node = node,
            Listen = new IPEndPoint(IPAddress.Loopback, 0),
            AddressOf = _ => other()?.ToString(),
        });
    }

    /// <summary>Two connected sockets, and a thread at the far end: it answers each message, or reads what comes.</summary>
    private sealed class BarePair : IDisposable
    {
        private readonly Socket _near;
        private readonly Socket _far;
        private readonly byte[] _message;
        private readonly byte[] _answer;

        internal BarePair(int bytes)
        {
            (_message, _answer) = (new byte[bytes], new byte[bytes]);
            using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            listener.Listen();
            _near = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            _near.Connect(listener.LocalEndPoint!);
            _far = listener.Accept();
            _far.NoDelay = true;
        }

        internal void PingPong(Samples samples, TimeSpan time)
        {
            _message[0] = 1;
            var answerer = new Thread(() =>
            {
                byte[] buffer = new byte[_message.Length];
                do
                {
                    Read(_far, buffer);
                    _far.Send(buffer);
                }
                while (buffer[0] == 1);
            });
            answerer.Start();
            Repeat(samples, time, Exchange);
            _message[0] = 0;   // The last one.
            Exchange();
            answerer.Join();

            void Exchange()
            {
                _near.Send(_message);
                Read(_near, _answer);
            }
        }

        internal void OneWay(Samples samples, TimeSpan time)
        {
            long sent = 0, target = long.MaxValue;
            var reader = new Thread(() =>
            {
                byte[] buffer = new byte[64 * 1024];
                for (long came = 0; came < Volatile.Read(ref target) * _message.Length;)
                {
                    came += _far.Poll(1000, SelectMode.SelectRead) ? _far.Receive(buffer) : 0;
                }
            });
            long begin = Stopwatch.GetTimestamp();
            target = long.MaxValue / _message.Length;
            reader.Start();
            while (Stopwatch.GetElapsedTime(begin) < time)
            {
                for (int i = 0; i < 100; i++) _near.Send(_message);
                sent += 100;
            }

            Volatile.Write(ref target, sent);
            reader.Join();
            samples.AddRate(sent, Stopwatch.GetElapsedTime(begin));
        }

        public void Dispose()
        {
            _near.Dispose();
            _far.Dispose();
        }

        private static void Read(Socket socket, byte[] buffer)
        {
            for (int read = 0; read < buffer.Length;) read += socket.Receive(buffer, read, buffer.Length - read, SocketFlags.None);
        }
    }

    private static void Repeat(Samples samples, TimeSpan time, Action exchange)
    {
        List<double> latencies = [];
        long begin = Stopwatch.GetTimestamp(), before = begin;
        while (Stopwatch.GetElapsedTime(begin, before) < time)
        {
            exchange();
            long after = Stopwatch.GetTimestamp();
            latencies.Add(Stopwatch.GetElapsedTime(before, after).TotalMicroseconds);
            before = after;
        }

        samples.AddLatencies(latencies);
        samples.AddRate(latencies.Count, Stopwatch.GetElapsedTime(begin));
    }
}

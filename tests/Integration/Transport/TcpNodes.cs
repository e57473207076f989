using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

using Microsoft.Extensions.Logging;

using Tidemark.Replication.Transport.Tcp;

using static Tidemark.Tests.Eventually;

namespace Tidemark.Integration;

/// <summary>Transports on the loopback address that know each other, with free ports, and what they report.</summary>
internal sealed class TcpNodes : IAsyncDisposable
{
    internal static readonly Guid Cluster = new("00112233-4455-6677-8899-aabbccddeeff");

    internal static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly ConcurrentDictionary<int, TcpTransport> _members = new();
    private readonly List<TcpTransport> _all = [];

    /// <summary>What was logged, by all.</summary>
    internal LoggedLines Log { get; } = new();

    /// <summary>What came: to whom, from whom, what.</summary>
    internal ConcurrentQueue<(int To, int From, string Text)> Came { get; } = new();

    internal TcpTransport Create(int node, Func<TcpTransportOptions, TcpTransportOptions>? change = null)
    {
        TcpTransport transport = Create(new TcpTransportOptions { ClusterId = Cluster, Node = node, Listen = new IPEndPoint(IPAddress.Loopback, 0), AddressOf = AddressOf }, change);
        _members[node] = transport;
        return transport;
    }

    internal TcpTransport CreateCaller(Func<TcpTransportOptions, TcpTransportOptions>? change = null) =>
        Create(new TcpTransportOptions { ClusterId = Cluster, IsCaller = true, AddressOf = AddressOf }, change);

    internal async Task<TcpTransport> StartAsync(int node, Func<TcpTransportOptions, TcpTransportOptions>? change = null) => await StartAsync(Create(node, change));

    internal async Task<TcpTransport> StartCallerAsync(Func<TcpTransportOptions, TcpTransportOptions>? change = null) => await StartAsync(CreateCaller(change));

    internal async Task<TcpTransport> StartAsync(TcpTransport transport, Action<int, ReadOnlyMemory<byte>>? receive = null)
    {
        await transport.StartAsync(receive ?? ((from, message) => Came.Enqueue((transport.Node, from, System.Text.Encoding.UTF8.GetString(message.Span)))));
        return transport;
    }

    /// <summary>Sends until it arrives.</summary>
    /// <returns>The number the receiver knows the sender by.</returns>
    internal async Task<int> DeliverAsync(TcpTransport from, TcpTransport to, string text)
    {
        int? seen = null;
        await UntilAsync(() =>
        {
            seen = Came.Where(came => came.To == to.Node && came.Text == text).Select(came => (int?)came.From).FirstOrDefault();
            if (seen is null) from.TrySend(to.Node, System.Text.Encoding.UTF8.GetBytes(text));
            return seen is not null;
        }, () => $"'{text}' arrives at {to.Node}; log:\n{Log}");
        return seen!.Value;
    }

    /// <summary>A bare connection to a member, which says what it likes.</summary>
    internal static async Task<Socket> DialAsync(TcpTransport member)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(member.LocalEndPoint!);
        return socket;
    }

    internal static byte[] HelloBytes(Hello hello) => [.. Frame.Magic, .. Frame.ToArray(FrameKind.Hello, Handshake.Write(hello))];

    internal static Hello GoodHello(TcpTransport member, int from = 7) => new(new(1, 1), Cluster, from, member.Node, default, "");

    /// <summary>A bare connection that has shaken hands, and has read the answer.</summary>
    internal static async Task<Socket> ShakeHandsAsync(TcpTransport member, int from = 7)
    {
        Socket socket = await DialAsync(member);
        await socket.SendAsync(HelloBytes(GoodHello(member, from)));
        Assert.Equal(Refusal.None, (await ReadAnswerAsync(socket))?.Refusal);
        return socket;
    }

    /// <summary>Reads magic and answer; null where the connection was closed instead.</summary>
    internal static async Task<Answer?> ReadAnswerAsync(Socket socket)
    {
        byte[] bytes = await ReadAsync(socket, Frame.Magic.Length + Frame.HeaderBytes);
        if (bytes.Length < Frame.Magic.Length + Frame.HeaderBytes) return null;
        Assert.Equal(Frame.Magic.ToArray(), bytes[..Frame.Magic.Length]);
        byte[] payload = await ReadAsync(socket, BitConverter.ToInt32(bytes, Frame.Magic.Length) - 1);
        return Handshake.ReadAnswer(payload);
    }

    /// <summary>Reads that many bytes, or what there is until the connection is closed.</summary>
    internal static async Task<byte[]> ReadAsync(Socket socket, int count)
    {
        byte[] bytes = new byte[count];
        int read = 0;
        using var deadline = new CancellationTokenSource(Patience);
        try
        {
            while (read < count)
            {
                int part = await socket.ReceiveAsync(bytes.AsMemory(read), deadline.Token);
                if (part == 0) break;
                read += part;
            }
        }
        catch (SocketException)
        {
            // Reset is closed too.
        }

        return bytes[..read];
    }

    /// <summary>Waits until the other side closes; pings and the like that come before do not count.</summary>
    internal static async Task AssertClosedAsync(Socket socket)
    {
        long begin = Stopwatch.GetTimestamp();
        while ((await ReadAsync(socket, 4096)).Length == 4096) Assert.True(Stopwatch.GetElapsedTime(begin) < Patience, "It closes the connection.");
    }

    internal string? AddressOf(int node) => _members.TryGetValue(node, out TcpTransport? member) ? member.LocalEndPoint?.ToString() : null;

    public async ValueTask DisposeAsync()
    {
        foreach (TcpTransport transport in _all) await transport.DisposeAsync();
    }

    private TcpTransport Create(TcpTransportOptions options, Func<TcpTransportOptions, TcpTransportOptions>? change)
    {
        options = options with { LoggerFactory = Log, Chance = new Random(1) };
        TcpTransport transport = TcpTransport.Create(change is null ? options : change(options));
        _all.Add(transport);
        return transport;
    }
}

/// <summary>What was logged, as lines of event id and text.</summary>
internal sealed class LoggedLines : ILoggerFactory, ILogger
{
    private readonly ConcurrentQueue<(int Id, string Text)> _lines = new();

    internal int Count(int id, string text = "") => _lines.Count(line => line.Id == id && line.Text.Contains(text, StringComparison.Ordinal));

    public override string ToString() => string.Join('\n', _lines.Select(line => $"{line.Id} {line.Text}"));

    public ILogger CreateLogger(string categoryName) => this;

    public void AddProvider(ILoggerProvider provider)
    {
    }

    public void Dispose()
    {
    }

    public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
        _lines.Enqueue((eventId.Id, $"{formatter(state, exception)} {exception?.Message}"));
}

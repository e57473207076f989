using System.Net.Sockets;

using Tidemark.Replication.Transport.Tcp;

using static Tidemark.Tests.Eventually;

namespace Tidemark.Integration;

/// <summary>Bytes that nobody who means well would send. The connection is closed for the right reason; the node goes on with others.</summary>
public sealed class HostileInputTests
{
    private const int MaxMessageBytes = 1 << 20;

    /// <summary>What is sent before hands are shaken, and as what it is known.</summary>
    private static readonly Dictionary<string, (Func<TcpTransport, byte[]> Bytes, string Known)> _strangers = new()
    {
        ["a web request"] = (_ => "GET / HTTP/1.1\r\nHost: a\r\n\r\n"u8.ToArray(), "BadMagic"),
        ["TLS to a plain port"] = (_ => [0x16, 3, 1, 0, 5, 1, 0, 0, 1, 3], "BadMagic"),
        ["random bytes"] = (_ => Noise(1, 5000), "BadMagic"),
        ["random bytes behind the magic"] = (_ => [.. Frame.Magic, 0xF0, 0xF0, 0xF0, 0xF0, .. Noise(2, 5000)], "BadLength"),
        ["a frame of no length"] = (_ => [.. Frame.Magic, 0, 0, 0, 0, 0, 0, 0, 0, 0], "BadLength"),
        ["a hello that is too long"] = (_ => [.. Frame.Magic, .. Frame.ToArray(FrameKind.Hello, new byte[Handshake.MaxPayloadBytes + 1])], "BadLength"),
        ["a hello with a wrong checksum"] = (member => Broken(TcpNodes.HelloBytes(TcpNodes.GoodHello(member))), "BadChecksum"),
        ["a kind that nobody knows"] = (_ => [.. Frame.Magic, .. Frame.ToArray((FrameKind)9, "x"u8)], "BadKind"),
        ["a message before the hello"] = (_ => [.. Frame.Magic, .. Frame.ToArray(FrameKind.Message, "x"u8)], "MisplacedFrame"),
        ["an answer instead of a hello"] = (_ => [.. Frame.Magic, .. Frame.ToArray(FrameKind.Answer, Handshake.Write(new Answer(Refusal.None, 1, 1, "")))], "MisplacedFrame"),
        ["a hello that is malformed"] = (_ => [.. Frame.Magic, .. Frame.ToArray(FrameKind.Hello, new byte[10])], "BadHandshake"),
        ["a hello with a negative node"] = (member => TcpNodes.HelloBytes(TcpNodes.GoodHello(member) with { Node = -5 }), "BadHandshake"),
        ["nothing"] = (_ => [], "HandshakeTimeout"),
        ["half a magic"] = (_ => [.. Frame.Magic[..2]], "HandshakeTimeout"),
        ["half a hello"] = (member => TcpNodes.HelloBytes(TcpNodes.GoodHello(member))[..30], "HandshakeTimeout"),
    };

    /// <summary>What is sent once hands are shaken.</summary>
    private static readonly Dictionary<string, (byte[] Bytes, string Known)> _members = new()
    {
        ["random bytes"] = ([0xF0, 0xF0, 0xF0, 0xF0, .. Noise(3, 5000)], "BadLength"),
        ["a message above the limit"] = ([.. BitConverter.GetBytes(MaxMessageBytes + 2), 0, 0, 0, 0, 3], "BadLength"),
        ["a message with a wrong checksum"] = (Broken(Frame.ToArray(FrameKind.Message, "some message"u8)), "BadChecksum"),
        ["a kind that nobody knows"] = (Frame.ToArray((FrameKind)200, default), "BadKind"),
        ["a second hello"] = (Frame.ToArray(FrameKind.Hello, Handshake.Write(new Hello(new(1, 1), TcpNodes.Cluster, 7, 1, default, ""))), "MisplacedFrame"),
        ["an answer"] = (Frame.ToArray(FrameKind.Answer, Handshake.Write(new Answer(Refusal.None, 1, 7, ""))), "MisplacedFrame"),
        ["a ping that says something"] = (Frame.ToArray(FrameKind.Ping, "x"u8), "BadLength"),
        ["a message that never ends"] = ([.. BitConverter.GetBytes(1000), 0, 0, 0, 0, 3, 1, 2, 3], "Idle"),
    };

    public static TheoryData<string> Strangers => [.. _strangers.Keys];

    public static TheoryData<string> Members => [.. _members.Keys];

    [Theory]
    [MemberData(nameof(Strangers))]
    public async Task What_comes_instead_of_a_handshake_closes_the_connection_and_no_other(string what)
    {
        await using var nodes = new TcpNodes();
        TcpTransport one = await nodes.StartAsync(1, Hurried), two = await nodes.StartAsync(2);
        await nodes.DeliverAsync(two, one, "before");
        using Socket stranger = await TcpNodes.DialAsync(one);
        (Func<TcpTransport, byte[]> bytes, string known) = _strangers[what];
        await stranger.SendAsync(bytes(one));
        await TcpNodes.AssertClosedAsync(stranger);
        await UntilAsync(() => nodes.Log.Count(504, known) == 1, () => $"it is known as {known}; log:\n{nodes.Log}");
        await nodes.DeliverAsync(two, one, "after");
        Assert.DoesNotContain(nodes.Came, came => came.Text is not ("before" or "after"));
        Assert.Equal(0, nodes.Log.Count(507) + nodes.Log.Count(509));
    }

    [Theory]
    [MemberData(nameof(Members))]
    public async Task What_no_member_says_closes_its_connection_and_no_other_and_what_came_before_counts(string what)
    {
        await using var nodes = new TcpNodes();
        TcpTransport one = await nodes.StartAsync(1, Hurried), two = await nodes.StartAsync(2);
        await nodes.DeliverAsync(two, one, "before");
        using Socket member = await TcpNodes.ShakeHandsAsync(one);
        (byte[] bytes, string known) = _members[what];
        await member.SendAsync((byte[])[.. Frame.ToArray(FrameKind.Message, "good"u8), .. bytes]);
        await TcpNodes.AssertClosedAsync(member);
        await UntilAsync(() => nodes.Log.Count(504, known) == 1, () => $"it is known as {known}; log:\n{nodes.Log}");
        Assert.Contains((1, 7, "good"), nodes.Came);
        await nodes.DeliverAsync(two, one, "after");
        Assert.DoesNotContain(nodes.Came, came => came.Text is not ("before" or "good" or "after"));
        Assert.Single(nodes.Came, came => came.Text == "good");
        Assert.DoesNotContain("some message", nodes.Log.ToString(), StringComparison.Ordinal);
    }

    public static TheoryData<string, int> Refusals => new()
    {
        { "another cluster", (int)Refusal.WrongCluster },
        { "no cluster, of a node", (int)Refusal.WrongCluster },
        { "another cluster, of a caller", (int)Refusal.WrongCluster },
        { "another node", (int)Refusal.WrongNode },
        { "its own number", (int)Refusal.WrongNode },
        { "a later version", (int)Refusal.WrongVersion },
        { "version 0", (int)Refusal.WrongVersion },
    };

    [Theory]
    [MemberData(nameof(Refusals))]
    public async Task A_hello_that_does_not_fit_is_refused_by_a_code(string what, int code)
    {
        await using var nodes = new TcpNodes();
        TcpTransport one = await nodes.StartAsync(1);
        Hello good = TcpNodes.GoodHello(one);
        Hello hello = what switch
        {
            "another cluster" => good with { Cluster = Guid.NewGuid() },
            "no cluster, of a node" => good with { Cluster = Guid.Empty },
            "another cluster, of a caller" => good with { Cluster = Guid.NewGuid(), Node = -1, Dialed = -1 },
            "another node" => good with { Dialed = 3 },
            "its own number" => good with { Node = 1 },
            "a later version" => good with { Versions = new(2, 3) },
            _ => good with { Versions = new(0, 0) },
        };
        for (int time = 0; time < 3; time++)
        {
            using Socket socket = await TcpNodes.DialAsync(one);
            await socket.SendAsync(TcpNodes.HelloBytes(hello));
            Answer answer = (await TcpNodes.ReadAnswerAsync(socket))!;
            Assert.Equal(((Refusal)code, (ushort)0, 1), (answer.Refusal, answer.Version, answer.Node));
            Assert.NotEmpty(answer.Text);
            await TcpNodes.AssertClosedAsync(socket);
        }

        Assert.Equal(1, nodes.Log.Count(503, $"{(Refusal)code}"));   // Told once, however often it comes.
        using Socket later = await TcpNodes.DialAsync(one);
        await later.SendAsync(TcpNodes.HelloBytes(good with { Versions = new(0, 9) }));
        Assert.Equal(new Answer(Refusal.None, 1, 1, ""), await TcpNodes.ReadAnswerAsync(later));
    }

    [Theory]
    [InlineData("another cluster")]
    [InlineData("another node")]
    public async Task A_transport_that_is_refused_says_so_once_and_sends_nothing(string what)
    {
        await using var nodes = new TcpNodes();
        TcpTransport one = await nodes.StartAsync(1);
        TcpTransport wrong = await nodes.StartAsync(2, options => what == "another cluster"
            ? options with { ClusterId = Guid.NewGuid() }
            : options with { AddressOf = _ => one.LocalEndPoint!.ToString() });
        int target = what == "another cluster" ? 1 : 3;
        int sent = 0;
        await UntilAsync(() =>
        {
            if (wrong.TrySend(target, "x"u8.ToArray())) sent++;
            return nodes.Log.Count(506, "Refused") >= 3;
        }, () => $"it was refused some times; log:\n{nodes.Log}");
        Assert.Equal((0, 1, 1), (sent, nodes.Log.Count(502), nodes.Log.Count(503)));
        Assert.DoesNotContain(nodes.Came, came => came.To == 1);
    }

    [Fact]
    public async Task Two_thousand_idle_connections_are_held_within_the_limits_and_members_still_connect()
    {
        await using var nodes = new TcpNodes();
        TcpTransport one = await nodes.StartAsync(1, options => options with { HandshakeTimeout = TimeSpan.FromMinutes(5), MaxHandshaking = 128 });
        var idle = new List<Socket>();
        try
        {
            long before = GC.GetTotalMemory(forceFullCollection: true);
            for (int i = 0; i < 2000; i++) idle.Add(await DialAsync());
            TcpTransport two = await nodes.StartAsync(2);
            await nodes.DeliverAsync(two, one, "all the same");
            await UntilAsync(() => idle.Count(IsClosed) >= 2000 - 128, () => "all but as many as may shake hands were closed");
            Assert.InRange(idle.Count(socket => !IsClosed(socket)), 127, 128);   // The member had one of the places.
            Assert.InRange(GC.GetTotalMemory(forceFullCollection: true) - before, long.MinValue, 32 << 20);
        }
        finally
        {
            foreach (Socket socket in idle) socket.Dispose();
        }

        async Task<Socket> DialAsync()
        {
            for (int attempt = 0; ; attempt++)
            {
                try
                {
                    return await TcpNodes.DialAsync(one);
                }
                catch (SocketException) when (attempt < 100)
                {
                    // Closed again before it was known here that it was open.
                }
            }
        }
    }

    [Fact]
    public async Task Connections_above_the_limit_are_closed_at_once_and_there_is_room_again_after()
    {
        await using var nodes = new TcpNodes();
        TcpTransport one = await nodes.StartAsync(1, options => options with { MaxConnections = 3 });
        Socket[] three = [await TcpNodes.ShakeHandsAsync(one, 7), await TcpNodes.ShakeHandsAsync(one, 8), await TcpNodes.ShakeHandsAsync(one, -1)];
        using (Socket fourth = await TcpNodes.DialAsync(one)) await TcpNodes.AssertClosedAsync(fourth);
        await UntilAsync(() => nodes.Log.Count(504, "TooManyConnections") == 1, () => "it is told");
        three[0].Dispose();
        TcpTransport two = await nodes.StartAsync(2);
        await nodes.DeliverAsync(two, one, "in its place");
        foreach (Socket socket in three) socket.Dispose();
    }

    /// <summary>Each claims the longest message that is allowed, and sends a little of it.</summary>
    [Fact]
    public async Task Length_bombs_cost_what_they_sent_and_not_what_they_claim()
    {
        const int Count = 200, Claimed = 256 << 20;
        await using var nodes = new TcpNodes();
        TcpTransport one = await nodes.StartAsync(1, options => options with { MaxMessageBytes = Claimed, MaxOutboxBytes = 1 << 30, IdleTimeout = TimeSpan.FromMinutes(5) });
        var bombs = new List<Socket>();
        try
        {
            for (int i = 0; i < Count; i++) bombs.Add(await TcpNodes.ShakeHandsAsync(one, 100 + i));
            long before = GC.GetTotalAllocatedBytes(precise: true);
            byte[] bomb = [.. BitConverter.GetBytes(Claimed), 0, 0, 0, 0, 3, .. new byte[1000]];
            foreach (Socket socket in bombs) await socket.SendAsync(bomb);
            TcpTransport two = await nodes.StartAsync(2, options => options with { MaxMessageBytes = Claimed, MaxOutboxBytes = 1 << 30 });
            await nodes.DeliverAsync(two, one, "after them");
            Assert.InRange(GC.GetTotalAllocatedBytes(precise: true) - before, 0, Count * 64L * 1024);
        }
        finally
        {
            foreach (Socket socket in bombs) socket.Dispose();
        }
    }

    /// <summary>Whatever comes: many drawn scripts of good frames, broken ones and noise, cut into pieces. The node goes on, and nothing was received that was not sent whole.</summary>
    [Fact]
    public async Task Drawn_scripts_of_frames_and_noise_never_harm_the_node()
    {
        await using var nodes = new TcpNodes();
        TcpTransport one = await nodes.StartAsync(1, Hurried), two = await nodes.StartAsync(2);
        for (int seed = 0; seed < Soak.Times(150); seed++)
        {
            var chance = new Random(seed);
            using Socket socket = await TcpNodes.ShakeHandsAsync(one);
            byte[] script = [.. Enumerable.Range(0, chance.Next(1, 8)).SelectMany(_ => chance.Next(6) switch
            {
                0 => Noise(chance.Next(), chance.Next(1, 40)),
                1 => Broken(Frame.ToArray(FrameKind.Message, "bad"u8)),
                2 => Frame.ToArray(FrameKind.Ping, default),
                _ => Frame.ToArray(FrameKind.Message, "good"u8),
            })];
            try
            {
                for (int at = 0; at < script.Length;)
                {
                    int part = Math.Min(script.Length - at, chance.Next(1, 30));
                    await socket.SendAsync(script.AsMemory(at, part));
                    at += part;
                }
            }
            catch (SocketException)
            {
                // Closed already, as it should be.
            }
        }

        await nodes.DeliverAsync(two, one, "after all");
        Assert.True(nodes.Came.Count(came => came.Text == "good") > 100, "some of it was good");
        Assert.DoesNotContain(nodes.Came, came => came.To == 1 && came.Text is not ("good" or "after all"));
        Assert.Equal(0, nodes.Log.Count(507) + nodes.Log.Count(509));
    }

    [Fact]
    public async Task A_member_that_was_dialed_may_not_send_messages_back()
    {
        await using var nodes = new TcpNodes();
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new System.Net.IPEndPoint(System.Net.IPAddress.Loopback, 0));
        listener.Listen();
        TcpTransport one = await nodes.StartAsync(1, options => options with { AddressOf = _ => listener.LocalEndPoint!.ToString() });
        one.TrySend(2, default);
        using Socket accepted = await listener.AcceptAsync();
        await accepted.SendAsync((byte[])[.. Frame.Magic, .. Frame.ToArray(FrameKind.Answer, Handshake.Write(new Answer(Refusal.None, 1, 2, ""))), .. Frame.ToArray(FrameKind.Message, "forged"u8)]);
        await TcpNodes.AssertClosedAsync(accepted);
        await UntilAsync(() => nodes.Log.Count(504, "MisplacedFrame") == 1, () => $"it is known; log:\n{nodes.Log}");
        Assert.Empty(nodes.Came);
    }

    private static TcpTransportOptions Hurried(TcpTransportOptions options) => options with
    {
        HandshakeTimeout = TimeSpan.FromMilliseconds(700),
        PingInterval = TimeSpan.FromMilliseconds(200),
        IdleTimeout = TimeSpan.FromMilliseconds(1500),
        MaxMessageBytes = MaxMessageBytes,
    };

    private static bool IsClosed(Socket socket)
    {
        try
        {
            return socket.Poll(0, SelectMode.SelectRead) && socket.Available == 0;
        }
        catch (SocketException)
        {
            return true;
        }
    }

    private static byte[] Broken(byte[] frame)
    {
        frame[^1] ^= 1;
        return frame;
    }

    private static byte[] Noise(int seed, int count)
    {
        byte[] noise = new byte[count];
        new Random(seed).NextBytes(noise);
        return noise;
    }
}

using System.Net;
using System.Net.Sockets;

using Tidemark.Replication.Transport.Tcp;

using static Tidemark.Tests.Eventually;

namespace Tidemark.Integration;

/// <summary>What a transport over real connections does beside its contract: redials, closes, refuses, ends.</summary>
public sealed class TcpTransportTests
{
    [Fact]
    public async Task A_node_that_went_and_came_again_at_another_port_is_reached_again()
    {
        await using var nodes = new TcpNodes();
        TcpTransport one = await nodes.StartAsync(1), two = await nodes.StartAsync(2);
        await nodes.DeliverAsync(one, two, "before");
        await two.DisposeAsync();
        await UntilAsync(() => !one.TrySend(2, new byte[1]), () => "it is seen that the other is gone");
        TcpTransport again = await nodes.StartAsync(2);
        await nodes.DeliverAsync(one, again, "after");
        await nodes.DeliverAsync(again, one, "and back");
    }

    [Fact]
    public async Task A_port_that_is_taken_is_named_with_the_remedy_and_the_start_can_be_made_again()
    {
        await using var nodes = new TcpNodes();
        TcpTransport one = await nodes.StartAsync(1);
        IPEndPoint taken = one.LocalEndPoint!;
        TcpTransport two = nodes.Create(2, options => options with { Listen = taken });
        var error = await Assert.ThrowsAsync<AddressUnavailableException>(() => nodes.StartAsync(two));
        Assert.Equal(taken.ToString(), error.Address);
        Assert.Contains($"{taken} cannot be listened to. Another process listens there.", error.Message, StringComparison.Ordinal);
        Assert.Equal(TidemarkErrorCode.AddressUnavailable, error.Code);
        await one.DisposeAsync();
        await nodes.StartAsync(two);
        Assert.Equal(taken, two.LocalEndPoint);
    }

    [Fact]
    public async Task Who_has_a_version_in_common_connects_and_who_has_none_is_refused_on_either_side()
    {
        await using var nodes = new TcpNodes();
        TcpTransport before = await nodes.StartAsync(1, options => options with { Versions = new(3, 4) });
        TcpTransport after = await nodes.StartAsync(2, options => options with { Versions = new(4, 5) });
        await nodes.DeliverAsync(before, after, "to the later one");
        await nodes.DeliverAsync(after, before, "to the earlier one");

        TcpTransport tooLate = await nodes.StartAsync(3, options => options with { Versions = new(5, 6) });
        await nodes.DeliverAsync(tooLate, after, "to its neighbour");
        tooLate.TrySend(1, "nobody reads this"u8.ToArray());
        before.TrySend(3, "nor this"u8.ToArray());
        await UntilAsync(() => nodes.Log.Count(503, "WrongVersion") >= 2, () => $"both are refused; log:\n{nodes.Log}");
        Assert.DoesNotContain(nodes.Came, came => came.Text is "nobody reads this" or "nor this");
    }

    [Fact]
    public async Task A_name_is_resolved_and_an_address_that_is_none_is_said_once()
    {
        await using var nodes = new TcpNodes();
        TcpTransport two = await nodes.StartAsync(2);
        TcpTransport named = await nodes.StartAsync(1, options => options with { AddressOf = _ => $"localhost:{two.LocalEndPoint!.Port}" });
        await nodes.DeliverAsync(named, two, "by name");
        int asked = 0;
        TcpTransport wrong = await nodes.StartAsync(3, options => options with { AddressOf = _ => Interlocked.Increment(ref asked) > 0 ? "no address" : null });
        await UntilAsync(() => !wrong.TrySend(2, new byte[1]) && Volatile.Read(ref asked) > 6, () => "it was asked for again and again");
        Assert.Equal(1, nodes.Log.Count(501, "not of the form host:port"));
    }

    [Fact]
    public async Task A_node_that_is_not_there_is_dialed_ever_more_seldom_and_told_once()
    {
        await using var nodes = new TcpNodes();
        using var gone = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        gone.Bind(new IPEndPoint(IPAddress.Loopback, 0));   // Bound, and listened to by nobody: refused at once, and no other's.
        var dialedAt = new List<long>();
        TcpTransport one = await nodes.StartAsync(1, options => options with
        {
            AddressOf = _ =>
            {
                lock (dialedAt) dialedAt.Add(Environment.TickCount64);
                return gone.LocalEndPoint!.ToString();
            },
        });
        await UntilAsync(() => !one.TrySend(2, new byte[1]) && dialedAt.Count >= 8, () => "it was dialed some times");
        lock (dialedAt)
        {
            // The waits at least: half of 20, 40, 80, 160, 320, 640 ms; the first two entries are of one attempt.
            Assert.InRange(dialedAt[7] - dialedAt[1], 600, long.MaxValue);
        }

        Assert.Equal(1, nodes.Log.Count(501));
    }

    [Fact]
    public async Task A_newer_connection_of_a_node_closes_the_older_and_nothing_is_taken_from_it()
    {
        await using var nodes = new TcpNodes();
        TcpTransport one = await nodes.StartAsync(1);
        using Socket older = await TcpNodes.ShakeHandsAsync(one);
        await older.SendAsync(Frame.ToArray(FrameKind.Message, "older"u8));
        await UntilAsync(() => nodes.Came.Contains((1, 7, "older")), () => "the older one's message came");
        using Socket newer = await TcpNodes.ShakeHandsAsync(one);
        await TcpNodes.AssertClosedAsync(older);
        await newer.SendAsync(Frame.ToArray(FrameKind.Message, "newer"u8));
        await UntilAsync(() => nodes.Came.Contains((1, 7, "newer")), () => "the newer one's message came");
    }

    [Fact]
    public async Task Messages_of_two_connections_of_one_node_never_overlap()
    {
        await using var nodes = new TcpNodes();
        int inside = 0, overlaps = 0, count = 0;
        TcpTransport one = await nodes.StartAsync(nodes.Create(1), (_, _) =>
        {
            if (Interlocked.Increment(ref inside) != 1) Interlocked.Increment(ref overlaps);
            Thread.SpinWait(20_000);
            Interlocked.Decrement(ref inside);
            Interlocked.Increment(ref count);
        });
        byte[] many = [.. Enumerable.Range(0, 200).SelectMany(_ => Frame.ToArray(FrameKind.Message, "x"u8))];
        for (int round = 0; round < 10; round++)
        {
            using Socket socket = await TcpNodes.ShakeHandsAsync(one);
            await socket.SendAsync(many);   // The next round's connection comes while this one's messages are being received.
        }

        await UntilAsync(() => Volatile.Read(ref count) > 200, () => "messages of several connections came");
        Assert.Equal(0, Volatile.Read(ref overlaps));
    }

    [Fact]
    public async Task Both_sides_of_a_quiet_connection_say_that_they_live_and_it_stays()
    {
        await using var nodes = new TcpNodes();
        TimeSpan ping = TimeSpan.FromMilliseconds(50);
        TcpTransport one = await nodes.StartAsync(1, options => options with { PingInterval = ping, IdleTimeout = 6 * ping });
        TcpTransport two = await nodes.StartAsync(2, options => options with { PingInterval = ping, IdleTimeout = 6 * ping });
        await nodes.DeliverAsync(one, two, "a");
        await Task.Delay(20 * ping);
        Assert.Equal(0, nodes.Log.Count(504) + nodes.Log.Count(506));
        Assert.True(one.TrySend(2, "b"u8.ToArray()), "it is still connected");
    }

    [Fact]
    public async Task A_connection_on_which_nothing_comes_is_closed()
    {
        await using var nodes = new TcpNodes();
        TcpTransport one = await nodes.StartAsync(1, options => options with { PingInterval = TimeSpan.FromMilliseconds(50), IdleTimeout = TimeSpan.FromMilliseconds(200) });
        using Socket silent = await TcpNodes.ShakeHandsAsync(one);
        await TcpNodes.AssertClosedAsync(silent);
        await UntilAsync(() => nodes.Log.Count(504, "Idle") == 1, () => "it is told why");
    }

    [Fact]
    public async Task What_does_not_fit_into_the_outbox_is_not_sent_and_a_peer_that_never_reads_is_left()
    {
        await using var nodes = new TcpNodes();
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        TcpTransport one = await nodes.StartAsync(1, options => options with
        {
            AddressOf = _ => listener.LocalEndPoint!.ToString(),
            MaxMessageBytes = 1 << 20,
            MaxOutboxBytes = 4 << 20,
            WriteTimeout = TimeSpan.FromMilliseconds(400),
            IdleTimeout = TimeSpan.FromMinutes(1),
        });
        one.TrySend(2, default);
        using Socket accepted = await listener.AcceptAsync();
        await accepted.SendAsync((byte[])[.. Frame.Magic, .. Frame.ToArray(FrameKind.Answer, Handshake.Write(new Answer(Refusal.None, 1, 2, "")))]);
        await UntilAsync(() => one.TrySend(2, default), () => "it is connected");
        int taken = 0;
        byte[] message = new byte[1 << 20];
        await UntilAsync(() =>
        {
            if (one.TrySend(2, message)) taken++;
            else return true;
            return false;
        }, () => "the outbox is full");
        Assert.InRange(taken, 3, 40);   // What the system's buffers hold comes on top of it.
        await UntilAsync(() => nodes.Log.Count(504, "WriteTimeout") == 1, () => "it is left");
    }

    [Fact]
    public async Task Messages_come_in_the_order_in_which_one_thread_sent_them()
    {
        await using var nodes = new TcpNodes();
        TcpTransport one = await nodes.StartAsync(1), two = await nodes.StartAsync(2);
        await nodes.DeliverAsync(one, two, "first");
        for (int i = 0; i < 20_000; i++) Assert.True(one.TrySend(2, System.Text.Encoding.UTF8.GetBytes($"{i}")));
        await UntilAsync(() => nodes.Came.Count(came => came.To == 2) >= 20_001, () => "all came");
        Assert.Equal(Enumerable.Range(0, 20_000).Select(i => $"{i}"), nodes.Came.Where(came => came.To == 2 && came.Text != "first").Select(came => came.Text));
    }

    [Fact]
    public async Task A_receiver_that_throws_is_told_and_loses_the_connection_and_no_other()
    {
        await using var nodes = new TcpNodes();
        TcpTransport one = await nodes.StartAsync(nodes.Create(1), (from, message) =>
        {
            if (message.Length == 3) throw new InvalidOperationException("on purpose");
            nodes.Came.Enqueue((1, from, System.Text.Encoding.UTF8.GetString(message.Span)));
        });
        using Socket bad = await TcpNodes.ShakeHandsAsync(one, from: 8);
        using Socket good = await TcpNodes.ShakeHandsAsync(one, from: 9);
        await bad.SendAsync(Frame.ToArray(FrameKind.Message, "bad"u8));
        await TcpNodes.AssertClosedAsync(bad);
        await good.SendAsync(Frame.ToArray(FrameKind.Message, "good"u8));
        await UntilAsync(() => nodes.Came.Contains((1, 9, "good")), () => "the other's message came");
        Assert.Equal(1, nodes.Log.Count(507, "on purpose"));
    }

    [Fact]
    public async Task A_token_says_who_a_caller_is_and_a_wrong_one_is_refused_once_told()
    {
        await using var nodes = new TcpNodes();
        TcpTransport one = await nodes.StartAsync(1, options => options with
        {
            Authenticate = peer => peer.Node is null && peer.Token.Span.SequenceEqual("secret"u8)
                ? new System.Security.Claims.ClaimsPrincipal(new System.Security.Claims.ClaimsIdentity([new("name", "ada")], "token"))
                : null,
        });
        TcpTransport good = await nodes.StartCallerAsync(options => options with { Token = () => "secret"u8.ToArray() });
        int number = await nodes.DeliverAsync(good, one, "hello");
        Assert.Equal("ada", one.PrincipalOf(number)?.FindFirst("name")?.Value);
        Assert.Null(one.PrincipalOf(number + 1));

        TcpTransport bad = await nodes.StartCallerAsync(options => options with { Token = () => "planted-guess"u8.ToArray() });
        await UntilAsync(() => !bad.TrySend(1, "x"u8.ToArray()) && nodes.Log.Count(502, "NotAuthorized") == 1, () => "it is refused");
        TcpTransport member = await nodes.StartAsync(3, options => options with { Token = () => "secret"u8.ToArray() });
        await UntilAsync(() => !member.TrySend(1, "x"u8.ToArray()) && nodes.Log.Count(502, "NotAuthorized") == 2, () => "it is refused");
        Assert.DoesNotContain("planted-guess", nodes.Log.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("secret", nodes.Log.ToString(), StringComparison.Ordinal);
        await good.DisposeAsync();
        await UntilAsync(() => one.PrincipalOf(number) is null, () => "who is gone has no principal");
    }

    /// <summary>It knows neither the cluster nor whose address it has: its numbers are names for addresses.</summary>
    [Fact]
    public async Task A_caller_that_knows_only_addresses_is_let_in()
    {
        await using var nodes = new TcpNodes();
        TcpTransport five = await nodes.StartAsync(5, options => options with { Authenticate = peer => new System.Security.Claims.ClaimsPrincipal(new System.Security.Claims.ClaimsIdentity([new("name", $"{peer.Node}")])) });
        TcpTransport caller = await nodes.StartCallerAsync(options => options with { ClusterId = Guid.Empty, AddressOf = number => number == 0 ? five.LocalEndPoint!.ToString() : null });
        await UntilAsync(() => caller.TrySend(0, "in"u8.ToArray()), () => "it is connected");
        await UntilAsync(() => nodes.Came.Any(came => came.Text == "in"), () => "it arrives");
        int known = nodes.Came.First(came => came.Text == "in").From;
        Assert.InRange(known, int.MinValue, -3);
        Assert.Equal("", five.PrincipalOf(known)?.FindFirst("name")?.Value);   // No member, whatever it dialed.
        Assert.True(five.TrySend(known, "back"u8.ToArray()));
        await UntilAsync(() => nodes.Came.Contains((caller.Node, 0, "back")), () => "it is answered under the number it dialed");
        Assert.Throws<ArgumentException>(() => nodes.CreateCaller(options => options with { ClusterId = Guid.Empty, MemberNames = (_, _) => true }));
    }

    [Fact]
    public async Task It_ends_while_others_send_and_leaves_its_port_free()
    {
        await using var nodes = new TcpNodes();
        TcpTransport one = await nodes.StartAsync(1), two = await nodes.StartAsync(2), caller = await nodes.StartCallerAsync();
        await nodes.DeliverAsync(one, two, "a");
        await nodes.DeliverAsync(two, one, "b");
        await nodes.DeliverAsync(caller, one, "c");
        IPEndPoint place = one.LocalEndPoint!;
        using var stop = new CancellationTokenSource();
        Task sending = Task.Run(() =>
        {
            while (!stop.IsCancellationRequested)
            {
                two.TrySend(1, new byte[1000]);
                caller.TrySend(1, new byte[1000]);
            }
        });
        await Task.WhenAll(one.DisposeAsync().AsTask(), one.DisposeAsync().AsTask());
        int after = nodes.Came.Count(came => came.To == 1);
        using (var free = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp)) free.Bind(place);
        await stop.CancelAsync();
        await sending;
        Assert.Equal(after, nodes.Came.Count(came => came.To == 1));
        await two.DisposeAsync();
        await caller.DisposeAsync();
        Assert.Equal(0, nodes.Log.Count(509));
    }

    [Fact]
    public async Task Sending_to_a_connection_allocates_nothing()
    {
        await using var nodes = new TcpNodes();
        int came = 0;
        TcpTransport two = await nodes.StartAsync(nodes.Create(2), (_, _) => Interlocked.Increment(ref came));
        TcpTransport one = await nodes.StartAsync(1);
        byte[] message = new byte[100];
        await UntilAsync(() => one.TrySend(2, message), () => "it is connected");
        const int Count = 2000;
        long least = long.MaxValue;
        for (int round = 0; round < 5; round++)
        {
            int target = Volatile.Read(ref came) + Count;
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < Count; i++) one.TrySend(2, message);
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
            await UntilAsync(() => Volatile.Read(ref came) >= target, () => "all came");
        }

        Assert.InRange(least, 0, 1000);   // Of 2,000 messages: a write that had to wait may have cost something.
    }
}

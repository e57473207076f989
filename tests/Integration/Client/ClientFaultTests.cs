using System.Security.Claims;

using Tidemark.Core.KeyValue;
using Tidemark.Integration.Nodes;
using Tidemark.Replication.Wire;

namespace Tidemark.Integration.Client;

/// <summary>A process that is no member uses a cluster's store, while members die, answers are lost, or it asks for what it may not.</summary>
public sealed class ClientFaultTests
{
    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(90);

    /// <summary>Each write takes the next number of a sequence: one that happened twice would leave a number more than there were writes, one that was lost a number less.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Numbered_writes_happen_once_while_nodes_are_killed(bool isTcp)
    {
        await using LiveCluster cluster = await LiveCluster.StartAsync(isTcp);
        await using TidemarkClient client = await cluster.ConnectAsync();
        StoreClient numbered = await client.Store.RegisterClientAsync();
        using var stop = new CancellationTokenSource();
        int done = 0;
        Task writer = Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
            {
                try
                {
                    WriteResult result = await numbered.Store.PutNextAsync("/once", BitConverter.GetBytes(done), [1]);
                    Assert.Equal($"/once-{done + 1:D20}", result.Key.ToString());
                    Volatile.Write(ref done, done + 1);
                }
                catch (ShardUnavailableException)
                {
                    // It surely did not happen: the next takes its number.
                }
            }
        });
        for (int round = 0; round < 3; round++)
        {
            int before = Volatile.Read(ref done), victim = round == 1 ? (await cluster.LeaderAsync() + 1) % 3 : await cluster.LeaderAsync();
            await WaitAsync(() => Volatile.Read(ref done) > before + 5, writer);
            await cluster.KillAsync(victim);
            before = Volatile.Read(ref done);
            await WaitAsync(() => Volatile.Read(ref done) > before + 5, writer);
            await cluster.StartAsync(victim);
        }

        await stop.CancelAsync();
        await writer;
        int records = 0;
        await foreach (StoreKey _ in client.Store.ListAsync(KeyRange.Prefix("/once-"))) records++;
        Assert.Equal(done, records);
    }

    [Fact]
    public async Task A_watch_goes_on_at_another_node_without_gap_or_repeat()
    {
        await using LiveCluster cluster = await LiveCluster.StartAsync(isTcp: false);
        var tap = new Tap();
        await using TidemarkClient client = await cluster.ConnectAsync(tap.Around);
        using var patience = new CancellationTokenSource(_patience);
        await using StoreSession session = await client.Store.OpenSessionAsync(new SessionOptions { Timeout = TimeSpan.FromSeconds(20) }, patience.Token);
        await client.Store.PutAsync("/alive", "1"u8.ToArray(), new PutOptions { Session = session }, patience.Token);
        await using IAsyncEnumerator<StoreEvent> events = client.Store.WatchAsync(KeyRange.Children("/w"), new WatchOptions { IncludeExisting = true }, patience.Token).GetAsyncEnumerator(patience.Token);
        int written = 0, told = 0;
        for (int round = 0; round < 3; round++)
        {
            for (int i = 0; i < 10; i++) await PutAsync(client.Store, $"/w/{written++:D4}", patience.Token);
            while (told < written)
            {
                Assert.True(await events.MoveNextAsync());
                Assert.Equal($"/w/{told++:D4}", events.Current.Key.ToString());
            }

            int asked = tap.LastMember;
            await cluster.KillAsync(asked);
            for (int i = 0; i < 10; i++) await PutAsync(client.Store, $"/w/{written++:D4}", patience.Token);
            Assert.NotEqual(asked, tap.LastMember);
            await cluster.StartAsync(asked);
        }

        while (told < written)
        {
            Assert.True(await events.MoveNextAsync());
            Assert.Equal($"/w/{told++:D4}", events.Current.Key.ToString());
        }

        Assert.False(session.IsEnded);
        Assert.NotNull(await client.Store.GetAsync("/alive", cancellationToken: patience.Token));
    }

    [Fact]
    public async Task A_session_ends_when_its_client_is_gone()
    {
        await using LiveCluster cluster = await LiveCluster.StartAsync(isTcp: false);
        TidemarkClient client = await cluster.ConnectAsync();
        StoreSession session = await client.Store.OpenSessionAsync(new SessionOptions { Timeout = TimeSpan.FromSeconds(1) });
        await client.Store.PutAsync("/mine", "1"u8.ToArray(), new PutOptions { Session = session });
        await client.DisposeAsync();
        await WaitAsync(() => session.IsEnded);
        KeyValueStore store = cluster.Nodes[0]!.Store;
        using var patience = new CancellationTokenSource(_patience);
        while (await store.GetAsync("/mine", cancellationToken: patience.Token) is not null) await Task.Delay(20, patience.Token);
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await client.Store.GetAsync("/mine"));
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await client.Store.PutAsync("/mine", default));
        await session.DisposeAsync();
    }

    /// <summary>The answers are lost on the way: what was done is done, and nobody can say so; numbered, it is asked again.</summary>
    [Fact]
    public async Task A_write_that_is_not_answered_has_an_unknown_outcome_unless_it_is_numbered()
    {
        await using LiveCluster cluster = await LiveCluster.StartAsync(isTcp: false);
        var tap = new Tap();
        await using TidemarkClient client = await cluster.ConnectAsync(tap.Around);
        tap.AnswersToLose = 1;
        await Assert.ThrowsAsync<OutcomeUnknownException>(async () => await client.Store.PutAsync("/a", "1"u8.ToArray()));
        Assert.Equal("1", (await client.Store.GetAsync("/a"))?.GetString());
        tap.AnswersToLose = 1;
        Assert.Equal("1", (await client.Store.GetAsync("/a"))?.GetString());   // Asked of another.

        await using StoreClient numbered = await client.Store.RegisterClientAsync();
        tap.AnswersToLose = 2;
        Assert.Equal($"/n-{1:D20}", (await numbered.Store.PutNextAsync("/n", default, [1])).Key.ToString());
        Assert.Equal($"/n-{2:D20}", (await numbered.Store.PutNextAsync("/n", default, [1])).Key.ToString());

        // What comes to the same when it is done twice is asked again too.
        tap.AnswersToLose = 1;
        await using StoreClient other = await client.Store.RegisterClientAsync();
        tap.AnswersToLose = 1;
        await using StoreSession session = await client.Store.OpenSessionAsync();
        Assert.Equal(StoreStatus.Ok, (await other.Store.PutAsync("/a", default, new PutOptions { Session = session })).Status);
    }

    [Fact]
    public async Task What_surely_did_not_happen_is_said_to_be_unavailable()
    {
        await using LiveCluster cluster = await LiveCluster.StartAsync(isTcp: false);
        await using TidemarkClient client = await cluster.ConnectAsync(options => options with { OperationTimeout = TimeSpan.FromSeconds(1) });
        for (int node = 0; node < 3; node++) await cluster.KillAsync(node);
        await Assert.ThrowsAsync<ShardUnavailableException>(async () => await client.Store.PutAsync("/a", "never"u8.ToArray()));
        await Assert.ThrowsAsync<ShardUnavailableException>(async () => await client.Store.GetAsync("/a"));
        for (int node = 0; node < 3; node++) await cluster.StartAsync(node);
        await PutAsync(client.Store, "/a", CancellationToken.None);
        Assert.Equal("1", (await cluster.Nodes[0]!.Store.GetAsync("/a"))?.GetString());   // It was not there before.
    }

    [Fact]
    public async Task Who_may_not_is_told_so_and_nothing_happens()
    {
        var network = new NamedNetwork("ada");
        await using TidemarkNode node = await StartAloneAsync(network, operation => operation.Principal?.Identity?.Name == "ada" && (operation.Kind == ClientOperationKind.OpenSession || operation.IsWithin("/ada/")));
        await using TidemarkClient client = await TidemarkClient.ConnectAsync(new TidemarkClientOptions { Members = [0], CreateTransport = network.CreateCaller });
        KeyValueStore store = client.Store;
        await store.PutAsync("/ada/1", "1"u8.ToArray());
        Assert.Equal("1", (await store.GetAsync("/ada/1"))?.GetString());
        await using StoreSession session = await store.OpenSessionAsync();
        await store.CommitAsync(new StoreTransaction().RequireExists("/ada/1").Put("/ada/2", default, new PutOptions { Session = session }));
        await foreach (StoreRecord _ in store.ScanAsync(KeyRange.Children("/ada"))) continue;
        Func<Task>[] forbidden =
        [
            async () => await store.PutAsync("/bob/1", default),
            async () => await store.PutNextAsync("/bob", default, [1]),
            async () => await store.GetAsync("/bob/1"),
            async () => await store.GetAsync("/ada/1", new GetOptions { Comparison = KeyComparison.Higher }),
            async () => await store.DeleteAsync("/bob/1"),
            async () => await store.DeleteRangeAsync(KeyRange.All),
            async () => await store.CommitAsync(new StoreTransaction().Put("/ada/3", default).Put("/bob/1", default)),
            async () => await store.CommitAsync(new StoreTransaction().RequireMissing("/bob/1").Put("/ada/3", default)),
            async () => await store.GetByIndexAsync("i", "k"),
            async () => await store.ScanIndexAsync("i").GetAsyncEnumerator().MoveNextAsync(),
            async () => await store.ScanAsync(KeyRange.All).GetAsyncEnumerator().MoveNextAsync(),
            async () => await store.ListAsync(KeyRange.Prefix("/")).GetAsyncEnumerator().MoveNextAsync(),
            async () => await store.WatchAsync(KeyRange.All).GetAsyncEnumerator().MoveNextAsync(),
            async () => await store.WatchSequenceAsync("/bob").GetAsyncEnumerator().MoveNextAsync(),
            async () => await store.RegisterClientAsync(),
        ];
        foreach (Func<Task> act in forbidden) await Assert.ThrowsAsync<NotAuthorizedException>(act);
        List<string> keys = [];
        await foreach (StoreKey key in node.Store.ListAsync(KeyRange.All)) keys.Add(key.ToString());
        Assert.Equal(["/ada/1", "/ada/2"], keys);
    }

    [Fact]
    public async Task A_node_goes_on_whatever_a_caller_sends()
    {
        await using LiveCluster cluster = await LiveCluster.StartAsync(isTcp: false);
        await using TidemarkClient client = await cluster.ConnectAsync();
        await client.Store.PutAsync("/a", "1"u8.ToArray());
        await using ITransport hostile = cluster.CreateCaller();
        var answers = new System.Collections.Concurrent.ConcurrentQueue<StoreAnswer>();
        await hostile.StartAsync((_, bytes) => answers.Enqueue(StoreAnswerCodec.Read(bytes).Answer));

        // What is no request, among it messages of nodes: an order to lead, a command for a leader, a forged answer.
        var random = new Random(5);
        byte[][] junk = [[], [0x93], [0x99, 1, 7, 10], [0x97, 2, 1, 0, 1, 2, 0], new byte[100_000], .. Enumerable.Range(0, 200).Select(_ => Chance(random))];
        foreach (byte[] bytes in junk) hostile.TrySend(0, bytes);
        Assert.Equal("1", (await client.Store.GetAsync("/a"))?.GetString());
        Assert.DoesNotContain(answers, answer => answer.Outcome == RequestOutcome.Done);

        // A request whose beginning is whole, and the rest not: refused, by its id. And a command no client gives.
        byte[] cut = StoreRequestCodec.Write(8, default, TimeSpan.FromSeconds(1), new GetRequest(0, null, "/a")).ToArray()[..^1];
        hostile.TrySend(0, cut);
        await WaitAsync(() => answers.Any(answer => answer.Outcome == RequestOutcome.Refused));
        answers.Clear();
        hostile.TrySend(0, StoreRequestCodec.Write(9, default, TimeSpan.FromSeconds(1), new CommandRequest(0, (ushort)KvCommand.Configure, new byte[] { 0x90 })));
        await WaitAsync(() => answers.Any(answer => answer.Outcome == RequestOutcome.Refused));
        answers.Clear();

        // Thousands that wait: few are let in, the others are refused at once, and others go on.
        WatchToken place = (await FirstTokenAsync(client)).Token;
        for (int i = 0; i < 5_000; i++) hostile.TrySend(0, StoreRequestCodec.Write(100 + i, default, TimeSpan.FromSeconds(60), new WatchRequest(0, KeyRange.Children("/none"), place, false, false)));
        Assert.InRange(answers.Count(answer => answer.Outcome == RequestOutcome.Overloaded), 2_500, 5_000);
        Assert.Equal(StoreStatus.Ok, (await client.Store.PutAsync("/a", "2"u8.ToArray())).Status);

        // Of another cluster: nothing of it is done here.
        answers.Clear();
        await using ITransport stranger = cluster.CreateCaller();
        await stranger.StartAsync((_, bytes) => answers.Enqueue(StoreAnswerCodec.Read(bytes).Answer));
        stranger.TrySend(0, StoreRequestCodec.Write(1, Guid.NewGuid(), TimeSpan.FromSeconds(1), new GetRequest(0, null, "/a")));
        await WaitAsync(() => answers.Any(answer => answer.Outcome == RequestOutcome.Unavailable && answer.Text.Contains("cluster", StringComparison.Ordinal)));
    }

    private static async Task<StoreEvent> FirstTokenAsync(TidemarkClient client)
    {
        await foreach (StoreEvent change in client.Store.WatchAsync(KeyRange.All, new WatchOptions { IncludeExisting = true })) return change;
        throw new InvalidOperationException("the watch has ended");
    }

    private static byte[] Chance(Random random)
    {
        byte[] bytes = new byte[random.Next(1, 60)];
        random.NextBytes(bytes);
        if (random.Next(2) == 0 && bytes.Length > 2) (bytes[0], bytes[1]) = (0x9A, 3);
        return bytes;
    }

    private static async Task PutAsync(KeyValueStore store, string key, CancellationToken cancellationToken)
    {
        for (bool isFirst = true; ; isFirst = false)
        {
            try
            {
                await store.PutAsync(key, "1"u8.ToArray(), PutOptions.MustNotExist, cancellationToken);
                return;
            }
            catch (Exception e) when (e is ShardUnavailableException or OutcomeUnknownException)
            {
                if (!isFirst) await Task.Delay(10, cancellationToken);
            }
        }
    }

    private static async Task WaitAsync(Func<bool> isThere, Task? alongside = null)
    {
        for (DateTime end = DateTime.UtcNow + _patience; !isThere(); await Task.Delay(10))
        {
            if (alongside is { IsFaulted: true }) await alongside;
            Assert.True(DateTime.UtcNow < end, "it has not come to that");
        }
    }

    private static Task<TidemarkNode> StartAloneAsync(NamedNetwork network, Func<ClientOperation, bool> authorize) => TidemarkNode.StartAsync(new TidemarkNodeOptions
    {
        Node = 0,
        Directory = "/node",
        FileSystem = new MemoryFileSystem(),
        Members = [0],
        Status = new MemoryClusterStatusStore(),
        CreateTransport = _ => network.CreateNode(),
        Authorize = authorize,
    });

    /// <summary>Knows whom a client asked last, and loses answers.</summary>
    private sealed class Tap
    {
        internal int LastMember { get; private set; }

        internal int AnswersToLose { get; set; }

        internal TidemarkClientOptions Around(TidemarkClientOptions options) => options with { CreateTransport = () => new Tapped(this, options.CreateTransport()) };

        private sealed class Tapped(Tap tap, ITransport inner) : ITransport
        {
            public int Node => inner.Node;

            public int MaxMessageBytes => inner.MaxMessageBytes;

            public ValueTask StartAsync(Action<int, ReadOnlyMemory<byte>> receive, CancellationToken cancellationToken = default) => inner.StartAsync(
                (from, bytes) =>
                {
                    if (tap.AnswersToLose > 0) tap.AnswersToLose--;
                    else receive(from, bytes);
                },
                cancellationToken);

            public bool TrySend(int node, ReadOnlyMemory<byte> message)
            {
                bool isSent = inner.TrySend(node, message);
                if (isSent) tap.LastMember = node;
                return isSent;
            }

            public ValueTask DisposeAsync() => inner.DisposeAsync();
        }
    }

    /// <summary>A network whose callers prove a name.</summary>
    private sealed class NamedNetwork(string name)
    {
        private readonly MemoryNetwork _network = new();

        internal ITransport CreateCaller() => _network.CreateCaller();

        internal ITransport CreateNode() => new Named(name, _network.CreateTransport(0));

        private sealed class Named(string name, ITransport inner) : ITransport
        {
            public int Node => inner.Node;

            public int MaxMessageBytes => inner.MaxMessageBytes;

            public ValueTask StartAsync(Action<int, ReadOnlyMemory<byte>> receive, CancellationToken cancellationToken = default) => inner.StartAsync(receive, cancellationToken);

            public bool TrySend(int node, ReadOnlyMemory<byte> message) => inner.TrySend(node, message);

            public ClaimsPrincipal? PrincipalOf(int node) => node < 0 ? new ClaimsPrincipal(new ClaimsIdentity([new Claim(ClaimTypes.Name, name)], "test")) : null;

            public ValueTask DisposeAsync() => inner.DisposeAsync();
        }
    }
}

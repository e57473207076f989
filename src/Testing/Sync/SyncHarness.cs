using Tidemark.Core.KeyValue;
using Tidemark.Core.Rebase;
using Tidemark.Testing.Sync;

namespace Tidemark.Testing;

/// <summary>How a <see cref="SyncHarness"/> is made.</summary>
public sealed record SyncHarnessOptions
{
    /// <summary>How many clients there are: 1 to 16. Default 2.</summary>
    public int Clients { get; init; } = 2;

    /// <summary>Decides all that chance decides: delays, losses, and what a power cut leaves. Default 1.</summary>
    public long Seed { get; init; } = 1;

    /// <summary>How probable it is that a message is lost. Default 0.</summary>
    public double Loss { get; init; }

    /// <summary>How probable it is that a message comes twice. Default 0.</summary>
    public double Repetition { get; init; }

    /// <summary>The order of the keys. Default: hierarchical.</summary>
    public KeyOrder Order { get; init; } = KeyOrder.Hierarchical;
}

/// <summary>Clients and a server in one test, on one thread and in virtual time: real local stores on disks in memory, with your mutators.</summary>
/// <remarks>
/// Time stands still but for <see cref="Step"/> and <see cref="RunUntilQuiet"/>. The same calls in the same order give the same run for the same seed. Not thread-safe. docs/rebase.md.
/// </remarks>
public sealed class SyncHarness
{
    private readonly ManualTimeProvider _time = new();
    private readonly PriorityQueue<Action, (long Ticks, long Order)> _events = new();
    private readonly List<SyncHarnessClient> _clients = [];
    private readonly Dictionary<SyncHarnessClient, HybridClock> _clocks = [];
    private readonly SeededChance _chance;
    private readonly ISyncServer _server;
    private long _scheduled;
    private long _pushes;   // That the server has answered.

    /// <summary>Makes clients and a server that run the same mutators, or others.</summary>
    /// <param name="mutators">Those of the clients.</param>
    /// <param name="serverMutators">Those of the server; null for the same.</param>
    /// <param name="options">Settings; null for the defaults.</param>
    public SyncHarness(Mutators mutators, Mutators? serverMutators = null, SyncHarnessOptions? options = null)
        : this(mutators, options ?? new SyncHarnessOptions(), serverMutators ?? mutators)
    {
    }

    internal SyncHarness(Mutators mutators, ISyncServer server, SyncHarnessOptions options)
    {
        ArgumentNullException.ThrowIfNull(mutators);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Clients, 1, nameof(options));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(options.Clients, 16, nameof(options));
        _chance = SeededChance.For(options.Seed, 71);
        Order = options.Order;
        _server = server;
        Network = new SyncNetwork(server, this, SeededChance.For(options.Seed, 72)) { Loss = options.Loss, Repetition = options.Repetition };
        for (int i = 0; i < options.Clients; i++) Add(mutators, null);
    }

    private SyncHarness(Mutators mutators, SyncHarnessOptions options, Mutators serverMutators)
        : this(mutators, new SyncHarnessServer(SeededChance.For(options.Seed, 73), serverMutators, new NamespaceOptions { KeyOrder = options.Order }), options)
    {
    }

    /// <summary>Virtual time since the start.</summary>
    public TimeSpan Elapsed => _time.Elapsed;

    internal ManualTimeProvider Time => _time;

    internal KeyOrder Order { get; }

    internal SyncNetwork Network { get; }

    private SyncHarnessServer OwnServer => _server as SyncHarnessServer ?? throw new NotSupportedException("The server of this harness takes nothing from here.");

    internal IReadOnlyList<SyncHarnessClient> Clients => _clients;

    /// <summary>Whether clients are told that the server has decided on something; else they find out by asking now and then.</summary>
    internal bool TellsOfChanges { get; set; } = true;

    /// <summary>Calls a mutation on a client.</summary>
    /// <typeparam name="TArguments">The arguments, which say which mutator is meant.</typeparam>
    /// <param name="client">The client, from 0.</param>
    /// <param name="arguments">The arguments.</param>
    /// <returns>The mutation's number in the client's timeline. It is durable there, and the client shows it.</returns>
    /// <exception cref="MutationRejectedException">Its mutator rejected it.</exception>
    public long Mutate<TArguments>(int client, TArguments arguments)
        where TArguments : notnull => _clients[client].Mutate(arguments);

    /// <summary>Reads a record as a client shows it.</summary>
    /// <param name="client">The client, from 0.</param>
    /// <param name="key">The key.</param>
    /// <param name="value">The value.</param>
    /// <param name="confirmed">Whether to leave out what its pending mutations did.</param>
    /// <returns>False where there is none.</returns>
    public bool TryGet(int client, StoreKey key, out ReadOnlyMemory<byte> value, bool confirmed = false) => _clients[client].View.TryGet(confirmed, key, out value);

    /// <summary>Writes a record on the server, as a program of its own does.</summary>
    /// <exception cref="NotSupportedException">The server is one of your own.</exception>
    public void PutOnServer(StoreKey key, ReadOnlyMemory<byte> value)
    {
        OwnServer.Write(output => CommandWriter.WritePut(output, null, key.Span, value.Span, default));
        OwnServer.Settle();
    }

    /// <summary>Cuts the server's log, as servers do now and then. No client shows it, and none has to download anything.</summary>
    /// <exception cref="NotSupportedException">The server is one of your own.</exception>
    public void CutOnServer() => OwnServer.Cut();

    /// <summary>How many mutations of a client are not known to be decided.</summary>
    public long PendingCount(int client) => _clients[client].Fields.Pending;

    /// <summary>Takes a client off the network, or puts it back.</summary>
    public void SetConnected(int client, bool isConnected) => _clients[client].SetConnected(isConnected);

    /// <summary>Cuts a client's power: what was not flushed is lost as chance has it, and the client starts again.</summary>
    public void CutPower(int client) => _clients[client].Crash();

    /// <summary>Lets the next thing happen, at its time.</summary>
    /// <returns>False where nothing is going to happen.</returns>
    public bool Step()
    {
        if (!_events.TryDequeue(out Action? happens, out (long Ticks, long Order) when)) return false;
        if (when.Ticks > _time.GetUtcNow().UtcTicks) _time.Advance(TimeSpan.FromTicks(when.Ticks - _time.GetUtcNow().UtcTicks));
        happens();
        return true;
    }

    /// <summary>Lets things happen until no connected client has anything to push, and each has asked the server since.</summary>
    /// <exception cref="InvalidOperationException">That did not come about in ten minutes of virtual time.</exception>
    public void RunUntilQuiet()
    {
        TimeSpan until = Elapsed + TimeSpan.FromMinutes(10);
        Dictionary<SyncHarnessClient, long> asked = [];
        while (true)
        {
            bool isQuiet = true;
            foreach (SyncHarnessClient client in _clients)
            {
                if (!client.IsConnected || client.Fields.IsEnded || client.Fields.Question != LocalStoreQuestion.None) continue;
                SyncClient sync = client.Replica.Leader.Sync!;
                bool isDone = client.Fields.Pending == 0 && sync.Status.State == SyncState.Live;
                if (!isDone) asked.Remove(client);
                else if (asked.TryAdd(client, sync.Requests)) client.Tell(new SyncWanted());
                isQuiet &= isDone && sync.CaughtUp > asked[client];
            }

            if (isQuiet) return;
            if (Elapsed > until) throw new InvalidOperationException("The clients find no rest: " + string.Join("; ", _clients.Select(client => $"{client.Fields.Pending} pending, {client.Replica.Leader.Sync!.Status}")));
            long before = _pushes;
            if (!Step()) throw new InvalidOperationException("Nothing is going to happen, and the clients are not done.");
            if (_pushes != before) asked.Clear();   // What was seen before may be old.
        }
    }

    /// <summary>Requires that all connected clients have the same records, and show no others.</summary>
    /// <exception cref="InvalidOperationException">They differ.</exception>
    public void AssertConverged()
    {
        SyncHarnessClient? first = null;
        foreach (SyncHarnessClient client in _clients.Where(client => client.IsConnected))
        {
            if (client.Fields.Pending > 0) throw new InvalidOperationException($"Client {client.Number} has {client.Fields.Pending} mutations pending.");
            if (client.View.ChangesSince(client.View with { Visible = client.View.Base }, default).Count > 0) throw new InvalidOperationException($"Client {client.Number} shows something else than is confirmed.");
            first ??= client;
            if (client.Fields.Content != first.Fields.Content) throw new InvalidOperationException($"Client {client.Number} has {client.Fields.Content}, client {first.Number} {first.Fields.Content}.");
        }
    }

    /// <summary>One more client, perhaps with what is on a disk.</summary>
    internal SyncHarnessClient Add(Mutators mutators, FaultyFileSystem? disk)
    {
        var client = new SyncHarnessClient(this, _clients.Count, SeededChance.For((long)_chance.Next(), _clients.Count), mutators, disk);
        _clients.Add(client);
        return client;
    }

    internal HybridClock Clock(SyncHarnessClient client) => _clocks[client];

    /// <summary>A clock that knows nothing, for a client that starts.</summary>
    internal HybridClock NewClock(SyncHarnessClient client) => _clocks[client] = new HybridClock(_time);

    internal void After(TimeSpan wait, Action happens) => At(_time.GetUtcNow() + wait, happens);

    internal void At(DateTimeOffset when, Action happens) => _events.Enqueue(happens, (when.UtcTicks, _scheduled++));

    /// <summary>The server has answered a push: others are told that there may be something new.</summary>
    internal void Pushed()
    {
        _pushes++;
        if (!TellsOfChanges) return;
        foreach (SyncHarnessClient client in _clients)
        {
            if (client.IsConnected && _chance.Coin()) After(TimeSpan.FromMilliseconds(1 + _chance.Below(10)), () => client.Tell(new SyncWanted()));
        }
    }
}

using System.Text;

namespace Tidemark.Integration.Nodes;

/// <summary>Local stores that sync with a store, with nodes in this process, and over a client with a cluster that loses its leaders.</summary>
public class LocalStoreSyncTests
{
    private static readonly Mutators _notes = Mutators.Empty
        .Add("note.write", 1, ValueSerializer.Json(SyncJson.Default.WriteNote), static (context, note) =>
        {
            if (note.Text.Length > 100) context.Reject("long", note.Id);
            context.Put($"/note/{note.Id}", Encoding.UTF8.GetBytes(note.Text));
        })
        .Add("count.add", 1, ValueSerializer.Json(SyncJson.Default.AddCount), static (context, add) =>
        {
            int before = context.TryGet(add.Key, out ReadOnlyMemory<byte> value) ? int.Parse(value.Span) : 0;
            context.Put(add.Key, Encoding.UTF8.GetBytes($"{before + add.By}"));
        });

    /// <summary>The server's text is shorter: what was possible here is rejected there.</summary>
    private static readonly Mutators _strictNotes = Mutators.Empty
        .Add("note.write", 1, ValueSerializer.Json(SyncJson.Default.WriteNote), static (context, note) =>
        {
            if (note.Text.Length > 10) context.Reject("long", note.Id);
            context.Put($"/note/{note.Id}", Encoding.UTF8.GetBytes(note.Text));
        })
        .Add("count.add", 1, ValueSerializer.Json(SyncJson.Default.AddCount), static (context, add) =>
        {
            int before = context.TryGet(add.Key, out ReadOnlyMemory<byte> value) ? int.Parse(value.Span) : 0;
            context.Put(add.Key, Encoding.UTF8.GetBytes($"{before + add.By}"));
        });

    [Fact]
    public async Task Two_local_stores_work_offline_and_come_to_one_state_with_a_store()
    {
        await using var server = TidemarkStore.InMemory(new TidemarkStoreOptions { Mutators = _strictNotes });
        await server.PutAsync("/note/0", "server"u8.ToArray());
        await using var left = LocalStore.InMemory(_notes);
        await using var right = LocalStore.InMemory(_notes);
        Mutation milk = await left.MutateAsync(new WriteNote("1", "milk"));
        Mutation tooLong = await left.MutateAsync(new WriteNote("2", "far too long"));
        await right.MutateAsync(new WriteNote("1", "bread"));
        Assert.Equal("milk", Text(left, "/note/1"));
        Assert.Equal("bread", Text(right, "/note/1"));

        await using LocalStoreSync one = left.SyncWith(server), other = right.SyncWith(server);
        await one.PushedAsync();
        await other.PushedAsync();
        await one.CaughtUpAsync();
        await other.CaughtUpAsync();
        Assert.Equal(MutationFate.Applied, (await milk.Outcome).Fate);
        Assert.Equal((MutationFate.Rejected, "long"), ((await tooLong.Outcome).Fate, (await tooLong.Outcome).Code));
        Assert.Equal(Text(left, "/note/1"), Text(right, "/note/1"));
        Assert.Equal("server", Text(left, "/note/0"));
        Assert.Null(Text(left, "/note/2"));

        // What the server's own program does comes too, ranges that are emptied as well.
        await server.DeleteRangeAsync(KeyRange.Children("/note"));
        await server.PutAsync("/note/3", "new"u8.ToArray());
        await one.CaughtUpAsync();
        Assert.Equal(["/note/3"], left.Scan(KeyRange.Children("/note")).Select(record => record.Key.ToString()));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Whatever_leader_dies_each_mutation_takes_effect_once_and_all_come_to_one_state(bool isRemote)
    {
        const int Clients = 3, Each = 40;
        await using LiveCluster cluster = await LiveCluster.StartAsync(isTcp: isRemote, mutators: _notes);
        await using TidemarkClient? client = isRemote ? await cluster.ConnectAsync() : null;
        LocalStore[] stores = [.. Enumerable.Range(0, Clients).Select(_ => LocalStore.InMemory(_notes))];
        List<Task<MutationOutcome>> outcomes = [];
        try
        {
            var syncs = new List<LocalStoreSync>();
            for (int i = 0; i < Clients; i++) syncs.Add(stores[i].SyncWith(client?.Store ?? cluster.Nodes[i]!.Store));
            for (int round = 0; round < Each; round++)
            {
                foreach (LocalStore store in stores) outcomes.Add((await store.MutateAsync(new AddCount("/sum", 1))).Outcome);
                if (round is not (10 or 25)) continue;
                int leader = await cluster.LeaderAsync();
                if (!isRemote) await syncs[leader].DisposeAsync();
                await cluster.KillAsync(leader);
                await cluster.LeaderAsync();
                await cluster.StartAsync(leader);
                if (!isRemote) syncs[leader] = stores[leader].SyncWith(cluster.Nodes[leader]!.Store);
            }

            using var deadline = new CancellationTokenSource(TimeSpan.FromMinutes(2));
            foreach (LocalStoreSync sync in syncs) await sync.PushedAsync(deadline.Token);
            foreach (LocalStoreSync sync in syncs) await sync.CaughtUpAsync(deadline.Token);
            Assert.All(await Task.WhenAll(outcomes), outcome => Assert.Equal(MutationFate.Applied, outcome.Fate));
            Assert.All(stores, store => Assert.Equal($"{Clients * Each}", Text(store, "/sum")));
            foreach (LocalStoreSync sync in syncs) await sync.DisposeAsync();
        }
        finally
        {
            foreach (LocalStore store in stores) await store.DisposeAsync();
        }
    }

    [Fact]
    public async Task Who_is_told_of_changes_shows_them_without_asking()
    {
        await using LiveCluster cluster = await LiveCluster.StartAsync(isTcp: true, mutators: _notes);
        await using TidemarkClient client = await cluster.ConnectAsync();
        await using var watching = LocalStore.InMemory(_notes);
        await using LocalStoreSync sync = watching.SyncWith(client.Store);
        await sync.CaughtUpAsync();
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(9));   // It asks by itself every ten seconds.
        await using IAsyncEnumerator<VisibleChange> changes = watching.WatchAsync(KeyRange.Children("/note"), cancellationToken: deadline.Token).GetAsyncEnumerator();
        ValueTask<bool> next = changes.MoveNextAsync();
        await cluster.Nodes[0]!.Store.PutAsync("/note/1", "told"u8.ToArray());
        Assert.True(await next);
        Assert.Equal("told", Text(watching, "/note/1"));
    }

    [Fact]
    public async Task What_a_caller_may_not_is_rejected_in_its_turn_and_who_may_not_pull_gets_nothing()
    {
        bool mayPull = true;
        await using LiveCluster cluster = await LiveCluster.StartAsync(
            isTcp: true, mutators: _notes, authorize: operation => operation.Kind switch
            {
                ClientOperationKind.Mutate => operation.Mutation != "note.write",
                ClientOperationKind.Pull => Volatile.Read(ref mayPull),
                _ => true,
            });
        await using TidemarkClient client = await cluster.ConnectAsync();
        await using var store = LocalStore.InMemory(_notes);
        Mutation forbidden = await store.MutateAsync(new WriteNote("1", "no"));
        Mutation allowed = await store.MutateAsync(new AddCount("/sum", 1));
        await using (LocalStoreSync sync = store.SyncWith(client.Store)) await sync.PushedAsync();
        Assert.Equal((MutationFate.Rejected, "forbidden"), ((await forbidden.Outcome).Fate, (await forbidden.Outcome).Code));
        Assert.Equal(MutationFate.Applied, (await allowed.Outcome).Fate);

        Volatile.Write(ref mayPull, false);
        await using LocalStoreSync refused = store.SyncWith(client.Store);
        for (DateTime end = DateTime.UtcNow.AddSeconds(30); refused.Status.Fault is null; await Task.Delay(20)) Assert.True(DateTime.UtcNow < end, "nobody was refused");
        Assert.Contains("may not do Pull", refused.Status.Fault, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_namespace_that_cannot_be_synced_with_is_refused_at_once()
    {
        await using var server = TidemarkStore.InMemory();
        KeyValueStore two = await server.CreateNamespaceAsync("two", new NamespaceOptions { ShardCount = 2 });
        KeyValueStore natural = await server.CreateNamespaceAsync("natural", new NamespaceOptions { KeyOrder = KeyOrder.Natural });
        await using var store = LocalStore.InMemory(_notes);
        Assert.Throws<ArgumentException>(() => store.SyncWith(two));
        Assert.Throws<ArgumentException>(() => store.SyncWith(natural));
        await using LocalStoreSync sync = store.SyncWith(server);
        Assert.Throws<InvalidOperationException>(() => store.SyncWith(server));
        await store.MutateAsync(new AddCount("/sum", 1));   // The server has no mutators: it waits, and says why.
        for (DateTime end = DateTime.UtcNow.AddSeconds(30); !sync.Status.IsDelayed; await Task.Delay(20)) Assert.True(DateTime.UtcNow < end, "nobody said why it waits");
    }

    private static string? Text(LocalStore store, string key) => store.TryGet(key, out ReadOnlyMemory<byte> value) ? Encoding.UTF8.GetString(value.Span) : null;
}

internal sealed record WriteNote(string Id, string Text);

internal sealed record AddCount(string Key, int By);

[System.Text.Json.Serialization.JsonSerializable(typeof(WriteNote))]
[System.Text.Json.Serialization.JsonSerializable(typeof(AddCount))]
internal sealed partial class SyncJson : System.Text.Json.Serialization.JsonSerializerContext;

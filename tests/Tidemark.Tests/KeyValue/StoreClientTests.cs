using Tidemark.Core.KeyValue;

namespace Tidemark.Tests.KeyValue;

public class StoreClientTests
{
    [Fact]
    public async Task A_clients_writes_have_outcomes_that_can_be_asked_for_later()
    {
        var disk = new MemoryFileSystem();
        var options = new TidemarkStoreOptions { FileSystem = disk };
        WriteId last;
        await using (TidemarkStore store = await TidemarkStore.OpenAsync("c", options))
        {
            StoreClient client = await store.RegisterClientAsync();
            Assert.True((await client.Store.PutAsync("a", new byte[1])).Succeeded);
            Assert.Equal(StoreStatus.VersionMismatch, (await client.Store.PutAsync("a", new byte[2], PutOptions.MustNotExist)).Status);
            last = new WriteId(client.Id, 0, 2);
        }

        await using (TidemarkStore store = await TidemarkStore.OpenAsync("c", options))
        {
            WriteOutcome outcome = await store.GetOutcomeAsync(last);
            Assert.Equal((StoreStatus.VersionMismatch, 1L), (outcome.Status, outcome.Result!.Value.Version));
            Assert.Equal(StoreStatus.NotFound, (await store.GetOutcomeAsync(last with { Sequence = 3 })).Status);
            Assert.Equal(StoreStatus.OutcomeForgotten, (await store.GetOutcomeAsync(last with { Sequence = 1 })).Status);
            Assert.Equal(StoreStatus.ClientNotFound, (await store.GetOutcomeAsync(last with { Client = Guid.Empty })).Status);
        }
    }

    [Fact]
    public async Task A_client_that_is_forgotten_writes_no_more()
    {
        await using TidemarkStore store = TidemarkStore.InMemory();
        StoreClient client = await store.RegisterClientAsync();
        await client.Store.PutAsync("a", new byte[1]);
        await client.DisposeAsync();
        Assert.Equal(StoreStatus.ClientNotFound, (await client.Store.PutAsync("a", new byte[1])).Status);
        Assert.Equal(0, (await store.GetAsync("a"))!.Value.Modifications);
    }

    [Fact]
    public async Task An_idle_client_expires_by_an_entry_and_a_used_one_does_not()
    {
        var time = new Tidemark.Testing.ManualTimeProvider();
        await using TidemarkStore store = TidemarkStore.InMemory(new TidemarkStoreOptions { TimeProvider = time });
        StoreClient idle = await store.RegisterClientAsync(), used = await store.RegisterClientAsync();
        for (int i = 0; i < 9; i++)
        {
            time.Advance(TimeSpan.FromMinutes(10));
            await used.Store.PutAsync("a", new byte[1]);
        }

        Assert.Equal(StoreStatus.ClientNotFound, (await idle.Store.PutAsync("b", new byte[1])).Status);
        Assert.True((await used.Store.PutAsync("b", new byte[1])).Succeeded);
    }

    [Fact]
    public async Task A_repeated_write_gets_the_first_answer_and_a_gap_is_refused()
    {
        await using TidemarkStore store = TidemarkStore.InMemory();
        StoreClient client = await store.RegisterClientAsync();
        var shard = store.Local.Shards[0];
        WriteResult first = await SendAsync(1), again = await SendAsync(1), gap = await SendAsync(3), second = await SendAsync(2);
        Assert.Equal(first, again);
        Assert.Equal(StoreStatus.SequenceGap, gap.Status);
        Assert.Equal(first.Version + 1, second.Version);
        Assert.Equal(1, (await store.GetAsync("a"))!.Value.Modifications);

        async Task<WriteResult> SendAsync(long sequence)
        {
            var proposal = shard.Rent(KvCommand.Write);
            CommandWriter.WritePut(proposal.Payload, new WriteTicket(client.Id, sequence, 1), "a"u8, "v"u8, default);
            return await shard.WriteAsync(proposal, "a", default);
        }
    }
}

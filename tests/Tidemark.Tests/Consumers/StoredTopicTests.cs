namespace Tidemark.Tests.Consumers;

/// <summary>Consumers on topics of a store.</summary>
public sealed class StoredTopicTests
{
    [Fact]
    public async Task What_a_group_stored_goes_with_its_topic_and_a_new_one_of_the_name_is_read_from_its_start()
    {
        await using var bench = new ConsumerBench(1);
        await bench.UseStoreAsync(new TopicOptions());
        await bench.FillAsync(0, 3);
        await using GroupMember member = await bench.JoinAsync("g");
        await ConsumerBench.TakeAsync(member, 3);
        Assert.Equal(3, await member.GetOffsetAsync(0));
        Task<List<ConsumedMessage>> waiting = ConsumerBench.TakeAsync(member, 1);
        Assert.True(await bench.Store.Topics.DeleteAsync(bench.Source.Name));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => waiting);
        await member.DisposeAsync();
        await bench.UseStoreAsync(new TopicOptions());
        await bench.FillAsync(0, 1);
        await using GroupMember next = await bench.JoinAsync("g");
        Assert.NotEqual(3, await next.GetOffsetAsync(0));
        Assert.Equal(0, (await ConsumerBench.TakeAsync(next, 1))[0].Offset);
    }

    [Fact]
    public async Task A_group_reads_on_where_a_store_is_opened_again_and_takes_what_was_added()
    {
        var disk = new MemoryFileSystem();
        var options = new TidemarkStoreOptions { FileSystem = disk };
        await using (TidemarkStore store = await TidemarkStore.OpenAsync("d", options))
        {
            Topic orders = await store.Topics.CreateAsync("orders");
            for (int i = 0; i < 5; i++) await orders.AppendAsync(new TopicMessage(new byte[] { (byte)i }));
            await using GroupMember member = await ConsumerGroup.JoinAsync(store, orders, "g");
            await ConsumerBench.TakeAsync(member, 3);
        }

        await using (TidemarkStore store = await TidemarkStore.OpenAsync("d", options))
        {
            Topic orders = await store.Topics.ChangeAsync("orders", new TopicOptions { Partitions = 2 });
            await orders.AppendAsync(new TopicMessage(new byte[] { 9 }), new AppendOptions { Partition = 1 });
            await using GroupMember member = await ConsumerGroup.JoinAsync(store, orders, "g");
            List<ConsumedMessage> rest = await ConsumerBench.TakeAsync(member, 3);
            Assert.Equal([(0, 3), (0, 4), (1, 0)], rest.Select(message => (message.Partition, message.Offset)).Order());
        }
    }
}

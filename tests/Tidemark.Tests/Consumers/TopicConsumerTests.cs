using System.Diagnostics.Metrics;

using Tidemark.Replication.Consumers;

namespace Tidemark.Tests.Consumers;

public sealed class TopicConsumerTests
{
    [Theory]
    [InlineData(1, false)]
    [InlineData(4, true)]
    public async Task Whoever_begins_again_under_a_name_goes_on_where_it_was_done(int shards, bool natural)
    {
        await using var bench = new ConsumerBench(2, shards, natural ? KeyOrder.Natural : null);
        await bench.FillAsync(0, 5);
        await bench.FillAsync(1, 5);
        await using (TopicConsumer first = bench.Consumer("a/b"))
        {
            List<ConsumedMessage> taken = await ConsumerBench.TakeAsync(first, 4);
            Assert.All(taken.GroupBy(message => message.Partition), of => Assert.Equal(Enumerable.Range(0, of.Count()).Select(i => (long)i), of.Select(message => message.Offset)));
        }

        await using TopicConsumer second = bench.Consumer("a/b");
        List<ConsumedMessage> rest = await ConsumerBench.TakeAsync(second, 6);
        Assert.Equal(6, rest.Select(message => (message.Partition, message.Offset)).Distinct().Count());
        Assert.Equal([5, 5], [await second.GetOffsetAsync(0), await second.GetOffsetAsync(1)]);
        Assert.Null(await bench.Consumer("other").GetOffsetAsync(0));
    }

    [Fact]
    public async Task A_message_at_which_the_loop_is_left_is_given_again_unless_it_was_stored()
    {
        await using var bench = new ConsumerBench(1);
        await bench.FillAsync(0, 3);
        await using TopicConsumer consumer = bench.Consumer("c");
        await foreach (ConsumedMessage message in consumer.ConsumeAsync()) break;
        await foreach (ConsumedMessage message in consumer.ConsumeAsync())
        {
            Assert.Equal(0, message.Offset);
            Assert.True(await message.StoreAsync());
            break;
        }

        Assert.Equal(1, (await ConsumerBench.TakeAsync(consumer, 1))[0].Offset);
    }

    [Fact]
    public async Task A_store_that_is_out_for_a_while_holds_up_the_loop_and_ends_nothing()
    {
        await using var bench = new ConsumerBench(2);
        await bench.FillAsync(0, 5);
        await bench.FillAsync(1, 5);
        var store = new FailingStore(bench.Store) { Failure = new OverloadedException("out") };
        await using var consumer = new TopicConsumer(store, bench.Source, "c", new ConsumerOptions { TimeProvider = bench.Time, Store = OffsetPolicy.Every(1) });
        var taken = new List<(int, long)>();
        using var stop = new CancellationTokenSource();
        Task loop = Task.Run(async () =>
        {
            await foreach (ConsumedMessage message in consumer.ConsumeAsync(stop.Token))
            {
                lock (taken) taken.Add((message.Partition, message.Offset));
                if (taken.Count == 4) store.Failure = new OutcomeUnknownException("out");
            }
        });
        await bench.UntilAsync(() => store.Failed >= 3, TimeSpan.FromMilliseconds(100));   // It cannot even begin.
        Assert.Empty(taken);
        store.Failure = null;
        await bench.UntilAsync(() => store.Failure is not null, TimeSpan.FromMilliseconds(100));
        int failed = store.Failed;
        await bench.UntilAsync(() => store.Failed >= failed + 3, TimeSpan.FromMilliseconds(500));
        Assert.False(loop.IsCompleted);
        Assert.Equal(4, taken.Count);   // No more is handed out than the policy lets come again.
        store.Failure = null;
        await bench.UntilAsync(() => taken.Count == 10, TimeSpan.FromMilliseconds(500));
        Assert.Equal(10, taken.Distinct().Count());
        await bench.UntilAsync(() => consumer.GetOffsetAsync(0).AsTask().Result + consumer.GetOffsetAsync(1).AsTask().Result == 10);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => loop);
    }

    [Fact]
    public async Task An_error_of_the_store_that_does_not_pass_ends_the_loop_and_so_does_disposing_while_one_is_waited_for()
    {
        await using var bench = new ConsumerBench(1);
        await bench.FillAsync(0, 5);
        var store = new FailingStore(bench.Store);
        var options = new ConsumerOptions { TimeProvider = bench.Time, Store = OffsetPolicy.Every(1) };
        await using (var consumer = new TopicConsumer(store, bench.Source, "c", options))
        {
            await Assert.ThrowsAsync<StoreFailedException>(async () =>
            {
                await foreach (ConsumedMessage _ in consumer.ConsumeAsync()) store.Failure = new StoreFailedException("gone");
            });
            store.Failure = null;
            Assert.Equal(1, (await ConsumerBench.TakeAsync(consumer, 1))[0].Offset);
        }

        int failed = store.Failed;
        var waiting = new TopicConsumer(store, bench.Source, "c", options);
        Task loop = Task.Run(async () =>
        {
            await foreach (ConsumedMessage _ in waiting.ConsumeAsync()) store.Failure = new OverloadedException("out");
        });
        await bench.UntilAsync(() => store.Failed > failed);
        await Assert.ThrowsAsync<OverloadedException>(async () => await waiting.DisposeAsync());   // It is tried once more, and said.
        await Assert.ThrowsAsync<ObjectDisposedException>(() => loop.WaitAsync(ConsumerBench.Patience));
    }

    [Fact]
    public async Task What_is_paused_before_the_first_loop_is_not_read_until_it_is_resumed()
    {
        await using var bench = new ConsumerBench(2);
        await bench.FillAsync(0, 3);
        await bench.FillAsync(1, 3);
        await using TopicConsumer consumer = bench.Consumer("c");
        consumer.Pause(0);
        Assert.All(await ConsumerBench.TakeAsync(consumer, 3), message => Assert.Equal(1, message.Partition));
        Task<List<ConsumedMessage>> more = ConsumerBench.TakeAsync(consumer, 3);
        Assert.False(more.IsCompleted);
        consumer.Resume(0);
        Assert.All(await more, message => Assert.Equal(0, message.Partition));
        Assert.Throws<InvalidOperationException>(() => consumer.Pause(2));
        await using GroupMember member = await bench.JoinAsync("g");
        Assert.Throws<InvalidOperationException>(() => member.Pause(7));   // A member's partitions are what it was given.
    }

    [Fact]
    public async Task By_hand_nothing_is_stored_but_what_is_said()
    {
        await using var bench = new ConsumerBench(1);
        await bench.FillAsync(0, 10);
        await using (TopicConsumer consumer = bench.Consumer("c", new ConsumerOptions { Store = OffsetPolicy.Manual }))
        {
            List<ConsumedMessage> taken = await ConsumerBench.TakeAsync(consumer, 6);
            Assert.Equal(0, await consumer.GetOffsetAsync(0));
            Assert.True(await taken[3].StoreAsync());
            Assert.Equal(4, await consumer.GetOffsetAsync(0));
            Assert.True(await consumer.StoreOffsetAsync(0, 2));   // Back again.
        }

        await using TopicConsumer next = bench.Consumer("c");
        Assert.Equal(2, (await next.ReadAsync(0)).Messages[0].Offset);
        Assert.Equal(2, (await ConsumerBench.TakeAsync(next, 1))[0].Offset);
    }

    [Fact]
    public async Task Each_message_is_stored_before_the_next_is_given_and_every_third_where_that_is_said()
    {
        await using var bench = new ConsumerBench(1);
        await bench.FillAsync(0, 10);
        foreach ((string name, OffsetPolicy policy, int step) in new[] { ("each", OffsetPolicy.EachMessage, 1), ("third", OffsetPolicy.Every(3), 3) })
        {
            await using TopicConsumer consumer = bench.Consumer(name, new ConsumerOptions { Store = policy });
            await foreach (ConsumedMessage message in consumer.ConsumeAsync())
            {
                Assert.Equal(message.Offset / step * step, await consumer.GetOffsetAsync(0));
                if (message.Offset == 9) break;
            }
        }
    }

    [Fact]
    public async Task After_an_interval_what_was_done_is_stored_also_while_no_message_comes()
    {
        await using var bench = new ConsumerBench(1);
        await bench.FillAsync(0, 2);
        await using TopicConsumer consumer = bench.Consumer("c", new ConsumerOptions { Store = OffsetPolicy.Every(TimeSpan.FromSeconds(10)) });
        int given = 0;
        using var stop = new CancellationTokenSource();
        Task consuming = consumer.HandleAsync((_, _) => { given++; return default; }, null, stop.Token);
        await bench.UntilAsync(() => given == 2);
        Assert.Equal(0, await consumer.GetOffsetAsync(0));
        await bench.UntilAsync(() => consumer.GetOffsetAsync(0).AsTask().Result == 2, TimeSpan.FromSeconds(1));
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => consuming);
    }

    [Fact]
    public async Task A_partition_is_read_on_from_a_time_from_an_offset_or_not_at_all_while_it_is_paused()
    {
        await using var bench = new ConsumerBench(2);
        await bench.FillAsync(0, 3);
        bench.Time.Advance(TimeSpan.FromHours(1));
        DateTimeOffset later = bench.Time.GetUtcNow();
        await bench.FillAsync(0, 3);
        await using TopicConsumer consumer = bench.Consumer("c");
        await ConsumerBench.TakeAsync(consumer, 6);
        Assert.Equal(3, await consumer.SeekAsync(0, TopicPosition.AtTime(later)));
        Assert.Equal([3, 4, 5], (await ConsumerBench.TakeAsync(consumer, 3)).Select(message => message.Offset));
        Assert.Equal(5, await consumer.SeekAsync(0, TopicPosition.Last(1)));
        Assert.Equal(1, await consumer.SeekAsync(0, TopicPosition.At(1)));
        Assert.Equal(1, (await ConsumerBench.TakeAsync(consumer, 1))[0].Offset);
        consumer.Pause(0);
        await bench.FillAsync(1, 2);
        Assert.All(await ConsumerBench.TakeAsync(consumer, 2), message => Assert.Equal(1, message.Partition));
        consumer.Resume(0);
        Assert.Equal([2, 3, 4, 5], (await ConsumerBench.TakeAsync(consumer, 4)).Select(message => message.Offset));
        await Assert.ThrowsAsync<OffsetOutOfRangeException>(async () => await consumer.SeekAsync(0, TopicPosition.At(7)));
        Assert.Throws<InvalidOperationException>(() => consumer.Pause(2));
    }

    [Fact]
    public async Task What_is_kept_no_more_is_an_error_until_somebody_says_where_to_go_on()
    {
        await using var bench = new ConsumerBench(1);
        await bench.FillAsync(0, 6);
        await using (TopicConsumer first = bench.Consumer("c")) await ConsumerBench.TakeAsync(first, 2);
        bench.Topic.Forget(4);
        await using (TopicConsumer consumer = bench.Consumer("c"))
        {
            await Assert.ThrowsAsync<OffsetOutOfRangeException>(() => ConsumerBench.TakeAsync(consumer, 1));
            await Assert.ThrowsAsync<OffsetOutOfRangeException>(() => ConsumerBench.TakeAsync(consumer, 1));
            await consumer.SeekAsync(0, TopicPosition.First);
            Assert.Equal(4, (await ConsumerBench.TakeAsync(consumer, 1))[0].Offset);
            await consumer.StoreOffsetAsync(0, 1);
        }

        await using TopicConsumer careless = bench.Consumer("c", new ConsumerOptions { Reading = new TopicReadOptions { OutOfRange = OutOfRangePolicy.First } });
        Assert.Equal(4, (await ConsumerBench.TakeAsync(careless, 1))[0].Offset);
    }

    [Fact]
    public async Task Who_starts_at_the_end_misses_nothing_that_comes_after_the_first_start()
    {
        await using var bench = new ConsumerBench(1);
        await bench.FillAsync(0, 3);
        var options = new ConsumerOptions { Start = TopicPosition.End };
        await using (TopicConsumer first = bench.Consumer("c", options))
        {
            using var stop = new CancellationTokenSource();
            Task handling = first.HandleAsync((_, _) => default, null, stop.Token);
            await bench.UntilAsync(() => first.Partitions.Count == 1);
            await stop.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => handling);
        }

        await bench.FillAsync(0, 2);
        await using TopicConsumer second = bench.Consumer("c", options);
        Assert.Equal([3, 4], (await ConsumerBench.TakeAsync(second, 2)).Select(message => message.Offset));
    }

    [Fact]
    public async Task Lag_is_told_when_asked_and_measured_now_and_then()
    {
        await using var bench = new ConsumerBench(1);
        await bench.FillAsync(0, 7);
        await using TopicConsumer consumer = bench.Consumer("lagging", new ConsumerOptions { Store = OffsetPolicy.EachMessage });
        Assert.Equal(7, await consumer.GetLagAsync(0));
        await ConsumerBench.TakeAsync(consumer, 3);
        Assert.Equal(4, await consumer.GetLagAsync(0));
        long? measured = null;
        using var listener = new MeterListener();
        listener.SetMeasurementEventCallback<long>((_, value, tags, _) =>
        {
            if (tags.Contains(new KeyValuePair<string, object?>("tidemark.consumer", "lagging"))) measured = value;
        });
        listener.InstrumentPublished = (instrument, it) =>
        {
            if (instrument.Name == TidemarkDiagnostics.ConsumerLag) it.EnableMeasurementEvents(instrument);
        };
        listener.Start();
        await bench.UntilAsync(
            () =>
            {
                listener.RecordObservableInstruments();
                return measured == 4;
            },
            TimeSpan.FromSeconds(10));
        bench.Topic.Forget(6);
        Assert.Equal(1, await consumer.GetLagAsync(0));
    }

    [Fact]
    public async Task A_partition_that_is_added_is_read_too()
    {
        await using var bench = new ConsumerBench(1);
        await using TopicConsumer consumer = bench.Consumer("c");
        Task<List<ConsumedMessage>> taking = ConsumerBench.TakeAsync(consumer, 1);
        await bench.UntilAsync(() => consumer.Partitions.Count == 1);
        bench.Topic.Grow(2);
        await bench.FillAsync(1, 1);
        await bench.UntilAsync(() => taking.IsCompleted, TimeSpan.FromSeconds(10));
        Assert.Equal(1, (await taking)[0].Partition);
    }

    [Fact]
    public async Task Retention_is_told_what_its_consumer_has_stored_and_no_other()
    {
        await using var bench = new ConsumerBench(1);
        bench.Topic.RetentionConsumer = "holder";
        await bench.FillAsync(0, 3);
        await using TopicConsumer other = bench.Consumer("other"), holder = bench.Consumer("holder");
        await other.StoreOffsetAsync(0, 2);
        Assert.Empty(bench.Topic.Released);
        await holder.StoreOffsetAsync(0, 2);
        Assert.Equal(2, bench.Topic.Released[0]);
    }

    [Fact]
    public async Task A_topic_that_is_deleted_takes_along_what_its_consumers_stored_and_no_others()
    {
        await using var bench = new ConsumerBench(1, shards: 3);
        var twin = new FakeTopic("orders", 1);
        await using TopicConsumer one = bench.Consumer("one"), two = bench.Consumer("two"), spared = new(bench.Store, twin, "new:one");
        foreach (TopicConsumer consumer in new[] { one, two, spared }) Assert.True(await consumer.StoreOffsetAsync(0, 0));
        await bench.FillAsync(0, 2);
        await ConsumerBench.TakeAsync(one, 1);
        await ConsumerRows.ForgetTopicAsync(bench.Store, bench.Topic, default);
        Assert.Null(await one.GetOffsetAsync(0));
        Assert.Null(await two.GetOffsetAsync(0));
        Assert.Equal(0, await spared.GetOffsetAsync(0));
        Assert.False(await one.StoreOffsetAsync(0, 1));   // It reads on, but what is gone does not come back.
    }

    [Fact]
    public async Task Users_neither_write_nor_delete_what_consumers_stored()
    {
        await using var bench = new ConsumerBench(1);
        await using TopicConsumer consumer = bench.Consumer("c");
        await consumer.StoreOffsetAsync(0, 0);
        await bench.Store.PutAsync("mine", "1"u8.ToArray());
        StoreKey key = default;
        await foreach (StoreKey found in bench.Store.ListAsync(KeyRange.All))
            if (found != "mine") key = found;
        Assert.StartsWith("__tidemark/consumers/", key.ToString(), StringComparison.Ordinal);
        await Assert.ThrowsAsync<ArgumentException>(async () => await bench.Store.PutAsync(key, default));
        await Assert.ThrowsAsync<ArgumentException>(async () => await bench.Store.DeleteAsync(key));
        await Assert.ThrowsAsync<ArgumentException>(async () => await bench.Store.CommitAsync(new StoreTransaction().Delete(key)));
        Assert.Equal(1, (await bench.Store.DeleteRangeAsync(KeyRange.All)).Count);
        Assert.Equal(0, await consumer.GetOffsetAsync(0));
        using var export = new MemoryStream();
        Assert.Equal(0, (await bench.Store.ExportAsync(export)).Records);
    }

    [Fact]
    public async Task One_loop_at_a_time_consumes_and_none_after_the_end()
    {
        await using var bench = new ConsumerBench(1);
        TopicConsumer consumer = bench.Consumer("c");
        Task<List<ConsumedMessage>> waiting = ConsumerBench.TakeAsync(consumer, 1);
        await Assert.ThrowsAsync<InvalidOperationException>(() => ConsumerBench.TakeAsync(consumer, 1));
        await bench.UntilAsync(() => consumer.Partitions.Count == 1);
        await consumer.DisposeAsync();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => waiting);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => ConsumerBench.TakeAsync(consumer, 1));
        Assert.Throws<ArgumentException>(() => bench.Consumer("line\nbreak"));
        Assert.Throws<ArgumentOutOfRangeException>(() => bench.Consumer("c", new ConsumerOptions { Prefetch = 0 }));
    }
}

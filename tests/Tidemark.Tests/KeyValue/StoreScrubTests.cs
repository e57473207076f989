using System.Runtime.InteropServices;

using Tidemark.Core.KeyValue;
using Tidemark.Core.State;
using Tidemark.Replication.Shards;
using Tidemark.Testing;
using Tidemark.Tests.KeyValue.Model;

namespace Tidemark.Tests.KeyValue;

/// <summary>States are read again, and what no entry changed is found.</summary>
public class StoreScrubTests
{
    private readonly MemoryFileSystem _disk = new();
    private readonly ManualTimeProvider _time = new();

    private TidemarkStoreOptions Options => new() { FileSystem = _disk, TimeProvider = _time, ScrubInterval = TimeSpan.FromHours(1) };

    [Fact]
    public async Task Of_a_whole_store_every_row_is_read_and_writes_go_on()
    {
        await using TidemarkStore store = await MakeAsync();
        Task<ScrubReport> reading = store.ScrubAsync().AsTask();
        for (int i = 0; i < 50; i++) await store.PutAsync($"{i}", "anew"u8.ToArray());
        ScrubReport report = await reading;
        Assert.Equal(3, report.States);   // Two shards and a partition.
        Assert.InRange(report.Rows, 1_000, 10_000);
    }

    [Fact]
    public async Task A_bit_that_changed_in_memory_is_found_and_the_shard_takes_no_more_until_the_store_is_opened_again()
    {
        await using (TidemarkStore store = await MakeAsync())
        {
            Flip(store, "7");
            CorruptDataException found = await Assert.ThrowsAsync<CorruptDataException>(async () => await store.ScrubAsync());
            Assert.Contains("rows have changed that no entry changed", found.Message, StringComparison.Ordinal);
            await Assert.ThrowsAsync<StoreFailedException>(async () => await store.PutAsync("7", default));
            Assert.Equal(1, store.GetHealth().Shards.Count(shard => shard.Failure is not null));
        }

        await using TidemarkStore again = await TidemarkStore.OpenAsync("d", Options);
        Assert.True((await again.GetAsync("7"))!.Value.Value.Span.SequenceEqual("value 7"u8));
        Assert.Equal(3, (await again.ScrubAsync()).States);
    }

    [Fact]
    public async Task Every_interval_it_is_done_by_itself()
    {
        await using TidemarkStore store = await MakeAsync();
        Flip(store, "7");
        await store.PutAsync("other", default);
        Assert.DoesNotContain(store.GetHealth().Shards, shard => shard.Failure is not null);
        var deadline = DateTime.UtcNow.AddMinutes(1);
        while (store.GetHealth().Shards.All(shard => shard.Failure is null))
        {
            Assert.True(DateTime.UtcNow < deadline, "nothing was read");
            _time.Advance(TimeSpan.FromMinutes(20));
            await Task.Yield();
        }
    }

    [Fact]
    public async Task A_closed_store_says_so_and_a_reading_that_waits_its_turn_is_not_waited_for()
    {
        TidemarkStore store = await MakeAsync();
        await store.DisposeAsync();
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await store.ScrubAsync());

        List<Action> queued = [];
        List<ScrubbedState> found = [];
        Queue<Action<DateTimeOffset>> posted = [];
        using var machine = new KvMachine(new MemoryEngine(), MachineRun.Identity);
        var scrub = new StateScrub(posted.Enqueue, _time, interval: null) { Ended = _ => Assert.Fail("what was canceled has found nothing"), Runner = queued.Add };
        scrub.Ask(found.Add);
        scrub.BeginIfDue(machine, _time.GetUtcNow());
        Assert.Single(queued);
        scrub.Cancel();
        queued[0]();
        Assert.Single(posted);
        posted.Dequeue()(default);
        Assert.IsType<OperationCanceledException>(Assert.Single(found).Failure);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void The_sum_read_anew_is_the_running_one_over_every_engine_whatever_was_done(bool isLayered)
    {
        var run = new MachineRun(KeyOrder.Natural);
        using var machine = new KvMachine(isLayered ? new ScratchEngine() : new MemoryEngine(), MachineRun.Identity);
        foreach (ModelCommand command in MachineRun.Draw(KeyOrder.Natural, seed: 12, 400))
        {
            MachineRun.Apply(machine, run.Append(command));
            using var rows = (RowSnapshot)machine.TakeSnapshot();
            Assert.Equal(machine.Hash, rows.Recount(static () => false));
        }
    }

    /// <summary>Changes a record in memory, as a bit that falls over does.</summary>
    private static void Flip(TidemarkStore store, string key)
    {
        Assert.True(store.TryGet(key, out StoreRecord record));
        MemoryMarshal.AsMemory(record.RowBytes).Span[^1] ^= 4;
    }

    private async Task<TidemarkStore> MakeAsync()
    {
        TidemarkStore store = await TidemarkStore.OpenAsync("d", Options);
        KeyValueStore other = await store.CreateNamespaceAsync("other");
        Topic topic = await store.Topics.CreateAsync("t");
        await topic.AppendAsync(new TopicMessage("m"u8.ToArray()));
        for (int i = 0; i < 500; i++)
        {
            await store.PutAsync($"{i}", System.Text.Encoding.UTF8.GetBytes($"value {i}"));
            await other.PutAsync($"{i}", default);
        }

        return store;
    }
}

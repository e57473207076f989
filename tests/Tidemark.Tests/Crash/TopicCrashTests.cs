using Tidemark.Storage.Catalog;
using Tidemark.Testing;
using Tidemark.Tests.Topics;

using static Tidemark.Tests.Topics.FakeTopic;

namespace Tidemark.Tests.Crash;

/// <summary>The power goes, or the disk refuses, while a topic is made, changed and deleted: it is there whole or not at all, and nothing else is lost.</summary>
public sealed class TopicCrashTests
{
    private static readonly string[] _placed = ["one", "two", "three"];

    [Fact]
    public async Task Whatever_a_power_cut_leaves_has_the_topic_as_before_or_as_after()
    {
        var disk = new FaultyFileSystem(1);
        await using TidemarkStore store = await PrepareAsync(disk);
        await CutAsync(disk, before: 0, after: 2, [], async () => await store.Topics.CreateAsync("orders", Small(2)));
        await store.Topics.Get("orders").AppendAsync([.. _placed.Select(text => Message(text))], new AppendOptions { Partition = 0 });
        await CutAsync(disk, before: 2, after: 3, _placed, async () => await store.Topics.ChangeAsync("orders", Small(3)));
        await CutAsync(disk, before: 3, after: 0, _placed, async () => Assert.True(await store.Topics.DeleteAsync("orders")));
    }

    [Fact]
    public async Task Where_the_disk_refuses_the_topic_is_as_before_or_as_after_and_the_store_goes_on()
    {
        int failures = 0;
        foreach (FaultKind kind in (FaultKind[])[FaultKind.WriteError, FaultKind.FlushError, FaultKind.DirectoryFlushError, FaultKind.RenameError, FaultKind.DeleteError])
        {
            bool wasHit = true;
            for (int nth = 1; wasHit && nth < 100; nth += 2)
            {
                string story = $"{kind} {nth}";
                var disk = new FaultyFileSystem(nth);
                TidemarkStore store = await PrepareAsync(disk);
                disk.Fail(kind, nth);
                Exception? failed = await Record.ExceptionAsync(async () =>
                {
                    await store.Topics.CreateAsync("orders", Small(2));
                    await store.Topics.DeleteAsync("orders");
                });
                wasHit = failed is not null;
                if (wasHit)
                {
                    failures++;
                    Assert.True(store.Topics.Find("orders") is null, story);
                    await CheckAsync(disk.ProcessKill(), [], story);
                    Topic anew = await store.Topics.CreateAsync("orders", Small(1));
                    Assert.Equal(0, (await anew.AppendAsync(Message("one"))).Offset);
                    Assert.Equal(1, await CheckAsync(disk.Crash(CrashLoss.Everything).Disk, ["one"], story));
                }

                await Record.ExceptionAsync(async () => await store.DisposeAsync());   // A fault that was not met yet may meet this.
            }
        }

        Assert.True(failures > 20, $"only {failures} failures");
    }

    /// <summary>Does something, and looks at what power cuts within it would leave.</summary>
    private static async Task CutAsync(FaultyFileSystem disk, int before, int after, string[] messages, Func<Task> work)
    {
        List<(string Story, CrashState State)> cuts = [];
        disk.BeforeOperation = operation =>
        {
            foreach (CrashState state in disk.CrashStates(3)) cuts.Add(($"before {operation}: {state}", state));
        };
        await work();
        disk.BeforeOperation = null;
        HashSet<int> found = [];
        foreach ((string story, CrashState state) in cuts)
        {
            int partitions = await CheckAsync(state.Disk, messages, story);
            Assert.True(partitions == before || partitions == after, $"{partitions} partitions {story}");
            found.Add(partitions);
        }

        Assert.Equal(2, found.Count);
        foreach (CrashState state in disk.CrashStates(4)) Assert.Equal(after, await CheckAsync(state.Disk, messages, $"afterwards: {state}"));
    }

    private static async Task<TidemarkStore> PrepareAsync(FaultyFileSystem disk)
    {
        TidemarkStore store = await OpenAsync(disk);
        await store.PutAsync("a", new byte[1]);
        await (await store.Topics.CreateAsync("stays", Small(1))).AppendAsync(Message("kept"));
        return store;
    }

    /// <summary>Opens what is left, and looks at all of it.</summary>
    /// <returns>How many partitions the topic has; 0 where it is not there.</returns>
    private static async Task<int> CheckAsync(FaultyFileSystem disk, string[] messages, string story)
    {
        await using TidemarkStore store = await OpenAsync(disk);
        Assert.True(await store.GetAsync("a") is not null, story);
        Assert.True((await StoreTopicTests.ReadAsync(store.Topics.Get("stays"), 0)).SequenceEqual(["kept"]), story);
        StoreCatalog catalog = CatalogFile.TryRead(disk, Path.GetFullPath("d"))!;
        for (long shard = 0; shard < catalog.NextShardId; shard++)
        {
            string log = Path.GetFullPath($"d/shards/{shard:D6}/log");
            if (!catalog.ShardIds.Contains(shard)) Assert.True(Storage.Files.DirectoryFiles.Names(disk, log).Count == 0, $"files of shard {shard} are left, {story}");
        }

        Topic? orders = store.Topics.Find("orders");
        int partitions = orders?.Options.Partitions ?? 0;
        orders ??= await store.Topics.CreateAsync("orders", Small(1));
        Assert.True((await StoreTopicTests.ReadAsync(orders, 0)).SequenceEqual(partitions > 0 ? messages : []), story);
        for (int i = 0; i < orders.Options.Partitions; i++) Assert.True((await orders.AppendAsync(Message(), new AppendOptions { Partition = i })).IsAppended, story);
        return partitions;
    }

    private static TopicOptions Small(int partitions) => new() { Partitions = partitions, SegmentBytes = 64 * 1024 };

    private static ValueTask<TidemarkStore> OpenAsync(FaultyFileSystem disk) =>
        TidemarkStore.OpenAsync("d", new TidemarkStoreOptions { FileSystem = disk, Random = new Random(3), LogSegmentBytes = 4096, Executors = 1 });
}

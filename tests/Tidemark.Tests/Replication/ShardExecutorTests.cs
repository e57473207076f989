using System.Text;

using Tidemark.Replication.Shards;
using Tidemark.Testing;

using static Tidemark.Tests.Eventually;

namespace Tidemark.Tests.Replication;

/// <summary>Shards of one executor while flushes of some of their logs hang.</summary>
public sealed class ShardExecutorTests
{
    private const int Partitions = 8;

    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(60);

    private readonly HangingFileSystem _disk = new();
    private readonly ManualTimeProvider _time = new();

    [Theory]
    [InlineData(1)]
    [InlineData(ShardExecutors.FlushesEach - 1)]
    public async Task A_flush_that_hangs_holds_up_its_own_log_alone(int hanging)
    {
        await using TidemarkStore store = await OpenAsync();
        Topic topic = await store.Topics.CreateAsync("t", new TopicOptions { Partitions = Partitions });
        Task[] heldUp = await HangAsync(topic, hanging);
        for (int i = 0; i < 100; i++)
        {
            for (int partition = hanging; partition < Partitions; partition++) await AppendAsync(topic, partition, i).WaitAsync(_patience);
            await store.PutAsync("key", default).AsTask().WaitAsync(_patience);
        }

        Task[] behind = [.. Enumerable.Range(0, hanging).Select(partition => AppendAsync(topic, partition, 1))];   // Comes while the flush is under way.
        Assert.All(heldUp.Concat(behind), append => Assert.False(append.IsCompleted));
        _disk.LetGo();
        await Task.WhenAll([.. heldUp, .. behind]).WaitAsync(_patience);
        for (int partition = 0; partition < hanging; partition++) Assert.Equal([0, 1], await NumbersAsync(topic, partition));
        for (int partition = hanging; partition < Partitions; partition++) Assert.Equal(Enumerable.Range(0, 100), await NumbersAsync(topic, partition));
    }

    [Fact]
    public async Task Where_as_many_hang_as_are_flushed_side_by_side_the_others_wait_and_lose_nothing()
    {
        await using TidemarkStore store = await OpenAsync();
        Topic topic = await store.Topics.CreateAsync("t", new TopicOptions { Partitions = Partitions });
        Task[] heldUp = await HangAsync(topic, ShardExecutors.FlushesEach);
        Task other = AppendAsync(topic, Partitions - 1, 0);
        await Task.Delay(50);
        Assert.False(other.IsCompleted);
        _disk.LetGo();
        await Task.WhenAll([.. heldUp, other]).WaitAsync(_patience);
    }

    [Fact]
    public async Task Time_goes_on_for_the_others()
    {
        await using TidemarkStore store = await OpenAsync();
        Topic topic = await store.Topics.CreateAsync("t");
        await store.PutAsync("short", default, new PutOptions { TimeToLive = TimeSpan.FromSeconds(10) });
        Task[] heldUp = await HangAsync(topic, 1);
        Assert.NotNull(await store.GetAsync("short"));
        long before = store.GetHealth().Shards[0].AppliedOffset;
        await UntilAsync(async () =>
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            return await store.GetAsync("short") is null;
        });
        await UntilAsync(() => store.GetHealth().Shards[0].AppliedOffset > before, () => $"{store.GetHealth().Shards[0]}");   // An entry took it away, not the reading.
        _disk.LetGo();
        await Task.WhenAll(heldUp).WaitAsync(_patience);
    }

    [Fact]
    public async Task A_store_is_closed_once_the_flush_under_way_has_ended()
    {
        TidemarkStore store = await OpenAsync();
        Task[] heldUp = await HangAsync(await store.Topics.CreateAsync("t"), 1);
        Task closing = store.DisposeAsync().AsTask();
        await Task.Delay(50);
        Assert.False(closing.IsCompleted);
        _disk.LetGo();
        await closing.WaitAsync(_patience);
        await Task.WhenAll(heldUp).WaitAsync(_patience);
        await using TidemarkStore again = await OpenAsync();
        Assert.Equal([0], await NumbersAsync(again.Topics.Find("t")!, 0));
    }

    [Fact]
    public async Task A_topic_is_deleted_once_the_flush_under_way_has_ended()
    {
        await using TidemarkStore store = await OpenAsync();
        Task[] heldUp = await HangAsync(await store.Topics.CreateAsync("t"), 1);
        string log = Path.GetFullPath(Path.Combine("d", "shards", "000001", "log"));
        Assert.NotEmpty(_disk.ListFiles(log));
        Task deleting = store.Topics.DeleteAsync("t").AsTask();
        await Task.Delay(50);
        Assert.NotEmpty(_disk.ListFiles(log));
        _disk.LetGo();
        await Task.WhenAll([deleting, .. heldUp]).WaitAsync(_patience);
        await UntilAsync(() => _disk.ListFiles(log).Count == 0);
    }

    private Task<TidemarkStore> OpenAsync() => TidemarkStore.OpenAsync("d", new TidemarkStoreOptions { FileSystem = _disk, TimeProvider = _time, Executors = 1 }).AsTask();

    /// <summary>Appends to the first partitions, and waits until the flush of each hangs.</summary>
    private async Task<Task[]> HangAsync(Topic topic, int partitions)
    {
        int before = _disk.Hanging;
        _disk.Hang(partitions);
        Task[] appends = [.. Enumerable.Range(0, partitions).Select(partition => AppendAsync(topic, partition, 0))];
        await UntilAsync(() => _disk.Hanging == before + partitions, () => $"{_disk.Hanging} hang");
        return appends;
    }

    private static Task<AppendResult> AppendAsync(Topic topic, int partition, int number) =>
        topic.AppendAsync(new TopicMessage(Encoding.UTF8.GetBytes($"{number}")), new AppendOptions { Partition = partition }).AsTask();

    private static async Task<List<int>> NumbersAsync(Topic topic, int partition)
    {
        List<int> numbers = [];
        foreach (StoredMessage message in (await topic.ReadAsync(partition, TopicPosition.First)).Messages) numbers.Add(int.Parse(Encoding.UTF8.GetString(message.Payload.Span)));
        return numbers;
    }
}

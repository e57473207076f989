using Tidemark.Replication.Topics;

using static Tidemark.Tests.Topics.FakeTopic;

namespace Tidemark.Tests.Topics;

/// <summary>Following a partition: pages, then a wait, and an end that is said.</summary>
public sealed class TopicTailTests
{
    private readonly FakePartition[] _partitions = Partitions(1);
    private readonly PartitionedTopic _topic;

    public TopicTailTests() => _topic = Over(_partitions);

    [Fact]
    public async Task It_reads_page_after_page_waits_at_the_end_and_reads_no_more_often_than_there_is_something()
    {
        await AppendAsync("0", "1", "2", "3", "4");
        await using IAsyncEnumerator<StoredMessage> tail = Tail(TopicPosition.First, new TopicReadOptions { MaxMessages = 2 });
        for (int i = 0; i < 5; i++) Assert.Equal($"{i}", await NextAsync(tail));
        Task<string> next = NextAsync(tail);
        Assert.False(next.IsCompleted);
        Assert.Equal(3, _partitions[0].Calls.Count(call => call == "read"));
        await AppendAsync("5");
        Assert.Equal("5", await next);
        Assert.Equal(4, _partitions[0].Calls.Count(call => call == "read"));
    }

    [Fact]
    public async Task One_that_falls_behind_what_is_kept_says_so_or_goes_on_where_it_was_told_to()
    {
        await AppendAsync("0", "1", "2", "3", "4");
        var single = new TopicReadOptions { MaxMessages = 1 };
        await using IAsyncEnumerator<StoredMessage> strict = Tail(TopicPosition.First, single);
        await using IAsyncEnumerator<StoredMessage> lenient = Tail(TopicPosition.First, single with { OutOfRange = OutOfRangePolicy.First });
        Assert.Equal("0", await NextAsync(strict));
        Assert.Equal("0", await NextAsync(lenient));
        await _topic.TrimAsync(0, 3);
        var behind = await Assert.ThrowsAsync<OffsetOutOfRangeException>(() => NextAsync(strict));
        Assert.Equal((1, 3, 5), (behind.Offset, behind.Start, behind.End));
        Assert.Equal("3", await NextAsync(lenient));
    }

    [Fact]
    public async Task One_that_waits_ends_when_the_topic_is_deleted_or_its_caller_gives_up()
    {
        using var patience = new CancellationTokenSource();
        await using IAsyncEnumerator<StoredMessage> left = Tail(TopicPosition.End);
        await using IAsyncEnumerator<StoredMessage> impatient = _topic.TailAsync(0, TopicPosition.End, null, patience.Token).GetAsyncEnumerator();
        Task<string> waiting = NextAsync(left), cancelled = NextAsync(impatient);
        await patience.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cancelled);
        _topic.Close();
        _partitions[0].Close();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => waiting);
    }

    [Fact]
    public async Task A_purge_lets_all_go_and_offsets_go_on()
    {
        FakePartition[] partitions = Partitions(3);
        PartitionedTopic topic = Over(partitions);
        for (int i = 0; i < 7; i++) await topic.AppendAsync(Message());
        await topic.PurgeAsync();
        Assert.All(partitions, partition => Assert.Empty(partition.Messages));
        Assert.Equal([3, 2, 2], partitions.Select(partition => partition.End));
    }

    private async Task AppendAsync(params string[] texts) => await _topic.AppendAsync([.. texts.Select(text => Message(text))]);

    private IAsyncEnumerator<StoredMessage> Tail(TopicPosition from, TopicReadOptions? options = null) => _topic.TailAsync(0, from, options).GetAsyncEnumerator();

    private static async Task<string> NextAsync(IAsyncEnumerator<StoredMessage> tail)
    {
        Assert.True(await tail.MoveNextAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(60)));
        return tail.Current.Text();
    }
}

using Tidemark.Replication.Topics;

using static Tidemark.Tests.Topics.FakeTopic;

namespace Tidemark.Tests.Topics;

/// <summary>A producer's appends happen once each and in their order, whatever becomes of calls and answers.</summary>
public sealed class TopicProducerTests
{
    private readonly FakePartition[] _partitions = Partitions(2);
    private readonly PartitionedTopic _topic;
    private readonly TopicProducer _producer;

    public TopicProducerTests()
    {
        _topic = Over(_partitions);
        _producer = _topic.CreateProducer();
    }

    [Fact]
    public async Task It_registers_where_it_appends_and_numbers_each_partition_by_itself()
    {
        for (int i = 0; i < 4; i++) await _producer.AppendAsync(Message($"{i}"));
        Assert.All(_partitions, partition => Assert.Equal(["register", "append 1", "append 2"], partition.Calls));
        Assert.Equal(["0", "2"], _partitions[0].Messages.Select(FakeTopic.Text));
    }

    [Fact]
    public async Task One_whose_answer_was_lost_is_sent_again_with_its_number_and_is_there_once()
    {
        AppendResult first = await AppendAsync("a");
        _partitions[0].Ahead.Enqueue(Weather.AnswerLost);
        AppendResult second = await AppendAsync("b");
        Assert.Equal((1, 1), (second.Offset, second.Count));
        Assert.Equal(["register", "append 1", "append 2", "append 2"], _partitions[0].Calls);
        Assert.Equal(["a", "b"], _partitions[0].Messages.Select(FakeTopic.Text));
        Assert.Equal(0, first.Offset);
    }

    [Fact]
    public async Task One_that_was_refused_leaves_its_number_to_the_next()
    {
        await AppendAsync("a");
        _partitions[0].Ahead.Enqueue(Weather.Refused);
        await Assert.ThrowsAsync<OverloadedException>(() => AppendAsync("b"));
        await AppendAsync("c");
        Assert.Equal(["register", "append 1", "append 2", "append 2"], _partitions[0].Calls);
        Assert.Equal(["a", "c"], _partitions[0].Messages.Select(FakeTopic.Text));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task One_whose_outcome_stays_unknown_is_sent_again_before_any_other(bool hasHappened)
    {
        await AppendAsync("a");
        Weather[] storm = [hasHappened ? Weather.AnswerLost : Weather.Lost, Weather.Lost, Weather.Lost];
        Array.ForEach(storm, _partitions[0].Ahead.Enqueue);
        await Assert.ThrowsAsync<OutcomeUnknownException>(() => AppendAsync("b"));

        _partitions[0].Ahead.Enqueue(Weather.Lost);
        var refused = await Assert.ThrowsAsync<WriteRefusedException>(() => AppendAsync("c"));
        Assert.Equal(StoreStatus.SequenceGap, refused.Status);   // It was not sent: the one before it still has no answer.
        _partitions[0].Ahead.Enqueue(Weather.Refused);
        await Assert.ThrowsAsync<OverloadedException>(() => AppendAsync("c"));

        AppendResult last = await AppendAsync("c");
        Assert.Equal(2, last.Offset);
        Assert.Equal(["a", "b", "c"], _partitions[0].Messages.Select(FakeTopic.Text));
    }

    [Fact]
    public async Task One_that_was_lost_and_is_then_refused_has_an_unknown_outcome_still()
    {
        _partitions[0].Ahead.Enqueue(Weather.Fine);   // The registration.
        _partitions[0].Ahead.Enqueue(Weather.AnswerLost);
        _partitions[0].Ahead.Enqueue(Weather.Refused);
        var unknown = await Assert.ThrowsAsync<OutcomeUnknownException>(() => AppendAsync("a"));
        Assert.IsType<OverloadedException>(unknown.InnerException);
        await AppendAsync("b");
        Assert.Equal(["a", "b"], _partitions[0].Messages.Select(FakeTopic.Text));
    }

    [Fact]
    public async Task One_whose_caller_stopped_waiting_comes_to_its_answer_before_the_next()
    {
        await AppendAsync("a");
        var gate = new TaskCompletionSource();
        _partitions[0].Gate = gate.Task;
        using var patience = new CancellationTokenSource();
        Task<AppendResult> waiting = _producer.AppendAsync(Message("b"), new AppendOptions { Partition = 0 }, patience.Token).AsTask();
        using var none = new CancellationTokenSource();
        Task<AppendResult> queued = _producer.AppendAsync(Message("never"), new AppendOptions { Partition = 0 }, none.Token).AsTask();
        Task<AppendResult> next = AppendAsync("c");
        await patience.CancelAsync();
        await none.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => queued);
        Assert.False(next.IsCompleted);
        gate.SetResult();
        Assert.Equal(2, (await next).Offset);
        Assert.Equal(["a", "b", "c"], _partitions[0].Messages.Select(FakeTopic.Text));
    }

    [Fact]
    public async Task Appends_of_many_callers_are_one_after_another_in_the_order_of_the_calls()
    {
        var gate = new TaskCompletionSource();
        _partitions[0].Gate = gate.Task;
        Task<AppendResult>[] appends = [.. Enumerable.Range(0, 50).Select(i => AppendAsync($"{i}"))];
        gate.SetResult();
        AppendResult[] results = await Task.WhenAll(appends);
        Assert.Equal(Enumerable.Range(0, 50).Select(i => (long)i), results.Select(result => result.Offset));
        Assert.Equal(Enumerable.Range(0, 50).Select(i => $"{i}"), _partitions[0].Messages.Select(FakeTopic.Text));
    }

    [Fact]
    public async Task A_partition_that_does_not_know_it_any_more_refuses_and_appends_nothing()
    {
        await AppendAsync("a");
        _partitions[0].Forget(_producer.Id);
        var refused = await Assert.ThrowsAsync<WriteRefusedException>(() => AppendAsync("b"));
        Assert.Equal(StoreStatus.ClientNotFound, refused.Status);
        Assert.Single(_partitions[0].Messages);
    }

    [Fact]
    public async Task A_registration_whose_answer_was_lost_is_made_again_and_nothing_is_appended_before()
    {
        _partitions[0].Ahead.Enqueue(Weather.AnswerLost);
        Assert.Equal(StoreStatus.SequenceGap, (await Assert.ThrowsAsync<WriteRefusedException>(() => AppendAsync("a"))).Status);
        await AppendAsync("a");
        Assert.Equal(["register", "register", "append 1"], _partitions[0].Calls);
    }

    [Fact]
    public async Task Disposed_it_is_forgotten_where_it_appended_even_if_one_partition_fails()
    {
        await _producer.AppendAsync(Message(), new AppendOptions { Partition = 0 });
        await _producer.AppendAsync(Message(), new AppendOptions { Partition = 1 });
        _partitions[0].Ahead.Enqueue(Weather.Lost);
        await _producer.DisposeAsync();
        await _producer.DisposeAsync();
        Assert.Equal(["register", "append 1", "forget"], _partitions[0].Calls[..3]);
        Assert.Equal(["register", "append 1", "forget"], _partitions[1].Calls[..3]);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => AppendAsync("late"));
    }

    private Task<AppendResult> AppendAsync(string text) => _producer.AppendAsync(Message(text), new AppendOptions { Partition = 0 }).AsTask();
}

using System.Text;

namespace Tidemark.Tests.Consumers;

public sealed class HandlerTests
{
    [Fact]
    public async Task A_message_at_which_the_handler_fails_is_tried_again_before_the_next()
    {
        await using var bench = new ConsumerBench(1);
        await bench.FillAsync(0, 3);
        await using TopicConsumer consumer = bench.Consumer("c");
        List<long> seen = [];
        using var stop = new CancellationTokenSource();
        Task handling = consumer.HandleAsync(
            (message, _) =>
            {
                seen.Add(message.Offset);
                return seen.Count is 2 or 3 ? throw new InvalidDataException("not now") : default;
            },
            null, stop.Token);
        await bench.UntilAsync(() => seen.Count == 5, TimeSpan.FromMilliseconds(50));
        Assert.Equal([0, 1, 1, 1, 2], seen);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => handling);
        Assert.Equal(3, await consumer.GetOffsetAsync(0));
    }

    [Fact]
    public async Task A_message_that_fails_too_often_is_put_aside_with_where_it_is_from_and_why()
    {
        await using var bench = new ConsumerBench(1);
        var letters = new FakeTopic("letters", 1, bench.Time);
        await bench.Topic.AppendAsync(new TopicMessage("bad"u8.ToArray()) { Key = "k", Id = new Guid(1, 2, 3, new byte[8]), Headers = [new MessageHeader("own", "1"u8.ToArray())] });
        await bench.Topic.AppendAsync(new TopicMessage("good"u8.ToArray()));
        await using TopicConsumer consumer = bench.Consumer("c");
        int attempts = 0;
        bool isPast = false;
        using var stop = new CancellationTokenSource();
        Task handling = consumer.HandleAsync(
            (message, _) =>
            {
                isPast = message.Offset == 1;
                return isPast || ++attempts > 1000 ? default : throw new InvalidDataException("never");
            },
            new HandlerOptions { MaxAttempts = 3, DeadLetters = letters }, stop.Token);
        await bench.UntilAsync(() => isPast, TimeSpan.FromMilliseconds(50));
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => handling);
        Assert.Equal(3, attempts);
        StoredMessage letter = Assert.Single((await letters.ReadAsync(0, TopicPosition.First)).Messages);
        Assert.Equal(("bad", (StoreKey?)"k", new Guid(1, 2, 3, new byte[8])), (Encoding.UTF8.GetString(letter.Payload.Span), letter.Key, letter.Id));
        Assert.Equal(
            [
                ("own", "1"), (DeadLetterHeaders.Topic, "orders/new"), (DeadLetterHeaders.Partition, "0"), (DeadLetterHeaders.Offset, "0"), (DeadLetterHeaders.Consumer, "c"),
                (DeadLetterHeaders.Attempts, "3"), (DeadLetterHeaders.Error, "System.IO.InvalidDataException: never"),
            ],
            letter.Headers.Select(header => (header.Name, Encoding.UTF8.GetString(header.Value.Span))));
    }

    [Fact]
    public async Task Without_a_place_for_dead_letters_the_last_error_ends_the_handling_with_the_message_not_done()
    {
        await using var bench = new ConsumerBench(1);
        await bench.FillAsync(0, 2);
        await using TopicConsumer consumer = bench.Consumer("c");
        await Assert.ThrowsAsync<InvalidDataException>(() => consumer.HandleAsync(
            (message, _) => message.Offset == 1 ? throw new InvalidDataException() : default, new HandlerOptions { MaxAttempts = 1 }));
        Assert.Equal(1, await consumer.GetOffsetAsync(0));
        Assert.Equal(1, (await ConsumerBench.TakeAsync(consumer, 1))[0].Offset);
    }

    [Fact]
    public void Waits_grow_to_the_longest()
    {
        var options = new HandlerOptions { FirstDelay = TimeSpan.FromSeconds(1), LongestDelay = TimeSpan.FromSeconds(5) };
        Assert.Equal([1, 2, 4, 5, 5], new[] { 1, 2, 3, 4, 1_000_000 }.Select(failures => options.DelayAfter(failures).TotalSeconds));
        Assert.Throws<ArgumentOutOfRangeException>(() => (options with { LongestDelay = TimeSpan.Zero }).Validate());
    }
}

using System.Globalization;
using System.Text;

namespace Tidemark.Integration.Client;

/// <summary>Does everything a topic can do, and writes down all that it says but times and ids.</summary>
internal sealed class TopicBattery(TopicCollection topics)
{
    private readonly StringBuilder _said = new();
    private Topic _topic = null!;

    internal static async Task<string> RunAsync(TopicCollection topics)
    {
        var battery = new TopicBattery(topics);
        await battery.CreateAsync();
        await battery.AppendAsync();
        await battery.ProduceAsync();
        await battery.ReadAsync();
        await battery.ReadLongAsync();
        await battery.TailAsync();
        await battery.TrimAsync();
        await battery.ChangeAsync();
        await battery.DeleteAsync();
        return battery._said.ToString();
    }

    private async Task CreateAsync()
    {
        Say(topics.Find("orders") is null);
        _topic = await topics.CreateAsync("orders", new TopicOptions { Partitions = 3, DeduplicationIds = 100, MaxMessageBytes = 400_000 });
        Say(_topic.Name, _topic.Options, string.Join(',', topics.Names));
        await SayErrorAsync(async () => await topics.CreateAsync("orders"));
        await SayErrorAsync(async () => await topics.CreateAsync("or\nders"));
        await SayErrorAsync(async () => await topics.CreateAsync("others", new TopicOptions { Partitions = 0 }));
        Say(ReferenceEquals(_topic, await topics.GetOrCreateAsync("orders")));
    }

    private async Task AppendAsync()
    {
        for (int i = 0; i < 4; i++) Say(await _topic.AppendAsync(Message($"turn {i}")));
        for (int i = 0; i < 4; i++) Say(await _topic.AppendAsync(Message($"keyed {i}", $"key {i}")));
        var zero = new AppendOptions { Partition = 0 };
        Say(await _topic.AppendAsync([Message("batch 1", "a"), Message("batch 2"), Message("batch 3", "b")], zero));
        Say(await _topic.AppendAsync([Message("batch 3"), Message("batch 4"), Message("batch 4")], zero));
        Say(await _topic.AppendAsync([Message("batch 4")], zero));
        long end = (await _topic.DescribeAsync(0)).End;
        Say(await _topic.AppendAsync(Message("expected"), new AppendOptions { Partition = 0, ExpectedOffset = end }));
        Say(await _topic.AppendAsync(Message("not expected"), new AppendOptions { Partition = 0, ExpectedOffset = end }));
        await SayErrorAsync(async () => await _topic.AppendAsync(Message("nowhere"), new AppendOptions { Partition = 3 }));
        await SayErrorAsync(async () => await _topic.AppendAsync([Message("one", "a"), Message("other", "b")]));
        await SayErrorAsync(async () => await _topic.AppendAsync(new TopicMessage(new byte[400_001])));
    }

    private async Task ProduceAsync()
    {
        TopicProducer producer = _topic.CreateProducer();
        for (int i = 0; i < 5; i++) Say(await producer.AppendAsync(Message($"produced {i}"), new AppendOptions { Partition = 2 }));
        await producer.DisposeAsync();
        await SayErrorAsync(async () => await producer.AppendAsync(Message("late")));
    }

    private async Task ReadAsync()
    {
        foreach (ReadLevel level in (ReadLevel[])[ReadLevel.Linearizable, ReadLevel.Bounded(TimeSpan.FromSeconds(30))])
        {
            for (int partition = 0; partition < 3; partition++) await SayAllAsync(partition, TopicPosition.First, new TopicReadOptions { Level = level });
        }

        await SayPageAsync(TopicPosition.At(2), new TopicReadOptions { MaxMessages = 3 });
        await SayPageAsync(TopicPosition.At(4), new TopicReadOptions { MaxMessages = 3, Reverse = true });
        await SayPageAsync(TopicPosition.Last(2));
        await SayPageAsync(TopicPosition.End);
        await SayPageAsync(TopicPosition.End, new TopicReadOptions { Reverse = true, MaxBytes = 1 });
        StoredMessage third = (await _topic.ReadAsync(0, TopicPosition.At(2))).Messages[0];
        await SayPageAsync(TopicPosition.AtTime(third.Timestamp), new TopicReadOptions { MaxMessages = 2 });
        await SayErrorAsync(async () => await SayPageAsync(TopicPosition.At(1_000)));
        await SayPageAsync(TopicPosition.At(1_000), new TopicReadOptions { OutOfRange = OutOfRangePolicy.First, MaxMessages = 1 });
        await SayPageAsync(TopicPosition.At(1_000), new TopicReadOptions { OutOfRange = OutOfRangePolicy.End });
        await SayErrorAsync(async () => await _topic.ReadAsync(3, TopicPosition.First));
        var full = new TopicMessage("full"u8.ToArray()) { Key = "k", Headers = [new MessageHeader("h", "1"u8.ToArray()), new MessageHeader("h", default)], ProducedAt = new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero) };
        AppendResult appended = await _topic.AppendAsync(full, new AppendOptions { Partition = 1 });
        StoredMessage found = (await _topic.ReadAsync(1, TopicPosition.At(appended.Offset))).Messages[0];
        Say(found.Partition, found.Key, found.ProducedAt, found.Timestamp == appended.Timestamp, string.Join(',', found.Headers.Select(header => $"{header.Name}={Encoding.UTF8.GetString(header.Value.Span)}")));
    }

    /// <summary>Messages of which each is longer than what a page between processes is cut to.</summary>
    private async Task ReadLongAsync()
    {
        long first = (await _topic.DescribeAsync(1)).End;
        for (int i = 0; i < 3; i++) await _topic.AppendAsync(new TopicMessage(new byte[390_000 + i]), new AppendOptions { Partition = 1 });
        foreach (bool isReverse in (bool[])[false, true])
        {
            long next = isReverse ? first + 3 : first;
            while (isReverse ? next > first : next < first + 3)
            {
                TopicPage page = await _topic.ReadAsync(1, TopicPosition.At(next), new TopicReadOptions { Reverse = isReverse });
                foreach (StoredMessage message in page.Messages.Where(message => message.Offset >= first)) Say(message.Offset, message.Payload.Length);
                next = page.Next;
            }
        }
    }

    private async Task TailAsync()
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        await using IAsyncEnumerator<StoredMessage> tail = _topic.TailAsync(2, TopicPosition.Last(1), cancellationToken: patience.Token).GetAsyncEnumerator(patience.Token);
        for (int i = 0; i < 4; i++)
        {
            Assert.True(await tail.MoveNextAsync());
            Say(tail.Current.Offset, Text(tail.Current));
            await _topic.AppendAsync([Message($"tailed {i}a"), Message($"tailed {i}b")], new AppendOptions { Partition = 2 });
        }
    }

    private async Task TrimAsync()
    {
        await _topic.TrimAsync(0, 3);
        await SayBoundsAsync();
        await _topic.TrimAsync(0, 1);
        await SayErrorAsync(async () => await _topic.TrimAsync(0, 1_000));
        await SayErrorAsync(async () => await SayPageAsync(TopicPosition.At(1)));
        await SayAllAsync(0, TopicPosition.First, new TopicReadOptions());
        await _topic.PurgeAsync();
        await SayBoundsAsync();
        Say(await _topic.AppendAsync(Message("after"), new AppendOptions { Partition = 0 }));
        await SayAllAsync(0, TopicPosition.First, new TopicReadOptions());
    }

    private async Task ChangeAsync()
    {
        Topic changed = await topics.ChangeAsync("orders", _topic.Options with { Partitions = 5 });
        Say(ReferenceEquals(changed, _topic), _topic.Options);
        foreach (int partition in (int[])[0, 4])
        {
            for (int i = 0; i < 2; i++) Say(await _topic.AppendAsync(Message("again"), new AppendOptions { Partition = partition }));
        }

        await SayErrorAsync(async () => await topics.ChangeAsync("orders", new TopicOptions { Partitions = 2 }));
        await SayErrorAsync(async () => await topics.ChangeAsync("none", new TopicOptions()));
    }

    private async Task DeleteAsync()
    {
        Say(await topics.DeleteAsync("orders"), topics.Find("orders") is null, await topics.DeleteAsync("orders"));
        await SayErrorAsync(async () => await _topic.AppendAsync(Message("gone")));
        await SayErrorAsync(async () => await _topic.ReadAsync(0, TopicPosition.First));
        _topic = await topics.CreateAsync("orders");
        Say(await _topic.AppendAsync(Message("anew")));
        Say(await topics.DeleteAsync("orders"));
    }

    private async Task SayBoundsAsync()
    {
        for (int partition = 0; partition < 3; partition++)
        {
            PartitionInfo info = await _topic.DescribeAsync(partition);
            Say(info.Partition, info.Start, info.End);
        }
    }

    private async Task SayAllAsync(int partition, TopicPosition from, TopicReadOptions options)
    {
        while (true)
        {
            TopicPage page = await _topic.ReadAsync(partition, from, options);
            foreach (StoredMessage message in page.Messages) Say(message.Partition, message.Offset, message.Key, Text(message));
            if (page.Next >= page.End) return;
            from = TopicPosition.At(page.Next);
        }
    }

    private async Task SayPageAsync(TopicPosition from, TopicReadOptions? options = null)
    {
        TopicPage page = await _topic.ReadAsync(0, from, options);
        Say(string.Join(',', page.Messages.Select(message => $"{message.Offset}:{Text(message)}")), page.Next, page.Start, page.End);
    }

    private async Task SayErrorAsync(Func<Task> attempt)
    {
        try
        {
            await attempt();
            Say("no error");
        }
        catch (Exception e) when (e is ArgumentException or TidemarkException or ObjectDisposedException)
        {
            Say(e is OffsetOutOfRangeException range ? $"{range.Offset} of {range.Partition} is not in {range.Start} to {range.End}" : e is ArgumentException ? nameof(ArgumentException) : e.GetType().Name);
        }
    }

    private static TopicMessage Message(string text, StoreKey? key = null)
    {
        Span<byte> id = stackalloc byte[ContentId.SizeInBytes];
        ContentId.Compute(Encoding.UTF8.GetBytes(text)).WriteTo(id);
        return new TopicMessage(Encoding.UTF8.GetBytes(text)) { Id = new Guid(id[..16], bigEndian: true), Key = key };
    }

    private static string Text(StoredMessage message) => message.Payload.Length < 1_000 ? Encoding.UTF8.GetString(message.Payload.Span) : $"{message.Payload.Length} bytes";

    private void Say(AppendResult result) => Say(result.Status, result.Partition, result.Offset, result.Count, result.Duplicates);

    private void Say(params object?[] what) => _said.AppendLine(CultureInfo.InvariantCulture, $"{string.Join(' ', what)}");
}

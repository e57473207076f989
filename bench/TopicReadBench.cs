using System.Diagnostics;
using System.Threading.Channels;

namespace Tidemark.Bench;

/// <summary>Reading a cached topic from end to end, beside reading and checksumming the same files; and how long a message takes from the append to who waits for it, beside the bare log and a hand-over.</summary>
internal static class TopicReadBench
{
    public static IEnumerable<BenchRow> Run(BenchOptions options)
    {
        foreach (int batch in (int[])[1, 100])
        {
            foreach (int bytes in (int[])[100, 1024]) yield return MeasureReadAsync(options, batch, bytes).GetAwaiter().GetResult();
        }
    }

    public static IEnumerable<BenchRow> RunTail(BenchOptions options)
    {
        yield return MeasureTailAsync(options).GetAwaiter().GetResult();
    }

    private static async Task<BenchRow> MeasureReadAsync(BenchOptions options, int batch, int bytes)
    {
        using var place = new BenchPlace(options, "topic-read");
        byte[] payload = new byte[bytes];
        new Random(1).NextBytes(payload);
        int count = Math.Min(options.Records, (batch == 1 ? 32 : 128) * 1024 * 1024 / (bytes + 48));
        await using TidemarkStore store = await TidemarkStore.OpenAsync(place.At("store"));
        Topic topic = await store.Topics.CreateAsync("bench");
        int perWriter = count / 64 / batch;
        await Task.WhenAll(Enumerable.Range(0, 64).Select(async _ =>
        {
            TopicMessage[] messages = [.. Enumerable.Range(0, batch).Select(_ => new TopicMessage(payload))];
            for (int i = 0; i < perWriter; i++) await topic.AppendAsync(messages);
        }));
        count = perWriter * 64 * batch;
        var floor = new Samples();
        var read = new Samples();
        for (int round = 0; round < options.Rounds; round++)
        {
            long begin = Stopwatch.GetTimestamp();
            LogScanBench.BulkRead(place.At("store"));
            floor.AddRate(count, Stopwatch.GetElapsedTime(begin));

            begin = Stopwatch.GetTimestamp();
            long next = 0, seen = 0;
            while (next < count)
            {
                TopicPage page = await topic.ReadAsync(0, TopicPosition.At(next));
                foreach (StoredMessage message in page.Messages) seen += message.Payload.Length;
                next = page.Next;
            }

            TimeSpan elapsed = Stopwatch.GetElapsedTime(begin);
            if (seen != (long)count * bytes) throw new InvalidOperationException($"read {seen} bytes");
            read.Add(count, elapsed);
        }

        return read.ToRow($"topic-read-{bytes}B-x{batch}", 1, floor);
    }

    private static async Task<BenchRow> MeasureTailAsync(BenchOptions options)
    {
        using var place = new BenchPlace(options, "topic-tail");
        byte[] payload = new byte[100];
        var floor = new Samples();
        var tail = new Samples();
        TimeSpan time = TimeSpan.FromSeconds(options.Seconds / options.Rounds / 2);
        using var bare = new BareLog(place.At("bare"));
        var handedOver = Channel.CreateUnbounded<bool>();
        await using TidemarkStore store = await TidemarkStore.OpenAsync(place.At("store"));
        Topic topic = await store.Topics.CreateAsync("bench");
        using var stop = new CancellationTokenSource();
        var received = Channel.CreateUnbounded<long>();
        Task follower = Task.Run(async () =>
        {
            await foreach (StoredMessage message in topic.TailAsync(0, TopicPosition.End, cancellationToken: stop.Token)) received.Writer.TryWrite(message.Offset);
        });
        while ((await topic.DescribeAsync(0)).End == 0 || !received.Reader.TryRead(out _)) await topic.AppendAsync(new TopicMessage(payload));   // Until it follows.
        while (received.Reader.TryRead(out _))
        {
        }

        long behind = (await topic.DescribeAsync(0)).End;
        for (int round = 0; round < options.Rounds; round++)
        {
            await floor.RunAsync(1, time, async _ =>
            {
                Task append = Task.Run(() =>
                {
                    bare.AppendAlone(payload);
                    handedOver.Writer.TryWrite(true);
                });
                await handedOver.Reader.ReadAsync().ConfigureAwait(false);
                await append.ConfigureAwait(false);
            });
            await tail.RunAsync(1, time, async _ =>
            {
                ValueTask<AppendResult> append = topic.AppendAsync(new TopicMessage(payload));
                while (await received.Reader.ReadAsync().ConfigureAwait(false) < behind)
                {
                }

                behind = (await append.ConfigureAwait(false)).Offset + 1;
            });
        }

        await stop.CancelAsync();
        await follower.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return tail.ToRow("topic-tail", 1, floor);
    }
}

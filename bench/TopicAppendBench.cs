namespace Tidemark.Bench;

/// <summary>Durable appends to a topic, each awaited, one message or a hundred at a time, to one partition or eight; beside them as many bare logs with the same bytes, and for large batches the disk.</summary>
internal static class TopicAppendBench
{
    private const long BareBytes = 256L * 1024 * 1024;   // All of them together.

    public static IEnumerable<BenchRow> Run(BenchOptions options)
    {
        foreach (int batch in (int[])[1, 100])
        {
            foreach (int bytes in (int[])[100, 1024])
            {
                foreach (int partitions in (int[])[1, 8])
                {
                    foreach (int producers in (int[])[1, 16, 128]) yield return MeasureAsync(options, batch, bytes, partitions, producers).GetAwaiter().GetResult();
                }
            }
        }
    }

    private static async Task<BenchRow> MeasureAsync(BenchOptions options, int batch, int bytes, int partitions, int producers)
    {
        using var place = new BenchPlace(options, "topic-append");
        byte[] payload = new byte[bytes];
        new Random(1).NextBytes(payload);
        byte[] all = [.. Enumerable.Repeat(payload, batch).SelectMany(one => one)];
        var floor = new Samples();
        var appends = new Samples();
        BareDisk? disk = all.Length >= 64 * 1024 ? new BareDisk() : null;   // Of smaller ones the flush is the cost, not the bytes.
        TimeSpan time = TimeSpan.FromSeconds(options.Seconds / options.Rounds / 2);
        BareLog[] bare = [.. Enumerable.Range(0, partitions).Select(number => new BareLog(place.At($"bare-{number}"), Math.Max(1024 * 1024, producers * all.Length / partitions), BareBytes / partitions))];
        BareLog.Waiter[] waiters = [.. Enumerable.Range(0, producers).Select(_ => new BareLog.Waiter())];
        await using TidemarkStore store = await TidemarkStore.OpenAsync(place.At("store"));
        Topic topic = await store.Topics.CreateAsync("bench", new TopicOptions { Partitions = partitions });
        AppendOptions[] to = [.. Enumerable.Range(0, producers).Select(producer => new AppendOptions { Partition = producer % partitions })];
        for (int round = 0; round < options.Rounds; round++)
        {
            await floor.RunAsync(producers, time, producer =>
            {
                if (producers > 1) return bare[producer % partitions].AppendAsync(waiters[producer], all);
                bare[0].AppendAlone(all);
                return ValueTask.CompletedTask;
            });
            await appends.RunAsync(producers, time, async producer =>
            {
                var messages = new TopicMessage[batch];
                for (int i = 0; i < batch; i++) messages[i] = new TopicMessage(payload);
                await topic.AppendAsync(messages, to[producer]).ConfigureAwait(false);
            });
            await topic.PurgeAsync();
            disk?.Run(place.At("disk"), all, time);
        }

        foreach (BareLog log in bare) log.Dispose();
        BenchRow row = appends.ToRow($"topic-append-{bytes}B-x{batch}-p{partitions}", producers, floor);
        return row with { Bandwidth = disk?.Beside(row.OpsPerSecond * all.Length) };
    }
}

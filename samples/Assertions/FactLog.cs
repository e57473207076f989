using System.Text;
using System.Text.Json;

using Tidemark;

namespace Assertions;

/// <summary>Something that was said to be so: of a subject and a predicate the one that was said last holds.</summary>
internal sealed record Fact(string Subject, string Predicate, string Value)
{
    /// <summary>The first 16 bytes of the SHA-256 of the content: who says the same again says nothing new.</summary>
    internal Guid Id
    {
        get
        {
            Span<byte> id = stackalloc byte[ContentId.SizeInBytes];
            ContentId.Compute(ToBytes()).WriteTo(id);
            return new Guid(id[..16], bigEndian: true);
        }
    }

    internal byte[] ToBytes() => JsonSerializer.SerializeToUtf8Bytes<string[]>([Subject, Predicate, Value]);

    internal static Fact Read(ReadOnlyMemory<byte> bytes) => JsonSerializer.Deserialize<string[]>(bytes.Span) is [var subject, var predicate, var value] ? new Fact(subject, predicate, value) : throw new InvalidDataException("no fact");
}

/// <summary>A fact with the time at which it was said, which is later than that of any fact its author could have known.</summary>
internal sealed record Said(Fact Fact, HybridTimestamp At, int Partition, long Offset);

/// <summary>Facts in a topic: all of a subject are in one partition, in the order they were said in; across subjects the hybrid clock orders them.</summary>
internal sealed class FactLog(KeyValueStore store, Topic topic)
{
    internal static async Task<FactLog> OpenAsync(KeyValueStore store, TopicCollection topics) =>
        new(store, await topics.GetOrCreateAsync("facts", new TopicOptions { Partitions = 8, DeduplicationIds = 100_000 }));

    /// <summary>Says a fact.</summary>
    /// <returns>Whether it was new.</returns>
    internal async Task<bool> SayAsync(Fact fact) => (await topic.AppendAsync(new TopicMessage(fact.ToBytes()) { Id = fact.Id, Key = fact.Subject })).IsAppended;

    /// <summary>All that was ever said, asked of all partitions at once and merged by the time it was said.</summary>
    internal async Task<List<Said>> HistoryAsync(Func<Fact, bool> isWanted)
    {
        List<Said>[] parts = await Task.WhenAll(Enumerable.Range(0, topic.Options.Partitions).Select(async partition =>
        {
            var found = new List<Said>();
            for (long next = -1, end = 0; next < end;)
            {
                TopicPage page = await topic.ReadAsync(partition, next < 0 ? TopicPosition.First : TopicPosition.At(next));
                found.AddRange(page.Messages.Select(message => new Said(Fact.Read(message.Payload), message.Timestamp, partition, message.Offset)).Where(said => isWanted(said.Fact)));
                (next, end) = (page.Next, page.End);
            }

            return found;
        }));
        return [.. parts.SelectMany(part => part).OrderBy(said => said.At).ThenBy(said => said.Partition).ThenBy(said => said.Offset)];
    }

    /// <summary>What holds now, from the log alone: later facts of a subject and predicate stand in for earlier ones.</summary>
    internal async Task<SortedDictionary<string, string>> RebuildAsync()
    {
        var holds = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (Said said in await HistoryAsync(_ => true)) holds[RowOf(said.Fact)] = said.Fact.Value;
        return holds;
    }

    /// <summary>Keeps the index by predicate up to date, until it has seen all there is.</summary>
    internal async Task IndexAsync()
    {
        await using var indexer = new TopicConsumer(store, topic, "by-predicate");
        using var done = new CancellationTokenSource();
        long[] lags = await Task.WhenAll(Enumerable.Range(0, topic.Options.Partitions).Select(partition => indexer.GetLagAsync(partition).AsTask()));
        long left = lags.Sum();
        if (left == 0) return;
        try
        {
            await indexer.HandleAsync(
                async (message, _) =>
                {
                    await PutAsync(message.Message);
                    if (--left == 0) await done.CancelAsync();
                },
                cancellationToken: done.Token);
        }
        catch (OperationCanceledException) when (done.IsCancellationRequested)
        {
            // All of it is in the index.
        }
    }

    /// <summary>What holds now of a predicate, as the index says.</summary>
    internal async Task<SortedDictionary<string, string>> IndexedAsync(string? predicate = null)
    {
        var rows = new SortedDictionary<string, string>(StringComparer.Ordinal);
        string prefix = predicate is null ? "by-predicate|" : $"by-predicate|{predicate}|";
        await foreach (StoreRecord record in store.ScanAsync(KeyRange.Between(prefix, prefix[..^1] + "}"))) rows[record.Key.ToString()] = Encoding.UTF8.GetString(record.Value.Span[8..]);
        return rows;
    }

    /// <summary>A row takes a fact only if it was said later than the one it has: a message that is handled twice, or late, changes nothing.</summary>
    private async Task PutAsync(StoredMessage message)
    {
        Fact fact = Fact.Read(message.Payload);
        byte[] row = [.. BitConverter.GetBytes(message.Timestamp.Value), .. Encoding.UTF8.GetBytes(fact.Value)];
        while (true)
        {
            StoreRecord? known = await store.GetAsync(RowOf(fact));
            if (known is { } found && BitConverter.ToUInt64(found.Value.Span) >= message.Timestamp.Value) return;
            if ((await store.PutAsync(RowOf(fact), row, PutOptions.None.AtVersion(known?.Version ?? 0))).Status == StoreStatus.Ok) return;
        }
    }

    private static string RowOf(Fact fact) => $"by-predicate|{fact.Predicate}|{fact.Subject.Replace('/', '.')}";
}

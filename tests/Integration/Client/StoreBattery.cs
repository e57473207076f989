using System.Globalization;
using System.Text;

namespace Tidemark.Integration.Client;

/// <summary>Does everything a store can do, and writes down all that it says but times and ids.</summary>
internal sealed class StoreBattery(KeyValueStore store)
{
    private readonly StringBuilder _said = new();

    internal static async Task<string> RunAsync(KeyValueStore store)
    {
        var battery = new StoreBattery(store);
        await battery.WriteAsync();
        await battery.ReadAsync();
        await battery.IndexAsync();
        await battery.TransactAsync();
        await battery.SessionAsync();
        await battery.NumberAsync();
        await battery.WatchAsync();
        await battery.MistakeAsync();
        return battery._said.ToString();
    }

    private async Task WriteAsync()
    {
        Say(await store.PutAsync("/a", "1"u8.ToArray()));
        Say(await store.PutAsync("/a", "2"u8.ToArray(), PutOptions.MustNotExist));
        Say(await store.PutAsync("/a", "2"u8.ToArray(), PutOptions.None.AtVersion(1)));
        Say(await store.PutAsync("/routed", "r"u8.ToArray(), new PutOptions { PartitionKey = "elsewhere", TimeToLive = TimeSpan.FromHours(1) }));
        Say(await store.DeleteAsync("/nothing"));
        Say(await store.DeleteAsync("/a", new DeleteOptions { ExpectedVersion = 99 }));
        Say(await store.DeleteAsync("/a"));
        foreach (long[] steps in (long[][])[[1], [5], [1, 2], [1], [0]]) Say(await store.PutNextAsync("/seq", "s"u8.ToArray(), steps));
        for (int i = 0; i < 30; i++) await store.PutAsync($"/range/{i:D2}", new byte[] { (byte)i });
        Say(await store.DeleteRangeAsync(KeyRange.Between("/range/10", "/range/20")));
        Say(await store.DeleteRangeAsync(KeyRange.Children("/none")));
    }

    private async Task ReadAsync()
    {
        foreach (ReadLevel level in (ReadLevel[])[ReadLevel.Linearizable, ReadLevel.Bounded(TimeSpan.FromSeconds(5))])
        {
            foreach (KeyComparison comparison in Enum.GetValues<KeyComparison>())
                Say(await store.GetAsync("/range/15", new GetOptions { Comparison = comparison, Level = level }));
            Say(await store.GetAsync("/range/25", new GetOptions { Level = level }));
        }

        Say(await store.GetAsync("/routed", new GetOptions { PartitionKey = "elsewhere" }));
        Say(await store.GetAsync(new string('k', 5_000)));
        await SayAsync(store.ScanAsync(KeyRange.Children("/range")));
        await SayAsync(store.ScanAsync(KeyRange.Children("/range"), new ScanOptions { Reverse = true, Limit = 7 }));
        await SayAsync(store.ScanAsync(KeyRange.Children("/range"), new ScanOptions { Limit = 0 }));
        await SayAsync(store.ScanAsync(KeyRange.All, new ScanOptions { PartitionKey = "elsewhere" }));
        await foreach (StoreKey key in store.ListAsync(KeyRange.Prefix("/range/2"))) Say(key);
        foreach (bool isReverse in (bool[])[false, true])
        {
            for (string? next = null; ;)
            {
                ScanPage page = await store.ScanPageAsync(KeyRange.Children("/range"), new ScanOptions { Limit = 6, Reverse = isReverse, ContinuationToken = next });
                foreach (StoreRecord record in page.Records) Say(record);
                Say(page.ContinuationToken);
                next = page.ContinuationToken;
                if (next is null) break;
            }
        }
    }

    private async Task IndexAsync()
    {
        for (int i = 0; i < 20; i++)
            await store.PutAsync($"/person/{i:D2}", "p"u8.ToArray(), new PutOptions { Indexes = [new IndexEntry("city", $"c{i % 3}"), new IndexEntry("city", "all"), new IndexEntry("born", $"{1900 + i}")] });
        await SayAsync(store.ScanIndexAsync("city"));
        await SayAsync(store.ScanIndexAsync("city", "c1", "c2", new ScanOptions { Reverse = true, Limit = 4 }));
        await SayAsync(store.ScanIndexAsync("none"));
        foreach (KeyComparison comparison in Enum.GetValues<KeyComparison>()) Say(await store.GetByIndexAsync("born", "1910", new GetOptions { Comparison = comparison }));
    }

    private async Task TransactAsync()
    {
        Say(await store.CommitAsync(new StoreTransaction("t").RequireMissing("/t/a").Put("/t/a", "1"u8.ToArray()).PutNext("/t/n", "2"u8.ToArray(), [3]).Delete("/t/none")));
        Say(await store.CommitAsync(new StoreTransaction("t").Put("/t/b", "1"u8.ToArray()).Put("/t/a", "2"u8.ToArray(), PutOptions.MustNotExist)));
        Say(await store.CommitAsync(new StoreTransaction("t").RequireExists("/t/a").DeleteRange(KeyRange.Children("/t"))));
        Say(await store.CommitAsync(new StoreTransaction("t").Require("/t/a", 7)));
    }

    private async Task SessionAsync()
    {
        StoreSession session = await store.OpenSessionAsync(new SessionOptions { Identity = "me", Timeout = TimeSpan.FromSeconds(30) });
        for (int i = 0; i < 4; i++) Say(await store.PutAsync($"/mine/{i}", "m"u8.ToArray(), new PutOptions { Session = session }));
        StoreRecord mine = (await store.GetAsync("/mine/1"))!.Value;
        Say($"{mine.ClientIdentity} {mine.SessionId == session.Id}");
        await session.DisposeAsync();
        await SayAsync(store.ScanAsync(KeyRange.Children("/mine")));
        Say(await store.PutAsync("/mine/1", "m"u8.ToArray(), new PutOptions { Session = session }));
    }

    private async Task NumberAsync()
    {
        StoreClient client = await store.RegisterClientAsync();
        Say(await client.Store.PutAsync("/numbered", "1"u8.ToArray()));
        Say(await client.Store.PutAsync("/numbered", "2"u8.ToArray(), PutOptions.MustNotExist));
        Say(await client.Store.DeleteRangeAsync(KeyRange.Prefix("/numbered")));
        Say(await client.Store.CommitAsync(new StoreTransaction().Put("/numbered", "3"u8.ToArray())));
        WriteOutcome[] outcomes = [await store.GetOutcomeAsync(new WriteId(client.Id, 0, 1)), await store.GetOutcomeAsync(new WriteId(client.Id, 0, 100)), await store.GetOutcomeAsync(new WriteId(Guid.Empty, 0, 1))];
        foreach (WriteOutcome outcome in outcomes) Say($"{outcome.Status} {outcome.Result?.Status} {outcome.Result?.Version}");
        await client.DisposeAsync();
        Say(await client.Store.PutAsync("/numbered", "4"u8.ToArray()));
    }

    private async Task WatchAsync()
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        await store.PutAsync("/watched/0", "0"u8.ToArray());
        var options = new WatchOptions { IncludeExisting = true, IncludeValues = true };
        await using IAsyncEnumerator<StoreEvent> events = store.WatchAsync(KeyRange.Children("/watched"), options, patience.Token).GetAsyncEnumerator(patience.Token);
        await NextAsync(events);
        await store.PutAsync("/watched/1", "1"u8.ToArray());
        await NextAsync(events);
        WatchToken token = events.Current.Token;
        await store.PutAsync("/unwatched", "1"u8.ToArray());
        await store.PutAsync("/watched/1", "2"u8.ToArray());
        await NextAsync(events);
        await store.DeleteAsync("/watched/1");
        await NextAsync(events);
        await store.DeleteRangeAsync(KeyRange.Children("/watched"), "/watched/0");
        await NextAsync(events);

        await using IAsyncEnumerator<StoreEvent> again = store.WatchAsync(KeyRange.Children("/watched"), new WatchOptions { ResumeAfter = WatchToken.Parse(token.ToString()) }, patience.Token).GetAsyncEnumerator(patience.Token);
        List<StoreEvent> told = [];
        while (told.Count < 3 && await again.MoveNextAsync()) told.Add(again.Current);
        foreach (StoreEvent change in told.OrderBy(change => change.Key.ToString(), StringComparer.Ordinal)) Say(change);   // Of several shards any may come first.

        await using IAsyncEnumerator<StoreKey> latest = store.WatchSequenceAsync("/counted", cancellationToken: patience.Token).GetAsyncEnumerator(patience.Token);
        for (int i = 0; i < 3; i++)
        {
            await store.PutNextAsync("/counted", "c"u8.ToArray(), [1]);
            Assert.True(await latest.MoveNextAsync());
            Say(latest.Current);
        }
    }

    private async Task MistakeAsync()
    {
        await FailAsync(async () => await store.PutAsync("__tidemark/x", default));
        await FailAsync(async () => await store.PutAsync(new string('k', 5_000), default));
        await FailAsync(async () => await store.PutAsync("/big", new byte[2 * 1024 * 1024]));
        await FailAsync(async () => await store.GetAsync(new string('k', 5_000), new GetOptions()));
        await FailAsync(async () => await store.ScanPageAsync(KeyRange.All, new ScanOptions { ContinuationToken = "?" }));
        await FailAsync(async () => await store.ScanPageAsync(KeyRange.All, new ScanOptions { Limit = 0 }));
        await FailAsync(async () => await store.GetOutcomeAsync(new WriteId(Guid.Empty, 77, 1)));
        await FailAsync(async () => await store.PutAsync("/a", default, PutOptions.None.AtVersion(-1)));
        await FailAsync(async () => await store.OpenSessionAsync(new SessionOptions { Timeout = TimeSpan.FromMilliseconds(1) }));
        await FailAsync(() =>
        {
            store.ScanIndexAsync("i", options: new ScanOptions { ContinuationToken = "AQ" });
            return Task.CompletedTask;
        });
    }

    private async Task NextAsync(IAsyncEnumerator<StoreEvent> events)
    {
        Assert.True(await events.MoveNextAsync());
        Say(events.Current);
    }

    private void Say(StoreEvent change)
    {
        Say($"{change.Kind} {change.Key} {change.Version} {change.Range is null} {change.Record?.GetString()}");
    }

    private async Task FailAsync(Func<Task> act)
    {
        Exception failure = await Assert.ThrowsAnyAsync<Exception>(act);
        Say($"{failure.GetType().Name}: {failure.Message}");
    }

    private async Task SayAsync(IAsyncEnumerable<StoreRecord> records)
    {
        await foreach (StoreRecord record in records) Say(record);
        Say("end");
    }

    private void Say(StoreRecord? record) => Say(record is { } r
        ? $"{r.Key}={Convert.ToHexString(r.Value.Span)} @{r.Version} {r.Modifications} {r.PartitionKey} {r.Expires is not null} {string.Join(',', r.Indexes)}" : "none");

    private void Say(WriteResult result) => Say($"{result.Status} {result.Key} {result.Version} {result.Count} {result.Timestamp != default}");

    private void Say(TransactionResult result) => Say($"{result.Status} {result.FailedIndex} {string.Join("; ", result.Results.Select(part => $"{part.Status} {part.Key} {part.Version} {part.Count}"))}");

    private void Say(object? what) => _said.AppendLine(CultureInfo.InvariantCulture, $"{what}");
}

// An orders service with a transactional outbox: an order and the message about it are committed together or not at all, and the message comes to its topic once, also when the process dies at any moment.
//   dotnet run --project samples/Orders -c Release [-- --data DIR] [--orders N]
using System.Globalization;
using System.Text;

using Tidemark;

string data = Option("--data") ?? Directory.CreateTempSubdirectory("tidemark-orders-").FullName;
int count = int.Parse(Option("--orders") ?? "1000", CultureInfo.InvariantCulture);

// 1. Orders are taken, and the process stops before any message was relayed.
await using (TidemarkStore store = await TidemarkStore.OpenAsync(data))
{
    (Topic placed, TopicOutbox outbox) = await OpenAsync(store);
    await Task.WhenAll(Enumerable.Range(0, count).Select(order => PlaceAsync(store, placed, outbox, order)));
    Console.WriteLine($"Placed      {count} orders by {count / 10} customers; {await EndAsync(placed)} messages in the topic yet.");
}

// 2. A relay begins and is cut off in the middle: it has appended messages whose rows are still there.
await using (TidemarkStore store = await TidemarkStore.OpenAsync(data))
{
    (Topic placed, TopicOutbox outbox) = await OpenAsync(store);
    using var stop = new CancellationTokenSource();
    Task relaying = outbox.RunAsync(stop.Token);
    while (await EndAsync(placed) < count / 10) await Task.Delay(1);
    await stop.CancelAsync();
    await relaying.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    Console.WriteLine($"Cut off     with {await EndAsync(placed)} messages in the topic.");
}

// 3. Another goes on, while two more orders come and one is refused: what is not committed is not told.
await using (TidemarkStore store = await TidemarkStore.OpenAsync(data))
{
    (Topic placed, TopicOutbox outbox) = await OpenAsync(store);
    using var stop = new CancellationTokenSource();
    Task relaying = outbox.RunAsync(stop.Token);
    bool[] taken = await Task.WhenAll(PlaceAsync(store, placed, outbox, count), PlaceAsync(store, placed, outbox, count + 1), PlaceAsync(store, placed, outbox, 0));
    while (await EndAsync(placed) < count + 2) await Task.Delay(1);
    await stop.CancelAsync();
    await relaying.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    Console.WriteLine($"Went on     and took {taken.Count(isTaken => isTaken)} of 3 more orders.");

    // 4. Every order was told once, and the orders of each customer in the order they were placed in.
    var told = new List<int>();
    bool isInOrder = true;
    for (int partition = 0; partition < placed.Options.Partitions; partition++)
    {
        var lastOf = new Dictionary<StoreKey, int>();
        TopicPage page = await placed.ReadAsync(partition, TopicPosition.First, new TopicReadOptions { MaxMessages = int.MaxValue, MaxBytes = int.MaxValue });
        foreach (StoredMessage message in page.Messages)
        {
            int order = int.Parse(Encoding.UTF8.GetString(message.Payload.Span), CultureInfo.InvariantCulture);
            told.Add(order);
            isInOrder &= !lastOf.TryGetValue(message.Key!.Value, out int last) || await VersionAsync(store, last) < await VersionAsync(store, order);
            lastOf[message.Key.Value] = order;
        }
    }

    bool isOnce = told.Order().SequenceEqual(Enumerable.Range(0, count + 2));
    int left = (await store.ScanPageAsync(KeyRange.Between("outbox-", "outbox."), new ScanOptions { Limit = 1 })).Records.Count;
    Console.WriteLine($"Told        {told.Count} messages: {(isOnce ? "each order once" : "NOT each once")}, {(isInOrder ? "in the order of their commits" : "OUT OF ORDER")}, {left} rows left in the outbox.");
    return isOnce && isInOrder && left == 0 ? 0 : 1;
}

static async Task<(Topic Placed, TopicOutbox Outbox)> OpenAsync(TidemarkStore store)
{
    Topic placed = await store.Topics.GetOrCreateAsync("orders.placed", new TopicOptions { Partitions = 4, DeduplicationIds = 10_000 });
    return (placed, new TopicOutbox(store, store.Topics));
}

// An order is there, and its message will be told; or the order was there before, and neither happens.
static async Task<bool> PlaceAsync(KeyValueStore store, Topic placed, TopicOutbox outbox, int order)
{
    byte[] number = Encoding.UTF8.GetBytes(order.ToString(CultureInfo.InvariantCulture));
    StoreTransaction transaction = new StoreTransaction().RequireMissing($"/orders/{order}").Put($"/orders/{order}", number);
    outbox.Add(transaction, placed, new TopicMessage(number) { Key = $"customer-{order / 10}" });
    return (await store.CommitAsync(transaction)).Status == StoreStatus.Ok;
}

static async Task<long> VersionAsync(KeyValueStore store, int order) => (await store.GetAsync($"/orders/{order}"))!.Value.Version;

static async Task<long> EndAsync(Topic topic)
{
    long end = 0;
    for (int partition = 0; partition < topic.Options.Partitions; partition++) end += (await topic.DescribeAsync(partition)).End;
    return end;
}

string? Option(string name) => Array.IndexOf(args, name) is >= 0 and int at && at + 1 < args.Length ? args[at + 1] : null;

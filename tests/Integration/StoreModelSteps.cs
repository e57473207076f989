namespace Tidemark.Integration;

/// <summary>Operations of every kind on a store and on the model of it, and what both must then say alike. For one shard: the model numbers writes in one line.</summary>
internal static class StoreModelSteps
{
    /// <summary>Does something by chance, alike to both.</summary>
    internal static async Task StepAsync(KeyValueStore store, StoreModel model, StoreSession session, Random random)
    {
        string key = Key(random), value = $"{random.Next()}";
        long? expected = random.Next(4) == 0 ? Some(model, key, random) : null;
        switch (random.Next(12))
        {
            case 0:
                WriteResult deleted = await store.DeleteAsync(key, new DeleteOptions { ExpectedVersion = expected });
                Assert.Equal(model.Delete(key, expected), (deleted.Status, deleted.Version));
                break;
            case 1:
                (string from, string to) = (Key(random), Key(random));
                WriteResult range = await store.DeleteRangeAsync(KeyRange.Between(from, to));
                Assert.Equal(model.DeleteWhere((k, _) => model.Records.Comparer.Compare(k, from) >= 0 && (to.Length == 0 || model.Records.Comparer.Compare(k, to) < 0)), range.Count);
                break;
            case 2:
                long[] steps = [.. Enumerable.Range(0, random.Next(1, 3)).Select(_ => random.NextInt64(-1, 4))];
                WriteResult next = await store.PutNextAsync(key, System.Text.Encoding.UTF8.GetBytes(value), steps);
                Assert.Equal(model.PutNext(key, value, steps), (next.Status, next.Version, next.Key.ToString()));
                break;
            case 3:
                await TransactAsync(store, model, random);
                break;
            case 4:
                Assert.Equal(model.Put(key, value, expected, session.Id, []).Status,
                    (await store.PutAsync(key, System.Text.Encoding.UTF8.GetBytes(value), new PutOptions { Session = session, ExpectedVersion = expected })).Status);
                break;
            default:
                (string, string)[] indexes = [.. Enumerable.Range(0, random.Next(3)).Select(_ => ($"i{random.Next(2)}", $"{(char)('a' + random.Next(4))}"))];
                var options = new PutOptions { ExpectedVersion = expected, Indexes = [.. indexes.Select(entry => new IndexEntry(entry.Item1, entry.Item2))] };
                WriteResult put = await store.PutAsync(key, System.Text.Encoding.UTF8.GetBytes(value), options);
                Assert.Equal(model.Put(key, value, expected, null, indexes), (put.Status, put.Version));
                break;
        }
    }

    private static async Task TransactAsync(KeyValueStore store, StoreModel model, Random random)
    {
        var transaction = new StoreTransaction();
        List<Func<StoreStatus>> conditions = [], operations = [];
        for (int i = random.Next(1, 5); i > 0; i--)
        {
            string key = Key(random), value = $"{random.Next()}";
            long? expected = random.Next(3) == 0 ? Some(model, key, random) : null;
            switch (random.Next(4))
            {
                case 0:
                    transaction.Delete(key, expected);
                    operations.Add(() => model.Delete(key, expected).Status);
                    break;
                case 1:
                    long required = Some(model, key, random);
                    transaction.Require(key, required);
                    conditions.Add(() => (model.Records.GetValueOrDefault(key)?.Version ?? 0) == required ? StoreStatus.Ok : StoreStatus.VersionMismatch);
                    break;
                default:
                    transaction.Put(key, System.Text.Encoding.UTF8.GetBytes(value), new PutOptions { ExpectedVersion = expected });
                    operations.Add(() => model.Put(key, value, expected, null, []).Status);
                    break;
            }
        }

        TransactionResult done = await store.CommitAsync(transaction);
        Assert.Equal(model.Transact(conditions.Concat(operations)), done.Status);
    }

    /// <summary>Reads everything in all ways.</summary>
    internal static async Task CompareAsync(KeyValueStore store, StoreModel model, string story)
    {
        List<string> found = [], backwards = [];
        await foreach (StoreRecord record in store.ScanAsync(KeyRange.All))
            found.Add($"{record.Key} {record.GetString()} {record.Version} {record.Modifications} {record.SessionId} {string.Join(' ', record.Indexes.Select(entry => $"{entry.Index}={entry.Key}"))}");
        Assert.True(model.Records.Select(record => $"{record.Key} {record.Value.Value} {record.Value.Version} {record.Value.Modifications} {record.Value.Session} "
            + string.Join(' ', record.Value.Indexes.Select(entry => $"{entry.Index}={entry.Key}"))).SequenceEqual(found), story);
        await foreach (StoreKey key in store.ListAsync(KeyRange.All, new ScanOptions { Reverse = true })) backwards.Add(key.ToString());
        Assert.True(model.Records.Keys.Reverse().SequenceEqual(backwards), story);
        foreach (string index in (string[])["i0", "i1"])
        {
            List<string> indexed = [];
            await foreach (StoreRecord record in store.ScanIndexAsync(index)) indexed.Add(record.Key.ToString());
            Assert.True(model.ByIndex(index).SequenceEqual(indexed), story + " " + index);
        }

        var random = new Random(9);
        for (int i = 0; i < 40; i++)
        {
            (string key, KeyComparison comparison) = (Key(random), (KeyComparison)random.Next(5));
            StoreRecord? near = await store.GetAsync(key, new GetOptions { Comparison = comparison });
            Assert.True(model.Nearest(key, comparison) == near?.Key.ToString(), $"{story}: {comparison} of '{key}'");
        }
    }

    private static long Some(StoreModel model, string key, Random random) =>
        random.Next(3) switch { 0 => 0, 1 => model.Records.GetValueOrDefault(key)?.Version ?? 0, _ => random.Next(1, 300) };

    private static string Key(Random random)
    {
        const string Letters = "ab//-\u0001";
        return string.Concat(Enumerable.Range(0, random.Next(6)).Select(_ => Letters[random.Next(Letters.Length)]));
    }
}

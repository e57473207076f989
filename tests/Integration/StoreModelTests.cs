using Tidemark.Testing;
using Tidemark.Tests;
using Tidemark.Tool;

namespace Tidemark.Integration;

/// <summary>
/// Random operations of every kind against a plain model, on every engine and in both key orders. In between the store is closed and opened again, or lost: a copy of
/// its files, made while it was open, is what the next one opens.
/// </summary>
public sealed class StoreModelTests
{
    private static readonly TimeSpan SessionTimeout = TimeSpan.FromSeconds(20);

    [Fact]
    public Task The_store_in_memory_does_what_the_model_does() => RunAsync(StorageEngine.Memory);

    [ExternalFact("liblmdb0")]
    public Task The_store_on_lmdb_does_what_the_model_does() => RunAsync(StorageEngine.Lmdb());

    [ExternalFact("libsqlite3-0")]
    public Task The_store_on_sqlite_does_what_the_model_does() => RunAsync(SystemSqlite.Engine);

    private static async Task RunAsync(StorageEngine engine)
    {
        for (int seed = 1; seed <= Soak.Times(4); seed++)
        {
            using var folder = new TemporaryDirectory();
            KeyOrder order = seed % 2 == 0 ? KeyOrder.Natural : KeyOrder.Hierarchical;
            var time = new ManualTimeProvider();
            var options = new TidemarkStoreOptions
            {
                TimeProvider = time,
                Engine = engine,
                EngineBatchBytes = 8_000,
                SnapshotLogBytes = 20_000,
                LogSegmentBytes = 16_384,
                DefaultNamespace = new NamespaceOptions { KeyOrder = order },
            };
            var model = new StoreModel(order);
            var random = new Random(seed);
            int losses = 0;
            StoreSession? orphan = null;   // Of a store that was lost.
            for (int opening = 0; opening < 6; opening++)
            {
                if (opening > 0) Assert.True((await TidemarkStore.VerifyAsync(folder.At($"{losses}"), options)).IsWhole);
                await using TidemarkStore store = await TidemarkStore.OpenAsync(folder.At($"{losses}"), options);
                await CompareAsync(store, model, $"seed {seed}, opening {opening}");
                if (orphan is not null) await EndedAsync(store, model, orphan, time);
                orphan = null;

                StoreSession session = await store.OpenSessionAsync(new SessionOptions { Timeout = SessionTimeout });
                for (int i = 0; i < 250; i++)
                {
                    await StepAsync(store, model, session, random);
                    if (i % 50 == 49) await CompareAsync(store, model, $"seed {seed}, opening {opening}, step {i}");
                }

                if (random.Next(2) == 0)
                {
                    orphan = session;
                    await CopyAsync(folder.At($"{losses}"), folder.At($"{losses + 1}"));
                    losses++;
                    continue;
                }

                await session.DisposeAsync();
                model.DeleteWhere((_, entry) => entry.Session == session.Id);
                await CompareAsync(store, model, $"seed {seed}, opening {opening}, at the end");
            }
        }
    }

    /// <summary>A copy of a moment at which nothing was being written: what a process leaves that is killed there.</summary>
    private static async Task CopyAsync(string from, string to)
    {
        while (true)
        {
            if (Directory.Exists(to)) Directory.Delete(to, recursive: true);
            try
            {
                (string Path, long Length, DateTime Written)[] before = Look(from);
                if (before.All(file => DateTime.UtcNow - file.Written > TimeSpan.FromMilliseconds(20)))
                {
                    // By another process: to close a file here would let go of locks this process has on it.
                    ProcessResult copy = await ChildProcess.RunAsync("cp", from, "-r", from, to);
                    if (copy.ExitCode == 0 && before.SequenceEqual(Look(from))) return;
                }
            }
            catch (FileNotFoundException)
            {
                // The log was trimmed while somebody looked.
            }

            await Task.Delay(5);
        }
    }

    private static (string Path, long Length, DateTime Written)[] Look(string directory) =>
        [.. new DirectoryInfo(directory).EnumerateFiles("*", SearchOption.AllDirectories).Select(file => (file.FullName, file.Length, file.LastWriteTimeUtc)).Order()];

    private static async Task EndedAsync(TidemarkStore store, StoreModel model, StoreSession orphan, ManualTimeProvider time)
    {
        string[] keys = [.. model.Records.Where(record => record.Value.Session == orphan.Id).Select(record => record.Key)];
        model.DeleteWhere((_, entry) => entry.Session == orphan.Id);
        for (int tries = 0; tries < 1_000; tries++)
        {
            time.Advance(SessionTimeout);   // More than once: its time begins with the shard's first turn.
            List<bool> present = [];
            foreach (string key in keys) present.Add(await store.GetAsync(key) is not null);
            if (!present.Contains(true)) return;
            await Task.Delay(10);   // The shard notices by itself.
        }

        Assert.Fail("The session of a store that was lost has not ended.");
    }

    private static async Task StepAsync(TidemarkStore store, StoreModel model, StoreSession session, Random random)
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

    private static async Task TransactAsync(TidemarkStore store, StoreModel model, Random random)
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

    private static async Task CompareAsync(TidemarkStore store, StoreModel model, string story)
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

using Tidemark.Testing;
using Tidemark.Tests;
using Tidemark.Tool;

namespace Tidemark.Integration;

/// <summary>The engine over Microsoft.Data.Sqlite and the system's SQLite.</summary>
public sealed class SqliteTests
{
    [ExternalFact("libsqlite3-0")]
    public void The_engine_keeps_the_contract()
    {
        SystemSqlite.Require();
        List<string> broken = [];
        foreach (ContractCase<OrderedEngineSubject> rule in OrderedEngineContract.Cases)
        {
            using var folder = new TemporaryDirectory();
            try
            {
                rule.Run(() => new OrderedEngineSubject(() => SqliteStorage.Open(Path.Combine(folder.Path, "state.db")), IsDurable: true));
            }
            catch (Exception e)
            {
                broken.Add($"{rule.Name}: {e.Message}");
            }
        }

        Assert.Empty(broken);
    }

    [ExternalFact("libsqlite3-0")]
    public void A_file_of_somebody_else_is_refused_and_not_changed()
    {
        SystemSqlite.Require();
        using var folder = new TemporaryDirectory();
        string text = Path.Combine(folder.Path, "text.db"), other = Path.Combine(folder.Path, "other.db");
        File.WriteAllText(text, new string('x', 5000));
        Assert.Throws<FormatMismatchException>(() => SqliteStorage.Open(text));
        Assert.Equal(new string('x', 5000), File.ReadAllText(text));
        using (var connection = new Microsoft.Data.Sqlite.SqliteConnection($"Data Source={other};Pooling=False"))
        {
            connection.Open();
            using var command = connection.CreateCommand();
            command.CommandText = "create table people (name text)";
            command.ExecuteNonQuery();
        }

        Assert.Throws<FormatMismatchException>(() => SqliteStorage.Open(other));
    }

    [ExternalFact("libsqlite3-0")]
    public async Task Engines_give_the_same_answers_hashes_rows_and_exports_for_the_same_commands()
    {
        using var folder = new TemporaryDirectory();
        StorageEngine[] engines = [StorageEngine.Memory, StorageEngine.Lmdb(), SystemSqlite.Engine];
        List<(string Rows, string Answers, StateHash Content, string Export)> seen = [];
        foreach (StorageEngine engine in engines)
        {
            // Logs are not cut: that takes timestamps too, and when depends on the engine.
            var options = new TidemarkStoreOptions { Engine = engine, EngineBatchBytes = 10_000, LogSegmentBytes = 64 * 1024, TimeProvider = new ManualTimeProvider() };
            string directory = Path.Combine(folder.Path, engine.Name);
            List<string> answers = [];
            var random = new Random(5);
            for (int round = 0; round < 3; round++)
            {
                await using TidemarkStore store = await TidemarkStore.OpenAsync(directory, options);
                for (int i = 0; i < 400; i++) answers.Add(await DoAsync(store, random));
            }

            Assert.True((await TidemarkStore.VerifyAsync(directory, options)).IsWhole);   // The hash kept along the way is that of the rows.
            await using TidemarkStore last = await TidemarkStore.OpenAsync(directory, options);
            List<string> rows = [];
            await foreach (StoreRecord record in last.ScanAsync(KeyRange.All))
                rows.Add($"{record.Key} {record.Version} {record.Modifications} {record.GetString()} {string.Join(',', record.Indexes)}");
            await foreach (StoreRecord record in last.ScanIndexAsync("i", options: new ScanOptions { Reverse = true })) rows.Add($"{record.Key}");
            using var export = new MemoryStream();
            await last.ExportAsync(export);
            seen.Add((string.Join('\n', rows), string.Join('\n', answers), last.Local.Shards[0].Machine.ContentHash, Convert.ToHexString(export.ToArray())));
        }

        Assert.Equal(seen[0], seen[1]);
        Assert.Equal(seen[0], seen[2]);
    }

    private static async Task<string> DoAsync(TidemarkStore store, Random random)
    {
        string key = $"/{random.Next(4)}/{random.Next(40)}";
        WriteResult result = random.Next(10) switch
        {
            0 or 1 => await store.DeleteAsync(key),
            2 => await store.PutNextAsync($"/q{random.Next(3)}", "x"u8.ToArray(), [random.Next(3)]),
            3 => await store.DeleteRangeAsync(KeyRange.Between(key, $"/{random.Next(4)}/{random.Next(40)}")),
            4 => await store.PutAsync(key, "only new"u8.ToArray(), PutOptions.MustNotExist),
            _ => await store.PutAsync(key, BitConverter.GetBytes(random.Next()), new PutOptions { Indexes = [new IndexEntry("i", $"{random.Next(9)}")] }),
        };
        StoreRecord? near = await store.GetAsync(key, new GetOptions { Comparison = (KeyComparison)random.Next(5) });
        return $"{result.Status} {result.Key} {result.Version} {result.Count} {near?.Key}";
    }
}

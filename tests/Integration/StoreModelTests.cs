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
                await StoreModelSteps.CompareAsync(store, model, $"seed {seed}, opening {opening}");
                if (orphan is not null) await EndedAsync(store, model, orphan, time);
                orphan = null;

                StoreSession session = await store.OpenSessionAsync(new SessionOptions { Timeout = SessionTimeout });
                for (int i = 0; i < 250; i++)
                {
                    await StoreModelSteps.StepAsync(store, model, session, random);
                    if (i % 50 == 49) await StoreModelSteps.CompareAsync(store, model, $"seed {seed}, opening {opening}, step {i}");
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
                await StoreModelSteps.CompareAsync(store, model, $"seed {seed}, opening {opening}, at the end");
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
}

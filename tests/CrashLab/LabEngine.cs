using Tidemark.Tool;

namespace Tidemark.CrashLab;

/// <summary>The engines a store of the lab may be on, and settings so small that snapshots, batches, new segments and trims happen all the time.</summary>
internal static class LabEngine
{
    internal static IReadOnlyDictionary<string, StorageEngine> All { get; } = new Dictionary<string, StorageEngine>
    {
        ["memory"] = StorageEngine.Memory,
        ["lmdb"] = StorageEngine.Lmdb(),
        ["sqlite"] = SystemSqlite.Engine,
        ["lmdb-missing"] = StorageEngine.Lmdb(new LmdbOptions { LibraryPath = "/nowhere/liblmdb.so" }),   // To see what is said then.
    };

    internal static TidemarkStoreOptions Options(StorageEngine engine) => new()
    {
        Engine = engine,
        SnapshotLogBytes = 64 * 1024,
        EngineBatchBytes = 64 * 1024,
        LogSegmentBytes = 64 * 1024,
    };

    /// <summary>Opens a store on whichever engine it was made with.</summary>
    internal static async Task<TidemarkStore> OpenAnyAsync(string directory)
    {
        FormatMismatchException? other = null;
        foreach (StorageEngine engine in All.Values.DistinctBy(engine => engine.Name))
        {
            try
            {
                return await TidemarkStore.OpenAsync(directory, Options(engine));
            }
            catch (FormatMismatchException e)
            {
                other ??= e;
            }
        }

        throw other!;
    }
}

namespace Tidemark.Tool;

/// <summary>Opens stores on the engine that their catalogs name, and never makes one where there is none.</summary>
internal static class Stores
{
    /// <summary>The options that open the store of a directory.</summary>
    internal static TidemarkStoreOptions OptionsOf(string directory)
    {
        StoreDescription store = TidemarkStore.Describe(directory);
        return store.IsBackup
            ? throw new UsageException($"'{directory}' is a backup. Restore it into another directory first.")
            : new TidemarkStoreOptions { Engine = Engines.Find(store.Engine) };
    }

    internal static ValueTask<TidemarkStore> OpenAsync(string directory, CancellationToken cancellation) =>
        TidemarkStore.OpenAsync(directory, OptionsOf(directory), cancellation);

    /// <summary>Opens a store, or creates it where the directory is missing.</summary>
    internal static ValueTask<TidemarkStore> OpenOrCreateAsync(string directory, string? engine, CancellationToken cancellation)
    {
        if (!Directory.Exists(directory)) return TidemarkStore.OpenAsync(directory, Fresh(engine), cancellation);
        TidemarkStoreOptions options = OptionsOf(directory);
        if (engine is not null && engine != options.Engine.Name) throw new UsageException($"'{directory}' is on the engine '{options.Engine}' already.");
        return TidemarkStore.OpenAsync(directory, options, cancellation);
    }

    internal static TidemarkStoreOptions Fresh(string? engine) => new() { Engine = engine is null ? StorageEngine.Memory : Engines.Find(engine) };
}

using Tidemark.Replication.KeyValue;
using Tidemark.Storage.Catalog;

namespace Tidemark;

/// <summary>A key-value store in this process: <c>await using var store = await TidemarkStore.OpenAsync("data");</c></summary>
/// <remarks>
/// It is its default namespace; others come from <see cref="CreateNamespaceAsync"/> and <see cref="GetNamespace"/>. Durable: a write completes when it is on stable
/// storage. After a crash the store opens by itself with everything acknowledged. One process at a time may open a directory. Safe for concurrent calls.
/// </remarks>
public sealed class TidemarkStore : ShardedKeyValueStore, IAsyncDisposable
{
    /// <summary>The name of the default namespace.</summary>
    public const string DefaultNamespaceName = "default";

    private readonly StoreDirectory _store;

    private TidemarkStore(StoreDirectory store, LocalNamespace local)
        : base(local) => _store = store;

    /// <summary>The store's directory.</summary>
    public string Directory => _store.Directory;

    /// <summary>The store's id, drawn when it was created: it stands in every file of it.</summary>
    public Guid StoreId => _store.Catalog.StoreId;

    /// <summary>The names of all namespaces.</summary>
    public IReadOnlyList<string> Namespaces => _store.Names;

    /// <summary>Opens the store of a directory; creates it where it is missing.</summary>
    /// <param name="directory">The directory. Created private to its owner.</param>
    /// <param name="options">Its settings; null for the defaults.</param>
    /// <param name="cancellationToken">Checked before it begins.</param>
    /// <exception cref="DirectoryLockedException">The store is open already, here or in another process.</exception>
    /// <exception cref="CorruptDataException">Files are damaged or missing in a way no crash explains. Nothing was changed.</exception>
    /// <exception cref="FormatMismatchException">The store is of another format version, or was created with another engine, key order or shard count.</exception>
    /// <remarks>Cost: reads the state in memory (the memory engine), and applies what the log has beyond it.</remarks>
    public static async ValueTask<TidemarkStore> OpenAsync(string directory, TidemarkStoreOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(directory);
        options ??= new TidemarkStoreOptions();
        options.Validate();
        cancellationToken.ThrowIfCancellationRequested();
        return await Task.Run(() => OpenStoreAsync(Path.GetFullPath(directory), options), CancellationToken.None).ConfigureAwait(false);
    }

    /// <summary>A store in memory, which ends with its process: for tests, and for state that need not outlive it. Otherwise the same in every respect.</summary>
    /// <param name="options">Settings; the file system and the engine are replaced.</param>
    public static TidemarkStore InMemory(TidemarkStoreOptions? options = null)
    {
        options = (options ?? new TidemarkStoreOptions()) with
        {
            FileSystem = new MemoryFileSystem(),
            Engine = StorageEngine.Memory,
            SnapshotLogBytes = 4 * 1024 * 1024,   // The log is in memory too: it is kept short.
            LogSegmentBytes = 1024 * 1024,
        };
        options.Validate();
        // Nothing blocks: there is no disk to wait for. The pool's thread is asked, because the caller's may have a context that waits for itself.
        return Task.Run(() => OpenStoreAsync(Path.GetFullPath("memory"), options)).GetAwaiter().GetResult();
    }

    /// <summary>Creates a namespace.</summary>
    /// <param name="name">1 to 128 bytes, without control characters.</param>
    /// <param name="options">Its settings; null for the defaults.</param>
    /// <param name="cancellationToken">Checked before it begins.</param>
    /// <exception cref="ArgumentException">There is one of that name, or it is no name.</exception>
    /// <exception cref="LimitExceededException">The engine cannot hold keys as long as the settings allow.</exception>
    public async ValueTask<KeyValueStore> CreateNamespaceAsync(string name, NamespaceOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(name);
        if (!CatalogNamespace.IsName(name)) throw new ArgumentException("A namespace's name has 1 to 128 bytes and no control characters.", nameof(name));
        options ??= new NamespaceOptions();
        options.Validate();
        cancellationToken.ThrowIfCancellationRequested();
        return new ShardedKeyValueStore(await _store.CreateNamespaceAsync(name, options).ConfigureAwait(false));
    }

    /// <summary>A namespace that exists.</summary>
    /// <exception cref="ArgumentException">There is none of that name.</exception>
    public KeyValueStore GetNamespace(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return new ShardedKeyValueStore(_store.Find(name) ?? throw new ArgumentException($"There is no namespace '{name}'. Create it first.", nameof(name)));
    }

    /// <summary>How the store's shards are.</summary>
    public StoreHealth GetHealth() => _store.GetHealth();

    /// <summary>Answers what was written, closes all files and lets the directory go. Later calls throw <see cref="ObjectDisposedException"/>.</summary>
    public ValueTask DisposeAsync() => _store.DisposeAsync();

    private static async Task<TidemarkStore> OpenStoreAsync(string directory, TidemarkStoreOptions options)
    {
        StoreDirectory store = await StoreDirectory.OpenAsync(directory, options).ConfigureAwait(false);
        return new TidemarkStore(store, store.Find(DefaultNamespaceName)!);
    }
}

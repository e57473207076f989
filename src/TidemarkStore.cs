using Tidemark.Replication.Archive;
using Tidemark.Replication.Export;
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
    private readonly IFileSystem _backups;   // Where backups go.

    private TidemarkStore(StoreDirectory store, LocalNamespace local, IFileSystem backups)
        : base(local)
    {
        _store = store;
        _backups = backups;
    }

    /// <summary>The store's directory.</summary>
    public string Directory => _store.Directory;

    /// <summary>The store's id, drawn when it was created: it stands in every file of it.</summary>
    public Guid StoreId => _store.Catalog.StoreId;

    /// <summary>The names of all namespaces.</summary>
    public IReadOnlyList<string> Namespaces => _store.Names;

    /// <summary>The topics: logs of messages, beside the key-value namespaces. docs/topics.md.</summary>
    public TopicCollection Topics => _store.Topics;

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
        return await Task.Run(() => OpenStoreAsync(Path.GetFullPath(directory), options, options.FileSystem), CancellationToken.None).ConfigureAwait(false);
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
        return Task.Run(() => OpenStoreAsync(Path.GetFullPath("memory"), options, DiskFileSystem.Instance)).GetAwaiter().GetResult();
    }

    /// <summary>Creates a namespace.</summary>
    /// <param name="name">1 to 128 bytes, without control characters.</param>
    /// <param name="options">Its settings; null for the defaults.</param>
    /// <param name="cancellationToken">Checked before it begins.</param>
    /// <exception cref="ArgumentException">There is one of that name, or it is no name.</exception>
    /// <exception cref="LimitExceededException">The engine cannot hold keys as long as the settings allow.</exception>
    public async ValueTask<KeyValueStore> CreateNamespaceAsync(string name, NamespaceOptions? options = null, CancellationToken cancellationToken = default)
    {
        CatalogName.Require(name, "namespace");
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

    /// <summary>Saves the state of every shard into a folder, while the store runs.</summary>
    /// <param name="folder">Created private to its owner where it is missing; it must hold no files. On the store's file system; for a store in memory, on the disk.</param>
    /// <param name="progress">Told after each piece.</param>
    /// <param name="cancellationToken">Ends it between two pieces. What was written stays, and is no backup.</param>
    /// <exception cref="IOException">The folder is not empty, or the disk refused.</exception>
    /// <exception cref="StoreFullException">There is no room.</exception>
    /// <exception cref="StoreFailedException">A shard failed before.</exception>
    /// <exception cref="ObjectDisposedException">The store was closed, before or meanwhile.</exception>
    /// <remarks>
    /// Every write acknowledged before is in it, and of later ones a prefix for each shard. Writers go on. Cost: one read of the state and one write of it, on one
    /// thread; memory for a piece. docs/backup.md.
    /// </remarks>
    public async ValueTask<BackupReport> BackupAsync(string folder, IProgress<BackupProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        var writer = new BackupWriter(_backups, Path.GetFullPath(folder), progress);
        return await _store.ReadAsync(cancellation => writer.RunAsync(_store, cancellation), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Makes a store of a backup.</summary>
    /// <param name="backupFolder">The backup.</param>
    /// <param name="directory">The new store's directory: missing, or without files.</param>
    /// <param name="options">Engine and file system, of the backup too; null for the defaults. Settings of namespaces are the backup's.</param>
    /// <param name="progress">Told after each piece. The backup is read twice: first to check it.</param>
    /// <param name="cancellationToken">Ends it between two pieces. What was made cannot be opened: delete the directory.</param>
    /// <exception cref="CorruptDataException">The backup is damaged. Nothing was created.</exception>
    /// <exception cref="FormatMismatchException">It is no backup, or of another version. Nothing was created.</exception>
    /// <exception cref="IOException">The directory is not empty, or the disk refused.</exception>
    /// <exception cref="LimitExceededException">The engine cannot hold keys as long as the settings of a namespace allow.</exception>
    /// <remarks>The new store has an id of its own. Interrupted, it leaves a directory that is refused by name when it is opened. docs/backup.md.</remarks>
    public static ValueTask RestoreAsync(
        string backupFolder, string directory, TidemarkStoreOptions? options = null, IProgress<BackupProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(backupFolder);
        ArgumentException.ThrowIfNullOrEmpty(directory);
        options = Checked(options);
        return new ValueTask(Task.Run(
            () => StoreRestore.RunAsync(Path.GetFullPath(backupFolder), Path.GetFullPath(directory), options, progress, cancellationToken), CancellationToken.None));
    }

    /// <summary>Copies what is new in the namespaces to the store's archive, as is done every <see cref="ArchiveOptions.Interval"/>.</summary>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>A moment behind all that was written before the call: the store can be restored to it from now on.</returns>
    /// <exception cref="InvalidOperationException">The store has no archive.</exception>
    /// <exception cref="FormatMismatchException">The archive is another store's.</exception>
    /// <exception cref="IOException">The archive, or the disk, refused. It is tried again with the next.</exception>
    /// <exception cref="StoreFullException">There is no room.</exception>
    /// <exception cref="StoreFailedException">A shard failed before.</exception>
    /// <exception cref="ObjectDisposedException">The store was closed, before or meanwhile.</exception>
    /// <remarks>Writers go on. Cost: the new log is read and written twice, here and there, now and then the state as well. docs/archive.md.</remarks>
    public async ValueTask<HybridTimestamp> ArchiveAsync(CancellationToken cancellationToken = default) => await _store.ArchiveAsync(cancellationToken).ConfigureAwait(false);

    /// <summary>Makes a store of an archive, as it was at a moment. Topics are in no archive.</summary>
    /// <param name="archive">The archive.</param>
    /// <param name="directory">The new store's directory: missing, or without files.</param>
    /// <param name="until">The moment: what was written up to it, on all shards, and nothing later. Null: all that is there.</param>
    /// <param name="options">Engine and file system; null for the defaults. Settings of namespaces are those of the moment.</param>
    /// <param name="progress">Told after each piece.</param>
    /// <param name="cancellationToken">Ends it between two pieces. What was made cannot be opened: delete the directory.</param>
    /// <returns>What was restored.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The archive does not go back, or on, to the moment. Nothing was created.</exception>
    /// <exception cref="CorruptDataException">An object is damaged or missing. What was made cannot be opened: delete the directory.</exception>
    /// <exception cref="FormatMismatchException">It is no archive, or of another version. Nothing was created.</exception>
    /// <exception cref="IOException">The directory is not empty, or the disk or the archive refused.</exception>
    /// <remarks>The new store has an id of its own, and needs an archive of its own. Cost: memory for the state of one shard, on any engine. docs/archive.md.</remarks>
    public static async ValueTask<BackupReport> RestoreAsync(
        IArchive archive, string directory, HybridTimestamp? until = null, TidemarkStoreOptions? options = null, IProgress<BackupProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(archive);
        ArgumentException.ThrowIfNullOrEmpty(directory);
        var restore = new ArchiveRestore(archive, Path.GetFullPath(directory), Checked(options));
        return await Task.Run(() => restore.RunAsync(until, progress, cancellationToken), CancellationToken.None).ConfigureAwait(false);
    }

    /// <summary>Says from when to when an archive goes. Reads names, and one small object.</summary>
    /// <param name="archive">The archive.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="FormatMismatchException">It is no archive, or of another version.</exception>
    /// <exception cref="CorruptDataException">It is damaged.</exception>
    public static async ValueTask<ArchiveRange> DescribeArchiveAsync(IArchive archive, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(archive);
        return await Task.Run(() => ArchiveRestore.DescribeAsync(archive, cancellationToken), CancellationToken.None).ConfigureAwait(false);
    }

    /// <summary>Reads the state of every shard and partition, and compares it with the hash that was kept beside each write. Also done every <see cref="TidemarkStoreOptions.ScrubInterval"/>.</summary>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>What was read: all of it is as its log made it.</returns>
    /// <exception cref="CorruptDataException">A state is another than its log made it: memory or disk has changed it. That shard has failed and takes no more writes.</exception>
    /// <exception cref="StoreFailedException">A shard failed before.</exception>
    /// <exception cref="ObjectDisposedException">The store was closed, before or meanwhile.</exception>
    /// <remarks>Writers go on. Cost: one read of the state, one shard after the other.</remarks>
    public async ValueTask<ScrubReport> ScrubAsync(CancellationToken cancellationToken = default) => await _store.ScrubAsync(cancellationToken).ConfigureAwait(false);

    /// <summary>Reads and checks all of a store that nobody has open: catalog, logs, snapshot files, and the hash of every shard's state.</summary>
    /// <param name="directory">The store.</param>
    /// <param name="options">Engine and file system; null for the defaults.</param>
    /// <param name="progress">Told as it goes on.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>All damage that was found.</returns>
    /// <exception cref="DirectoryLockedException">The store is open.</exception>
    /// <exception cref="DirectoryNotFoundException">There is no such directory.</exception>
    /// <exception cref="FormatMismatchException">There is no store, or one of another engine or version.</exception>
    /// <remarks>Changes what opening the store changes: a torn tail is cut. Cost: that of opening it, and one more read of everything.</remarks>
    public static ValueTask<VerifyReport> VerifyAsync(
        string directory, TidemarkStoreOptions? options = null, IProgress<BackupProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(directory);
        options = Checked(options);
        return new ValueTask<VerifyReport>(Task.Run(() => StoreVerifier.RunAsync(Path.GetFullPath(directory), options, progress, cancellationToken), CancellationToken.None));
    }

    /// <summary>Reads and checks all of a backup, and changes nothing.</summary>
    /// <param name="folder">The backup.</param>
    /// <param name="options">The file system; null for the disk.</param>
    /// <param name="progress">Told after each piece.</param>
    /// <param name="cancellationToken">Ends it between two pieces.</param>
    /// <returns>All damage that was found.</returns>
    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    /// <exception cref="FormatMismatchException">It is no backup, or was not finished.</exception>
    public static ValueTask<VerifyReport> VerifyBackupAsync(
        string folder, TidemarkStoreOptions? options = null, IProgress<BackupProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        var backup = new BackupFolder(Checked(options).FileSystem, Path.GetFullPath(folder));
        return new ValueTask<VerifyReport>(Task.Run(() => backup.Verify(progress, cancellationToken), CancellationToken.None));
    }

    /// <summary>Writes the records as text, one JSON object per line.</summary>
    /// <param name="output">Written to in order, and flushed at the end. It stays the caller's.</param>
    /// <param name="namespaceName">The namespace; null for all.</param>
    /// <param name="progress">Told after every 64 KiB.</param>
    /// <param name="cancellationToken">Ends it. What was written lacks its end, and an import says so.</param>
    /// <exception cref="ArgumentException">There is no namespace of that name.</exception>
    /// <exception cref="ObjectDisposedException">The store was closed, before or meanwhile.</exception>
    /// <remarks>
    /// Each namespace is read as it was when its turn came. Ephemeral records are left out. Equal contents give equal bytes. Cost: one scan; memory for a record. Format:
    /// docs/format/export.md.
    /// </remarks>
    public async ValueTask<ExportReport> ExportAsync(
        Stream output, string? namespaceName = null, IProgress<ExportProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(output);
        string[] names = namespaceName is null ? [.. Namespaces] : [namespaceName];
        KeyValueStore[] spaces = [.. names.Select(GetNamespace)];
        using var writer = new ExportWriter(output, progress);
        return await _store.ReadAsync(cancellation => writer.RunAsync(spaces, cancellation), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Writes the records of an export anew: with versions and timestamps of this store, over records of the same keys.</summary>
    /// <param name="input">Read to its end. It stays the caller's.</param>
    /// <param name="namespaceName">The namespace whose records are wanted; null for all. One that is missing is created with its settings.</param>
    /// <param name="progress">Told now and then.</param>
    /// <param name="cancellationToken">Ends it. What was read before is written.</param>
    /// <exception cref="MalformedDataException">A line is none of an export, or the end is missing. Its number is in the message; nothing after it was written.</exception>
    /// <exception cref="LimitExceededException">A record is longer than its namespace allows. Nothing after it was written.</exception>
    /// <exception cref="StoreFullException">There is no room. Some records before the last line read may be missing.</exception>
    /// <remarks>Every record counted in the report is durable. Cost: one put each, many at once; memory for a few megabytes of records, and for the longest line.</remarks>
    public async ValueTask<ImportReport> ImportAsync(
        Stream input, string? namespaceName = null, IProgress<ExportProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(input);
        return await new ImportReader(this, input, namespaceName, progress).RunAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Says what a store or a backup is, by its files. Takes no lock and changes nothing.</summary>
    /// <param name="directory">The store or backup.</param>
    /// <param name="fileSystem">The file system; null for the disk.</param>
    /// <exception cref="DirectoryNotFoundException">There is no such directory.</exception>
    /// <exception cref="FormatMismatchException">There is neither.</exception>
    /// <exception cref="CorruptDataException">The catalog or a log's manifest is damaged.</exception>
    /// <remarks>Of a store that is open it says what its files said a moment ago; its logs may go further.</remarks>
    public static StoreDescription Describe(string directory, IFileSystem? fileSystem = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(directory);
        return new StoreDescriber(fileSystem ?? DiskFileSystem.Instance, Path.GetFullPath(directory)).Run();
    }

    /// <summary>Answers what was written, closes all files and lets the directory go. Later calls throw <see cref="ObjectDisposedException"/>.</summary>
    public ValueTask DisposeAsync() => _store.DisposeAsync();

    private static TidemarkStoreOptions Checked(TidemarkStoreOptions? options)
    {
        options ??= new TidemarkStoreOptions();
        options.Validate();
        return options;
    }

    private static async Task<TidemarkStore> OpenStoreAsync(string directory, TidemarkStoreOptions options, IFileSystem backups)
    {
        StoreDirectory store = await StoreDirectory.OpenAsync(directory, options).ConfigureAwait(false);
        return new TidemarkStore(store, store.Find(DefaultNamespaceName)!, backups);
    }
}

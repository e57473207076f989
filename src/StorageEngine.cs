using Tidemark.Core.KeyValue;

namespace Tidemark;

/// <summary>What the rows of a store are kept in. Chosen when a store is created; it stands in its catalog.</summary>
/// <remarks>Which one when: docs/engines.md.</remarks>
public sealed class StorageEngine
{
    private readonly Func<string, IOrderedEngine> _open;

    private StorageEngine(string name, bool isInMemory, Func<string, IOrderedEngine> open)
    {
        Name = name;
        IsInMemory = isInMemory;
        _open = open;
    }

    /// <summary>In memory, remembered by the log and by snapshot files. The default: no native code, the quickest reads; the data must fit in memory.</summary>
    public static StorageEngine Memory { get; } = new("memory", isInMemory: true, static _ => new MemoryEngine());

    /// <summary>LMDB: on disk, for data larger than memory. Needs its native library.</summary>
    public static StorageEngine Lmdb(LmdbOptions? options = null) => new("lmdb", isInMemory: false, directory => LmdbEngine.Open(directory, options));

    /// <summary>The engine's name.</summary>
    public string Name { get; }

    internal bool IsInMemory { get; }

    /// <summary>An engine of your own, or one with settings of your own.</summary>
    /// <param name="name">Its name in the store's catalog: 1 to 128 bytes.</param>
    /// <param name="open">Opens the engine of one shard in a directory that exists and is its own.</param>
    public static StorageEngine Custom(string name, Func<string, IOrderedEngine> open)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        ArgumentNullException.ThrowIfNull(open);
        return new StorageEngine(name, isInMemory: false, open);
    }

    /// <summary>The name.</summary>
    public override string ToString() => Name;

    internal IOrderedEngine Open(string directory) => _open(directory);

    /// <exception cref="ArgumentException">It keeps files of its own, and the file system is not the machine's.</exception>
    internal void RequireDisk(IFileSystem files, string parameter)
    {
        if (!IsInMemory && files is not DiskFileSystem)
            throw new ArgumentException($"The engine '{Name}' keeps its files on the disk itself: it cannot be used with another file system.", parameter);
    }

    /// <summary>Opens the engine of a shard of a namespace.</summary>
    /// <exception cref="LimitExceededException">It cannot hold keys as long as the namespace's.</exception>
    internal IOrderedEngine Open(string directory, NamespaceOptions settings)
    {
        IOrderedEngine engine = Open(directory);
        int needed = settings.MaxKeyBytes + KvSettings.RowSlack;
        if (engine.MaxKeyBytes >= needed) return engine;
        var refusal = new LimitExceededException($"row key of this namespace on the engine '{engine.Name}'", needed, engine.MaxKeyBytes, nameof(NamespaceOptions.MaxKeyBytes));
        engine.Dispose();
        throw refusal;
    }
}

using System.Buffers.Text;
using System.Globalization;

using Tidemark.Tool;

namespace Tidemark.Bench;

/// <summary>An engine to measure.</summary>
/// <param name="Name">Its name in tables.</param>
/// <param name="Engine">How stores open it.</param>
/// <param name="Bare">Makes the floor under its reads: where to keep files, the keys, the value of all.</param>
/// <param name="BareLoad">The floor under its loading: where to keep files, how many records, the value of all.</param>
internal sealed record BenchEngine(string Name, StorageEngine Engine, Func<string, StoreKey[], byte[], BareReads> Bare, Action<string, int, byte[]> BareLoad)
{
    /// <summary>All engines, or those of <c>--engine</c>.</summary>
    public static IReadOnlyList<BenchEngine> All { get; set; } =
    [
        new("memory", StorageEngine.Memory, (_, keys, value) => new BareMemory(keys, value), BareMemory.Load),
        new("lmdb", StorageEngine.Lmdb(), (directory, keys, value) => new BareLmdb(directory, keys, value), BareLmdb.Load),
        new("sqlite", SystemSqlite.Engine, (directory, keys, value) => new BareSqlite(directory, keys, value), BareSqlite.Load),
    ];

    public TidemarkStoreOptions StoreOptions() => new() { Engine = Engine };
}

/// <summary>The keys that key-value benches use: 24 bytes, one level.</summary>
internal static class BenchKeys
{
    public static StoreKey Of(int number)
    {
        byte[] key = new byte[24];
        "/bench/record/"u8.CopyTo(key);
        Utf8Formatter.TryFormat(number, key.AsSpan(14), out _, new System.Buffers.StandardFormat('D', 10));
        return key;
    }
}

/// <summary>A directory of one bench, removed at its end.</summary>
internal sealed class BenchPlace : IDisposable
{
    private readonly string _directory;

    internal BenchPlace(BenchOptions options, string name)
    {
        Etcd = options.Etcd;
        _directory = Path.Combine(options.Directory, name + "-" + Environment.ProcessId.ToString(CultureInfo.InvariantCulture));
        Directory.CreateDirectory(_directory);
    }

    /// <summary>The etcd that keeps a cluster's status; null for a file.</summary>
    internal Uri? Etcd { get; }

    internal string At(string name) => Path.Combine(_directory, name);

    public void Dispose() => Directory.Delete(_directory, recursive: true);
}

/// <summary>A store for code that does not wait otherwise.</summary>
internal sealed class TidemarkStoreHandle(TidemarkStore store) : IDisposable
{
    internal TidemarkStore Store => store;

    internal static TidemarkStoreHandle Open(BenchEngine engine, string directory) =>
        new(TidemarkStore.OpenAsync(directory, engine.StoreOptions()).AsTask().GetAwaiter().GetResult());

    public void Dispose() => store.DisposeAsync().AsTask().GetAwaiter().GetResult();
}

using System.Reflection;
using System.Runtime.InteropServices;

namespace Tidemark.Tool;

/// <summary>Gives the managed SQLite the system's native library, so that no native package is in the graph. What an application does by adding a bundle.</summary>
public static class SystemSqlite
{
    private static readonly string[] _names = ["libsqlite3.so.0", "libsqlite3.dylib", "winsqlite3"];
    private static readonly Lock _gate = new();
    private static bool _isReady;

    /// <summary>Opens the engine of a shard's directory.</summary>
    /// <exception cref="NativeLibraryMissingException">The system has no SQLite.</exception>
    public static StorageEngine Engine { get; } = StorageEngine.Custom("sqlite", directory =>
    {
        Require();
        return SqliteStorage.Open(Path.Combine(directory, "state.db"));
    });

    /// <summary>Loads it, once for the process: an assembly takes one resolver.</summary>
    /// <exception cref="NativeLibraryMissingException">The system has none.</exception>
    public static void Require()
    {
        lock (_gate)
        {
            if (_isReady) return;
            nint library = Load();
            NativeLibrary.SetDllImportResolver(typeof(SQLitePCL.SQLite3Provider_e_sqlite3).Assembly, (name, _, _) => name == "e_sqlite3" ? library : 0);
            SQLitePCL.raw.SetProvider(new SQLitePCL.SQLite3Provider_e_sqlite3());
            SQLitePCL.raw.FreezeProvider();
            _isReady = true;
        }
    }

    private static nint Load()
    {
        foreach (string name in _names)
        {
            if (NativeLibrary.TryLoad(name, out nint library)) return library;
        }

        throw new NativeLibraryMissingException("sqlite3", $"Install SQLite (Debian: apt install libsqlite3-0). Tried: {string.Join(", ", _names)}.");
    }
}

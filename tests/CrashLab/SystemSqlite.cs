using System.Reflection;
using System.Runtime.InteropServices;

namespace Tidemark.Tests;

/// <summary>Gives the managed SQLite the system's native library, so that no native package is in the graph. What an application does by adding a bundle.</summary>
public static class SystemSqlite
{
    private static readonly Lock Gate = new();
    private static bool _isReady;

    /// <summary>Once for the process: an assembly takes one resolver.</summary>
    public static void Require()
    {
        lock (Gate)
        {
            if (_isReady) return;
            Assembly provider = typeof(SQLitePCL.SQLite3Provider_e_sqlite3).Assembly;
            nint library = NativeLibrary.Load("libsqlite3.so.0");
            NativeLibrary.SetDllImportResolver(provider, (name, _, _) => name == "e_sqlite3" ? library : 0);
            SQLitePCL.raw.SetProvider(new SQLitePCL.SQLite3Provider_e_sqlite3());
            SQLitePCL.raw.FreezeProvider();
            _isReady = true;
        }
    }
}

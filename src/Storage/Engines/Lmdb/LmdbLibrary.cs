using System.Reflection;
using System.Runtime.InteropServices;

namespace Tidemark.Storage.Engines.Lmdb;

/// <summary>Finds the native library: none is shipped, the host brings one.</summary>
internal static class LmdbLibrary
{
    internal const string Name = "lmdb";

    // What the LightningDB package brings, then the names of the systems' own packages.
    private static readonly string[] Names =
    [
        Name, "liblmdb.so.0", "liblmdb.so", "/opt/homebrew/lib/liblmdb.dylib", "/usr/local/lib/liblmdb.dylib", "liblmdb.dylib", "lmdb64",
    ];

    private static readonly Lock Gate = new();
    private static nint _handle;

    static LmdbLibrary() => NativeLibrary.SetDllImportResolver(typeof(LmdbLibrary).Assembly, static (name, _, _) => name == Name ? _handle : 0);

    /// <summary>Loads the library, once for the process, and checks its version.</summary>
    /// <param name="path">The one to load; null to look for it. Without effect once one is loaded.</param>
    /// <exception cref="NativeLibraryMissingException">There is none.</exception>
    /// <exception cref="FormatMismatchException">It is of a version whose files differ.</exception>
    internal static void Require(string? path)
    {
        lock (Gate)
        {
            if (_handle != 0) return;
            nint handle = 0;
            Assembly assembly = typeof(LmdbLibrary).Assembly;
            foreach (string name in path is null ? Names : [path])
            {
                if (NativeLibrary.TryLoad(name, assembly, null, out handle)) break;
            }

            if (handle == 0)
            {
                throw new NativeLibraryMissingException(path ?? Name,
                    $"The native library of LMDB was not found{(path is null ? "" : $" at '{path}'")}. Install it (Debian and Ubuntu: apt install liblmdb0; macOS: brew install lmdb), "
                    + "or add the package LightningDB (a stable version) to your application, which brings it.");
            }

            _handle = handle;
        }

        CheckVersion();
    }

    private static unsafe void CheckVersion()
    {
        LmdbCalls.mdb_version(out int major, out int minor, out int patch);
        // 0.9.90 and above are previews of 1.0, whose files differ.
        if (major == 0 && minor == 9 && patch < 90) return;
        throw new FormatMismatchException("lmdb", "LMDB 0.9", $"LMDB {major}.{minor}.{patch}, whose files are of another format");
    }
}

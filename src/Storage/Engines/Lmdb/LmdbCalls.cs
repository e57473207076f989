using System.Runtime.InteropServices;

namespace Tidemark.Storage.Engines.Lmdb;

/// <summary>Bytes as LMDB takes and gives them.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct LmdbValue
{
    public nuint Size;
    public byte* Data;

    internal readonly ReadOnlySpan<byte> Span => new(Data, checked((int)Size));
}

/// <summary>What LMDB says about an environment.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct LmdbEnvironmentInfo
{
    public nint MapAddress;
    public nuint MapSize;
    public nuint LastPage;
    public nuint LastTransaction;
    public uint MaxReaders;
    public uint Readers;
}

/// <summary>The functions of LMDB 0.9 that are used. All return 0 or an error.</summary>
internal static unsafe partial class LmdbCalls
{
    internal const uint NoThreadLocal = 0x200000, NoReadAhead = 0x800000, ReadOnly = 0x20000, Create = 0x40000;
    internal const uint Append = 0x20000;
    internal const int CursorFirst = 0, CursorGetCurrent = 4, CursorLast = 6, CursorNext = 8, CursorPrevious = 12, CursorAtOrAfter = 17;

    private const string Library = LmdbLibrary.Name;

    [LibraryImport(Library)]
    internal static partial byte* mdb_version(out int major, out int minor, out int patch);

    [LibraryImport(Library)]
    internal static partial nint mdb_strerror(int error);

    [LibraryImport(Library)]
    internal static partial int mdb_env_create(out nint environment);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int mdb_env_open(nint environment, string path, uint flags, uint mode);

    [LibraryImport(Library)]
    internal static partial void mdb_env_close(nint environment);

    [LibraryImport(Library)]
    internal static partial int mdb_env_set_mapsize(nint environment, nuint bytes);

    [LibraryImport(Library)]
    internal static partial int mdb_env_set_maxreaders(nint environment, uint readers);

    [LibraryImport(Library)]
    internal static partial int mdb_env_set_maxdbs(nint environment, uint databases);

    [LibraryImport(Library)]
    internal static partial int mdb_env_info(nint environment, out LmdbEnvironmentInfo info);

    [LibraryImport(Library)]
    internal static partial int mdb_reader_check(nint environment, out int dead);

    [LibraryImport(Library)]
    internal static partial int mdb_txn_begin(nint environment, nint parent, uint flags, out nint transaction);

    [LibraryImport(Library)]
    internal static partial nuint mdb_txn_id(nint transaction);

    [LibraryImport(Library)]
    internal static partial int mdb_txn_commit(nint transaction);

    [LibraryImport(Library)]
    internal static partial void mdb_txn_abort(nint transaction);

    [LibraryImport(Library)]
    internal static partial void mdb_txn_reset(nint transaction);

    [LibraryImport(Library)]
    internal static partial int mdb_txn_renew(nint transaction);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int mdb_dbi_open(nint transaction, string? name, uint flags, out uint database);

    [LibraryImport(Library)]
    internal static partial int mdb_get(nint transaction, uint database, in LmdbValue key, out LmdbValue value);

    [LibraryImport(Library)]
    internal static partial int mdb_put(nint transaction, uint database, in LmdbValue key, in LmdbValue value, uint flags);

    [LibraryImport(Library)]
    internal static partial int mdb_del(nint transaction, uint database, in LmdbValue key, nint value);

    [LibraryImport(Library)]
    internal static partial int mdb_cursor_open(nint transaction, uint database, out nint cursor);

    [LibraryImport(Library)]
    internal static partial void mdb_cursor_close(nint cursor);

    [LibraryImport(Library)]
    internal static partial int mdb_cursor_get(nint cursor, ref LmdbValue key, ref LmdbValue value, int operation);
}

using System.Runtime.InteropServices;

namespace Tidemark.Storage.Engines.Lmdb;

/// <summary>What LMDB's error numbers mean here.</summary>
internal static class LmdbErrors
{
    internal const int NotFound = -30798, MapFull = -30792, ReadersFull = -30790, VersionMismatch = -30794, Invalid = -30793, Corrupted = -30796;
    private const int NoSpace = 28, QuotaExceeded = 122;

    internal static void ThrowIf(int error, string path, string doing)
    {
        if (error != 0) throw ToException(error, path, doing);
    }

    internal static TidemarkException ToException(int error, string path, string doing)
    {
        string message = $"LMDB could not {doing} in '{path}': {Marshal.PtrToStringUTF8(LmdbCalls.mdb_strerror(error))} ({error}).";
        return error switch
        {
            NoSpace or QuotaExceeded => new StoreFullException(message + " Make room; the same call works then."),
            VersionMismatch or Invalid => new FormatMismatchException(path, "an LMDB 0.9 file", $"another: {message}"),
            Corrupted => new CorruptDataException(path, 0, "whole pages", message),
            ReadersFull => new OverloadedException(message + " Too many snapshots are open: dispose some, or raise MaxReaders."),
            _ => new StoreFailedException(message),
        };
    }
}

using System.Buffers.Binary;

namespace Tidemark.Storage.Engines.Lmdb;

/// <summary>Looks at a data file before LMDB does: a library of the wrong version may damage what it opens.</summary>
internal static class LmdbMetaPage
{
    internal const string FileName = "data.mdb";
    private const int MagicAt = 16, VersionAt = 20, Bytes = 24;
    private const uint Magic = 0xBEEFC0DE, Version = 1;

    /// <exception cref="FormatMismatchException">The file is of another version, or no LMDB file at all. It was not changed.</exception>
    internal static void Check(string directory)
    {
        string path = Path.Combine(directory, FileName);
        if (!DiskFileSystem.Instance.FileExists(path)) return;
        using IFile file = DiskFileSystem.Instance.Open(path, FileOpenMode.Existing);
        if (file.Length == 0) return;   // Made, and not yet written: LMDB begins anew.
        Span<byte> start = stackalloc byte[Bytes];
        int read = file.Read(0, start);
        uint magic = BinaryPrimitives.ReadUInt32LittleEndian(start[MagicAt..]), version = BinaryPrimitives.ReadUInt32LittleEndian(start[VersionAt..]);
        if (read < Bytes || magic != Magic) throw new FormatMismatchException(path, "an LMDB data file", "something else");
        if (version != Version)
            throw new FormatMismatchException(path, "data version 1 of LMDB 0.9", $"data version {version}: cross over with mdb_dump and mdb_load, or with an export and import");
    }
}

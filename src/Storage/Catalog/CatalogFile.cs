using System.Buffers;

using Tidemark.Storage.Files;
using Tidemark.Storage.Log;

namespace Tidemark.Storage.Catalog;

/// <summary>The file that says what a store is. Replaced as a whole. Bytes, and what a crash leaves: docs/format/catalog.md.</summary>
internal static class CatalogFile
{
    internal const string Name = "catalog";
    internal const string TemporaryName = Name + WholeFile.TemporaryExtension;
    internal const int HeaderSize = 48;
    internal const int MaxContentBytes = 16 * 1024 * 1024;

    private const int StoreAt = 16;
    private const int ContentAt = 32;

    private static ReadOnlySpan<byte> Magic => "TIDECAT\n"u8;

    /// <summary>Reads the catalog to look at it, and changes nothing.</summary>
    /// <returns>Null where there is no such file, and only there. Whether that means a new store or a lost catalog, the caller must find out.</returns>
    /// <exception cref="CorruptDataException">The file is damaged.</exception>
    /// <exception cref="FormatMismatchException">The file is no catalog, or one of another version.</exception>
    internal static StoreCatalog? TryRead(IFileSystem files, string directory)
    {
        string path = Path.Combine(directory, Name);
        return WholeFile.TryRead(files, path, HeaderSize + MaxContentBytes + 1) is { } bytes ? Decode(path, bytes) : null;   // One more than allowed: too long shows.
    }

    /// <summary>Reads the catalog of a store that is going to be written to, and makes sure that it is on the disk.</summary>
    /// <remarks>
    /// It is written once more before it is believed: a process may have ended between a failed flush of the directory and its report, and
    /// what it left in the system's cache reads well, and would be gone after a power cut with all that was acknowledged since.
    /// </remarks>
    /// <inheritdoc cref="TryRead"/>
    internal static StoreCatalog? TryOpen(IFileSystem files, string directory)
    {
        StoreCatalog? catalog = TryRead(files, directory);
        if (catalog is not null) Write(files, directory, catalog);
        return catalog;
    }

    /// <summary>Replaces the catalog as a whole, durably.</summary>
    /// <exception cref="ArgumentException">The catalog breaks a rule. Nothing was written.</exception>
    /// <exception cref="LimitExceededException">It takes more than 16 MiB. Nothing was written.</exception>
    /// <exception cref="StoreFullException">There is no room. The catalog is as it was.</exception>
    /// <exception cref="IOException">The disk refused. Which of the two catalogs is there shows when the store is opened again.</exception>
    internal static void Write(IFileSystem files, string directory, StoreCatalog catalog) =>
        WholeFile.Replace(files, Path.Combine(directory, Name), Encode(catalog));

    internal static byte[] Encode(StoreCatalog catalog)
    {
        catalog.Validate();
        var content = new ArrayBufferWriter<byte>();
        CatalogCodec.Write(content, catalog);
        if (content.WrittenCount > MaxContentBytes)
            throw new LimitExceededException("catalog in bytes", content.WrittenCount, MaxContentBytes, "the format of catalog files");

        byte[] bytes = new byte[HeaderSize + content.WrittenCount];
        Span<byte> header = bytes.AsSpan(0, HeaderSize);
        FileStamp.Write(header, Magic);
        catalog.StoreId.TryWriteBytes(header[StoreAt..], bigEndian: true, out _);
        FileStamp.WriteContent(header, ContentAt, content.WrittenSpan);
        FileStamp.Seal(header);
        content.WrittenSpan.CopyTo(bytes.AsSpan(HeaderSize));
        return bytes;
    }

    /// <summary>Reads what <see cref="Encode"/> gave.</summary>
    /// <inheritdoc cref="TryRead"/>
    internal static StoreCatalog Decode(string path, ReadOnlySpan<byte> bytes)
    {
        FileStamp.Check(path, bytes, HeaderSize, Magic, "a catalog header");
        ReadOnlySpan<byte> content = FileStamp.CheckContent(path, bytes, HeaderSize, ContentAt);
        try
        {
            StoreCatalog catalog = CatalogCodec.Read(new Guid(bytes.Slice(StoreAt, 16), bigEndian: true), content);
            catalog.Validate();
            return catalog;
        }
        catch (MalformedDataException fault)
        {
            throw new CorruptDataException(path, HeaderSize + fault.Position, "a catalog of version 1", fault.Message);
        }
        catch (ArgumentException fault)
        {
            throw new CorruptDataException(path, HeaderSize, "a catalog that keeps its rules", fault.Message);
        }
    }
}

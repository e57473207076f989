using System.Buffers.Binary;

using Tidemark.Core.Hashing;
using Tidemark.Storage.Log;

namespace Tidemark.Replication.Cluster;

/// <summary>The frame around a cluster's status in a file. Bytes: docs/format/status-file.md.</summary>
internal static class StatusFile
{
    internal const int HeaderLength = 32;

    private const int VersionAt = 8;
    private const int AlgorithmAt = 10;
    private const int DocumentVersionAt = 16;
    private const int LengthAt = 24;
    private const int ChecksumAt = 28;

    private static ReadOnlySpan<byte> Magic => "TMSTATUS"u8;

    internal static byte[] Encode(ReadOnlySpan<byte> content, long version)
    {
        byte[] file = new byte[HeaderLength + content.Length];
        FileStamp.Write(file, Magic);
        BinaryPrimitives.WriteInt64LittleEndian(file.AsSpan(DocumentVersionAt), version);
        BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(LengthAt), content.Length);
        content.CopyTo(file.AsSpan(HeaderLength));
        BinaryPrimitives.WriteUInt32LittleEndian(file.AsSpan(ChecksumAt), Checksum(file));
        return file;
    }

    /// <summary>The document; null where there is no file.</summary>
    /// <exception cref="DirectoryNotFoundException">Not even the directory is there.</exception>
    /// <exception cref="CorruptDataException">The file is damaged.</exception>
    /// <exception cref="FormatMismatchException">A later release wrote it.</exception>
    internal static ClusterStatusEntry? Read(IFileSystem files, string path)
    {
        if (!files.FileExists(path))
        {
            files.ListFiles(Path.GetDirectoryName(path)!);   // A disk that is not mounted must not pass for a cluster that is new.
            return null;
        }

        using IFile file = files.Open(path, FileOpenMode.Existing);
        Span<byte> header = stackalloc byte[HeaderLength];
        int read = file.Read(0, header);
        if (read < HeaderLength) throw new CorruptDataException(path, read, $"a header of {HeaderLength} bytes", $"{read} bytes");
        if (!header.StartsWith(Magic)) throw new CorruptDataException(path, 0, "the magic TMSTATUS", Convert.ToHexString(header[..Magic.Length]));
        long length = HeaderLength + (long)BinaryPrimitives.ReadUInt32LittleEndian(header[LengthAt..]);
        if (length != file.Length || length > Array.MaxLength) throw new CorruptDataException(path, LengthAt, $"the length of the file, {file.Length} bytes", $"{length} bytes");

        byte[] bytes = new byte[length];
        if (file.Read(0, bytes) < length || BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(ChecksumAt)) != Checksum(bytes))
            throw new CorruptDataException(path, ChecksumAt, "the checksum of the rest", "another");
        int format = BinaryPrimitives.ReadUInt16LittleEndian(bytes.AsSpan(VersionAt));
        if (format != FileStamp.Version || bytes[AlgorithmAt] != FileStamp.Crc32CAlgorithm)
            throw new FormatMismatchException(path, $"status file format {FileStamp.Version}", $"format {format} with checksum algorithm {bytes[AlgorithmAt]}");
        long version = BinaryPrimitives.ReadInt64LittleEndian(bytes.AsSpan(DocumentVersionAt));
        if (version < 1) throw new CorruptDataException(path, DocumentVersionAt, "a version of 1 or more", $"{version}");
        return new ClusterStatusEntry(bytes.AsMemory(HeaderLength), version);
    }

    /// <summary>The document's version as its header has it, unchecked; -1 where only a whole read can tell.</summary>
    internal static long PeekVersion(IFileSystem files, string path)
    {
        if (!files.FileExists(path)) return -1;
        using IFile file = files.Open(path, FileOpenMode.Existing);
        Span<byte> header = stackalloc byte[HeaderLength];
        return file.Read(0, header) == HeaderLength ? BinaryPrimitives.ReadInt64LittleEndian(header[DocumentVersionAt..]) : -1;
    }

    private static uint Checksum(ReadOnlySpan<byte> file) => Crc32C.Append(Crc32C.Compute(file[..ChecksumAt]), file[HeaderLength..]);
}

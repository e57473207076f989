using System.Security.Cryptography;

using Tidemark.Storage.Log;

namespace Tidemark.Storage.Snapshots;

/// <summary>An open snapshot file. Opening checks its ends; the pieces are checked as they are read.</summary>
/// <remarks>
/// Safe for concurrent calls, each of which reads the file for itself and holds one piece in memory. Bytes: docs/format/snapshot.md.
/// </remarks>
internal sealed class SnapshotReader : IDisposable
{
    private readonly IFile _file;
    private readonly byte[] _header = new byte[SnapshotHeader.Size];
    private readonly uint _headerChecksum;

    private SnapshotReader(string path, IFile file)
    {
        FilePath = path;
        _file = file;
        int read = file.Read(0, _header);
        var header = SnapshotHeader.Read(path, _header.AsSpan(0, read), out _headerChecksum);

        long length = file.Length;
        if (length < SnapshotHeader.Size + SnapshotFooter.Size)
            throw new CorruptDataException(path, length, $"at least {SnapshotHeader.Size + SnapshotFooter.Size} bytes", $"{length} bytes");
        Span<byte> bytes = stackalloc byte[SnapshotFooter.Size];
        ReadAll(length - SnapshotFooter.Size, bytes);
        var footer = SnapshotFooter.Read(path, length - SnapshotFooter.Size, bytes);
        Info = new SnapshotInfo(header.Identity, header.Position, header.Hash, footer.Pieces, footer.Bytes, footer.Digest);

        bool countsArePossible = (ulong)footer.Pieces <= (ulong)length && (ulong)footer.Bytes <= (ulong)length;   // So that their sum cannot overflow.
        if (!countsArePossible || Info.FileBytes != length)
            throw new CorruptDataException(
                path, length - SnapshotFooter.Size, $"counts of a file of {length} bytes", $"{footer.Pieces} pieces of {footer.Bytes} bytes");
    }

    /// <summary>The file's path.</summary>
    public string FilePath { get; }

    /// <summary>What the file says it is. Its ends are checked; whether its pieces fit them, <see cref="Verify"/> or <see cref="Pieces"/> tell.</summary>
    public SnapshotInfo Info { get; }

    /// <summary>Opens a snapshot of whatever store, shard and machine.</summary>
    /// <exception cref="CorruptDataException">The header, the footer or the length of the file is damaged.</exception>
    /// <exception cref="FormatMismatchException">It is not a snapshot, or one of another version.</exception>
    public static SnapshotReader Open(IFileSystem files, string path)
    {
        IFile file = files.Open(path, FileOpenMode.Existing);
        try
        {
            return new SnapshotReader(path, file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Opens a snapshot of a known shard and machine.</summary>
    /// <param name="files">The disk.</param>
    /// <param name="path">The file.</param>
    /// <param name="expected">Whose state it must be.</param>
    /// <param name="anyStore">Whether another store's is taken too: to restore a backup into a new store.</param>
    /// <exception cref="CorruptDataException">The header, the footer or the length of the file is damaged.</exception>
    /// <exception cref="FormatMismatchException">It is not a snapshot, one of another version, or of another store, shard or machine.</exception>
    public static SnapshotReader Open(IFileSystem files, string path, SnapshotIdentity expected, bool anyStore = false)
    {
        SnapshotReader reader = Open(files, path);
        SnapshotIdentity found = reader.Info.Identity;
        if (anyStore) expected = expected with { StoreId = found.StoreId };
        if (found == expected) return reader;
        reader.Dispose();
        throw new FormatMismatchException(path, $"a snapshot of {expected}", $"one of {found}");
    }

    /// <summary>Reads the whole file and checks all of it.</summary>
    /// <param name="progress">Called after each piece.</param>
    /// <param name="cancellation">Looked at before each piece.</param>
    /// <exception cref="CorruptDataException">Something is damaged.</exception>
    public void Verify(Action<SnapshotProgress>? progress = null, CancellationToken cancellation = default)
    {
        long pieces = 0, bytes = 0;
        cancellation.ThrowIfCancellationRequested();
        foreach (ReadOnlyMemory<byte> piece in Pieces())
        {
            progress?.Invoke(new SnapshotProgress(++pieces, bytes += piece.Length));
            cancellation.ThrowIfCancellationRequested();
        }
    }

    /// <summary>The pieces, in order, each checked before it is handed out and valid until the next.</summary>
    /// <remarks>
    /// The digest can be checked only behind the last piece. Until the enumeration has ended without an exception, whatever was made of the pieces
    /// counts for nothing.
    /// </remarks>
    /// <exception cref="CorruptDataException">The next piece is damaged or, after the last, the digest does not fit.</exception>
    public IEnumerable<ReadOnlyMemory<byte>> Pieces()
    {
        using var digest = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        digest.AppendData(_header);
        byte[] buffer = new byte[SnapshotPiece.HeaderSize];
        long at = SnapshotHeader.Size;
        for (long index = 0; index < Info.Pieces; index++)
        {
            int size = ReadPiece(at, index, ref buffer);
            digest.AppendData(buffer, 0, size);
            at += size;
            yield return buffer.AsMemory(SnapshotPiece.HeaderSize, size - SnapshotPiece.HeaderSize);
        }

        CheckEnd(at, digest);
    }

    /// <summary>Closes the file.</summary>
    public void Dispose() => _file.Dispose();

    /// <summary>Reads a piece with its header, and checks both.</summary>
    /// <returns>Their length together.</returns>
    private int ReadPiece(long at, long index, ref byte[] buffer)
    {
        long room = Info.FileBytes - SnapshotFooter.Size - at - SnapshotPiece.HeaderSize;
        if (room < 0) throw new CorruptDataException(FilePath, at, $"piece {index} of {Info.Pieces}", "the footer");
        ReadAll(at, buffer.AsSpan(0, SnapshotPiece.HeaderSize));
        uint length = SnapshotPiece.Length(buffer);
        long limit = Math.Min(room, SnapshotPiece.MaxBytes);
        if (length > limit) throw new CorruptDataException(FilePath, at, $"piece {index} of at most {limit} bytes", $"{length} bytes");

        int size = SnapshotPiece.HeaderSize + (int)length;
        if (buffer.Length < size) Array.Resize(ref buffer, size);
        ReadAll(at + SnapshotPiece.HeaderSize, buffer.AsSpan(SnapshotPiece.HeaderSize, (int)length));
        uint expected = SnapshotPiece.Checksum(_headerChecksum, index, buffer, buffer.AsSpan(SnapshotPiece.HeaderSize, (int)length));
        uint found = SnapshotPiece.Checksum(buffer);
        if (expected != found)
            throw new CorruptDataException(FilePath, at, $"checksum {FileStamp.Hex(expected)} of piece {index}", FileStamp.Hex(found));
        return size;
    }

    private void CheckEnd(long at, IncrementalHash digest)
    {
        long end = Info.FileBytes - SnapshotFooter.Size;
        if (at != end) throw new CorruptDataException(FilePath, at, $"the footer after {Info.Pieces} pieces", $"{end - at} bytes more");

        Span<byte> counts = stackalloc byte[SnapshotFooter.DigestAt];
        SnapshotFooter.WriteCounts(counts, Info.Pieces, Info.Bytes);
        digest.AppendData(counts);
        Span<byte> bytes = stackalloc byte[ContentId.SizeInBytes];
        digest.GetCurrentHash(bytes);
        var expected = ContentId.ReadFrom(bytes);
        if (expected != Info.Digest)
            throw new CorruptDataException(FilePath, end + SnapshotFooter.DigestAt, $"digest {expected}", $"{Info.Digest}");
    }

    private void ReadAll(long position, Span<byte> target)
    {
        int read = _file.Read(position, target);
        if (read < target.Length)
            throw new CorruptDataException(FilePath, position + read, $"{target.Length - read} bytes more", "the end of the file");
    }
}

using System.Buffers;
using System.Globalization;
using System.Security.Cryptography;

using Tidemark.Storage.Files;

namespace Tidemark.Storage.Snapshots;

/// <summary>Writes one snapshot file, piece by piece. It has its name only once it is whole and durable.</summary>
/// <remarks>
/// Holds a buffer of 256 KiB, whatever the state's size. Disposed before <see cref="Complete"/> it takes back what it wrote, so neither a full disk nor
/// a cancelled write leaves anything. Not thread-safe. Bytes: docs/format/snapshot.md.
/// </remarks>
internal sealed class SnapshotWriter : IDisposable
{
    internal const string Extension = ".snapshot";
    internal const string TemporaryExtension = Extension + ".tmp";

    private const int BufferBytes = 256 * 1024;
    private const int StepBytes = 4 * BufferBytes;

    private readonly IFileSystem _files;
    private readonly string _directory;
    private readonly SnapshotHeader _header;
    private readonly uint _headerChecksum;
    private readonly IFile _file;
    private readonly IncrementalHash _digest = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private readonly byte[] _buffer = new byte[BufferBytes];
    private int _buffered;
    private long _written;   // Bytes of the file in front of the buffer.
    private long _flushed;   // Of these, when it rested last.
    private long _pieces;
    private long _bytes;
    private bool _isComplete;

    /// <summary>Begins a file.</summary>
    /// <param name="files">The disk.</param>
    /// <param name="directory">Where it is to stand. The directory exists.</param>
    /// <param name="header">What it is a snapshot of.</param>
    public SnapshotWriter(IFileSystem files, string directory, in SnapshotHeader header)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(header.Position.Term, nameof(header));
        ArgumentOutOfRangeException.ThrowIfLessThan(header.Position.Offset, -1, nameof(header));
        ArgumentOutOfRangeException.ThrowIfEqual(header.Position.Offset, long.MaxValue, nameof(header));
        _files = files;
        _directory = directory;
        _header = header;
        files.Delete(TemporaryPath);   // Left by a write that even a full disk would not let be taken back.
        _file = files.Open(TemporaryPath, FileOpenMode.New);
        Span<byte> bytes = stackalloc byte[SnapshotHeader.Size];
        _headerChecksum = header.Write(bytes);
        Append(bytes);
    }

    /// <summary>How far it has come.</summary>
    public SnapshotProgress Progress => new(_pieces, _bytes);

    private string FinalPath => Path.Combine(_directory, FileName(_header.Position.Offset + 1));

    private string TemporaryPath => Path.Combine(_directory, Number(_header.Position.Offset + 1) + TemporaryExtension);

    /// <summary>The name of the snapshot that holds all entries before an offset.</summary>
    internal static string FileName(long nextOffset) => Number(nextOffset) + Extension;

    /// <summary>Writes a whole state, one piece in memory at a time.</summary>
    /// <param name="files">The disk.</param>
    /// <param name="directory">Where the file is to stand. The directory exists.</param>
    /// <param name="identity">Whose state it is.</param>
    /// <param name="state">The state, from its first piece on. It stays the caller's.</param>
    /// <param name="pace">How fast; null for as fast as it goes.</param>
    /// <param name="progress">Called after each piece.</param>
    /// <param name="cancellation">Looked at before each piece.</param>
    /// <returns>What was written, once it is durable under its name.</returns>
    /// <exception cref="StoreFullException">There is no room. Nothing is left behind.</exception>
    /// <exception cref="LimitExceededException">The state has a piece above <see cref="SnapshotPiece.MaxBytes"/>. Nothing is left behind.</exception>
    /// <exception cref="IOException">The disk refused. Whether the file is there shows when the directory is opened again.</exception>
    public static SnapshotInfo Write(
        IFileSystem files, string directory, SnapshotIdentity identity, IStateSnapshot state,
        Pace? pace = null, Action<SnapshotProgress>? progress = null, CancellationToken cancellation = default)
    {
        using var writer = new SnapshotWriter(files, directory, new SnapshotHeader(identity, state.Position, state.Hash));
        var piece = new ArrayBufferWriter<byte>();
        while (true)
        {
            cancellation.ThrowIfCancellationRequested();
            piece.ResetWrittenCount();
            if (!state.WriteNext(piece)) return writer.Complete();
            writer.Add(piece.WrittenSpan);
            progress?.Invoke(writer.Progress);
            if (pace is not null) writer.RestIfDue(pace);
        }
    }

    /// <summary>Adds the next piece.</summary>
    /// <exception cref="LimitExceededException">It is longer than <see cref="SnapshotPiece.MaxBytes"/>. Nothing was added.</exception>
    public void Add(ReadOnlySpan<byte> piece)
    {
        if (piece.Length > SnapshotPiece.MaxBytes)
            throw new LimitExceededException("snapshot piece in bytes", piece.Length, SnapshotPiece.MaxBytes, "the format of snapshot files");
        Span<byte> header = stackalloc byte[SnapshotPiece.HeaderSize];
        SnapshotPiece.WriteHeader(header, _headerChecksum, _pieces, piece);
        Append(header);
        Append(piece);
        _pieces++;
        _bytes += piece.Length;
    }

    /// <summary>Rests where a step was written; and flushes it, so that the disk is never given much at once.</summary>
    private void RestIfDue(Pace pace)
    {
        if (_written - _flushed < StepBytes) return;
        _file.Flush();
        _flushed = _written;
        pace.Rest();
    }

    /// <summary>Ends the file and gives it its name, durably. It replaces one of the same position.</summary>
    public SnapshotInfo Complete()
    {
        SnapshotFooter footer = WriteFooter();
        EmptyBuffer();
        _file.Flush();
        _file.Dispose();
        _files.Move(TemporaryPath, FinalPath);
        _files.FlushDirectory(_directory);
        _isComplete = true;
        return new SnapshotInfo(_header.Identity, _header.Position, _header.Hash, footer.Pieces, footer.Bytes, footer.Digest);
    }

    /// <summary>Closes the file, and removes it where it did not become a snapshot.</summary>
    public void Dispose()
    {
        _file.Dispose();
        _digest.Dispose();
        if (_isComplete) return;
        try
        {
            _files.Delete(TemporaryPath);
        }
        catch (IOException)
        {
            // Why the write failed is on its way to the caller and must not be replaced. What is left has no snapshot's name: the next open
            // removes it.
        }
    }

    private static string Number(long nextOffset) => nextOffset.ToString("D20", CultureInfo.InvariantCulture);

    private SnapshotFooter WriteFooter()
    {
        Span<byte> bytes = stackalloc byte[SnapshotFooter.Size];
        SnapshotFooter.WriteCounts(bytes, _pieces, _bytes);
        _digest.AppendData(bytes[..SnapshotFooter.DigestAt]);
        Span<byte> digest = stackalloc byte[ContentId.SizeInBytes];
        _digest.GetCurrentHash(digest);
        var footer = new SnapshotFooter(_pieces, _bytes, ContentId.ReadFrom(digest));
        footer.Write(bytes);
        WriteBuffered(bytes);
        return footer;
    }

    private void Append(ReadOnlySpan<byte> bytes)
    {
        _digest.AppendData(bytes);
        WriteBuffered(bytes);
    }

    private void WriteBuffered(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length > BufferBytes - _buffered) EmptyBuffer();
        if (bytes.Length > BufferBytes)
        {
            WriteNow(bytes);
            return;
        }

        bytes.CopyTo(_buffer.AsSpan(_buffered));
        _buffered += bytes.Length;
    }

    private void EmptyBuffer()
    {
        WriteNow(_buffer.AsSpan(0, _buffered));
        _buffered = 0;
    }

    private void WriteNow(ReadOnlySpan<byte> bytes)
    {
        _file.Write(_written, bytes);
        _written += bytes.Length;
    }
}

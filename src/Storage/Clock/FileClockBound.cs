using System.Buffers.Binary;
using System.Numerics;

namespace Tidemark;

/// <summary>Keeps a clock's bound in a small file that is whole after any crash.</summary>
/// <remarks>
/// Held by one holder at a time, by a lock file beside it. A <see cref="Persist"/> is two small writes with a flush each, in place.
/// Not thread-safe: the clock calls it one call at a time. Bytes, and what a crash leaves: docs/format/clock-bound.md.
/// </remarks>
public sealed class FileClockBound : IClockBound, IDisposable
{
    internal const int FileLength = 2 * SlotDistance;
    internal const int SlotDistance = 4096;   // A page each: a torn write reaches only one.
    internal const int SlotLength = 44;

    private const int FormatVersion = 1;
    private const int VersionAt = 8;
    private const int AlgorithmAt = 10;
    private const int StoreAt = 16;
    private const int BoundAt = 32;
    private const int ChecksumAt = 40;
    private const byte Crc32CAlgorithm = 1;

    private static ReadOnlySpan<byte> Magic => "TMCLKBND"u8;

    private readonly IFileSystem _files;
    private readonly string _path;
    private readonly Guid _storeId;
    private readonly IDisposable _lock;
    private readonly HybridTimestamp _loaded;
    private IFile? _file;          // Null until the first bound is persisted.
    private int _doubtful;         // The slot that may not be whole on disk. The other one is, so this one is written first.
    private Exception? _failure;   // Why nothing more is written.

    /// <summary>Opens the file, or makes ready to create it. Nothing is written before <see cref="Persist"/>.</summary>
    /// <param name="files">The disk.</param>
    /// <param name="path">The file's path; its directory exists. <c>path.lock</c> and, while creating, <c>path.new</c> stand beside it.</param>
    /// <param name="storeId">The store the clock belongs to. Another store's file is refused.</param>
    /// <exception cref="DirectoryLockedException">Another holder has it.</exception>
    /// <exception cref="CorruptDataException">The file is damaged. Restore it, or delete it once physical time has passed every timestamp given out.</exception>
    /// <exception cref="FormatMismatchException">The file is not a clock bound, of another version, or of another store.</exception>
    public FileClockBound(IFileSystem files, string path, Guid storeId)
    {
        ArgumentNullException.ThrowIfNull(files);
        ArgumentException.ThrowIfNullOrEmpty(path);
        _files = files;
        _path = path;
        _storeId = storeId;
        _lock = files.Lock(path + ".lock");
        try
        {
            files.Delete(NewPath);   // Left by a crash while creating: no bound was in use yet.
            if (!files.FileExists(path)) return;
            _file = files.Open(path, FileOpenMode.Existing);
            _loaded = ReadBound(_file);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    private string NewPath => _path + ".new";

    /// <inheritdoc/>
    public HybridTimestamp Load() => _loaded;

    /// <inheritdoc/>
    /// <exception cref="StoreFullException">There is no room. The next call tries again.</exception>
    /// <exception cref="StoreFailedException">The disk refused, now or before. Nothing more is written until the file is opened again.</exception>
    public void Persist(HybridTimestamp bound)
    {
        if (_failure is not null) throw Failed(_failure);
        try
        {
            if (_file is null) Create(bound);
            else Overwrite(_file, bound);
        }
        catch (Exception failure) when (failure is not StoreFullException)
        {
            _failure = failure;   // A failed flush may have lost the pages it could not write: only reading them again tells.
            throw Failed(failure);
        }
    }

    /// <summary>Closes the file and lets the next holder in.</summary>
    public void Dispose()
    {
        _file?.Dispose();
        _lock.Dispose();
    }

    private void Create(HybridTimestamp bound)
    {
        byte[] bytes = new byte[FileLength];
        WriteSlot(bytes, bound);
        WriteSlot(bytes.AsSpan(SlotDistance), bound);
        _files.Delete(NewPath);   // A full disk may have stopped an attempt before this one.
        using (IFile created = _files.Open(NewPath, FileOpenMode.New))
        {
            created.Write(0, bytes);
            created.Flush();
        }
        _files.Move(NewPath, _path);
        _files.FlushDirectory(Path.GetDirectoryName(Path.GetFullPath(_path))!);
        _file = _files.Open(_path, FileOpenMode.Existing);
    }

    private void Overwrite(IFile file, HybridTimestamp bound)
    {
        Span<byte> slot = stackalloc byte[SlotLength];
        WriteSlot(slot, bound);
        for (int written = 0; written < 2; written++)
        {
            file.Write((long)_doubtful * SlotDistance, slot);
            file.Flush();
            _doubtful = 1 - _doubtful;
        }
    }

    private HybridTimestamp ReadBound(IFile file)
    {
        byte[] bytes = new byte[FileLength + 1];
        int length = file.Read(0, bytes);
        ReadOnlySpan<byte> found = bytes.AsSpan(0, length);
        if (length != FileLength)
        {
            bool ours = Magic.StartsWith(found[..Math.Min(length, Magic.Length)]) || !found.ContainsAnyExcept((byte)0);
            if (!ours) throw Foreign("a file without its magic");
            throw new CorruptDataException(_path, Math.Min(length, FileLength), $"{FileLength} bytes", $"{file.Length} bytes");
        }

        ReadOnlySpan<byte> first = found[..SlotLength];
        ReadOnlySpan<byte> second = found.Slice(SlotDistance, SlotLength);
        bool firstWhole = IsWhole(first);
        bool secondWhole = IsWhole(second);
        if (!firstWhole && !secondWhole) throw NoWholeSlot(first, second);
        if (firstWhole) RequireOurStore(first);
        if (secondWhole) RequireOurStore(second);

        ulong one = firstWhole ? BoundOf(first) : 0;
        ulong two = secondWhole ? BoundOf(second) : 0;
        // Of two whole slots that differ, the higher comes from a call that did not return.
        _doubtful = !secondWhole || (firstWhole && two > one) ? 1 : 0;
        return new HybridTimestamp(Math.Max(one, two));
    }

    private TidemarkException NoWholeSlot(ReadOnlySpan<byte> first, ReadOnlySpan<byte> second)
    {
        bool anyMagic = first.StartsWith(Magic) || second.StartsWith(Magic);
        bool anyBytes = first.ContainsAnyExcept((byte)0) || second.ContainsAnyExcept((byte)0);
        if (!anyMagic && anyBytes) return Foreign("a file without its magic");

        int version = BinaryPrimitives.ReadUInt16LittleEndian(first[VersionAt..]);
        bool sameVersion = version == BinaryPrimitives.ReadUInt16LittleEndian(second[VersionAt..]);
        if (anyMagic && sameVersion && version != FormatVersion) return Foreign($"version {version}");
        return new CorruptDataException(_path, 0, "a whole slot at byte 0 or 4096", "checksums that do not fit");
    }

    private void RequireOurStore(ReadOnlySpan<byte> slot)
    {
        var store = new Guid(slot.Slice(StoreAt, 16), bigEndian: true);
        if (store != _storeId) throw new FormatMismatchException(_path, $"the clock bound of store {_storeId}", $"that of store {store}");
    }

    private void WriteSlot(Span<byte> slot, HybridTimestamp bound)
    {
        slot[..SlotLength].Clear();
        Magic.CopyTo(slot);
        BinaryPrimitives.WriteUInt16LittleEndian(slot[VersionAt..], FormatVersion);
        slot[AlgorithmAt] = Crc32CAlgorithm;
        _storeId.TryWriteBytes(slot[StoreAt..], bigEndian: true, out _);
        BinaryPrimitives.WriteUInt64LittleEndian(slot[BoundAt..], bound.Value);
        BinaryPrimitives.WriteUInt32LittleEndian(slot[ChecksumAt..], Checksum(slot[..ChecksumAt]));
    }

    private static bool IsWhole(ReadOnlySpan<byte> slot) =>
        slot.StartsWith(Magic)
        && BinaryPrimitives.ReadUInt16LittleEndian(slot[VersionAt..]) == FormatVersion
        && slot[AlgorithmAt] == Crc32CAlgorithm
        && BinaryPrimitives.ReadUInt32LittleEndian(slot[ChecksumAt..]) == Checksum(slot[..ChecksumAt]);

    private static ulong BoundOf(ReadOnlySpan<byte> slot) => BinaryPrimitives.ReadUInt64LittleEndian(slot[BoundAt..]);

    private static uint Checksum(ReadOnlySpan<byte> bytes)
    {
        uint crc = uint.MaxValue;
        foreach (byte b in bytes) crc = BitOperations.Crc32C(crc, b);
        return ~crc;
    }

    private FormatMismatchException Foreign(string found) => new(_path, $"a clock bound of version {FormatVersion}", found);

    private StoreFailedException Failed(Exception cause)
        => new($"The clock bound '{_path}' could not be written ({cause.Message}). Check the disk, then open it again.", cause);
}

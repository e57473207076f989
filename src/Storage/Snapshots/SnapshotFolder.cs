using System.Globalization;
using System.Runtime.ExceptionServices;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

using Tidemark.Storage.Files;

namespace Tidemark.Storage.Snapshots;

/// <summary>The snapshots of one shard: finds the newest that is whole, keeps two, and says how much of the log they need.</summary>
/// <remarks>
/// Two, because one can rot: then the older one and the log behind it still give the state. What counts is what this object has itself checked or
/// written; a file that merely has a snapshot's name is never a reason to remove another. Not thread-safe, and the directory is its alone while it is
/// in use. Bytes, and what a crash leaves: docs/format/snapshot.md.
/// </remarks>
internal sealed class SnapshotFolder
{
    private const int KeptCount = 2;
    private const int DigitCount = 20;

    private readonly IFileSystem _files;
    private readonly string _directory;
    private readonly SnapshotIdentity _identity;
    private readonly ILogger _logger;
    private readonly List<long> _whole = [];   // The next offsets of the newest snapshots known to be whole, newest first, two at most.

    private SnapshotFolder(IFileSystem files, string directory, SnapshotIdentity identity, ILogger logger)
    {
        _files = files;
        _directory = directory;
        _identity = identity;
        _logger = logger;
    }

    /// <summary>The first offset the log must keep: where the older of the two kept snapshots ends.</summary>
    /// <remarks>0, for all there is, while fewer than two are known to be whole.</remarks>
    public long LogNeededFrom => _whole.Count < KeptCount ? 0 : _whole[^1];

    /// <summary>The next offset of one that is kept besides the newest; 0 for none.</summary>
    public long Base { get; set; }

    /// <summary>Opens a directory, creating it where missing, and removes what unfinished writes left in it.</summary>
    /// <param name="files">The disk.</param>
    /// <param name="directory">The directory.</param>
    /// <param name="identity">Whose snapshots it holds.</param>
    /// <param name="logger">Where damage is reported, or null.</param>
    public static SnapshotFolder Open(IFileSystem files, string directory, SnapshotIdentity identity, ILogger? logger = null)
    {
        files.CreateDirectory(directory);
        var folder = new SnapshotFolder(files, directory, identity, logger ?? NullLogger.Instance);
        folder.Remove(IsTemporary);
        return folder;
    }

    /// <summary>The snapshots by name, whole or not: the next offset of each, newest first.</summary>
    public IReadOnlyList<long> List()
    {
        var found = new List<long>();
        foreach (string name in _files.ListFiles(_directory))
            if (TryParse(name, out long nextOffset)) found.Add(nextOffset);
        found.Reverse();   // Names sort as their numbers do.
        return found;
    }

    /// <summary>Opens the newest snapshot that is whole. All of it is read; where one is damaged or cannot be read, it warns and tries the next older.</summary>
    /// <returns>A snapshot that was whole a moment ago, or null where there is none at all.</returns>
    /// <remarks>The log must start at its <see cref="SnapshotInfo.NextOffset"/> or before. Where it starts later, the state is of no use.</remarks>
    /// <exception cref="CorruptDataException">There are snapshots, and none is whole. This is the damage of the newest.</exception>
    /// <exception cref="FormatMismatchException">A snapshot is a stranger's or a later release's. It is not passed over.</exception>
    public SnapshotReader? OpenNewest()
    {
        Exception? newest = null;
        foreach (long nextOffset in List())
        {
            try
            {
                SnapshotReader reader = OpenWhole(nextOffset);
                RememberWhole(nextOffset);
                SnapshotMessages.Opened(_logger, reader.FilePath, nextOffset, reader.Info.Pieces, reader.Info.Bytes);
                return reader;
            }
            catch (Exception damage) when (damage is CorruptDataException or IOException)
            {
                _whole.Remove(nextOffset);
                SnapshotMessages.Unusable(_logger, PathOf(nextOffset), damage);
                newest ??= damage;
            }
        }

        if (newest is not null) ExceptionDispatchInfo.Throw(newest);
        return null;
    }

    /// <summary>Writes a state as the newest snapshot. Once it is durable, older ones than the one before it are removed.</summary>
    /// <param name="state">The state, at or behind the newest snapshot. It stays the caller's.</param>
    /// <param name="pace">How fast; null for as fast as it goes.</param>
    /// <returns>What was written. An exception means that no older snapshot was touched.</returns>
    /// <exception cref="StoreFullException">There is no room. Nothing is left behind.</exception>
    /// <exception cref="LimitExceededException">A piece is too long. Nothing is left behind.</exception>
    /// <exception cref="IOException">The disk refused. Whether the file is there shows when the directory is opened again.</exception>
    public SnapshotInfo Write(IStateSnapshot state, Pace? pace = null)
    {
        if (_whole.Count > 0) ArgumentOutOfRangeException.ThrowIfLessThan(state.Position.Offset + 1, _whole[0], nameof(state));
        SnapshotInfo info = SnapshotWriter.Write(_files, _directory, _identity, state, pace);
        RememberWhole(info.NextOffset);
        SnapshotMessages.Written(_logger, _directory, info.NextOffset, info.Pieces, info.Bytes);
        RemoveUnneeded();
        return info;
    }

    /// <summary>Writes a state older than the newest, and keeps it in place of the <see cref="Base"/> there was.</summary>
    /// <inheritdoc cref="Write" path="/exception"/>
    public void WriteBase(IStateSnapshot state, Pace? pace = null)
    {
        SnapshotInfo info = SnapshotWriter.Write(_files, _directory, _identity, state, pace);
        Base = info.NextOffset;
        SnapshotMessages.Written(_logger, _directory, info.NextOffset, info.Pieces, info.Bytes);
        RemoveUnneeded();
    }

    /// <summary>Opens a snapshot by its next offset, and reads all of it.</summary>
    /// <exception cref="CorruptDataException">It is damaged.</exception>
    public SnapshotReader OpenWhole(long nextOffset)
    {
        SnapshotReader reader = Open(nextOffset);
        try
        {
            reader.Verify();
            return reader;
        }
        catch
        {
            reader.Dispose();
            throw;
        }
    }

    /// <summary>Opens a snapshot by its next offset. Only its ends are read.</summary>
    /// <exception cref="CorruptDataException">They are damaged.</exception>
    public SnapshotReader Open(long nextOffset)
    {
        SnapshotReader reader = SnapshotReader.Open(_files, PathOf(nextOffset), _identity);
        long found = reader.Info.Position.Offset;
        if (found == nextOffset - 1) return reader;
        reader.Dispose();
        throw new CorruptDataException(reader.FilePath, SnapshotHeader.OffsetAt, $"offset {nextOffset - 1} as in the file's name", $"{found}");
    }

    private void RememberWhole(long nextOffset)
    {
        _whole.Remove(nextOffset);
        _whole.Add(nextOffset);
        _whole.Sort(static (a, b) => b.CompareTo(a));
        if (_whole.Count > KeptCount) _whole.RemoveAt(KeptCount);
    }

    private void RemoveUnneeded()
    {
        bool enough = _whole.Count == KeptCount;
        bool removed = Remove(name => IsTemporary(name) || (enough && TryParse(name, out long found) && found != Base && !_whole.Contains(found)));
        if (!removed) return;
        try
        {
            _files.FlushDirectory(_directory);   // Before the log is trimmed: else a power cut could bring back a snapshot whose log is gone.
        }
        catch (IOException failure)
        {
            SnapshotMessages.RemovalNotFlushed(_logger, _directory, failure);
        }
    }

    /// <summary>Removes files that nothing needs. That it fails is a pity and no more: they are looked for again after each write.</summary>
    private bool Remove(Func<string, bool> isUnneeded)
    {
        bool removed = false;
        foreach (string path in _files.ListFiles(_directory).Where(isUnneeded).Select(name => Path.Combine(_directory, name)))
        {
            try
            {
                _files.Delete(path);
                removed = true;
            }
            catch (IOException failure)
            {
                SnapshotMessages.NotRemoved(_logger, path, failure);
            }
        }

        return removed;
    }

    private string PathOf(long nextOffset) => Path.Combine(_directory, SnapshotWriter.FileName(nextOffset));

    private static bool IsTemporary(string name) =>
        name.Length == DigitCount + SnapshotWriter.TemporaryExtension.Length
        && name.EndsWith(SnapshotWriter.TemporaryExtension, StringComparison.Ordinal);

    private static bool TryParse(string name, out long nextOffset)
    {
        nextOffset = 0;
        return name.Length == DigitCount + SnapshotWriter.Extension.Length
            && name.EndsWith(SnapshotWriter.Extension, StringComparison.Ordinal)
            && long.TryParse(name.AsSpan(0, DigitCount), NumberStyles.None, CultureInfo.InvariantCulture, out nextOffset);
    }
}

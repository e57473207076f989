using System.Buffers;

using Tidemark.Storage.Files;

namespace Tidemark.Storage.Log;

/// <summary>The files of one log's directory by their names and meaning.</summary>
internal sealed class LogFiles(FilePool pool, string directory)
{
    internal const string LockName = "tidemark.lock";
    internal const string ManifestName = "manifest";

    internal FilePool Pool => pool;

    internal IFileSystem FileSystem => pool.Files;

    internal string Directory => directory;

    internal string ManifestPath => Path.Combine(directory, ManifestName);

    internal string PathOf(string name) => Path.Combine(directory, name);

    internal string SegmentPath(long firstOffset) => PathOf(Segment.FileName(firstOffset));

    /// <summary>A file that is not part of the log until it is renamed. Number it where several exist at once.</summary>
    internal PooledFile Temporary(string name) => new(PathOf(name + WholeFile.TemporaryExtension));

    internal static bool IsTemporary(string name) => name.EndsWith(WholeFile.TemporaryExtension, StringComparison.Ordinal);

    internal void FlushDirectory() => FileSystem.FlushDirectory(directory);

    /// <summary>The manifest, or null where there is none.</summary>
    internal Manifest? ReadManifest()
    {
        if (!FileSystem.FileExists(ManifestPath)) return null;
        return Manifest.Read(ManifestPath, ReadStart(ManifestPath, Manifest.Size));
    }

    /// <summary>Replaces the manifest as a whole, durably.</summary>
    internal void WriteManifest(in Manifest manifest)
    {
        byte[] bytes = new byte[Manifest.Size];
        manifest.Write(bytes);
        WholeFile.Replace(FileSystem, ManifestPath, bytes);
    }

    /// <summary>A segment as its file's header describes it.</summary>
    internal Segment OpenSegment(long firstOffset, LogIdentity identity)
    {
        string path = SegmentPath(firstOffset);
        SegmentHeader header = SegmentHeader.Read(path, ReadStart(path, SegmentHeader.Size), out uint chain);
        if (header.Identity != identity) throw new FormatMismatchException(path, $"a segment of {identity}", $"one of {header.Identity}");
        if (header.FirstOffset != firstOffset)
            throw new CorruptDataException(path, 40, $"first offset {firstOffset} as in the file's name", $"{header.FirstOffset}");
        return new Segment(new PooledFile(path), header, chain);
    }

    /// <summary>Removes a segment's file and its index. The directory is not flushed.</summary>
    internal void Remove(Segment segment)
    {
        pool.Close(segment.File);
        FileSystem.Delete(segment.IndexPath);
        FileSystem.Delete(segment.File.Path);
    }

    /// <summary>Removes the file of a segment behind the log's end. The directory is not flushed.</summary>
    /// <remarks>Emptied first, durably: should the name come back after a failed flush of the directory, it brings no record with it.</remarks>
    internal void Withdraw(string path)
    {
        using (IFile file = FileSystem.Open(path, FileOpenMode.Existing))
        {
            file.SetLength(0);
            file.Flush();
        }

        FileSystem.Delete(path);
    }

    /// <summary>Ends a segment's file at a position, durably: what is written there later starts from zeros.</summary>
    internal void CutAt(Segment segment, long position)
    {
        FileSystem.Delete(segment.IndexPath);
        using FilePool.FileLease lease = pool.Use(segment.File);
        lease.File.SetLength(position);
        lease.File.Flush();
    }

    /// <summary>Makes a file longer by bytes that read as zero: written ones, or room that is only taken. Not flushed.</summary>
    internal void Extend(PooledFile file, long from, long to, bool written, FileOpenMode mode = FileOpenMode.Existing)
    {
        using FilePool.FileLease lease = pool.Use(file, mode);
        if (written) Zeros.Write(lease.File, from, to);
        else lease.File.SetLength(to);
    }

    /// <summary>Reads part of a segment, writes the same bytes again in place, and flushes.</summary>
    internal void Rewrite(Segment segment, long from, long to)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(FrameCursor.ChunkBytes);
        try
        {
            using FilePool.FileLease lease = pool.Use(segment.File);
            for (long at = from; at < to;)
            {
                int read = lease.File.Read(at, buffer.AsSpan(0, (int)Math.Min(buffer.Length, to - at)));
                if (read == 0) break;
                lease.File.Write(at, buffer.AsSpan(0, read));
                at += read;
            }

            lease.File.Flush();
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private byte[] ReadStart(string path, int bytes)
    {
        byte[] start = new byte[bytes];
        using IFile file = FileSystem.Open(path, FileOpenMode.Existing);
        return start[..file.Read(0, start)];
    }
}

using System.Diagnostics;

using Tidemark.Storage.Files;

namespace Tidemark.Storage.Log;

/// <summary>Carries out rounds of disk work. Knows the order in which things must become durable, and nothing of who waits for them.</summary>
/// <remarks>One round at a time. Bytes and order: docs/format/segment.md.</remarks>
internal sealed class LogDisk(LogFiles files, LogIdentity identity, Random random)
{
    private const long SlackBytes = 64 * 1024;

    private readonly List<Segment> _unflushed = [];
    private readonly List<Segment> _sealed = [];

    /// <summary>Does a round. What went wrong stands in the round: a lack of room leaves the log whole, anything else ends its writing.</summary>
    internal void Execute(FlushRound round)
    {
        try
        {
            OpenManifest(round);
            ExtendActive(round);
            if (round.Batch is { } batch) Write(batch);
            if (round.Flush) FlushAll();
            else foreach (Segment segment in _unflushed) files.Pool.SetUnflushed(segment.File, true);
            FinishSealed(round.Flush);
            MakeSpare(round);   // After the write, which may be what turns the last spare into a segment.
        }
        catch (Exception e)
        {
            round.Failure = e;
        }
    }

    internal void WriteManifest(long start, LogPoint point, ManifestState state) =>
        files.WriteManifest(new Manifest(identity, start, state, point));

    /// <summary>Fills a trimmed file with zeros, a piece at a time; true when all of it is zero and flushed.</summary>
    internal bool Recycle(PooledFile file, ref long zeroed, long length, long piece)
    {
        long to = Math.Min(length, zeroed + piece);
        using FilePool.FileLease lease = files.Pool.Use(file);
        Zeros.Write(lease.File, zeroed, to);
        zeroed = to;
        lease.File.Flush();
        return zeroed == length;
    }

    /// <summary>A prepared file as a segment without a place.</summary>
    internal Segment AsSpare(PooledFile file, long preparedEnd)
    {
        var header = new SegmentHeader(identity, 0, (ulong)random.NextInt64(long.MinValue, long.MaxValue), 0, 0, 0);
        return new Segment(file, header, 0) { PreparedEnd = preparedEnd };
    }

    private void OpenManifest(FlushRound round)
    {
        if (!round.OpensManifest) return;
        Debug.Assert(round.Batch is null, "the manifest is opened before anything is written that it must allow");
        try
        {
            WriteManifest(round.Start, round.Flushed, ManifestState.Open);
        }
        catch (StoreFullException e)
        {
            round.NoRoom = e;
            round.OpensManifest = false;
        }
    }

    private void ExtendActive(FlushRound round)
    {
        if (round.Extend is not { } segment) return;
        if (IsCreatedBy(round.Batch, segment))
        {
            round.Extend = null;   // Its file is not a segment yet: next round.
            return;
        }

        try
        {
            // Not flushed for its own sake: what a crash leaves of it reads as zero or as the end of the file, and both mean unused.
            files.Extend(segment.File, segment.PreparedEnd, round.ExtendTo, round.WritesZeros);
            Touch(segment);
        }
        catch (StoreFullException e)
        {
            round.NoRoom = e;
        }
    }

    private static bool IsCreatedBy(FlushBatch? batch, Segment segment)
    {
        if (batch is null) return false;
        foreach (FlushPart part in batch.Parts)
        {
            if (part.Creates && part.Segment == segment) return true;
        }

        return false;
    }

    private void MakeSpare(FlushRound round)
    {
        if (round.SpareBytes == 0) return;
        PooledFile file = files.Temporary("spare");
        try
        {
            files.FileSystem.Delete(file.Path);
            files.Extend(file, 0, round.SpareBytes, round.WritesZeros, FileOpenMode.New);
            using FilePool.FileLease lease = files.Pool.Use(file);
            lease.File.Flush();
        }
        catch (StoreFullException e)
        {
            files.Pool.Close(file);
            files.FileSystem.Delete(file.Path);
            round.NoRoom = e;
            return;
        }

        round.Spare = AsSpare(file, round.SpareBytes);
    }

    private void Write(FlushBatch batch)
    {
        // A seal promises that its successor's name is durable, so new segments come first.
        foreach (FlushPart part in batch.Parts)
        {
            if (part.Creates) Create(part.Segment, part.Bytes[..SegmentHeader.Size]);
        }

        foreach (FlushPart part in batch.Parts)
        {
            int done = part.Creates ? SegmentHeader.Size : 0;
            if (part.Length > done)
            {
                using FilePool.FileLease lease = files.Pool.Use(part.Segment.File);
                lease.File.Write(part.Position + done, part.Bytes[done..]);
            }

            Touch(part.Segment);
            if (part.Seals) _sealed.Add(part.Segment);
        }
    }

    private void Create(Segment segment, ReadOnlySpan<byte> header)
    {
        using FilePool.FileLease lease = files.Pool.Use(segment.File);
        lease.File.Write(0, header);
        lease.File.Flush();
        files.Pool.Rename(segment.File, files.SegmentPath(segment.FirstOffset));
        files.FlushDirectory();
    }

    private void Touch(Segment segment)
    {
        if (!_unflushed.Contains(segment)) _unflushed.Add(segment);
    }

    private void FlushAll()
    {
        foreach (Segment segment in _unflushed)
        {
            using (FilePool.FileLease lease = files.Pool.Use(segment.File)) lease.File.Flush();
            files.Pool.SetUnflushed(segment.File, false);
        }

        _unflushed.Clear();
    }

    /// <summary>Writes the index of what was sealed and gives back room that a segment closed by age did not use.</summary>
    private void FinishSealed(bool flushed)
    {
        if (_sealed.Count == 0 || !flushed) return;
        foreach (Segment segment in _sealed)
        {
            SegmentList.WriteIndex(files, segment, segment.Index!, segment.End, segment.LastTimestamp);
            using FilePool.FileLease lease = files.Pool.Use(segment.File);
            if (lease.File.Length - segment.End >= SlackBytes) lease.File.SetLength(segment.End);
        }

        _sealed.Clear();
    }
}

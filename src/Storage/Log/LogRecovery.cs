using System.Diagnostics;

using Microsoft.Extensions.Logging;

using Tidemark.Storage.Files;

namespace Tidemark.Storage.Log;

/// <summary>What a directory turned out to hold.</summary>
/// <param name="Identity">Whose log it is.</param>
/// <param name="Segments">Its segments in order, at least one; all but the last are sealed.</param>
/// <param name="Tail">The walk through the last one.</param>
/// <param name="State">The manifest's state now.</param>
/// <param name="Report">What was found and done, for the caller.</param>
internal sealed record RecoveredLog(LogIdentity Identity, List<Segment> Segments, SegmentScan Tail, ManifestState State, LogRecoveryReport Report);

/// <summary>Opens a log's directory: creates it, finishes what a crash interrupted, and tells a torn tail from rot.</summary>
/// <remarks>The rules and why each holds: docs/format/segment.md. Interrupted anywhere, it can be run again.</remarks>
internal sealed class LogRecovery(LogFiles files, LogOptions options, Random random, ILogger logger)
{
    internal RecoveredLog Open()
    {
        IReadOnlyList<string> names = files.FileSystem.ListFiles(files.Directory);
        foreach (string name in names.Where(LogFiles.IsTemporary)) files.FileSystem.Delete(files.PathOf(name));
        List<long> starts = [];
        foreach (string name in names)
        {
            if (Segment.TryParseFileName(name, out long first)) starts.Add(first);
        }

        starts.Sort();
        Manifest? found = files.ReadManifest();
        if (found is null) return Create(starts);

        Manifest manifest = found.Value;
        CheckIdentity(manifest.Identity);
        if (manifest.State == ManifestState.Cutting) manifest = FinishCut(manifest, starts);
        List<Segment> segments = OpenSegments(manifest, starts);
        return manifest.State == ManifestState.Closed ? OpenClosed(manifest, segments) : OpenCrashed(manifest, segments);
    }

    private void CheckIdentity(LogIdentity identity)
    {
        var wanted = new LogIdentity(options.StoreId ?? identity.StoreId, options.ShardId ?? identity.ShardId);
        if (identity != wanted) throw new FormatMismatchException(files.ManifestPath, $"the log of {wanted}", $"the log of {identity}");
    }

    private RecoveredLog Create(List<long> starts)
    {
        foreach (long start in starts) RefuseUnlessEmpty(files.SegmentPath(start));
        foreach (long start in starts) files.FileSystem.Delete(files.SegmentPath(start));

        Guid storeId = options.StoreId ?? RandomGuid();
        var identity = new LogIdentity(storeId, options.ShardId ?? 0);
        StatePosition before = options.Before ?? StatePosition.Start;
        var header = new SegmentHeader(identity, options.FirstOffset, (ulong)random.NextInt64(long.MinValue, long.MaxValue), before.Term, before.Timestamp.Value, 0);
        byte[] bytes = new byte[SegmentHeader.Size];
        uint chain = header.Write(bytes);
        PooledFile file = files.Temporary("spare");
        using (FilePool.FileLease lease = files.Pool.Use(file, FileOpenMode.ExistingOrNew))
        {
            lease.File.SetLength(0);
            lease.File.Write(0, bytes);
            lease.File.Flush();
        }

        files.Pool.Rename(file, files.SegmentPath(options.FirstOffset));
        files.FlushDirectory();
        var segment = new Segment(file, header, chain);
        var point = new LogPoint(segment.FirstOffset, SegmentHeader.Size, segment.FirstOffset);
        files.WriteManifest(new Manifest(identity, segment.FirstOffset, ManifestState.Open, point));
        SegmentScan scan = SegmentScan.Run(files.Pool, segment);
        return Ready(identity, [segment], scan, ManifestState.Open, new LogRecoveryReport(true, false, null, 0, 0));
    }

    /// <summary>A segment without a manifest is an unfinished creation if nothing follows its header; else the manifest was lost.</summary>
    private void RefuseUnlessEmpty(string path)
    {
        using IFile file = files.FileSystem.Open(path, FileOpenMode.Existing);
        byte[] next = new byte[FrameHeader.Size];
        int read = file.Read(SegmentHeader.Size, next);
        if (next.AsSpan(0, read).ContainsAnyExcept((byte)0))
            throw new CorruptDataException(files.ManifestPath, 0, "the manifest of a log whose segments hold records", "no such file");
    }

    private Guid RandomGuid()
    {
        Span<byte> bytes = stackalloc byte[16];
        random.NextBytes(bytes);
        return new Guid(bytes);
    }

    /// <summary>Does what a truncation had decided when it was interrupted.</summary>
    private Manifest FinishCut(Manifest manifest, List<long> starts)
    {
        if (!starts.Contains(manifest.Point.Segment)) throw Missing(manifest.Point.Segment);
        LogCut.Finish(files, manifest, starts);
        starts.RemoveAll(start => start > manifest.Point.Segment);
        return manifest with { State = ManifestState.Open };
    }

    private List<Segment> OpenSegments(in Manifest manifest, List<long> starts)
    {
        long first = manifest.Start;
        foreach (long trimmed in starts.Where(start => start < first))
        {
            files.FileSystem.Delete(Path.ChangeExtension(files.SegmentPath(trimmed), Segment.IndexExtension));
            files.FileSystem.Delete(files.SegmentPath(trimmed));
        }

        starts.RemoveAll(start => start < first);
        if (starts.Count == 0 || starts[0] != first) throw Missing(first);
        while (starts.Count > 1 && IsEmpty(files.SegmentPath(starts[^1])))
        {
            files.FileSystem.Delete(files.SegmentPath(starts[^1]));   // Withdrawn; were it lost instead, a seal or the manifest would miss it.
            starts.RemoveAt(starts.Count - 1);
        }

        List<Segment> segments = [];
        foreach (long start in starts)
        {
            Segment segment = files.OpenSegment(start, manifest.Identity);
            if (segments.Count > 0)
            {
                segments[^1].IsSealed = true;
                segments[^1].NextOffset = start;
                segments[^1].End = 0;
            }

            segments.Add(segment);
        }

        return segments;
    }

    private bool IsEmpty(string path)
    {
        using IFile file = files.FileSystem.Open(path, FileOpenMode.Existing);
        return file.Length == 0;
    }

    private CorruptDataException Missing(long first) => new(files.SegmentPath(first), 0, "a segment of this log", "no such file");

    private RecoveredLog OpenClosed(in Manifest manifest, List<Segment> segments)
    {
        LogPoint end = manifest.Point;
        Segment last = segments[^1];
        if (last.FirstOffset < end.Segment) throw Missing(end.Segment);
        if (last.FirstOffset > end.Segment)
            throw new CorruptDataException(last.File.Path, 0, $"no segment behind {Segment.FileName(end.Segment)}, where the log was closed", "a segment");

        SegmentScan scan = SegmentScan.Run(files.Pool, last, end.Position);
        if (scan.End != end.Position || scan.NextOffset != end.Offset)
            throw scan.Damage(last, $"the log was closed at byte {end.Position}, offset {end.Offset}");
        if (SegmentScan.LookBeyond(files.Pool, last, end.Position, end.Offset).HasBytes) files.CutAt(last, end.Position);
        return Ready(manifest.Identity, segments, scan, ManifestState.Closed, new LogRecoveryReport(false, true, null, 0, 0));
    }

    /// <summary>Walks back to the last proof that everything earlier was flushed, then forward from there to where the log ends.</summary>
    private RecoveredLog OpenCrashed(in Manifest manifest, List<Segment> segments)
    {
        LogPoint point = manifest.Point;
        if (segments[^1].FirstOffset < point.Segment) throw Missing(point.Segment);

        var scans = new SegmentScan[segments.Count];
        int proven = segments.Count;
        bool isProof;
        do
        {
            proven--;
            scans[proven] = SegmentScan.Run(files.Pool, segments[proven]);
            isProof = scans[proven].LastMark >= 0 || segments[proven].FirstOffset <= point.Segment;
        }
        while (!isProof && proven > 0 && !HasMarkBeyond(segments[proven], scans[proven]));

        for (int i = proven; i < segments.Count; i++)
        {
            Segment segment = segments[i];
            SegmentScan scan = scans[i];
            if (i > proven && segment.Header.PreviousChain != scans[i - 1].Chain)
                throw new CorruptDataException(segment.File.Path, 72, $"chain {FileStamp.Hex(scans[i - 1].Chain)} from the segment before", FileStamp.Hex(segment.Header.PreviousChain));
            if (!scan.IsSealed) return OpenAt(manifest, segments, scans, proven, i);
            if (i + 1 == segments.Count) throw Missing(scan.NextOffset);
            if (segments[i + 1].FirstOffset != scan.NextOffset) throw Missing(scan.NextOffset);
        }

        throw new UnreachableException("the last segment is unsealed, or its successor is missing");
    }

    private bool HasMarkBeyond(Segment segment, SegmentScan scan) =>
        !scan.IsSealed && SegmentScan.LookBeyond(files.Pool, segment, scan.Stop, scan.NextOffset).MarkAt >= 0;

    /// <summary>Ends the log in the first segment that has no seal, if that can be what a crash left.</summary>
    private RecoveredLog OpenAt(in Manifest manifest, List<Segment> segments, SegmentScan[] scans, int proven, int at)
    {
        Segment segment = segments[at];
        SegmentScan scan = scans[at];
        LogPoint point = manifest.Point;
        if (point.Segment > segment.FirstOffset || (point.Segment == segment.FirstOffset && point.Position > scan.End))
            throw scan.Damage(segment, $"the manifest proves a flush up to {Segment.FileName(point.Segment)} byte {point.Position}");

        (bool hasBytes, long mark) = SegmentScan.LookBeyond(files.Pool, segment, scan.Stop, scan.NextOffset);
        if (mark >= 0) throw scan.Damage(segment, $"the flush mark at byte {mark} proves a flush");
        for (int later = at + 1; later < segments.Count; later++)
        {
            if (scans[later].LastMark >= 0 || HasMarkBeyond(segments[later], scans[later]))
                throw scan.Damage(segment, $"a flush mark in {segments[later].File.Path} proves a flush");
        }

        bool isWhole = !hasBytes && scan.Stop == scan.End && at + 1 == segments.Count;
        if (hasBytes && !scan.IsTorn(files.Pool, segment)) throw scan.Damage(segment, "no sector of it reads as zero");

        var report = new LogRecoveryReport(false, false, null, 0, 0);
        if (!isWhole) report = Cut(segments, scan, at);
        // A process may have ended between a failed flush and its report: then bytes and the manifest's name look well, and a flush that finds nothing to
        // write would not save them. (A segment's name is proven: nothing is written behind its header before its directory was flushed.)
        for (int i = proven; i <= at; i++) files.Rewrite(segments[i], Math.Max(0, scans[i].LastMark), scans[i].End);
        files.WriteManifest(manifest with { Point = new LogPoint(segment.FirstOffset, scan.End, scan.NextOffset) });
        return Ready(manifest.Identity, segments, scan, ManifestState.Open, report);
    }

    private LogRecoveryReport Cut(List<Segment> segments, SegmentScan scan, int at)
    {
        Segment segment = segments[at];
        long bytes = LastByte(segment) - scan.End;
        foreach (Segment later in segments.Skip(at + 1))
        {
            bytes += LastByte(later) - SegmentHeader.Size;
            files.Pool.Close(later.File);
            files.Withdraw(later.File.Path);
        }

        if (segments.Count > at + 1) files.FlushDirectory();
        segments.RemoveRange(at + 1, segments.Count - at - 1);
        files.CutAt(segment, scan.End);
        bytes = Math.Max(0, bytes);
        LogMessages.TailCut(logger, segment.File.Path, scan.End, bytes, scan.NextOffset);
        return new LogRecoveryReport(false, false, segment.File.Path, scan.End, bytes);
    }

    /// <summary>The position after the last byte that is not zero.</summary>
    private long LastByte(Segment segment)
    {
        byte[] buffer = new byte[FrameCursor.ChunkBytes];
        using FilePool.FileLease lease = files.Pool.Use(segment.File);
        for (long end = lease.File.Length; end > 0;)
        {
            long start = Math.Max(0, end - buffer.Length);
            int read = lease.File.Read(start, buffer.AsSpan(0, (int)(end - start)));
            int last = buffer.AsSpan(0, read).LastIndexOfAnyExcept((byte)0);
            if (last >= 0) return start + last + 1;
            end = start;
        }

        return 0;
    }

    private RecoveredLog Ready(LogIdentity identity, List<Segment> segments, SegmentScan scan, ManifestState state, LogRecoveryReport report)
    {
        Segment last = segments[^1];
        files.FileSystem.Delete(last.IndexPath);
        last.Continue(scan);
        using (FilePool.FileLease lease = files.Pool.Use(last.File)) last.PreparedEnd = Math.Max(scan.End, lease.File.Length);
        return new RecoveredLog(identity, segments, scan, state, report);
    }
}

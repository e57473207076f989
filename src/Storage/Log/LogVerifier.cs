using Tidemark.Storage.Files;
using Tidemark.Storage.Log;

namespace Tidemark;

/// <summary>What a walk over all bytes of a log found.</summary>
/// <param name="Segments">Segment files looked at.</param>
/// <param name="Records">Records whose checksums and order fit.</param>
/// <param name="Bytes">Bytes read.</param>
/// <param name="Damage">What does not fit: the first place in each damaged segment. Empty for a whole log.</param>
public sealed record LogVerification(int Segments, long Records, long Bytes, IReadOnlyList<CorruptDataException> Damage)
{
    /// <summary>Whether nothing is damaged.</summary>
    public bool IsWhole => Damage.Count == 0;
}

/// <summary>Walks all segments of a log.</summary>
internal static class LogVerifier
{
    internal static LogVerification Run(LogDriver log, IProgress<long>? progress, CancellationToken cancellationToken)
    {
        List<Segment> segments;
        LogPoint end;
        lock (log.Gate)
        {
            end = log.Engine.Readable;
            segments = [.. log.Engine.Segments.All.Where(segment => segment.FirstOffset <= end.Segment)];
            foreach (Segment segment in segments) SegmentList.Pin(segment);
        }

        try
        {
            return Run(log.Group.Pool, segments, end, progress, cancellationToken);
        }
        finally
        {
            lock (log.Gate)
            {
                bool hasGarbage = false;
                foreach (Segment segment in segments) hasGarbage |= SegmentList.Unpin(segment);
                if (hasGarbage) log.Schedule();
            }
        }
    }

    /// <summary>Walks the segments of a log that nobody writes to or trims meanwhile.</summary>
    internal static LogVerification Run(FilePool pool, IReadOnlyList<Segment> segments, LogPoint end, IProgress<long>? progress, CancellationToken cancellationToken)
    {
        var damage = new List<CorruptDataException>();
        long records = 0, bytes = 0;
        uint? chain = null;
        foreach (Segment segment in segments)
        {
            cancellationToken.ThrowIfCancellationRequested();
            bool isLast = segment.FirstOffset == end.Segment;
            SegmentScan scan = SegmentScan.Run(pool, segment, isLast ? end.Position : long.MaxValue);
            records += scan.Records;
            bytes += scan.End;
            if (Check(segment, scan, isLast, end, chain) is { } found) damage.Add(found);
            chain = scan.IsSealed ? scan.Chain : null;
            progress?.Report(bytes);
        }

        return new LogVerification(segments.Count, records, bytes, damage);
    }

    private static CorruptDataException? Check(Segment segment, SegmentScan scan, bool isLast, LogPoint end, uint? chain)
    {
        if (chain is { } expected && segment.Header.PreviousChain != expected)
            return new CorruptDataException(segment.File.Path, 72, $"chain {FileStamp.Hex(expected)} from the segment before", FileStamp.Hex(segment.Header.PreviousChain));
        if (isLast) return scan.End == end.Position && scan.NextOffset == end.Offset ? null : scan.Damage(segment, $"the log ends at byte {end.Position}");
        return scan.IsSealed && scan.NextOffset == segment.NextOffset ? null : scan.Damage(segment, $"the next segment starts at offset {segment.NextOffset}");
    }
}

using Tidemark.Core.Topics;
using Tidemark.Storage.Files;
using Tidemark.Storage.Log;

namespace Tidemark.Replication.Topics;

/// <summary>A partition's log as its leader looks at it.</summary>
/// <remarks>Belongs to the shard's thread.</remarks>
internal sealed class PartitionLog(LogEngine log, FilePool pool, MessageReaders readers, Func<long> applied) : IMessageLog
{
    private readonly Dictionary<long, long> _lengths = [];   // Of sealed segments, by their first entries.

    public (IReadOnlyList<LogPart> Sealed, long Open, long OpenBytes) Parts
    {
        get
        {
            Segment[] segments;
            lock (log.Gate) segments = [.. log.Segments.All];
            var parts = new List<LogPart>(segments.Length);
            int at = 0;
            for (; at < segments.Length - 1 && segments[at].NextOffset <= applied() + 1; at++)
                parts.Add(new LogPart(segments[at].FirstOffset, LengthOf(segments[at]), new HybridTimestamp(segments[at + 1].Header.PreviousTimestamp)));
            long open = 0;
            for (int i = at; i < segments.Length; i++) open += segments[i].End;
            if (_lengths.Count > 2 * segments.Length) _lengths.Clear();
            return (parts, segments[at].FirstOffset, open);
        }
    }

    public long? FirstMessageAt(long entry) => readers.FirstMessageAt(entry, applied());

    private long LengthOf(Segment segment)
    {
        if (segment.End > 0) return segment.End;
        if (_lengths.TryGetValue(segment.FirstOffset, out long known)) return known;
        return _lengths[segment.FirstOffset] = MeasureUnloaded(segment);
    }

    /// <summary>The file of one that was sealed before the log was opened may end in zeros, which are no bytes of the log: its index says where the last frame ends.</summary>
    private long MeasureUnloaded(Segment segment)
    {
        try
        {
            return log.Segments.LoadIndex(segment).End;
        }
        catch (CorruptDataException)
        {
            using FilePool.FileLease lease = pool.Use(segment.File);   // Whoever reads it says so.
            return lease.File.Length;
        }
    }
}

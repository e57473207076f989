using Tidemark.Core.Replication;
using Tidemark.Storage.Files;

namespace Tidemark.Storage.Log;

/// <summary>Finds out which term each record of a log is of.</summary>
internal static class LogTermsReader
{
    /// <summary>Reads the headers of its segments, and the records of those in which the term changes.</summary>
    /// <exception cref="CorruptDataException">A file is damaged.</exception>
    internal static LogTerms Read(LogEngine log, FilePool pool)
    {
        Segment[] segments = [.. log.Segments.All];
        var terms = new LogTerms(log.Start > 0 ? new LogHead(segments[0].Header.PreviousTerm, log.Start - 1) : LogHead.None);
        for (int i = 0; i < segments.Length; i++)
        {
            long from = segments[i].FirstOffset, term = segments[i].Header.PreviousTerm;
            bool isLast = i == segments.Length - 1;
            long to = isLast ? log.Flushed.Offset : segments[i + 1].FirstOffset;
            if (from == to) continue;
            if (!isLast && segments[i + 1].Header.PreviousTerm == term)
            {
                terms.Append(term, to - from);
                continue;
            }

            foreach (LogRecord record in LogReplay.Read(log, pool, from))
            {
                if (record.Offset == to) break;
                terms.Append(record.Term, 1);
            }
        }

        return terms;
    }
}

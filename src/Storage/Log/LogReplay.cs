using Tidemark.Storage.Files;

namespace Tidemark.Storage.Log;

/// <summary>Reads a log's durable records in order, once: what a state has not seen yet is applied to it this way, and what is saved elsewhere is read.</summary>
/// <remarks>Checks every frame, its place and the chain, also from one segment to the next.</remarks>
internal static class LogReplay
{
    /// <summary>The records from an offset to the end, while nobody appends.</summary>
    /// <param name="engine">The log.</param>
    /// <param name="pool">The pool that holds its files.</param>
    /// <param name="from">The first offset wanted.</param>
    /// <exception cref="OffsetOutOfRangeException">The log begins later.</exception>
    /// <exception cref="CorruptDataException">A file is damaged.</exception>
    /// <returns>Each record's payload is valid until the next is asked for.</returns>
    internal static IEnumerable<LogRecord> Read(LogEngine engine, FilePool pool, long from)
    {
        if (from < engine.Start || from > engine.Flushed.Offset) throw new OffsetOutOfRangeException(from, engine.Start, engine.Flushed.Offset);
        Segment first = engine.Segments.Containing(from);
        return Read([.. engine.Segments.All.SkipWhile(segment => segment != first)], pool, from, engine.Flushed.Offset);
    }

    /// <summary>The records of segments that somebody has pinned, from an offset to an end that is durable. Appends and trims may go on meanwhile.</summary>
    /// <param name="segments">From the one that holds the first record wanted to the one that holds the last.</param>
    /// <param name="pool">The pool that holds their files.</param>
    /// <param name="from">The first offset wanted.</param>
    /// <param name="end">The offset after the last one wanted.</param>
    /// <exception cref="CorruptDataException">A file is damaged, or a segment is missing.</exception>
    /// <returns>Each record's payload is valid until the next is asked for.</returns>
    internal static IEnumerable<LogRecord> Read(IReadOnlyList<Segment> segments, FilePool pool, long from, long end)
    {
        long next = segments[0].FirstOffset;
        uint? sealedChain = null;
        foreach (Segment segment in segments)
        {
            if (next >= end) yield break;
            if (sealedChain is { } expected && segment.Header.PreviousChain != expected)
                throw new CorruptDataException(segment.File.Path, 72, $"chain {FileStamp.Hex(expected)} from the segment before", FileStamp.Hex(segment.Header.PreviousChain));
            uint chain = segment.HeaderChain;
            using var cursor = new FrameCursor(pool, segment, SegmentHeader.Size);
            while (next < end)
            {
                long position = cursor.Position;
                FrameStatus status = cursor.Next(out FrameHeader header, out ReadOnlyMemory<byte> payload);
                if (status != FrameStatus.Frame || header.Offset != next || header.Chain != chain)
                    throw new CorruptDataException(segment.File.Path, position, $"the frame of offset {next}", status == FrameStatus.Frame ? "a frame of another place" : "no whole frame");
                chain = header.Checksum;
                if (header.Type == FrameType.Seal) break;
                next++;
                if (header.Offset >= from) yield return new LogRecord(header.Offset, header.Term, new HybridTimestamp(header.Timestamp), header.Kind, payload);
            }

            sealedChain = chain;
        }
    }
}

using System.Buffers;

using Tidemark.Storage.Files;

namespace Tidemark.Storage.Log;

/// <summary>Where a walk through a segment ended, and what it saw on the way.</summary>
/// <remarks>The point after the last whole batch is <see cref="End"/>; frames of a batch without its end are not counted.</remarks>
internal sealed class SegmentScan
{
    /// <summary>The position after the last whole batch, or after the seal.</summary>
    internal long End { get; private set; } = SegmentHeader.Size;

    /// <summary>The offset after the last whole batch.</summary>
    internal long NextOffset { get; private set; }

    /// <summary>The checksum of the last frame before <see cref="End"/>.</summary>
    internal uint Chain { get; private set; }

    internal long LastTerm { get; private set; }

    internal ulong FirstTimestamp { get; private set; }

    internal ulong LastTimestamp { get; private set; }

    internal bool IsSealed { get; private set; }

    internal long Records { get; private set; }

    /// <summary>The position of the last flush mark before <see cref="Stop"/>, or -1.</summary>
    internal long LastMark { get; private set; } = -1;

    /// <summary>The first position that holds no whole frame in its place.</summary>
    internal long Stop { get; private set; }

    /// <summary>What stands at <see cref="Stop"/>.</summary>
    internal FrameStatus StopStatus { get; private set; }

    /// <summary>The header at <see cref="Stop"/>, where it is whole.</summary>
    internal FrameHeader StopHeader { get; private set; }

    internal SegmentIndex Index { get; } = new();

    /// <summary>Walks the frames of a segment from its header to its seal, to a limit, or to the first position without a whole frame.</summary>
    internal static SegmentScan Run(FilePool pool, Segment segment, long limit = long.MaxValue) => Run(pool, segment, limit, long.MaxValue);

    /// <summary>Walks the frames of a segment up to an offset, or beyond it to the end of its batch.</summary>
    internal static SegmentScan RunTo(FilePool pool, Segment segment, long endOffset) => Run(pool, segment, long.MaxValue, endOffset);

    private static SegmentScan Run(FilePool pool, Segment segment, long limit, long endOffset)
    {
        var scan = new SegmentScan
        {
            NextOffset = segment.FirstOffset,
            Chain = segment.HeaderChain,
            LastTerm = segment.Header.PreviousTerm,
            LastTimestamp = segment.Header.PreviousTimestamp,
            Stop = SegmentHeader.Size,
        };
        using var cursor = new FrameCursor(pool, segment, SegmentHeader.Size);
        uint chain = segment.HeaderChain;
        long offset = segment.FirstOffset, records = 0;
        bool isBatchStart = true;
        while (!scan.IsSealed && cursor.Position < limit && (offset < endOffset || !isBatchStart))
        {
            long position = cursor.Position;
            FrameStatus status = cursor.Next(out FrameHeader header, out _);
            bool follows = status == FrameStatus.Frame && header.Chain == chain && header.Offset == offset
                && (header.Type == FrameType.Record || isBatchStart);
            if (!follows)
            {
                scan.Stop = position;
                scan.StopStatus = status == FrameStatus.Frame ? FrameStatus.BadHeader : status;
                scan.StopHeader = header;
                return scan;
            }

            chain = header.Checksum;
            if (header.IsFlushMark) scan.LastMark = position;
            if (header.Type == FrameType.Seal)
            {
                scan.IsSealed = true;
            }
            else
            {
                if (isBatchStart) scan.Index.Note(offset, header.Timestamp, position);
                if (offset == segment.FirstOffset) scan.FirstTimestamp = header.Timestamp;
                offset++;
                records++;
                isBatchStart = header.EndsBatch;
            }

            scan.Stop = cursor.Position;
            if (!isBatchStart) continue;
            scan.End = cursor.Position;
            scan.NextOffset = offset;
            scan.Chain = chain;
            scan.LastTerm = header.Term;
            scan.LastTimestamp = header.Timestamp;
            scan.Records = records;
        }

        scan.StopStatus = FrameStatus.Nothing;
        return scan;
    }

    /// <summary>What a segment holds behind a position: whether any byte is not zero, and the first whole frame with a flush mark.</summary>
    internal static (bool HasBytes, long MarkAt) LookBeyond(FilePool pool, Segment segment, long position, long nextOffset)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(FrameCursor.ChunkBytes);
        try
        {
            using FilePool.FileLease lease = pool.Use(segment.File);
            bool hasBytes = false;
            for (long at = position; ;)
            {
                int read = lease.File.Read(at, buffer.AsSpan(0, FrameCursor.ChunkBytes));
                ReadOnlySpan<byte> chunk = buffer.AsSpan(0, read);
                if (chunk.ContainsAnyExcept((byte)0))
                {
                    hasBytes = true;
                    for (int i = 0; i + FrameHeader.Size <= read; i += FrameHeader.Alignment)
                    {
                        if (!FrameHeader.TryRead(chunk[i..], segment.Seed, at + i, out FrameHeader header)) continue;
                        if (header.IsFlushMark && header.Offset >= nextOffset && IsWhole(pool, segment, at + i)) return (true, at + i);
                    }
                }

                if (read < FrameCursor.ChunkBytes) return (hasBytes, -1);
                at += FrameCursor.ChunkBytes - FrameHeader.Size;   // A header may lie across two chunks.
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>
    /// Whether what stands at <see cref="Stop"/> can be what a crash leaves of an unflushed write: the frame's last byte is missing, or of some
    /// 512-byte sector all of the frame's bytes read as zero. How far the frame reaches is known only from a whole header.
    /// </summary>
    internal bool IsTorn(FilePool pool, Segment segment)
    {
        if (StopStatus == FrameStatus.Nothing) return true;
        byte[] frame = new byte[StopStatus == FrameStatus.BadPayload ? StopHeader.FrameLength : FrameHeader.Size];
        using (FilePool.FileLease lease = pool.Use(segment.File)) lease.File.Read(Stop, frame);
        if (frame[^1] == 0) return true;
        for (int from = 0, to; from < frame.Length; from = to)
        {
            to = (int)Math.Min(frame.Length, from + SectorBytes - ((Stop + from) % SectorBytes));
            if (!frame.AsSpan(from..to).ContainsAnyExcept((byte)0)) return true;
        }

        return false;
    }

    /// <summary>A damaged stop in words: what should be there, what is.</summary>
    internal CorruptDataException Damage(Segment segment, string reason) => new(segment.File.Path, Stop, $"a whole frame with offset {NextOffset} or later, because {reason}",
        StopStatus switch
        {
            FrameStatus.Nothing => "zeros or the end of the file",
            FrameStatus.BadPayload => $"a payload whose checksum is not {FileStamp.Hex(StopHeader.PayloadChecksum)}",
            _ => "bytes that are no frame of this place",
        });

    private const int SectorBytes = 512;

    private static bool IsWhole(FilePool pool, Segment segment, long position)
    {
        using var cursor = new FrameCursor(pool, segment, position);
        return cursor.Next(out _, out _) == FrameStatus.Frame;
    }
}

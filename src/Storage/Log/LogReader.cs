using Tidemark.Storage.Files;
using Tidemark.Storage.Log;

namespace Tidemark;

/// <summary>Reads a <see cref="SegmentedLog"/> record by record, both ways, from a place between two records.</summary>
/// <remarks>
/// Not thread-safe; open one for each thread. Checks every record it gives. Holds one 64 KiB buffer (more for larger records) and keeps the segment
/// it stands in readable, also when that is trimmed meanwhile. Reads block for the disk where the file is not cached.
/// </remarks>
public sealed class LogReader : IDisposable
{
    private readonly LogEngine _log;
    private readonly Action _released;
    private readonly FrameCursor _cursor;
    private readonly List<long> _behind = [];   // Positions of consecutive records up to the one last read backwards.
    private Segment _segment;
    private long _behindFirst;
    private long _end;          // Where the log ended when last looked.
    private int _epoch;
    private uint? _chain;       // What the next frame must follow; null after a jump.
    private bool _isPlaced;     // Whether the cursor stands at Next.
    private bool _isDisposed;

    /// <param name="log">The log.</param>
    /// <param name="pool">The pool that holds its files.</param>
    /// <param name="released">Called when a file that was trimmed is let go: it can be removed now.</param>
    /// <param name="offset">Where to begin.</param>
    internal LogReader(LogEngine log, FilePool pool, Action released, long offset)
    {
        (_log, _released) = (log, released);
        lock (log.Gate)
        {
            RequireInRange(offset);
            _segment = log.Segments.Containing(offset);
            SegmentList.Pin(_segment);
            _end = log.Readable.Offset;
            _epoch = log.Epoch;
        }

        Next = offset;
        _cursor = new FrameCursor(pool, _segment, SegmentHeader.Size);
    }

    /// <summary>Stands at or shortly before the first record at or after a time.</summary>
    internal LogReader(LogEngine log, FilePool pool, Action released, HybridTimestamp timestamp)
        : this(log, pool, released, StartOfReaching(log, timestamp))
    {
        SegmentIndex index = Index();
        lock (log.Gate)
        {
            if (index.TryFindBefore(timestamp.Value, out IndexPoint entry) && entry.Offset < _end) Next = entry.Offset;
        }
    }

    /// <summary>The offset of the record that <see cref="TryRead"/> gives next; <see cref="TryReadBack"/> gives the one before.</summary>
    public long Next { get; private set; }

    /// <summary>Reads the record at <see cref="Next"/> and steps behind it.</summary>
    /// <param name="record">The record. Its payload is valid until the next call.</param>
    /// <returns>False at the end of the log; a later call may find more.</returns>
    /// <exception cref="CorruptDataException">The file is damaged here. The reader stays where it is.</exception>
    /// <exception cref="OffsetOutOfRangeException">The records ahead were trimmed or truncated.</exception>
    public bool TryRead(out LogRecord record)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        while (true)
        {
            try
            {
                return ReadNext(out record);
            }
            catch (Exception e) when (IsCutMeanwhile(e))
            {
                // Looking again tells whether our place is still there.
            }
        }
    }

    /// <summary>Reads the record before <see cref="Next"/> and steps in front of it.</summary>
    /// <param name="record">The record. Its payload is valid until the next call.</param>
    /// <returns>False at the start of the log.</returns>
    /// <exception cref="CorruptDataException">The file is damaged here. The reader stays where it is.</exception>
    /// <exception cref="OffsetOutOfRangeException">The place was truncated away.</exception>
    public bool TryReadBack(out LogRecord record)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        while (true)
        {
            try
            {
                return ReadBack(out record);
            }
            catch (Exception e) when (IsCutMeanwhile(e))
            {
                // Looking again tells whether our place is still there.
            }
        }
    }

    /// <summary>Goes to another place.</summary>
    /// <exception cref="OffsetOutOfRangeException">The log has no such place.</exception>
    internal void Seek(long offset)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        lock (_log.Gate)
        {
            RequireInRange(offset);
            _end = _log.Readable.Offset;
            if (_epoch != _log.Epoch)
            {
                _epoch = _log.Epoch;
                _cursor.Drop();
            }

            Enter(_log.Segments.Containing(offset));
        }

        Next = offset;
        _behind.Clear();
        _isPlaced = false;
    }

    /// <summary>Lets the segment and the buffer go.</summary>
    public void Dispose()
    {
        if (_isDisposed) return;
        _isDisposed = true;
        _cursor.Dispose();
        lock (_log.Gate) Unpin();
    }

    private bool ReadNext(out LogRecord record)
    {
        record = default;
        if ((Next >= _end || _epoch != _log.Epoch) && !LookAgain()) return false;
        if (!_isPlaced) Place(Next);
        while (true)
        {
            long position = _cursor.Position;
            FrameStatus status = _cursor.Next(out FrameHeader header, out ReadOnlyMemory<byte> payload);
            bool isNext = status == FrameStatus.Frame && header.Offset == Next && (_chain is null || header.Chain == _chain);
            if (!isNext) throw Damage(position, status);
            _chain = header.Checksum;
            if (header.Type == FrameType.Seal)
            {
                StepOver(header.Checksum);
                continue;
            }

            Next++;
            record = ToRecord(header, payload);
            return true;
        }
    }

    private bool ReadBack(out LogRecord record)
    {
        record = default;
        if (_epoch != _log.Epoch) LookAgain();
        long target = Next - 1;
        if (target < _segment.FirstOffset && !StepBack(target)) return false;
        if (target < _behindFirst || target >= _behindFirst + _behind.Count) CollectUpTo(target);
        _cursor.Seek(_segment, _behind[(int)(target - _behindFirst)], Limit());
        FrameStatus status = _cursor.Next(out FrameHeader header, out ReadOnlyMemory<byte> payload);
        if (status != FrameStatus.Frame || header.Offset != target) throw Damage(_cursor.Position, status);
        Next = target;
        _isPlaced = false;
        record = ToRecord(header, payload);
        return true;
    }

    private static long StartOfReaching(LogEngine log, HybridTimestamp timestamp)
    {
        lock (log.Gate) return Math.Min(log.Segments.Reaching(timestamp.Value).FirstOffset, log.Readable.Offset);
    }

    private void RequireInRange(long offset)
    {
        if (offset < _log.Start || offset > _log.Readable.Offset) throw new OffsetOutOfRangeException(offset, _log.Start, _log.Readable.Offset);
    }

    /// <summary>What looks like damage while the log is truncated under our hands is none.</summary>
    private bool IsCutMeanwhile(Exception error) => error is CorruptDataException or FileNotFoundException && _epoch != _log.Epoch;

    private static LogRecord ToRecord(in FrameHeader header, ReadOnlyMemory<byte> payload) =>
        new(header.Offset, header.Term, new HybridTimestamp(header.Timestamp), header.Kind, payload);

    /// <summary>Asks the log where it ends now and whether it was cut; true where a record stands at Next.</summary>
    private bool LookAgain()
    {
        lock (_log.Gate)
        {
            _end = _log.Readable.Offset;
            if (_epoch != _log.Epoch)
            {
                if (Next > _end) throw new OffsetOutOfRangeException(Next, _log.Start, _end);
                _epoch = _log.Epoch;
                Enter(_log.Segments.Containing(Next));
                _cursor.Drop();
                _behind.Clear();
                _isPlaced = false;
            }
            else
            {
                _cursor.RaiseLimit(LimitUnderGate());
            }
        }

        return Next < _end;
    }

    /// <summary>Moves the cursor to the frame of an offset in the segment.</summary>
    private void Place(long offset)
    {
        SegmentIndex index = Index();
        long position = SegmentHeader.Size;
        long at = _segment.FirstOffset;
        long limit;
        lock (_log.Gate)
        {
            if (index.TryFindOffset(offset, out IndexPoint entry)) (at, position) = (entry.Offset, entry.Position);
            limit = LimitUnderGate();
        }

        _cursor.Seek(_segment, position, limit);
        _chain = at == _segment.FirstOffset ? _segment.HeaderChain : null;
        for (; at < offset; at++) _chain = Walk(at, _chain);
        _isPlaced = true;
    }

    /// <summary>Notes the positions of the records from an index entry to a target.</summary>
    private void CollectUpTo(long target)
    {
        SegmentIndex index = Index();
        long position = SegmentHeader.Size;
        long at = _segment.FirstOffset;
        lock (_log.Gate)
        {
            if (index.TryFindOffset(target, out IndexPoint entry)) (at, position) = (entry.Offset, entry.Position);
        }

        _behind.Clear();
        _behindFirst = at;
        _cursor.Seek(_segment, position, Limit());
        uint? chain = at == _segment.FirstOffset ? _segment.HeaderChain : null;
        for (; at <= target; at++)
        {
            position = _cursor.Position;
            chain = Walk(at, chain);
            _behind.Add(position);
        }
    }

    /// <summary>Steps over the record of an offset and returns its checksum, which the next one must follow.</summary>
    private uint Walk(long expectedOffset, uint? chain)
    {
        long position = _cursor.Position;
        FrameStatus status = _cursor.Next(out FrameHeader header, out _);
        // The type matters: a seal carries the offset that comes next, so where the next segment was lost it looks like the record.
        bool isNext = status == FrameStatus.Frame && header.Type == FrameType.Record && header.Offset == expectedOffset && (chain is null || header.Chain == chain);
        if (!isNext) throw Damage(position, status);
        return header.Checksum;
    }

    private SegmentIndex Index()
    {
        lock (_log.Gate)
        {
            if (_segment.Index is { } known) return known;
        }

        (SegmentIndex index, long end) = _log.Segments.LoadIndex(_segment);
        lock (_log.Gate)
        {
            _segment.End = end;
            return _segment.Index ??= index;
        }
    }

    /// <summary>Goes on at the start of the segment behind a seal.</summary>
    private void StepOver(uint sealChecksum)
    {
        lock (_log.Gate)
        {
            Segment? next = _log.Segments.After(_segment);
            if (next is null) throw new OffsetOutOfRangeException(Next, _log.Start, _log.Readable.Offset);
            if (next.Header.PreviousChain != sealChecksum)
                throw new CorruptDataException(next.File.Path, 72, $"chain {FileStamp.Hex(sealChecksum)} from the segment before", FileStamp.Hex(next.Header.PreviousChain));
            Enter(next);
            _chain = next.HeaderChain;
            _cursor.Seek(next, SegmentHeader.Size, LimitUnderGate());
        }
    }

    private bool StepBack(long target)
    {
        lock (_log.Gate)
        {
            if (target < _log.Start) return false;
            Enter(_log.Segments.Containing(target));
        }

        _behind.Clear();
        _isPlaced = false;
        return true;
    }

    private void Enter(Segment segment)
    {
        if (segment == _segment) return;
        SegmentList.Pin(segment);
        Unpin();
        _segment = segment;
    }

    private void Unpin()
    {
        if (SegmentList.Unpin(_segment)) _released();
    }

    private long Limit()
    {
        lock (_log.Gate) return LimitUnderGate();
    }

    /// <summary>Bytes beyond this may still be written: what the log has not completed yet.</summary>
    private long LimitUnderGate()
    {
        LogPoint readable = _log.Readable;
        if (readable.Segment == _segment.FirstOffset) return readable.Position;
        return readable.Segment > _segment.FirstOffset ? long.MaxValue : SegmentHeader.Size;
    }

    private CorruptDataException Damage(long position, FrameStatus status) => new(
        _segment.File.Path, position, $"the frame of offset {Next} or near it",
        status switch
        {
            FrameStatus.Frame => "a frame of another place",
            FrameStatus.Nothing => "zeros or the end of the file",
            FrameStatus.BadPayload => "a payload whose checksum does not fit",
            _ => "bytes that are no frame of this place",
        });
}

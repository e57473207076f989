using System.Diagnostics;

namespace Tidemark.Storage.Log;

/// <summary>Where appends go: encodes records behind the last one, in memory only, into room that the disk has already given.</summary>
/// <remarks>
/// Offsets are taken here, after everything that can be refused has been checked: size, order and room. So a refused append leaves no hole.
/// Not thread-safe.
/// </remarks>
internal sealed class LogTail
{
    private const int SealBytes = FrameHeader.Size;

    private readonly LogOptions _options;
    private readonly HybridClock _clock;
    private readonly FlushBatches _batches;
    private FlushBatch? _filling;   // Null while nothing waits.
    private uint _chain;
    private long _lastTerm;
    private ulong _lastTimestamp;

    internal LogTail(LogOptions options, HybridClock clock, FlushBatches batches, Segment active, uint chain, long lastTerm, ulong lastTimestamp)
    {
        _options = options;
        _clock = clock;
        _batches = batches;
        SegmentBytes = options.SegmentBytes;
        _clock.Adopt(new HybridTimestamp(lastTimestamp));
        Reset(active, chain, lastTerm, lastTimestamp);
    }

    /// <summary>The segment that takes appends.</summary>
    internal Segment Active { get; private set; } = null!;

    /// <summary>A prepared file that becomes the next segment.</summary>
    internal Segment? Spare { get; set; }

    /// <summary>Room the last refused append asked for: in the active segment, or in a spare where it would have to roll.</summary>
    internal long RoomWanted { get; private set; }

    internal bool SpareWanted { get; private set; }

    /// <summary>How long a segment may become.</summary>
    internal long SegmentBytes { get; set; }

    internal long NextOffset => Active.NextOffset;

    /// <summary>Where the log ends once all that was appended is written.</summary>
    internal LogPoint End => new(Active.FirstOffset, Active.End, Active.NextOffset);

    internal int PendingBytes => _filling?.Length ?? 0;

    /// <summary>Whether everything before the first frame of the next write will have been flushed by then.</summary>
    internal bool NextWriteIsProven { get; set; } = true;

    /// <summary>A segment that became active by rolling, until the log has taken it into its list.</summary>
    internal Action<Segment>? Rolled { get; init; }

    /// <summary>Starts anew behind a point, after an open or a truncation.</summary>
    internal void Reset(Segment active, uint chain, long lastTerm, ulong lastTimestamp)
    {
        Debug.Assert(_filling is null, "nothing waits to be written when the tail moves");
        Active = active;
        _chain = chain;
        _lastTerm = lastTerm;
        _lastTimestamp = lastTimestamp;
    }

    /// <summary>Encodes a batch, or says that there is no room yet: then run a round and try again.</summary>
    /// <param name="entries">One record or more.</param>
    /// <param name="isDue">Whether the active segment is old enough to be closed.</param>
    /// <param name="firstOffset">The first record's offset.</param>
    /// <exception cref="LimitExceededException">A record or the batch is too large.</exception>
    /// <exception cref="ArgumentException">A term falls, or a timestamp does not rise.</exception>
    internal bool TryAppend(ReadOnlySpan<LogEntry> entries, bool isDue, out long firstOffset)
    {
        firstOffset = Active.NextOffset;
        int total = Measure(entries);
        if (_filling is not null && _filling.Length + total > _options.MaxPendingBytes) return false;
        if (!HasRoom(total, isDue)) return false;

        ulong stamp = entries[0].Timestamp is null ? _clock.Reserve(entries.Length).Value : 0;
        long position = Active.End;
        Span<byte> target = Filling().Reserve(Active, position, total);
        FrameFlags mark = TakeFlushMark(target.Length);
        Active.Index!.Note(firstOffset, entries[0].Timestamp?.Value ?? stamp, position);
        for (int i = 0; i < entries.Length; i++)
        {
            ref readonly LogEntry entry = ref entries[i];
            ulong timestamp = entry.Timestamp?.Value ?? stamp++;
            var header = new FrameHeader
            {
                Chain = _chain,
                Offset = Active.NextOffset,
                Term = entry.Term ?? _lastTerm,
                Timestamp = timestamp,
                Kind = entry.Kind,
                Type = FrameType.Record,
                Flags = mark | (i < entries.Length - 1 ? FrameFlags.MoreInBatch : FrameFlags.None),
            };
            mark = FrameFlags.None;
            int length = FrameHeader.Size + FrameHeader.Padded(entry.Payload.Length);
            _chain = FrameHeader.WriteFrame(target, Active.Seed, Active.End, header, entry.Payload.Span);
            target = target[length..];
            if (!Active.HasRecords) Active.FirstTimestamp = timestamp;
            Active.End += length;
            Active.NextOffset++;
            _lastTerm = header.Term;
            _lastTimestamp = timestamp;
        }

        Active.LastTimestamp = _lastTimestamp;
        if (entries[^1].Timestamp is { } last) _clock.Adopt(last);
        return true;
    }

    /// <summary>Closes the active segment and goes on in the spare, if there is one.</summary>
    internal bool TryRoll()
    {
        SpareWanted = Spare is null;
        if (Spare is null) return false;

        Segment old = Active, next = Spare;
        Span<byte> seal = Filling().Reserve(old, old.End, SealBytes, seals: true);
        var header = new FrameHeader
        {
            Chain = _chain,
            Offset = old.NextOffset,
            Term = _lastTerm,
            Timestamp = _lastTimestamp,
            Type = FrameType.Seal,
            Flags = TakeFlushMark(SealBytes),
        };
        _chain = FrameHeader.WriteFrame(seal, old.Seed, old.End, header, default);
        old.End += SealBytes;
        old.IsSealed = true;

        var place = new SegmentHeader(old.Header.Identity, old.NextOffset, next.Header.Salt, _lastTerm, _lastTimestamp, _chain);
        _chain = place.Write(Filling().Reserve(next, 0, SegmentHeader.Size, creates: true));
        next.Place(place, _chain);
        next.Index = new SegmentIndex();
        Spare = null;
        Active = next;
        Rolled?.Invoke(next);
        return true;
    }

    /// <summary>Forgets what was asked for: a round has answered, and whoever still lacks room asks again.</summary>
    internal void RoomGiven()
    {
        RoomWanted = 0;
        SpareWanted = false;
    }

    /// <summary>Hands over what was encoded; later appends fill the other batch.</summary>
    internal FlushBatch Take()
    {
        Debug.Assert(_filling is not null, "a batch is taken when bytes wait");
        FlushBatch taken = _filling;
        taken.End = End;
        _filling = null;
        return taken;
    }

    private FlushBatch Filling() => _filling ??= _batches.Rent();

    private FrameFlags TakeFlushMark(int reserved) =>
        NextWriteIsProven && _filling!.Length == reserved ? FrameFlags.FlushedBefore : FrameFlags.None;

    /// <summary>Finds room for a batch and the seal behind it, rolling if the segment is full or due.</summary>
    private bool HasRoom(int total, bool isDue)
    {
        long end = Active.End + total + SealBytes;
        bool fits = end <= SegmentBytes || !Active.HasRecords;
        if (!fits || (isDue && Active.HasRecords))
        {
            long needed = SegmentHeader.Size + (long)total + SealBytes;
            if (Spare is null || Spare.PreparedEnd < needed)
            {
                SpareWanted = true;
                RoomWanted = needed;
                return false;
            }

            TryRoll();
            return true;
        }

        if (end <= Active.PreparedEnd) return true;
        RoomWanted = end;
        return false;
    }

    private int Measure(ReadOnlySpan<LogEntry> entries)
    {
        long total = 0;
        long term = _lastTerm;
        ulong timestamp = _lastTimestamp;
        foreach (ref readonly LogEntry entry in entries)
        {
            int length = entry.Payload.Length;
            if (length > _options.MaxRecordBytes)
                throw new LimitExceededException("record payload", length, _options.MaxRecordBytes, nameof(LogOptions.MaxRecordBytes));
            total += FrameHeader.Size + FrameHeader.Padded(length);
            if (entry.Term is { } own)
            {
                if (own < term) throw new ArgumentException($"Term {own} is below the last record's, {term}: terms never fall along a log.", nameof(entries));
                term = own;
            }

            if (entry.Timestamp is null != entries[0].Timestamp is null)
                throw new ArgumentException("Either all records of a batch carry a timestamp or none does.", nameof(entries));
            if (entry.Timestamp is not { } stamp) continue;
            if (stamp.Value <= timestamp)
                throw new ArgumentException($"Timestamp {stamp} is not above the last record's: timestamps rise along a log.", nameof(entries));
            timestamp = stamp.Value;
        }

        if (total > _options.MaxBatchBytes)
            throw new LimitExceededException("batch", total, _options.MaxBatchBytes, nameof(LogOptions.MaxBatchBytes));
        return (int)total;
    }
}

using System.Diagnostics;

using Microsoft.Extensions.Logging;

using Tidemark.Storage.Files;

namespace Tidemark.Storage.Log;

/// <summary>A log as a synchronous object: appends go to memory, rounds of disk work make them durable, and the caller decides when.</summary>
/// <remarks>
/// No thread, no waiting. A driver that uses threads, or has readers, holds <see cref="Gate"/> around every member that changes something but the three marked "disk", which run one at
/// a time and without the gate, so that appends go on while the disk works. A simulator just calls <see cref="Flush"/>.
/// </remarks>
internal sealed class LogEngine
{
    private const long SmallestStep = 64 * 1024;
    private const long LargestStep = 8 * 1024 * 1024;
    private const long SmallestPiece = 256 * 1024;
    private const long LargeRound = 128 * 1024;   // From here on a flush is no quicker where zeros were written before: that costs as many bytes again.
    private const long PageBytes = 4096;

    private readonly LogOptions _options;
    private readonly LogFiles _files;
    private readonly LogDisk _disk;
    private readonly LogTail _tail;
    private readonly FlushBatches _batches;
    private readonly FlushRound _round = new();
    private readonly bool _isDurable;

    private LogPoint _written;
    private LogPoint _flushed;
    private bool _isManifestOpen;
    private bool _isManifestWanted;   // An append found the manifest still closed.
    private bool _isClosed;
    private long _roundBytes;   // What the last round wrote that wrote something.
    private long _unflushedSince = long.MaxValue;   // UTC ticks of the oldest append that no flush has covered.
    private (PooledFile File, long Zeroed, long Length)? _recycling;

    private LogEngine(LogFiles files, LogOptions options, HybridClock clock, FlushBatches batches, Random random, RecoveredLog recovered)
    {
        _files = files;
        _options = options;
        _batches = batches;
        MaxSegmentAge = options.MaxSegmentAge;
        _isDurable = options.Durability.Kind == LogDurabilityKind.Durable;
        _disk = new LogDisk(files, recovered.Identity, random);
        Identity = recovered.Identity;
        Recovery = recovered.Report;
        Segments = new SegmentList(files, recovered.Segments);
        SegmentScan tail = recovered.Tail;
        _tail = new LogTail(options, clock, batches, Segments.Last, tail.Chain, tail.LastTerm, tail.LastTimestamp) { Rolled = Segments.Add };
        _written = _flushed = _tail.End;
        _isManifestOpen = recovered.State == ManifestState.Open;
    }

    /// <summary>Recovers the log of a directory, or creates it there, and stands at its end.</summary>
    internal static LogEngine Open(LogFiles files, LogOptions options, HybridClock clock, FlushBatches batches, Random random, ILogger logger)
    {
        RecoveredLog recovered = new LogRecovery(files, options, random, logger).Open();
        return new LogEngine(files, options, clock, batches, random, recovered);
    }

    /// <summary>Guards what readers look at beside the one who drives the log. Nothing that touches the disk is done under it, but for a truncation and the end.</summary>
    internal Lock Gate { get; } = new();

    internal LogIdentity Identity { get; }

    internal LogRecoveryReport Recovery { get; }

    internal SegmentList Segments { get; }

    /// <summary>About how many bytes of entries there are from an offset on: whole segments.</summary>
    internal long BytesFrom(long offset) => Segments.All.Count(segment => segment.IsSealed && segment.NextOffset > offset) * SegmentBytes;

    /// <summary>The first offset kept.</summary>
    internal long Start => Segments.First.FirstOffset;

    /// <summary>The offset the next append takes.</summary>
    internal long NextOffset => _tail.NextOffset;

    /// <summary>Up to here an append is complete and readers may go.</summary>
    internal LogPoint Readable => _isDurable ? _flushed : _written;

    /// <summary>Up to here all is on stable storage.</summary>
    internal LogPoint Flushed => _flushed;

    /// <summary>Why the log takes no more writes, or null.</summary>
    internal StoreFailedException? Failure { get; private set; }

    /// <summary>How long a segment takes records; null for ever.</summary>
    internal TimeSpan? MaxSegmentAge { get; set; }

    /// <summary>How long a segment may become. Where it is changed, the one that takes records now ends by the new length too.</summary>
    internal long SegmentBytes
    {
        get => _tail.SegmentBytes;
        set => _tail.SegmentBytes = value;
    }

    /// <summary>Set by the driver: the next round flushes, whatever the durability.</summary>
    internal bool FlushRequested { get; set; }

    /// <summary>Grows with each truncation: readers that see it change look where they are.</summary>
    internal int Epoch { get; private set; }

    /// <summary>Encodes a batch at the tail; false where a round must first make room.</summary>
    /// <exception cref="StoreFailedException">An earlier write or flush failed.</exception>
    internal bool TryAppend(ReadOnlySpan<LogEntry> entries, DateTimeOffset now, out long firstOffset)
    {
        ThrowIfFailed();
        firstOffset = 0;
        // Opened in a round of its own: a full disk may refuse that, and then no offset has been taken yet.
        _isManifestWanted |= !_isManifestOpen;
        if (!_isManifestOpen) return false;
        bool done = _tail.TryAppend(entries, IsOld(now), out firstOffset);
        if (done && _unflushedSince == long.MaxValue) _unflushedSince = now.UtcTicks;
        return done;
    }

    /// <summary>Whether appended bytes wait to be written.</summary>
    internal bool HasBytes => _tail.PendingBytes > 0;

    /// <summary>Whether a round has something to do now.</summary>
    internal bool HasWork(DateTimeOffset now) =>
        Failure is null
        && !_isClosed
        && (_isManifestWanted || _tail.PendingBytes > 0 || _tail.RoomWanted > 0 || _tail.SpareWanted || IsFlushDue(now) || IsOld(now) || CanRecycle || Segments.HasGarbage);

    /// <summary>When time alone will make work, in UTC ticks; <see cref="long.MaxValue"/> for never.</summary>
    internal long NextDue
    {
        get
        {
            long flush = _options.Durability.Kind == LogDurabilityKind.Interval && _unflushedSince != long.MaxValue
                ? _unflushedSince + _options.Durability.FlushInterval.Ticks
                : long.MaxValue;
            long roll = MaxSegmentAge is { } age && _tail.Active.HasRecords
                ? new HybridTimestamp(_tail.Active.FirstTimestamp).Physical.UtcTicks + age.Ticks
                : long.MaxValue;
            return Math.Min(flush, roll);
        }
    }

    /// <summary>Does all that waits, with the disk, before it returns.</summary>
    /// <exception cref="StoreFailedException">A write or flush failed, now or before.</exception>
    internal void Flush(DateTimeOffset now)
    {
        ThrowIfFailed();
        FlushRequested = true;
        do
        {
            FlushRound round = Begin(now);
            Execute(round);
            Complete(round);
            ThrowIfFailed();
            if (round.NoRoom is not null) break;
        }
        while (HasWork(now));
    }

    /// <summary>Decides what the next round does and takes the bytes that wait.</summary>
    internal FlushRound Begin(DateTimeOffset now)
    {
        FlushRound round = _round;
        round.Clear();
        bool isOld = IsOld(now);
        if (isOld && _isManifestOpen) _tail.TryRoll();
        if (_tail.PendingBytes > 0) _roundBytes = _tail.PendingBytes;
        PlanRoom(round);
        round.Now = now.UtcTicks;
        round.Start = Start;
        round.Flushed = _flushed;
        Segments.TakeGarbage(round.Garbage);
        bool hasBytes = _tail.PendingBytes > 0;
        round.Flush = FlushRequested || IsFlushDue(now) || (_isDurable && hasBytes);
        if (hasBytes)
        {
            round.Batch = _tail.Take();
            _tail.NextWriteIsProven = _isDurable;
        }

        round.OpensManifest = !_isManifestOpen && (_isManifestWanted || isOld);
        Debug.Assert(_isManifestOpen || (!hasBytes && round.Extend is null), "nothing is written to a log that says it is closed");
        FlushRequested = false;
        return round;
    }

    /// <summary>Disk: does the round.</summary>
    internal void Execute(FlushRound round)
    {
        _disk.Execute(round);
        if (round.Failure is null) Housekeep(round);
    }

    /// <summary>Takes note of what the round achieved.</summary>
    internal void Complete(FlushRound round)
    {
        if (round.Failure is { } cause)
        {
            Fail(cause);
            return;
        }

        if (round.OpensManifest) _isManifestOpen = true;
        if (round.OpensManifest && round.Trims) Segments.TakeBefore(round.Start);
        _isManifestWanted = false;
        if (round.Extend is { } extended && round.NoRoom is null) extended.PreparedEnd = round.ExtendTo;
        if (round.Spare is { } spare) _tail.Spare = spare;
        if (round.Batch is { } batch)
        {
            _written = batch.End;
            _batches.Return(batch);
        }

        if (round.Flush)
        {
            _flushed = _written;
            _unflushedSince = _flushed == _tail.End ? long.MaxValue : round.Now;
        }

        if (_flushed == _tail.End && _tail.PendingBytes == 0) _tail.NextWriteIsProven = true;
        _tail.RoomGiven();
    }

    /// <summary>Decides a round that takes whole sealed segments at or below an offset out of the log, durably; null where there is none.</summary>
    /// <remarks>The manifest says so first, and only then do they go: a full disk that refuses it leaves the log as it was.</remarks>
    internal FlushRound? BeginTrim(long before, DateTimeOffset now)
    {
        ThrowIfFailed();
        long start = Segments.StartAfterTrim(Math.Min(before, _flushed.Segment));
        if (start == Start) return null;
        FlushRound round = _round;
        round.Clear();
        round.Now = now.UtcTicks;
        round.Start = start;
        round.Flushed = _flushed;
        round.OpensManifest = round.Trims = true;
        return round;
    }

    /// <summary>Disk and gate: ends the log behind an offset. All that was appended must have been flushed.</summary>
    internal void TruncateAfter(long lastKept)
    {
        ThrowIfFailed();
        Debug.Assert(_tail.PendingBytes == 0, "nothing waits to be written when the log is truncated");
        long end = lastKept + 1;
        if (end >= NextOffset) return;
        if (end < Start) throw new OffsetOutOfRangeException(lastKept, Start, NextOffset);

        Segment segment = Segments.Containing(end);
        SegmentScan scan = SegmentScan.RunTo(_files.Pool, segment, end);
        if (scan.NextOffset != end)
            throw scan.NextOffset < end
                ? scan.Damage(segment, "the log goes on behind it")
                : new ArgumentException($"Offset {lastKept} lies inside a batch, which is kept or cut as a whole.", nameof(lastKept));

        var point = new LogPoint(segment.FirstOffset, scan.End, end);
        var manifest = new Manifest(Identity, Start, ManifestState.Cutting, point);
        FailUnlessFull(() => _files.WriteManifest(manifest));   // Refused by a full disk, it has changed nothing.
        Epoch++;   // Before a byte goes: a reader that then meets a gap knows why, and waits at the gate.
        List<long> starts = [.. Segments.Starts];
        List<Segment> cut = Segments.TakeAfter(segment);
        try
        {
            foreach (Segment later in cut) _files.Pool.Close(later.File);
            LogCut.Finish(_files, manifest, starts);
        }
        catch (Exception e)
        {
            Fail(e);
            ThrowIfFailed();
        }

        segment.Continue(scan);
        _tail.Reset(segment, scan.Chain, scan.LastTerm, scan.LastTimestamp);
        _written = _flushed = point;
        _isManifestOpen = true;
        _tail.NextWriteIsProven = true;
    }

    /// <summary>Disk and gate: marks the log as closed, if all of it is flushed, and closes its files.</summary>
    /// <exception cref="StoreFullException">There is no room for the mark. The log opens again as after a crash.</exception>
    /// <exception cref="StoreFailedException">The disk refused. So it does then.</exception>
    internal void Close()
    {
        _isClosed = true;
        try
        {
            if (Failure is null && _flushed == _tail.End)
            {
                FailUnlessFull(() =>
                {
                    _disk.WriteManifest(Start, _flushed, ManifestState.Closed);
                    List<Segment> garbage = [];
                    Segments.TakeGarbage(garbage);
                    foreach (Segment segment in garbage) _files.Remove(segment);
                    if (_tail.Spare is { } spare) Discard(spare.File);
                    if (_recycling is { } recycling) Discard(recycling.File);
                });
            }
        }
        finally
        {
            foreach (Segment segment in Segments.All) _files.Pool.Close(segment.File);
            if (_tail.Spare is { } spare) _files.Pool.Close(spare.File);
            if (_recycling is { } recycling) _files.Pool.Close(recycling.File);
        }
    }

    /// <exception cref="StoreFailedException">A write or flush failed.</exception>
    internal void ThrowIfFailed()
    {
        if (Failure is { } failure) throw Failed(failure);
    }

    internal StoreFailedException Failed(StoreFailedException first) =>
        new($"The log in '{_files.Directory}' takes no more writes since a write or flush failed: {first.InnerException?.Message} "
            + "Close it and open it again; what was under way may or may not be there then.", first.InnerException);

    /// <summary>Takes no more writes from now on.</summary>
    internal void Fail(Exception cause) => Failure ??= new StoreFailedException(cause.Message, cause);

    /// <summary>Does something that a lack of room leaves undone as a whole; any other error ends the log's writing.</summary>
    private void FailUnlessFull(Action action)
    {
        try
        {
            action();
        }
        catch (Exception e) when (e is not StoreFullException)
        {
            Fail(e);
            ThrowIfFailed();
        }
    }

    private bool IsOld(DateTimeOffset now) =>
        MaxSegmentAge is { } age
        && _tail.Active.HasRecords
        && now.UtcTicks - new HybridTimestamp(_tail.Active.FirstTimestamp).Physical.UtcTicks >= age.Ticks;

    private bool IsFlushDue(DateTimeOffset now) =>
        _unflushedSince != long.MaxValue
        && (FlushRequested
            || (_options.Durability.Kind == LogDurabilityKind.Interval
                && now.UtcTicks - _unflushedSince >= _options.Durability.FlushInterval.Ticks));

    /// <summary>Files are made longer ahead of use in steps that grow with the log, so that a small log stays small.</summary>
    private long Step()
    {
        long bytes = ((Segments.Count - 1) * SegmentBytes) + _tail.Active.End;
        return Math.Min(Math.Clamp(bytes / 4, SmallestStep, LargestStep), Pages(SegmentBytes));
    }

    /// <summary>Decides where room is made ahead of use, how much, and how.</summary>
    /// <remarks>
    /// The last round that wrote something says how large rounds are. Small ones get zeros, which are quicker to overwrite than a file is to grow; from
    /// <see cref="LargeRound"/> on room is only taken. No round makes much more of it than two like it need, so that appends wait for little more than what they
    /// bring, and a log that turns to small rounds soon has zeros again.
    /// </remarks>
    private void PlanRoom(FlushRound round)
    {
        Segment active = _tail.Active;
        long step = Step();
        long piece = Math.Min(step, Math.Clamp(2 * _roundBytes, SmallestPiece, LargestStep));
        round.WritesZeros = _roundBytes < LargeRound;
        if (_tail.SpareWanted)
        {
            long bytes = Math.Max(Pages(_tail.RoomWanted), piece);
            if (_tail.Spare is null) round.SpareBytes = bytes;
            else if (_tail.Spare.PreparedEnd < bytes) (round.Extend, round.ExtendTo) = (_tail.Spare, bytes);
            return;
        }

        long ahead = Math.Min(Pages(active.PreparedEnd + piece), Pages(SegmentBytes));
        if (_tail.RoomWanted > active.PreparedEnd)
        {
            (round.Extend, round.ExtendTo) = (active, Math.Max(Pages(_tail.RoomWanted), ahead));
        }
        else if (_tail.PendingBytes > 0 && active.PreparedEnd - active.End < step / 2 && ahead > active.PreparedEnd)
        {
            (round.Extend, round.ExtendTo) = (active, ahead);
        }
        else if (_tail.PendingBytes > 0 && _tail.Spare is null && _recycling is null && active.End + (2 * step) >= SegmentBytes
            && SegmentBytes > 2 * SmallestStep)
        {
            round.SpareBytes = piece;
        }
    }

    private static long Pages(long bytes) => (bytes + PageBytes - 1) & ~(PageBytes - 1);

    private bool CanRecycle => _recycling is not null && _tail.Spare is null;

    /// <summary>Removes or recycles what was trimmed. Zeroing goes a piece at a time, in rounds that write nothing.</summary>
    private void Housekeep(FlushRound round)
    {
        try
        {
            foreach (Segment segment in round.Garbage)
            {
                bool isWorthKeeping = _recycling is null && _tail.Spare is null && SegmentBytes > 2 * SmallestStep;
                if (isWorthKeeping) StartRecycling(segment);
                else _files.Remove(segment);
            }

            if (!CanRecycle || round.Batch is not null) return;
            (PooledFile file, long zeroed, long length) = _recycling!.Value;
            bool ready = _disk.Recycle(file, ref zeroed, length, SmallestPiece);
            _recycling = ready ? null : (file, zeroed, length);
            if (ready) round.Spare = _disk.AsSpare(file, length);
        }
        catch (Exception e)
        {
            round.Failure = e;
        }
    }

    /// <summary>Keeps a trimmed file to be a segment again: overwriting it flushes faster than growing a new one.</summary>
    private void StartRecycling(Segment segment)
    {
        _files.FileSystem.Delete(segment.IndexPath);
        _files.Pool.Rename(segment.File, _files.Temporary("recycled").Path);
        using FilePool.FileLease lease = _files.Pool.Use(segment.File);
        _recycling = (segment.File, 0, lease.File.Length);
    }

    private void Discard(PooledFile file)
    {
        _files.Pool.Close(file);
        _files.FileSystem.Delete(file.Path);
    }
}

using System.Runtime.CompilerServices;

using Microsoft.Extensions.Logging;

using Tidemark.Storage.Log;

namespace Tidemark;

/// <summary>An append-only log of records in a directory: durable by default, read by offset or time, forwards, backwards or as it grows.</summary>
/// <remarks>
/// Safe for concurrent calls. Offsets are dense. Appends that wait at the same time share one flush. After a crash the log opens by itself with every
/// completed append. One process at a time may open a directory. Bytes: docs/format/segment.md.
/// </remarks>
public sealed class SegmentedLog : IFlushable, IAsyncDisposable
{
    private static readonly TimeSpan NoRoomPause = TimeSpan.FromSeconds(1);

    private readonly Lock _gate = new();
    private readonly LogGroup _group;
    private readonly LogEngine _engine;
    private readonly LogOptions _options;
    private readonly ILogger _logger;
    private readonly AppendWaiters _waiters = new();
    private readonly BlockedAppends _blocked;
    private readonly Queue<Action> _commands = new();
    private readonly List<AppendWaiter> _reached = [];   // Used by the running round alone.
    private readonly Func<FlushRound?> _begin;

    private TaskCompletionSource? _changed;   // Completed when the readable end moves; null while nobody waits.
    private ITimer? _timer;
    private Task? _disposal;
    private bool _isScheduled;
    private bool _pausedForRoom;   // The last round found no room: wait for an append or the timer before trying again.
    private bool _isDisposed;

    internal SegmentedLog(LogGroup group, string directory, LogOptions options, LogEngine engine, ILogger logger)
    {
        _group = group;
        _options = options;
        _engine = engine;
        _logger = logger;
        _blocked = new BlockedAppends(options.MaxPendingBytes);
        _begin = () => _engine.Begin(_group.Now);
        Directory = directory;
        LogMessages.Opened(logger, directory, engine.Start, engine.NextOffset, engine.Segments.Count);
    }

    /// <summary>Opens the log in a directory by itself, with a flush thread of its own; creates it where it is missing.</summary>
    /// <param name="directory">The log's directory. Created private to its owner.</param>
    /// <param name="options">Its settings; null for the defaults.</param>
    /// <param name="groupOptions">Disk, time and logging; null for the defaults.</param>
    /// <param name="cancellationToken">Ends the wait; an open under way is undone.</param>
    /// <exception cref="DirectoryLockedException">The log is open already, here or in another process.</exception>
    /// <exception cref="CorruptDataException">The files are damaged in a way no crash explains. Nothing was changed.</exception>
    /// <exception cref="FormatMismatchException">The files are of another version, store or shard.</exception>
    /// <remarks>Many logs: open a <see cref="LogGroup"/>. Cost: one walk through the last segment.</remarks>
    public static async ValueTask<SegmentedLog> OpenAsync(
        string directory, LogOptions? options = null, LogGroupOptions? groupOptions = null, CancellationToken cancellationToken = default)
    {
        LogGroup group = LogGroup.Open(directory, groupOptions);
        try
        {
            return await group.OpenOwnedAsync(options, cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            await group.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>The log's directory.</summary>
    public string Directory { get; }

    /// <summary>The store the log belongs to.</summary>
    public Guid StoreId => _engine.Identity.StoreId;

    /// <summary>The shard the log belongs to.</summary>
    public long ShardId => _engine.Identity.ShardId;

    /// <summary>What opening the log found and did.</summary>
    public LogRecoveryReport Recovery => _engine.Recovery;

    /// <summary>The first offset kept.</summary>
    public long Start
    {
        get
        {
            lock (_gate) return _engine.Start;
        }
    }

    /// <summary>The offset after the last complete record: readers see all below it.</summary>
    public long End
    {
        get
        {
            lock (_gate) return _engine.Readable.Offset;
        }
    }

    /// <summary>The offset after the last record on stable storage. The same as <see cref="End"/> unless the durability is relaxed.</summary>
    public long DurableEnd
    {
        get
        {
            lock (_gate) return _engine.Flushed.Offset;
        }
    }

    /// <summary>How many segment files the log has.</summary>
    public int SegmentCount
    {
        get
        {
            lock (_gate) return _engine.Segments.Count;
        }
    }

    /// <summary>Whether a write or flush failed, so that the log takes no more.</summary>
    public bool IsFailed
    {
        get
        {
            lock (_gate) return _engine.Failure is not null;
        }
    }

    /// <summary>Appends one record. See <see cref="AppendAsync(LogEntry, CancellationToken)"/>.</summary>
    public ValueTask<long> AppendAsync(ReadOnlyMemory<byte> payload, CancellationToken cancellationToken = default) =>
        AppendAsync(new LogEntry(payload), cancellationToken);

    /// <summary>Appends one record and returns its offset once it is as durable as <see cref="LogOptions.Durability"/> says.</summary>
    /// <param name="entry">The record. Its payload is copied: the buffer is the caller's again on return.</param>
    /// <param name="cancellationToken">Ends the wait. The record may still become part of the log.</param>
    /// <returns>The record's offset. Offsets grow by one, without holes.</returns>
    /// <exception cref="LimitExceededException">The payload is above <see cref="LogOptions.MaxRecordBytes"/>.</exception>
    /// <exception cref="ArgumentException">The term falls, or the timestamp does not rise.</exception>
    /// <exception cref="StoreFullException">There is no room. Nothing was appended and no offset taken; it works again once there is.</exception>
    /// <exception cref="StoreFailedException">The disk refused. Whether the record is there is known after the log is opened again; it takes no more until then.</exception>
    /// <exception cref="OverloadedException">Appends that were not awaited fill all that may wait. Nothing was appended.</exception>
    /// <remarks>One copy and no allocation. The flush is shared by all appends that wait.</remarks>
    public ValueTask<long> AppendAsync(LogEntry entry, CancellationToken cancellationToken = default) =>
        AppendBatchAsync(new ReadOnlySpan<LogEntry>(in entry), cancellationToken);

    /// <summary>Appends records that become part of the log together or not at all.</summary>
    /// <param name="entries">One record or more, at most <see cref="LogOptions.MaxBatchBytes"/> with 48 bytes for each. Payloads are copied.</param>
    /// <param name="cancellationToken">Ends the wait. The batch may still become part of the log.</param>
    /// <returns>The first record's offset. The others follow.</returns>
    /// <inheritdoc cref="AppendAsync(LogEntry, CancellationToken)" path="/exception"/>
    public ValueTask<long> AppendBatchAsync(ReadOnlySpan<LogEntry> entries, CancellationToken cancellationToken = default)
    {
        if (entries.IsEmpty) throw new ArgumentException("A batch holds one record or more.", nameof(entries));
        if (cancellationToken.IsCancellationRequested) return ValueTask.FromCanceled<long>(cancellationToken);
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            AppendWaiter waiter;
            ValueTask<long> task;
            if (_blocked.IsEmpty && _engine.TryAppend(entries, _group.Now, out long first))
            {
                waiter = _waiters.Rent();
                task = waiter.Start(cancellationToken);
                waiter.SetRange(first, first + entries.Length);
                _waiters.Add(waiter);
            }
            else
            {
                _blocked.ThrowIfFull(entries);
                waiter = _waiters.Rent();
                task = waiter.Start(cancellationToken);
                _blocked.Add(entries, waiter);
            }

            Schedule();
            return task;
        }
    }

    /// <summary>Returns once everything appended before this call is on stable storage.</summary>
    /// <exception cref="StoreFailedException">The disk refused.</exception>
    /// <remarks>Needed only where <see cref="LogOptions.Durability"/> is relaxed.</remarks>
    public Task FlushAsync(CancellationToken cancellationToken = default) => Command(() =>
    {
        lock (_gate) _engine.Flush(_group.Now);
    }).WaitAsync(cancellationToken);

    /// <summary>Removes whole segments whose records all lie below an offset. Records at or above it are never removed.</summary>
    /// <returns>The log's first offset afterwards: at or below the one asked for.</returns>
    /// <remarks>Durable on return. Disk space is given back at once, but for files that a reader holds and one kept for reuse.</remarks>
    public async Task<long> TrimBeforeAsync(long offset, CancellationToken cancellationToken = default)
    {
        await Command(() =>
        {
            RunRound(() => _engine.BeginTrim(offset, _group.Now));
            lock (_gate) _engine.ThrowIfFailed();
        }).WaitAsync(cancellationToken).ConfigureAwait(false);
        return Start;
    }

    /// <summary>Removes all records above an offset, durably. The next append takes the offset behind it.</summary>
    /// <param name="lastKept">The last offset kept; one below <see cref="Start"/> empties the log.</param>
    /// <param name="cancellationToken">Ends the wait. The log may still be cut.</param>
    /// <exception cref="OffsetOutOfRangeException">The offset was trimmed.</exception>
    /// <exception cref="ArgumentException">The offset lies inside a batch.</exception>
    /// <remarks>Appends wait meanwhile. Readers beyond the cut get <see cref="OffsetOutOfRangeException"/>.</remarks>
    public Task TruncateAfterAsync(long lastKept, CancellationToken cancellationToken = default) => Command(() =>
    {
        lock (_gate)
        {
            _engine.Flush(_group.Now);
            _engine.TruncateAfter(lastKept);
        }
    }).WaitAsync(cancellationToken);

    /// <summary>Opens a reader in front of an offset, from <see cref="Start"/> to <see cref="End"/>.</summary>
    /// <exception cref="OffsetOutOfRangeException">The offset was trimmed, or does not exist yet.</exception>
    public LogReader OpenReader(long offset) => new(this, offset);

    /// <summary>Reads records in order, up to an offset or to the end the log has when the reading gets there.</summary>
    /// <param name="from">The first offset to read, from <see cref="Start"/> to <see cref="End"/>.</param>
    /// <param name="to">Where to stop: the first offset not to read. Null: the end.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    /// <remarks>A record's payload is valid until the next is asked for. No allocation per record.</remarks>
    public async IAsyncEnumerable<LogRecord> ReadAsync(long from, long? to = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        using LogReader reader = OpenReader(from);
        while ((to is null || reader.Next < to) && reader.TryRead(out LogRecord record))
        {
            cancellationToken.ThrowIfCancellationRequested();
            yield return record;
        }

        await ValueTask.CompletedTask.ConfigureAwait(false);
    }

    /// <summary>Reads records in order and goes on as they are appended, without polling, until cancelled.</summary>
    /// <inheritdoc cref="ReadAsync" path="/remarks"/>
    public async IAsyncEnumerable<LogRecord> TailAsync(long from, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        using LogReader reader = OpenReader(from);
        while (true)
        {
            while (reader.TryRead(out LogRecord record)) yield return record;
            await WaitForAsync(reader.Next, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Returns once the log holds a record at an offset.</summary>
    /// <exception cref="StoreFailedException">The log takes no more writes.</exception>
    public async ValueTask WaitForAsync(long offset, CancellationToken cancellationToken = default)
    {
        while (true)
        {
            Task changed;
            lock (_gate)
            {
                if (_engine.Readable.Offset > offset) return;
                ObjectDisposedException.ThrowIf(_isDisposed, this);
                _engine.ThrowIfFailed();
                changed = (_changed ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
            }

            await changed.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>The offset of the first record at or after a time; <see cref="End"/> where there is none.</summary>
    /// <remarks>Two binary searches and a walk of at most 32 KiB, from the disk where not cached.</remarks>
    public long FindOffset(HybridTimestamp timestamp)
    {
        using var reader = new LogReader(this, timestamp);
        while (reader.TryRead(out LogRecord record))
        {
            if (record.Timestamp >= timestamp) return record.Offset;
        }

        return reader.Next;
    }

    /// <summary>Reads every byte of every record and checks checksums, chain and order, from <see cref="Start"/> to <see cref="End"/>.</summary>
    /// <param name="progress">Told the bytes read so far, once a segment.</param>
    /// <param name="cancellationToken">Ends the reading between segments.</param>
    /// <returns>What is there. Damage is reported, not thrown: one entry for each segment that cannot be read to its end.</returns>
    public LogVerification Verify(IProgress<long>? progress = null, CancellationToken cancellationToken = default) =>
        LogVerifier.Run(this, progress, cancellationToken);

    /// <summary>Completes what was appended, marks the log as closed cleanly, and releases its files.</summary>
    public ValueTask DisposeAsync()
    {
        lock (_gate)
        {
            if (_disposal is null)
            {
                _isDisposed = true;
                _disposal = DisposeCoreAsync(Enqueue(Close));
            }

            return new ValueTask(_disposal);
        }
    }

    internal Lock Gate => _gate;

    internal LogEngine Engine => _engine;

    internal LogGroup Group => _group;

    /// <summary>A reader left a trimmed segment: its file can go.</summary>
    internal void ScheduleUnderGate() => Schedule();

    void IFlushable.RunRound()
    {
        Action? command;
        lock (_gate) _commands.TryDequeue(out command);
        if (command is not null) command();
        else RunRound(_begin);

        lock (_gate)
        {
            bool again = _commands.Count > 0 || (!_pausedForRoom && _engine.HasWork(_group.Now));
            if (!again)
            {
                _isScheduled = false;
                ArmTimer();
                return;
            }
        }

        _group.Threads.Enqueue(this);
    }

    /// <summary>One round: decided under the gate, done without it, concluded under it; then the appends it completed are answered.</summary>
    private void RunRound(Func<FlushRound?> begin)
    {
        FlushRound? round;
        lock (_gate) round = _engine.Failure is null ? begin() : null;   // A log that failed touches the disk no more.
        if (round is null)
        {
            FinishReached();
            return;
        }

        long started = _group.TimeProvider.GetTimestamp();
        _engine.Execute(round);
        LogMetrics.Flushed(round, _group.TimeProvider.GetElapsedTime(started));
        Exception? failure;
        lock (_gate)
        {
            bool failedBefore = _engine.Failure is not null;
            _engine.Complete(round);
            failure = _engine.Failure is { } first ? _engine.Failed(first) : null;
            if (failure is not null && !failedBefore) LogMessages.Failed(_logger, Directory, failure);
            if (round.NoRoom is { } full && !_pausedForRoom) LogMessages.NoRoom(_logger, Directory, full);
            _pausedForRoom = round.NoRoom is not null;
            Conclude(failure, round.NoRoom);
        }

        foreach (AppendWaiter waiter in _reached) waiter.Finish(failure);
        _reached.Clear();
    }

    /// <summary>Under the gate: collects the appends that are complete, or all of them after a failure, and lets blocked ones try again.</summary>
    private void Conclude(Exception? failure, StoreFullException? noRoom)
    {
        _waiters.TakeReached(failure is null ? _engine.Readable.Offset : long.MaxValue, _reached);
        while (!_blocked.IsEmpty)
        {
            (LogEntry[] entries, AppendWaiter waiter) = _blocked.Peek();
            Exception? refusal = failure ?? (Exception?)noRoom;
            try
            {
                if (refusal is null)
                {
                    if (!_engine.TryAppend(entries, _group.Now, out long first)) break;
                    waiter.SetRange(first, first + entries.Length);
                    _waiters.Add(waiter);
                }
            }
            catch (Exception e) when (e is TidemarkException or ArgumentException)
            {
                refusal = e;
            }

            _blocked.Remove();
            if (refusal is not null) waiter.Finish(refusal);
        }

        TaskCompletionSource? changed = _changed;
        _changed = null;
        changed?.TrySetResult();
    }

    private void Schedule()
    {
        if (_isScheduled) return;
        _isScheduled = true;
        _pausedForRoom = false;
        _group.Threads.Enqueue(this);
    }

    private Task Command(Action action)
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            return Enqueue(action);
        }
    }

    /// <summary>Under the gate: queues work that must have the disk to itself.</summary>
    private Task Enqueue(Action action)
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _commands.Enqueue(() =>
        {
            try
            {
                action();
                FinishReached();
                done.SetResult();
            }
            catch (Exception e)
            {
                FinishReached();
                done.SetException(e);
            }
        });
        Schedule();
        return done.Task;
    }

    /// <summary>Answers the appends that a command's own flushes completed.</summary>
    private void FinishReached()
    {
        Exception? failure;
        lock (_gate)
        {
            failure = _engine.Failure is { } first ? _engine.Failed(first) : null;
            Conclude(failure, null);
        }

        foreach (AppendWaiter waiter in _reached) waiter.Finish(failure);
        _reached.Clear();
    }

    private void Close()
    {
        bool isBlocked;
        do
        {
            RunRound(_begin);   // With no room, blocked appends are refused here.
            lock (_gate) isBlocked = !_blocked.IsEmpty;
        }
        while (isBlocked);

        lock (_gate)
        {
            try
            {
                if (_engine.Failure is null) _engine.Flush(_group.Now);
            }
            finally
            {
                _engine.Close();
            }
        }
    }

    private async Task DisposeCoreAsync(Task closed)
    {
        try
        {
            await closed.ConfigureAwait(false);
        }
        finally
        {
            if (_timer is { } timer) await timer.DisposeAsync().ConfigureAwait(false);
            await _group.ReleaseAsync(this).ConfigureAwait(false);
        }
    }

    private void ArmTimer()
    {
        long due = _engine.NextDue;
        if (due == long.MaxValue || _isDisposed || _engine.Failure is not null) return;
        TimeSpan wait = TimeSpan.FromTicks(Math.Max(0, due - _group.Now.UtcTicks));
        if (_pausedForRoom && wait < NoRoomPause) wait = NoRoomPause;
        _timer ??= _group.TimeProvider.CreateTimer(static log => ((SegmentedLog)log!).OnTimer(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        _timer.Change(wait, Timeout.InfiniteTimeSpan);
    }

    private void OnTimer()
    {
        lock (_gate)
        {
            if (!_isDisposed) Schedule();
        }
    }
}

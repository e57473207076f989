using System.Runtime.CompilerServices;

using Tidemark.Storage.Log;

namespace Tidemark;

/// <summary>An append-only log of records in a directory: durable by default, read by offset or time, forwards, backwards or as it grows.</summary>
/// <remarks>
/// Safe for concurrent calls. Offsets are dense. Appends that wait at the same time share one flush. After a crash the log opens by itself with every
/// completed append. One process at a time may open a directory. Bytes: docs/format/segment.md.
/// </remarks>
public sealed class SegmentedLog : IAsyncDisposable
{
    internal SegmentedLog(LogDriver driver, string directory)
    {
        Driver = driver;
        Directory = directory;
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
    public Guid StoreId => Driver.Engine.Identity.StoreId;

    /// <summary>The shard the log belongs to.</summary>
    public long ShardId => Driver.Engine.Identity.ShardId;

    /// <summary>What opening the log found and did.</summary>
    public LogRecoveryReport Recovery => Driver.Engine.Recovery;

    /// <summary>The first offset kept.</summary>
    public long Start
    {
        get
        {
            lock (Driver.Gate) return Driver.Engine.Start;
        }
    }

    /// <summary>The offset after the last complete record: readers see all below it.</summary>
    public long End
    {
        get
        {
            lock (Driver.Gate) return Driver.Engine.Readable.Offset;
        }
    }

    /// <summary>The offset after the last record on stable storage. The same as <see cref="End"/> unless the durability is relaxed.</summary>
    public long DurableEnd
    {
        get
        {
            lock (Driver.Gate) return Driver.Engine.Flushed.Offset;
        }
    }

    /// <summary>How many segment files the log has.</summary>
    public int SegmentCount
    {
        get
        {
            lock (Driver.Gate) return Driver.Engine.Segments.Count;
        }
    }

    /// <summary>Whether a write or flush failed, so that the log takes no more.</summary>
    public bool IsFailed
    {
        get
        {
            lock (Driver.Gate) return Driver.Engine.Failure is not null;
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
        return Driver.Append(entries, cancellationToken);
    }

    /// <summary>Returns once everything appended before this call is on stable storage.</summary>
    /// <exception cref="StoreFailedException">The disk refused.</exception>
    /// <remarks>Needed only where <see cref="LogOptions.Durability"/> is relaxed.</remarks>
    public Task FlushAsync(CancellationToken cancellationToken = default) => Driver.FlushAsync().WaitAsync(cancellationToken);

    /// <summary>Removes whole segments whose records all lie below an offset. Records at or above it are never removed.</summary>
    /// <returns>The log's first offset afterwards: at or below the one asked for.</returns>
    /// <exception cref="StoreFullException">There is no room for a new manifest, 128 bytes. Nothing was removed; it works again once there is.</exception>
    /// <exception cref="StoreFailedException">The disk refused.</exception>
    /// <remarks>Durable on return. Disk space is given back at once, but for files that a reader holds and one kept for reuse.</remarks>
    public async Task<long> TrimBeforeAsync(long offset, CancellationToken cancellationToken = default)
    {
        await Driver.TrimBeforeAsync(offset).WaitAsync(cancellationToken).ConfigureAwait(false);
        return Start;
    }

    /// <summary>Removes all records above an offset, durably. The next append takes the offset behind it.</summary>
    /// <param name="lastKept">The last offset kept; one below <see cref="Start"/> empties the log.</param>
    /// <param name="cancellationToken">Ends the wait. The log may still be cut.</param>
    /// <exception cref="OffsetOutOfRangeException">The offset was trimmed.</exception>
    /// <exception cref="ArgumentException">The offset lies inside a batch.</exception>
    /// <exception cref="StoreFullException">There is no room for a new manifest, 128 bytes. Nothing was removed; it works again once there is.</exception>
    /// <exception cref="StoreFailedException">The disk refused. Whether the log was cut is known after it is opened again.</exception>
    /// <remarks>Appends wait meanwhile. Readers beyond the cut get <see cref="OffsetOutOfRangeException"/>.</remarks>
    public Task TruncateAfterAsync(long lastKept, CancellationToken cancellationToken = default) =>
        Driver.TruncateAfterAsync(lastKept).WaitAsync(cancellationToken);

    /// <summary>Opens a reader in front of an offset, from <see cref="Start"/> to <see cref="End"/>.</summary>
    /// <exception cref="OffsetOutOfRangeException">The offset was trimmed, or does not exist yet.</exception>
    public LogReader OpenReader(long offset) => new(Driver.Engine, Driver.Group.Pool, Driver.Schedule, offset);

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
    public ValueTask WaitForAsync(long offset, CancellationToken cancellationToken = default) => Driver.WaitForAsync(offset, cancellationToken);

    /// <summary>The offset of the first record at or after a time; <see cref="End"/> where there is none.</summary>
    /// <remarks>Two binary searches and a walk of at most 32 KiB, from the disk where not cached.</remarks>
    public long FindOffset(HybridTimestamp timestamp)
    {
        using var reader = new LogReader(Driver.Engine, Driver.Group.Pool, Driver.Schedule, timestamp);
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
        LogVerifier.Run(Driver, progress, cancellationToken);

    /// <summary>Completes what was appended, marks the log as closed cleanly, and releases its files.</summary>
    /// <exception cref="StoreFullException">There is no room for the mark. All that completed is there; the log opens as after a crash.</exception>
    /// <exception cref="StoreFailedException">The disk refused. All that completed is there; the log opens as after a crash.</exception>
    public ValueTask DisposeAsync() => new(Driver.DisposeAsync());

    internal LogDriver Driver { get; }
}

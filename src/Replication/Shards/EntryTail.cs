using System.Diagnostics;

using Tidemark.Storage.Files;
using Tidemark.Storage.Log;

namespace Tidemark.Replication.Shards;

/// <summary>The newest entries of a replica's log, in memory: those that are not on the disk or not applied yet, and as many before them as fit.</summary>
/// <remarks>What is older is read from the log's files, in order, with one open reading for each follower that catches up.</remarks>
internal sealed class EntryTail(LogEngine log, FilePool pool, long keptBytes)
{
    private const int FrameBytes = FrameHeader.Size;

    private readonly List<LogRecord> _entries = [];
    private readonly Dictionary<int, Reading> _readings = [];
    private int _gone;     // Entries at the list's beginning that were let go.
    private long _bytes;

    /// <summary>The first offset it has.</summary>
    private long Start => End - (_entries.Count - _gone);

    /// <summary>The offset after the last.</summary>
    internal long End { get; private set; } = log.NextOffset;

    /// <summary>Takes the next entry. Its payload stays as it is from now on.</summary>
    internal void Add(in LogRecord entry)
    {
        Debug.Assert(entry.Offset == End, "entries follow each other");
        _entries.Add(entry);
        _bytes += FrameBytes + entry.Payload.Length;
        End++;
    }

    /// <summary>Lets old entries go where there are too many: never any at an offset or above.</summary>
    internal void Forget(long needed)
    {
        while (_bytes > keptBytes && Start < Math.Min(needed, End))
        {
            _bytes -= FrameBytes + _entries[_gone].Payload.Length;
            _entries[_gone++] = default;
        }

        if (_gone <= _entries.Count / 2) return;
        _entries.RemoveRange(0, _gone);   // Each entry is moved once or less for each that goes.
        _gone = 0;
    }

    /// <summary>Entries at an offset and above are gone.</summary>
    internal void Truncate(long end)
    {
        _readings.Clear();
        while (End > end)
        {
            if (_entries.Count > _gone)
            {
                _bytes -= FrameBytes + _entries[^1].Payload.Length;
                _entries.RemoveAt(_entries.Count - 1);
            }

            End--;
        }
    }

    /// <summary>Files were removed: readings begin anew.</summary>
    internal void Trimmed() => _readings.Clear();

    /// <summary>Entries from an offset up to another, at most so many bytes of them, and at least one.</summary>
    /// <param name="reader">Who reads on where it stopped: a follower, or -1 for the state machine.</param>
    /// <param name="from">The first.</param>
    /// <param name="to">The offset after the last.</param>
    /// <param name="mostBytes">How many bytes are enough.</param>
    internal List<LogRecord> Read(int reader, long from, long to, long mostBytes)
    {
        var read = new List<LogRecord>();
        long bytes = 0, next = from;
        if (next < Start)
        {
            Reading reading = _readings.GetValueOrDefault(reader);
            IEnumerator<LogRecord> records = reading.Records is not null && reading.Next == next ? reading.Records : LogReplay.Read(log, pool, next).GetEnumerator();
            while (next < Math.Min(to, Start) && bytes < mostBytes)
            {
                if (!records.MoveNext())
                {
                    records = LogReplay.Read(log, pool, next).GetEnumerator();   // It knows the end that was there when it began.
                    if (!records.MoveNext()) throw new UnreachableException("what is not in memory is on the disk");
                }

                LogRecord record = records.Current;
                read.Add(record with { Payload = record.Payload.ToArray() });
                bytes += FrameBytes + record.Payload.Length;
                next++;
            }

            _readings[reader] = new Reading(records, next);
        }

        if (next >= to || bytes >= mostBytes) return read;
        for (int at = _gone + (int)(next - Start); next < to && (bytes < mostBytes || read.Count == 0); at++, next++)
        {
            read.Add(_entries[at]);
            bytes += FrameBytes + _entries[at].Payload.Length;
        }

        return read;
    }

    private readonly record struct Reading(IEnumerator<LogRecord> Records, long Next);
}

using System.Buffers.Binary;

using Tidemark.Testing;

namespace Tidemark.Tests.Crash;

/// <summary>What a log owes at one moment: the records that must be there, and those that may.</summary>
/// <param name="Records">By offset, what was last appended there.</param>
/// <param name="BatchEnds">Offsets where a batch ends: the log may end nowhere else.</param>
/// <param name="AckedStart">The start that was acknowledged.</param>
/// <param name="TriedStart">Where a trim under way may have moved it.</param>
/// <param name="AckedEnd">Every record below it must be there.</param>
/// <param name="TriedEnd">No record at or above it can be there.</param>
internal sealed record LogPromise(byte[][] Records, HashSet<long> BatchEnds, long AckedStart, long TriedStart, long AckedEnd, long TriedEnd)
{
    internal void Check(long start, List<byte[]> found)
    {
        long end = start + found.Count;
        Assert.InRange(start, AckedStart, TriedStart);
        Assert.InRange(end, AckedEnd, TriedEnd);
        if (end > start || end > AckedStart) Assert.True(end == 0 || BatchEnds.Contains(end), $"the log ends at {end}, inside a batch");
        for (int i = 0; i < found.Count; i++) Assert.Equal(Records[start + i], found[i]);
    }
}

/// <summary>A random but repeatable life of a small log, which knows at every moment what it has promised.</summary>
/// <param name="seed">Which life.</param>
/// <param name="durability">When its appends complete.</param>
/// <param name="scale">How many times as long as usual records and segments are.</param>
internal sealed class LogWorkload(int seed, LogDurability durability, int scale = 1)
{
    private const int Steps = 60;

    private readonly Random _random = new(seed);
    private readonly List<byte[]> _records = [];
    private readonly HashSet<long> _batchEnds = [0];
    private long _ackedStart, _triedStart, _ackedEnd, _triedEnd;
    private int _serial;

    internal LogOptions Options { get; } = new()
    {
        SegmentBytes = 4096 * scale,
        Durability = durability,
        MaxSegmentAge = TimeSpan.FromMinutes(10),
        MaxRecordBytes = 12_000 * scale,
    };

    internal LogPromise Promise => new([.. _records], [.. _batchEnds], _ackedStart, _triedStart, _ackedEnd, _triedEnd);

    internal void Run(FaultyFileSystem disk)
    {
        SyncLog log = SyncLog.Open(disk, Options);
        for (int step = 0; step < Steps; step++)
        {
            int choice = _random.Next(100);
            if (choice < 60) Append(log, flush: true);
            else if (choice < 72) Append(log, flush: false);
            else if (choice < 80) Trim(log);
            else if (choice < 88) Truncate(log);
            else if (choice < 92) log.Advance(TimeSpan.FromMinutes(_random.Next(20)));
            else if (choice < 96) Flush(log);
            else log = Reopen(log, disk);
        }

        Flush(log);
        log.Close();
    }

    private void Append(SyncLog log, bool flush)
    {
        int appends = _random.Next(1, 4);
        for (int i = 0; i < appends; i++)
        {
            var batch = new LogEntry[_random.Next(4) == 0 ? _random.Next(2, 5) : 1];
            for (int j = 0; j < batch.Length; j++) batch[j] = new LogEntry(Payload());
            foreach (LogEntry entry in batch) _records.Add(entry.Payload.ToArray());
            _triedEnd += batch.Length;
            _batchEnds.Add(_triedEnd);
            log.Append(batch);
        }

        if (flush) Flush(log);
    }

    /// <summary>Unlike any other, of many sizes, now and then with zeros where sectors lie.</summary>
    private byte[] Payload()
    {
        int length = scale * _random.Next(10) switch
        {
            0 => 0,
            1 => _random.Next(2000, 6000),
            2 => _random.Next(500, 1500),
            _ => _random.Next(4, 200),
        };
        byte[] payload = new byte[length];
        if (_random.Next(4) > 0) _random.NextBytes(payload);
        if (length >= 4) BinaryPrimitives.WriteInt32LittleEndian(payload, ++_serial);
        return payload;
    }

    private void Flush(SyncLog log)
    {
        log.Flush();
        _ackedEnd = log.End;
    }

    private void Trim(SyncLog log)
    {
        Flush(log);
        long before = _random.NextInt64(log.Start, log.End + 1);
        _triedStart = Math.Max(_triedStart, before);
        log.TrimBefore(before);
        _ackedStart = _triedStart = log.Start;
    }

    private void Truncate(SyncLog log)
    {
        Flush(log);
        long end = _batchEnds.Where(e => e >= log.Start && e <= log.End).OrderByDescending(e => e).Skip(_random.Next(8)).FirstOrDefault(log.End);
        _ackedEnd = end;
        log.TruncateAfter(end - 1);
        _triedEnd = end;
        _records.RemoveRange((int)end, _records.Count - (int)end);
        _batchEnds.RemoveWhere(e => e > end);
    }

    private SyncLog Reopen(SyncLog log, FaultyFileSystem disk)
    {
        Flush(log);
        log.Close();
        return SyncLog.Open(disk, Options);
    }
}

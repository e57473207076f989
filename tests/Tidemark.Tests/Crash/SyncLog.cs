using Microsoft.Extensions.Logging.Abstractions;

using Tidemark.Storage.Files;
using Tidemark.Storage.Log;
using Tidemark.Testing;

namespace Tidemark.Tests.Crash;

/// <summary>A log without threads: the engine that production drives, stepped by hand, so that a crash can be put between any two disk operations.</summary>
internal sealed class SyncLog
{
    internal static readonly string Directory = Path.GetFullPath("/log");

    private readonly LogEngine _engine;
    private readonly FilePool _pool;
    private readonly ManualTimeProvider _time = new();

    private SyncLog(IFileSystem disk, LogOptions options)
    {
        disk.CreateDirectory(Directory);
        _pool = new FilePool(disk, capacity: 4);
        var files = new LogFiles(_pool, Directory);
        var random = new Random(11);
        RecoveredLog recovered = new LogRecovery(files, options, random, NullLogger.Instance).Open();
        _engine = new LogEngine(files, options, new HybridClock(_time), new FlushBatches(2), random, recovered);
    }

    internal static SyncLog Open(IFileSystem disk, LogOptions options) => new(disk, options);

    internal LogEngine Engine => _engine;

    internal long Start => _engine.Start;

    internal long End => _engine.Readable.Offset;

    internal void Append(params ReadOnlySpan<LogEntry> entries)
    {
        while (!_engine.TryAppend(entries, _time.GetUtcNow(), out _)) Round();
    }

    internal void Flush() => _engine.Flush(_time.GetUtcNow());

    internal void TrimBefore(long offset)
    {
        if (_engine.BeginTrim(offset, _time.GetUtcNow()) is not { } round) return;
        _engine.Execute(round);
        _engine.Complete(round);
        ThrowIfFailed();
        Flush();
    }

    internal void TruncateAfter(long lastKept)
    {
        Flush();
        _engine.TruncateAfter(lastKept);
    }

    internal void Advance(TimeSpan time) => _time.Advance(time);

    internal void Close()
    {
        Flush();
        _engine.Close();
    }

    /// <summary>All records that a reader may see, with every checksum and the chain between segments checked.</summary>
    internal List<byte[]> ReadAll()
    {
        List<byte[]> found = [];
        long next = Start;
        uint chain = 0;
        foreach (Segment segment in _engine.Segments.All)
        {
            if (found.Count > 0) Assert.Equal(chain, segment.Header.PreviousChain);
            chain = segment.HeaderChain;
            using var cursor = new FrameCursor(_pool, segment, SegmentHeader.Size);
            while (next < End || segment.IsSealed)
            {
                Assert.Equal(FrameStatus.Frame, cursor.Next(out FrameHeader header, out ReadOnlyMemory<byte> payload));
                Assert.Equal((chain, next), (header.Chain, header.Offset));
                chain = header.Checksum;
                if (header.Type == FrameType.Seal) break;
                found.Add(payload.ToArray());
                next++;
            }
        }

        Assert.Equal(End, next);
        return found;
    }

    private void Round()
    {
        FlushRound round = _engine.Begin(_time.GetUtcNow());
        _engine.Execute(round);
        _engine.Complete(round);
        ThrowIfFailed();
        if (round.NoRoom is { } full) throw full;
    }

    private void ThrowIfFailed()
    {
        if (_engine.Failure is { } failure) throw failure;
    }
}

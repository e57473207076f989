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
        _engine = LogEngine.Open(files, options, new HybridClock(_time), new FlushBatches(2), random, NullLogger.Instance);
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
    internal List<byte[]> ReadAll() => [.. LogReplay.Read(_engine, _pool, Start).Select(record => record.Payload.ToArray())];

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

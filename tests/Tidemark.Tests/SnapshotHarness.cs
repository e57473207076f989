using System.Buffers;
using Microsoft.Extensions.Logging;
using Tidemark.Storage.Snapshots;

namespace Tidemark.Tests;

/// <summary>What the tests of snapshot files share: a shard, states made of given pieces, and ways to look at what came of them.</summary>
internal static class SnapshotHarness
{
    internal const string Place = "/data/snapshots";

    internal static readonly SnapshotIdentity Identity = new(new Guid("00112233-4455-6677-8899-aabbccddeeff"), 5, 1);

    /// <summary>A state at an offset. Its pieces are unlike those of any other offset.</summary>
    internal static PieceSnapshot StateAt(long offset, int pieces = 3, int pieceBytes = 700)
    {
        var random = new Random((int)offset + 1);
        byte[][] content = [.. Enumerable.Range(0, pieces).Select(i => new byte[pieceBytes + i])];
        foreach (byte[] piece in content) random.NextBytes(piece);
        return new PieceSnapshot(offset, content);
    }

    internal static string PathOf(long nextOffset) => $"{Place}/{SnapshotWriter.FileName(nextOffset)}";

    internal static SnapshotInfo Write(IFileSystem disk, IStateSnapshot state)
    {
        disk.CreateDirectory(Place);
        return SnapshotWriter.Write(disk, Place, Identity, state);
    }

    /// <summary>Compares as spans: with the assertion of collections the crash tests would spend their time in comparing.</summary>
    internal static void AssertSamePieces(byte[][] expected, SnapshotReader reader)
    {
        int index = 0;
        foreach (ReadOnlyMemory<byte> piece in reader.Pieces())
        {
            Assert.True(index < expected.Length && piece.Span.SequenceEqual(expected[index]), $"piece {index} is not what was written");
            index++;
        }

        Assert.Equal(expected.Length, index);
    }

    internal static byte[] ReadFile(IFileSystem disk, string path)
    {
        using IFile file = disk.Open(path, FileOpenMode.Existing);
        byte[] bytes = new byte[file.Length];
        file.Read(0, bytes);
        return bytes;
    }

    internal static void PutFile(IFileSystem disk, string path, ReadOnlySpan<byte> bytes)
    {
        disk.Delete(path);
        using IFile file = disk.Open(path, FileOpenMode.New);
        file.Write(0, bytes);
        file.Flush();
        disk.FlushDirectory(Path.GetDirectoryName(path)!);
    }
}

/// <summary>A state that is just these pieces.</summary>
internal sealed class PieceSnapshot(long offset, params byte[][] pieces) : IStateSnapshot
{
    private int _next;

    public byte[][] Pieces => pieces;

    public StatePosition Position { get; init; } = new(3, offset, new HybridTimestamp(0x0006400000000001));

    public StateHash Hash { get; init; } = default(StateHash).With("a"u8, "b"u8);

    public bool WriteNext(IBufferWriter<byte> piece)
    {
        if (_next == pieces.Length) return false;
        piece.Write(pieces[_next++]);
        return true;
    }

    public void Dispose()
    {
    }
}

/// <summary>Keeps the ids and levels of what was reported.</summary>
internal sealed class ReportLog : ILogger
{
    public List<(int Id, LogLevel Level, string Text)> Reports { get; } = [];

    public IEnumerable<int> Warnings => Reports.Where(report => report.Level == LogLevel.Warning).Select(report => report.Id);

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
        Reports.Add((eventId.Id, logLevel, formatter(state, exception)));
}

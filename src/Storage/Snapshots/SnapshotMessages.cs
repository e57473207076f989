using Microsoft.Extensions.Logging;

namespace Tidemark.Storage.Snapshots;

/// <summary>What snapshot files report. Event ids are stable: 200 to 299.</summary>
internal static partial class SnapshotMessages
{
    [LoggerMessage(200, LogLevel.Warning, "The snapshot '{File}' cannot be used; the next older one is tried. The file is kept until two others are known to be whole.")]
    internal static partial void Unusable(ILogger logger, string file, Exception cause);

    [LoggerMessage(201, LogLevel.Warning, "'{File}' is not needed any more and could not be removed. It is tried again after the next snapshot.")]
    internal static partial void NotRemoved(ILogger logger, string file, Exception cause);

    [LoggerMessage(202, LogLevel.Debug, "Wrote a snapshot to '{Directory}': all entries before offset {NextOffset}, {Pieces} pieces, {Bytes} bytes.")]
    internal static partial void Written(ILogger logger, string directory, long nextOffset, long pieces, long bytes);

    [LoggerMessage(203, LogLevel.Debug, "Opened the snapshot '{File}': all entries before offset {NextOffset}, {Pieces} pieces, {Bytes} bytes.")]
    internal static partial void Opened(ILogger logger, string file, long nextOffset, long pieces, long bytes);

    [LoggerMessage(204, LogLevel.Warning, "Snapshots were removed from '{Directory}', but its names could not be flushed: a power cut may bring them back.")]
    internal static partial void RemovalNotFlushed(ILogger logger, string directory, Exception cause);
}

using Microsoft.Extensions.Logging;

namespace Tidemark.Storage.Log;

/// <summary>What logs report. Event ids are stable: 100 to 199.</summary>
internal static partial class LogMessages
{
    [LoggerMessage(100, LogLevel.Information, "A torn tail was cut: '{File}' ends at byte {Position} since, {Bytes} unacknowledged bytes behind it were given up. The next offset is {NextOffset}.")]
    internal static partial void TailCut(ILogger logger, string file, long position, long bytes, long nextOffset);

    [LoggerMessage(101, LogLevel.Error, "The log in '{Directory}' takes no more writes: a write or flush failed.")]
    internal static partial void Failed(ILogger logger, string directory, Exception cause);

    [LoggerMessage(102, LogLevel.Warning, "There is no room for the log in '{Directory}'. Appends are refused until there is.")]
    internal static partial void NoRoom(ILogger logger, string directory, Exception cause);

    [LoggerMessage(103, LogLevel.Debug, "Opened the log in '{Directory}': offsets [{Start}, {End}), {Segments} segments.")]
    internal static partial void Opened(ILogger logger, string directory, long start, long end, int segments);
}

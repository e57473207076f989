using Microsoft.Extensions.Logging;

namespace Tidemark.Replication.Archive;

/// <summary>What archiving reports. Event ids are stable: 350 to 359.</summary>
internal static partial class ArchiveMessages
{
    [LoggerMessage(350, LogLevel.Debug, "The archive is complete up to {Time}.")]
    internal static partial void Archived(ILogger logger, HybridTimestamp time);

    [LoggerMessage(351, LogLevel.Error, "What is new could not be archived. It is tried again.")]
    internal static partial void NotArchived(ILogger logger, Exception cause);

    [LoggerMessage(352, LogLevel.Warning, "Entries {From} to {To} of shard {ShardId} were let go before they were archived: the store cannot be restored to the time between them.")]
    internal static partial void Hole(ILogger logger, long shardId, long from, long to);

    [LoggerMessage(353, LogLevel.Warning, "The archived changes of shard {ShardId} could not be read. A copy that is that old is made anew.")]
    internal static partial void NotRead(ILogger logger, long shardId, Exception cause);
}

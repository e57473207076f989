using Microsoft.Extensions.Logging;

namespace Tidemark.Replication.Shards;

/// <summary>What shards report. Event ids are stable: 300 to 399.</summary>
internal static partial class ShardMessages
{
    [LoggerMessage(300, LogLevel.Error, "Shard {ShardId} failed and takes no more writes.")]
    internal static partial void Failed(ILogger logger, long shardId, Exception cause);

    [LoggerMessage(301, LogLevel.Warning, "The state of shard {ShardId} could not be remembered outside its log. The log is kept meanwhile, and it is tried again.")]
    internal static partial void JobFailed(ILogger logger, long shardId, Exception cause);

    [LoggerMessage(302, LogLevel.Debug, "Opened shard {ShardId}: state at offset {Applied}, log [{Start}, {End}).")]
    internal static partial void Opened(ILogger logger, long shardId, long applied, long start, long end);

    [LoggerMessage(303, LogLevel.Information, "Leads shard {ShardId} in term {Term}.")]
    internal static partial void Serving(ILogger logger, long shardId, long term);

    [LoggerMessage(304, LogLevel.Warning, "A state of shard {ShardId} that was received is not used. It is fetched once more.")]
    internal static partial void StateRefused(ILogger logger, long shardId, Exception cause);

    [LoggerMessage(305, LogLevel.Error, "What the disk has of shard {ShardId} cannot be believed. The replica begins again as a lost one; the files stay until it has caught up.")]
    internal static partial void ReplicaLost(ILogger logger, long shardId, Exception cause);

    [LoggerMessage(306, LogLevel.Debug, "Read the state of shard {ShardId} behind entry {Offset} again: {Rows} rows.")]
    internal static partial void Scrubbed(ILogger logger, long shardId, long offset, long rows);

    [LoggerMessage(307, LogLevel.Warning, "The state of shard {ShardId} could not be read again.")]
    internal static partial void NotScrubbed(ILogger logger, long shardId, Exception cause);

    [LoggerMessage(308, LogLevel.Debug, "Generation {Generation} of shard {ShardId} begins behind entry {Offset}.")]
    internal static partial void Cut(ILogger logger, long shardId, long generation, long offset);
}

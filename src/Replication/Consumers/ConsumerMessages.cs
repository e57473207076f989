using Microsoft.Extensions.Logging;

namespace Tidemark.Replication.Consumers;

/// <summary>What consumers report. Event ids are stable: 700 to 799.</summary>
internal static partial class ConsumerMessages
{
    [LoggerMessage(700, LogLevel.Information, "Topic '{Topic}', group '{Group}': member {Member} reads partitions {Partitions} from now on.")]
    internal static partial void Assigned(ILogger logger, string topic, string group, Guid member, string partitions);

    [LoggerMessage(701, LogLevel.Information, "Topic '{Topic}', group '{Group}': member {Member} has given up partitions {Partitions}.")]
    internal static partial void Revoked(ILogger logger, string topic, string group, Guid member, string partitions);

    [LoggerMessage(702, LogLevel.Warning, "Topic '{Topic}', group '{Group}': member {Member} has lost partitions {Partitions}.")]
    internal static partial void Lost(ILogger logger, string topic, string group, Guid member, string partitions);

    [LoggerMessage(703, LogLevel.Warning, "Topic '{Topic}', group '{Group}': the group could not be followed. It is tried again.")]
    internal static partial void NotFollowed(ILogger logger, string topic, string group, Exception cause);

    [LoggerMessage(704, LogLevel.Warning, "Topic '{Topic}', group '{Group}': partition {Partition} was given up without its last offset. What it read last is handled again.")]
    internal static partial void NotStored(ILogger logger, string topic, string group, int partition, Exception cause);

    [LoggerMessage(705, LogLevel.Warning, "Topic '{Topic}', consumer '{Consumer}': new partitions and the lag could not be looked for. It is tried again.")]
    internal static partial void NotChecked(ILogger logger, string topic, string consumer, Exception cause);

    [LoggerMessage(706, LogLevel.Warning, "Topic '{Topic}', consumer '{Consumer}': the store of its offsets could not be reached. It is tried again.")]
    internal static partial void StoreUnreached(ILogger logger, string topic, string consumer, Exception cause);

    [LoggerMessage(710, LogLevel.Warning, "Topic '{Topic}', consumer '{Consumer}': attempt {Attempt} at message {Offset} of partition {Partition} failed.")]
    internal static partial void AttemptFailed(ILogger logger, string topic, string consumer, int partition, long offset, int attempt, Exception cause);

    [LoggerMessage(711, LogLevel.Error, "Topic '{Topic}', consumer '{Consumer}': message {Offset} of partition {Partition} was put aside in topic '{DeadLetters}'.")]
    internal static partial void PutAside(ILogger logger, string topic, string consumer, int partition, long offset, string deadLetters, Exception cause);
}

using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace Tidemark;

/// <summary>The names under which Tidemark reports what it does. They are part of the API: dashboards hold them.</summary>
public static class TidemarkDiagnostics
{
    /// <summary>The name of the <see cref="System.Diagnostics.Metrics.Meter"/> that carries every instrument of ours.</summary>
    public const string MeterName = "Tidemark";

    /// <summary>The name of the <see cref="System.Diagnostics.ActivitySource"/> that carries every activity of ours.</summary>
    public const string ActivitySourceName = "Tidemark";

    /// <summary>Counter, unit {timestamp}: remote timestamps refused because they were further ahead than <see cref="HybridClockOptions.MaxDrift"/>.</summary>
    public const string ClockDriftRefusals = "tidemark.clock.drift_refusals";

    /// <summary>Histogram, unit s: one round of disk work of one log.</summary>
    public const string LogFlushDuration = "tidemark.log.flush.duration";

    /// <summary>Counter, unit By: bytes written to logs, headers included.</summary>
    public const string LogAppendedBytes = "tidemark.log.appended_bytes";

    /// <summary>Counter, unit {log}: logs that a failed write or flush closed.</summary>
    public const string LogFailures = "tidemark.log.failures";

    /// <summary>Counter, unit {entry}: entries applied to the state machines of shards.</summary>
    public const string ShardAppliedEntries = "tidemark.shard.applied_entries";

    /// <summary>Histogram, unit s: applying and answering what one flush made durable, on one shard.</summary>
    public const string ShardApplyDuration = "tidemark.shard.apply.duration";

    /// <summary>Histogram, unit s: remembering a state outside its log, in a snapshot file or an engine.</summary>
    public const string ShardStateJobDuration = "tidemark.shard.state_job.duration";

    /// <summary>Counter, unit {state}: states that were read again and compared with their running sums.</summary>
    public const string ShardScrubs = "tidemark.shard.scrubs";

    /// <summary>Counter, unit {generation}: generations that logs were cut into, on each replica.</summary>
    public const string ShardCuts = "tidemark.shard.cuts";

    /// <summary>Counter, unit {shard}: shards that failed and take no more writes.</summary>
    public const string ShardFailures = "tidemark.shard.failures";

    /// <summary>Up-down counter, unit {connection}: connections between transports that have shaken hands and are open. Tag: <c>tidemark.direction</c>, "in" or "out".</summary>
    public const string TransportConnections = "tidemark.transport.connections";

    /// <summary>Counter, unit By: bytes sent to other nodes and callers, frames included and TLS not.</summary>
    public const string TransportSentBytes = "tidemark.transport.sent_bytes";

    /// <summary>Counter, unit By: bytes received from other nodes and callers, frames included and TLS not.</summary>
    public const string TransportReceivedBytes = "tidemark.transport.received_bytes";

    /// <summary>Counter, unit {message}: messages that were not sent. Tag: <c>tidemark.reason</c>, "not_connected" or "outbox_full".</summary>
    public const string TransportDroppedMessages = "tidemark.transport.dropped_messages";

    /// <summary>Counter, unit {handshake}: handshakes that were refused, by either side. Tag: <c>tidemark.reason</c>.</summary>
    public const string TransportRefusedHandshakes = "tidemark.transport.refused_handshakes";

    /// <summary>Counter, unit {connection}: connections that were closed, before or after they had shaken hands. Tag: <c>tidemark.reason</c>.</summary>
    public const string TransportDisconnects = "tidemark.transport.disconnects";

    /// <summary>Gauge, unit {message}: messages behind the offset that a consumer of this process has stored, as it was looked last. Tags: <c>tidemark.topic</c>, <c>tidemark.consumer</c>, <c>tidemark.partition</c>.</summary>
    public const string ConsumerLag = "tidemark.consumer.lag";

    /// <summary>Counter, unit {message}: messages that were put aside in a topic for dead letters, because their handler failed.</summary>
    public const string ConsumerDeadLetters = "tidemark.consumer.dead_letters";

    /// <summary>Activity: one write, from its proposal to its answer. Tags: <c>tidemark.shard</c>, <c>tidemark.status</c>.</summary>
    public const string WriteActivity = "tidemark.write";

    internal static readonly Meter Meter = new(MeterName);

    internal static readonly ActivitySource ActivitySource = new(ActivitySourceName);
}

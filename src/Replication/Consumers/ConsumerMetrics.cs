using System.Collections.Concurrent;
using System.Diagnostics.Metrics;

namespace Tidemark.Replication.Consumers;

/// <summary>What consumers measure.</summary>
internal static class ConsumerMetrics
{
    private static readonly ConcurrentDictionary<MessageConsumer, bool> Consumers = [];

    private static readonly Counter<long> DeadLetters = TidemarkDiagnostics.Meter.CreateCounter<long>(
        TidemarkDiagnostics.ConsumerDeadLetters, "{message}", "Messages that were put aside because their handler failed.");

    // Kept by the meter: it asks when somebody listens.
    private static readonly ObservableGauge<long> Lag = TidemarkDiagnostics.Meter.CreateObservableGauge(
        TidemarkDiagnostics.ConsumerLag, Measure, "{message}", "Messages behind the stored offset.");

    internal static void Add(MessageConsumer consumer)
    {
        Consumers[consumer] = true;
        _ = Lag;
    }

    internal static void Remove(MessageConsumer consumer) => Consumers.TryRemove(consumer, out _);

    internal static void PutAside() => DeadLetters.Add(1);

    private static IEnumerable<Measurement<long>> Measure()
    {
        foreach (MessageConsumer consumer in Consumers.Keys)
        {
            foreach (PartitionFeed feed in consumer.Queue.Feeds)
            {
                if (feed.Lag is { } lag)
                    yield return new Measurement<long>(lag, new("tidemark.topic", consumer.Topic.Name), new("tidemark.consumer", consumer.Name), new("tidemark.partition", feed.Partition));
            }
        }
    }
}

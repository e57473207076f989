using System.Text;

using Tidemark.Testing;

namespace Tidemark.Tests.Consumers;

/// <summary>A store on a clock set by hand, and a topic: what tests of consumers begin with.</summary>
internal sealed class ConsumerBench : IAsyncDisposable
{
    internal static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    internal ConsumerBench(int partitions, int shards = 1, KeyOrder? order = null)
    {
        Store = TidemarkStore.InMemory(new TidemarkStoreOptions
        {
            TimeProvider = Time,
            DefaultNamespace = new NamespaceOptions { ShardCount = shards, KeyOrder = order ?? KeyOrder.Hierarchical },
        });
        Source = Topic = new FakeTopic("orders/new", partitions, Time);   // A name that could be taken for two.
    }

    internal ManualTimeProvider Time { get; } = new();

    internal TidemarkStore Store { get; }

    internal FakeTopic Topic { get; }

    /// <summary>What is read: that topic, or one of the store.</summary>
    internal Topic Source { get; private set; }

    internal async Task UseStoreAsync(TopicOptions options) => Source = await Store.Topics.CreateAsync("orders/new", options);

    internal TopicConsumer Consumer(string name, ConsumerOptions? options = null) => new(Store, Source, name, (options ?? new ConsumerOptions()) with { TimeProvider = Time });

    internal ValueTask<GroupMember> JoinAsync(string group, GroupOptions? options = null) =>
        ConsumerGroup.JoinAsync(Store, Source, group, (options ?? new GroupOptions()) with { TimeProvider = Time });

    /// <summary>Appends messages whose payloads are their numbers in the partition.</summary>
    internal async Task FillAsync(int partition, int count)
    {
        for (int i = 0; i < count; i++)
        {
            long offset = (await Source.DescribeAsync(partition)).End;
            await Source.AppendAsync(new TopicMessage(Encoding.UTF8.GetBytes($"{partition}:{offset}")), new AppendOptions { Partition = partition });
        }
    }

    /// <summary>Takes the next messages and leaves the loop by cancelling it, with all of them done.</summary>
    internal static async Task<List<ConsumedMessage>> TakeAsync(MessageConsumer consumer, int count)
    {
        List<ConsumedMessage> taken = [];
        using var enough = new CancellationTokenSource(Patience);
        try
        {
            await foreach (ConsumedMessage message in consumer.ConsumeAsync(enough.Token))
            {
                taken.Add(message);
                if (taken.Count == count) await enough.CancelAsync();
            }
        }
        catch (OperationCanceledException) when (taken.Count == count)
        {
        }

        Assert.Equal(count, taken.Count);
        return taken;
    }

    /// <summary>Waits for a state; lets time pass meanwhile, where that is wanted.</summary>
    internal async Task UntilAsync(Func<bool> holds, TimeSpan step = default)
    {
        using var patience = new CancellationTokenSource(Patience);
        while (!holds())
        {
            if (step > TimeSpan.Zero) Time.Advance(step);
            await Task.Delay(1, patience.Token);
        }
    }

    public ValueTask DisposeAsync() => Store.DisposeAsync();
}

using System.Collections.Concurrent;

using Tidemark.Core.KeyValue;
using Tidemark.Replication.KeyValue;

namespace Tidemark.Tests.Consumers;

/// <summary>Members that join, leave and are taken for dead at random, while messages come.</summary>
public sealed class GroupChurnTests
{
    private const int Partitions = 5;
    private const int Steps = 60;

    [Theory]
    [InlineData(1, false)]
    [InlineData(2, false)]
    [InlineData(3, true)]
    [InlineData(4, true)]
    public async Task Every_message_is_handled_and_no_two_members_have_a_partition_at_one_ownership_version(int seed, bool isOfStore)
    {
        var chance = new Random(seed);
        await using var bench = new ConsumerBench(Partitions, shards: 2);
        if (isOfStore) await bench.UseStoreAsync(new TopicOptions { Partitions = Partitions });
        var handled = new ConcurrentDictionary<(int Partition, long Offset), bool>();
        var owners = new ConcurrentDictionary<(int Partition, long Ownership), int>();
        var places = new ConcurrentDictionary<(int Partition, long Ownership), long>();
        var wrong = new ConcurrentQueue<string>();
        List<(GroupMember Member, Task Handling)> members = [];
        int names = 0;
        for (int step = 0; step < Steps; step++)
        {
            switch (chance.Next(6))
            {
                case 0 when members.Count < 4:
                    await JoinAsync();
                    break;
                case 1 when members.Count > 1:
                    await LeaveAsync(members[chance.Next(members.Count)]);
                    break;
                case 2 when members.Count > 0:
                    await CloseSessionAsync(bench.Store, members[chance.Next(members.Count)].Member.Id);
                    break;
                case 3:
                    bench.Time.Advance(TimeSpan.FromMilliseconds(chance.Next(3000)));
                    break;
                default:
                    await bench.FillAsync(chance.Next(Partitions), 1 + chance.Next(20));
                    break;
            }

            if (chance.Next(3) == 0) await Task.Yield();
        }

        if (members.Count == 0) await JoinAsync();
        await bench.UntilAsync(
            () => Enumerable.Range(0, Partitions).All(partition => handled.Keys.Count(message => message.Partition == partition) == bench.Source.DescribeAsync(partition).AsTask().Result.End) || !wrong.IsEmpty,
            TimeSpan.FromMilliseconds(100));
        foreach ((GroupMember, Task) member in members.ToArray()) await LeaveAsync(member);
        Assert.Empty(wrong);
        await using TopicConsumer after = bench.Consumer("churn");
        for (int partition = 0; partition < Partitions; partition++) Assert.Equal(0, await after.GetLagAsync(partition));   // Whoever left last stored it all.

        async Task JoinAsync()
        {
            int name = names++;
            GroupMember member = await bench.JoinAsync("churn", new GroupOptions { Store = OffsetPolicy.Every(1 + chance.Next(3)) });
            members.Add((member, Task.Run(() => member.HandleAsync((message, _) => HandleAsync(name, message)))));
        }

        async ValueTask HandleAsync(int name, ConsumedMessage message)
        {
            (int, long) ownership = (message.Partition, message.Feed.Claim.Ownership);
            if (owners.GetOrAdd(ownership, name) != name) wrong.Enqueue($"{ownership} has two owners");
            if (places.TryGetValue(ownership, out long last) && message.Offset > last + 1) wrong.Enqueue($"{ownership} leaps from {last} to {message.Offset}");
            places[ownership] = message.Offset;
            await Task.Yield();
            handled[(message.Partition, message.Offset)] = true;
        }

        async Task LeaveAsync((GroupMember Member, Task Handling) member)
        {
            members.Remove(member);
            await member.Member.DisposeAsync();
            await Assert.ThrowsAsync<ObjectDisposedException>(() => member.Handling.WaitAsync(ConsumerBench.Patience));
        }
    }

    /// <summary>The store takes a member for dead that lives.</summary>
    private static async Task CloseSessionAsync(TidemarkStore store, Guid member)
    {
        foreach (LocalShard shard in store.Local.Shards) await shard.CommandAsync(KvCommand.CloseSession, output => CommandWriter.WriteIdAlone(output, member), CancellationToken.None);
    }
}

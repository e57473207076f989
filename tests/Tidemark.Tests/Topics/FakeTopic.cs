using System.Text;

using Tidemark.Replication.Topics;
using Tidemark.Testing;

namespace Tidemark.Tests.Topics;

/// <summary>A topic over partitions that are lists.</summary>
internal static class FakeTopic
{
    internal static PartitionedTopic Over(FakePartition[] partitions, TopicOptions? options = null)
    {
        var random = new Random(7);
        return new PartitionedTopic("orders", 1, View(partitions, options), new ManualTimeProvider(), () => NewId(random));
    }

    internal static TopicView View(FakePartition[] partitions, TopicOptions? options = null) => new((options ?? new TopicOptions()) with { Partitions = partitions.Length }, partitions);

    internal static FakePartition[] Partitions(int count) => [.. Enumerable.Range(0, count).Select(number => new FakePartition(number))];

    internal static TopicMessage Message(string payload = "x", string? key = null) => new(Encoding.UTF8.GetBytes(payload)) { Key = key is null ? default(StoreKey?) : new StoreKey(key) };

    internal static string Text(this StoredMessage message) => Encoding.UTF8.GetString(message.Payload.Span);

    private static Guid NewId(Random random)
    {
        Span<byte> bytes = stackalloc byte[16];
        random.NextBytes(bytes);
        return new Guid(bytes);
    }
}

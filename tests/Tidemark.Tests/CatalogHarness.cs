using Tidemark.Storage.Catalog;

namespace Tidemark.Tests;

/// <summary>Catalogs for tests, and a way to compare them.</summary>
internal static class CatalogHarness
{
    internal const string Place = "/data";
    internal const string FilePath = "/data/catalog";

    /// <summary>The catalog of the format page.</summary>
    internal static StoreCatalog Example() => new()
    {
        StoreId = new Guid("00112233-4455-6677-8899-aabbccddeeff"),
        Created = new DateTimeOffset(2026, 11, 21, 3, 45, 46, TimeSpan.Zero),
        Engine = "memory",
        NextShardId = 4,
        Namespaces = [Space(0, "default", 0, 2)],
        Topics = [Topic("orders", 2, 3)],
    };

    /// <summary>The example and that many namespaces more, each with a shard of its own.</summary>
    internal static StoreCatalog WithMore(int namespaces) => Example() with
    {
        NextShardId = 4 + namespaces,
        Namespaces = [.. Example().Namespaces, .. Enumerable.Range(1, namespaces).Select(i => Space(i, $"space {i}", 3 + i, 1))],
    };

    internal static CatalogNamespace Space(long id, string name, long firstShard, int shards) => new()
    {
        Id = id,
        Name = name,
        Options = new NamespaceOptions { ShardCount = shards },
        Shards = [.. HashRangeRouter.CreateEven(shards).Ranges.Select(range => range with { ShardId = firstShard + range.ShardId })],
    };

    internal static CatalogTopic Topic(string name, params long[] shards) => new() { Name = name, Options = new TopicOptions { Partitions = shards.Length }, Shards = shards };

    internal static void AssertSame(StoreCatalog expected, StoreCatalog? actual)
    {
        Assert.NotNull(actual);
        Assert.Equal(expected, actual, (a, b) => (a.StoreId, a.Created, a.Engine, a.NextShardId) == (b.StoreId, b.Created, b.Engine, b.NextShardId));
        Assert.Equal(expected.Namespaces.Select(space => (space.Id, space.Name, space.Options)), actual.Namespaces.Select(space => (space.Id, space.Name, space.Options)));
        Assert.Equal(expected.Namespaces.SelectMany(space => space.Shards), actual.Namespaces.SelectMany(space => space.Shards));
        Assert.Equal(expected.Topics.Select(topic => (topic.Name, topic.Options)), actual.Topics.Select(topic => (topic.Name, topic.Options)));
        Assert.Equal(expected.Topics.Select(topic => topic.Shards), actual.Topics.Select(topic => topic.Shards));
    }
}

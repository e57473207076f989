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
        NextShardId = 2,
        Namespaces = [Space(0, "default", 0, 2)],
    };

    /// <summary>The example and that many namespaces more, each with a shard of its own.</summary>
    internal static StoreCatalog WithMore(int namespaces) => Example() with
    {
        NextShardId = 2 + namespaces,
        Namespaces = [.. Example().Namespaces, .. Enumerable.Range(1, namespaces).Select(i => Space(i, $"space {i}", 1 + i, 1))],
    };

    internal static CatalogNamespace Space(long id, string name, long firstShard, int shards) => new()
    {
        Id = id,
        Name = name,
        Options = new NamespaceOptions { ShardCount = shards },
        Shards = [.. HashRangeRouter.CreateEven(shards).Ranges.Select(range => range with { ShardId = firstShard + range.ShardId })],
    };

    internal static void AssertSame(StoreCatalog expected, StoreCatalog? actual)
    {
        Assert.NotNull(actual);
        Assert.Equal(expected with { Namespaces = [] }, actual with { Namespaces = [] }, (a, b) => (a.StoreId, a.Created, a.Engine, a.NextShardId) == (b.StoreId, b.Created, b.Engine, b.NextShardId));
        Assert.Equal(expected.Namespaces.Select(space => (space.Id, space.Name, space.Options)), actual.Namespaces.Select(space => (space.Id, space.Name, space.Options)));
        Assert.Equal(expected.Namespaces.SelectMany(space => space.Shards), actual.Namespaces.SelectMany(space => space.Shards));
    }
}

namespace Tidemark.Storage.Catalog;

/// <summary>What a store is and which namespaces and topics it has.</summary>
internal sealed record StoreCatalog
{
    /// <summary>The store: stands in the header of every file of it.</summary>
    public required Guid StoreId { get; init; }

    /// <summary>When it was created.</summary>
    public required DateTimeOffset Created { get; init; }

    /// <summary>The engine that keeps its rows: "memory", "lmdb" or "sqlite".</summary>
    public required string Engine { get; init; }

    /// <summary>The id the next shard gets. All below were given out, and none is given twice.</summary>
    public required long NextShardId { get; init; }

    /// <summary>The namespaces. Ids and names are unique.</summary>
    public required IReadOnlyList<CatalogNamespace> Namespaces { get; init; }

    /// <summary>The topics. Names are unique among them.</summary>
    public required IReadOnlyList<CatalogTopic> Topics { get; init; }

    /// <summary>All shards that something is kept in.</summary>
    internal IEnumerable<long> ShardIds => Namespaces.SelectMany(space => space.Shards).Select(range => range.ShardId).Concat(Topics.SelectMany(topic => topic.Shards));

    /// <summary>Throws where a rule is broken: the same ones for what is written and for what was read.</summary>
    /// <exception cref="ArgumentException">A rule is broken. The message says which.</exception>
    internal void Validate()
    {
        CatalogName.Require(Engine, "engine");
        ArgumentOutOfRangeException.ThrowIfNegative(NextShardId);
        foreach (CatalogNamespace space in Namespaces) space.Validate();
        foreach (CatalogTopic topic in Topics) topic.Validate();
        RequireUnique("namespaces have the id", Namespaces.Select(space => space.Id));
        RequireUnique("namespaces have the name", Namespaces.Select(space => space.Name));
        RequireUnique("topics have the name", Topics.Select(topic => topic.Name));
        RequireUnique("of them have the shard", ShardIds);
        foreach (long shard in ShardIds)
        {
            if (shard < 0 || shard >= NextShardId) throw new ArgumentException($"Shard {shard} is not one of 0 to {NextShardId - 1}, which were given out.");
        }
    }

    private static void RequireUnique<T>(string rule, IEnumerable<T> values)
    {
        var seen = new HashSet<T>();
        foreach (T value in values)
        {
            if (!seen.Add(value)) throw new ArgumentException($"Two {rule} '{value}'.");
        }
    }
}

namespace Tidemark.Storage.Catalog;

/// <summary>A namespace with its settings and the part of the hash space that each of its shards owns.</summary>
internal sealed record CatalogNamespace
{
    /// <summary>A number that does not change when the name does.</summary>
    public required long Id { get; init; }

    /// <summary>The name users know it by. Never part of a path.</summary>
    public required string Name { get; init; }

    /// <summary>The settings. <see cref="NamespaceOptions.ShardCount"/> is the number of <see cref="Shards"/>.</summary>
    public required NamespaceOptions Options { get; init; }

    /// <summary>The shards. Their ranges cover the hash space.</summary>
    public required IReadOnlyList<ShardHashRange> Shards { get; init; }

    internal void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfNegative(Id);
        CatalogName.Require(Name, "namespace");
        Options.Validate();
        if (Options.ShardCount != Shards.Count)
            throw new ArgumentException($"Namespace '{Name}' has {Shards.Count} shards and a setting that says {Options.ShardCount}.");
        _ = new HashRangeRouter(Shards);   // Refuses gaps, overlaps and a shard that is there twice.
    }
}

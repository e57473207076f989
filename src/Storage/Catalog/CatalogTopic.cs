namespace Tidemark.Storage.Catalog;

/// <summary>A topic with its settings and the shards that its partitions are.</summary>
internal sealed record CatalogTopic
{
    /// <summary>The name users know it by. Never part of a path. One that was deleted may come again: the first shard is what tells the two apart.</summary>
    public required string Name { get; init; }

    /// <summary>The settings. <see cref="TopicOptions.Partitions"/> is the number of <see cref="Shards"/>.</summary>
    public required TopicOptions Options { get; init; }

    /// <summary>The shards, in the order of the partitions.</summary>
    public required IReadOnlyList<long> Shards { get; init; }

    internal void Validate()
    {
        CatalogName.Require(Name, "topic");
        Options.Validate();
        if (Options.Partitions != Shards.Count)
            throw new ArgumentException($"Topic '{Name}' has {Shards.Count} partitions and a setting that says {Options.Partitions}.");
    }
}

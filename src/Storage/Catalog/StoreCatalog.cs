using System.Buffers;
using System.Text;

namespace Tidemark.Storage.Catalog;

/// <summary>What a store is and which namespaces it has.</summary>
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

    /// <summary>Throws where a rule is broken: the same ones for what is written and for what was read.</summary>
    /// <exception cref="ArgumentException">A rule is broken. The message says which.</exception>
    internal void Validate()
    {
        CatalogNamespace.RequireName(Engine, "engine");
        ArgumentOutOfRangeException.ThrowIfNegative(NextShardId);
        var ids = new HashSet<long>();
        var names = new HashSet<string>(StringComparer.Ordinal);
        var shards = new HashSet<long>();
        foreach (CatalogNamespace space in Namespaces)
        {
            space.Validate();
            if (!ids.Add(space.Id)) throw new ArgumentException($"Two namespaces have the id {space.Id}.");
            if (!names.Add(space.Name)) throw new ArgumentException($"Two namespaces are named '{space.Name}'.");
            foreach (long shard in space.Shards.Select(range => range.ShardId))
            {
                if (!shards.Add(shard)) throw new ArgumentException($"Two namespaces have the shard {shard}.");
                if (shard < 0 || shard >= NextShardId)
                    throw new ArgumentException($"Shard {shard} is not one of 0 to {NextShardId - 1}, which were given out.");
            }
        }
    }
}

/// <summary>A namespace with its settings and the part of the hash space that each of its shards owns.</summary>
internal sealed record CatalogNamespace
{
    /// <summary>The longest name, in bytes of UTF-8.</summary>
    internal const int MaxNameBytes = 128;

    /// <summary>A number that does not change when the name does.</summary>
    public required long Id { get; init; }

    /// <summary>The name users know it by. Never part of a path.</summary>
    public required string Name { get; init; }

    /// <summary>The settings. <see cref="NamespaceOptions.ShardCount"/> is the number of <see cref="Shards"/>.</summary>
    public required NamespaceOptions Options { get; init; }

    /// <summary>The shards. Their ranges cover the hash space.</summary>
    public required IReadOnlyList<ShardHashRange> Shards { get; init; }

    /// <summary>Whether a namespace may have this name: 1 to 128 bytes of UTF-8 without control characters.</summary>
    internal static bool IsName(string name)
    {
        if (name.Length is 0 or > MaxNameBytes) return false;
        int bytes = 0;
        for (ReadOnlySpan<char> left = name; !left.IsEmpty;)
        {
            // Half a surrogate pair is no character, and has no UTF-8.
            if (Rune.DecodeFromUtf16(left, out Rune rune, out int length) != OperationStatus.Done || Rune.IsControl(rune)) return false;
            bytes += rune.Utf8SequenceLength;
            left = left[length..];
        }

        return bytes <= MaxNameBytes;
    }

    internal static void RequireName(string name, string what)
    {
        ArgumentNullException.ThrowIfNull(name);
        if (!IsName(name))
            throw new ArgumentException($"The name of the {what} is not 1 to {MaxNameBytes} bytes of UTF-8 without control characters.");
    }

    internal void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfNegative(Id);
        RequireName(Name, "namespace");
        Options.Validate();
        if (Options.ShardCount != Shards.Count)
            throw new ArgumentException($"Namespace '{Name}' has {Shards.Count} shards and a setting that says {Options.ShardCount}.");
        _ = new HashRangeRouter(Shards);   // Refuses gaps, overlaps and a shard that is there twice.
    }
}

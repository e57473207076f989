using System.Collections.Immutable;
using System.Text.Json;

using Tidemark.Core.Replication;

namespace Tidemark.Replication.Cluster;

/// <summary>What all nodes of a cluster agree on, outside their logs. Format: docs/format/cluster-status.md.</summary>
/// <param name="Cluster">The cluster's id.</param>
/// <param name="Nodes">How many times each node was started, as far as it was told.</param>
/// <param name="Shards">The status of each shard.</param>
internal sealed record ClusterStatus(Guid Cluster, ImmutableSortedDictionary<int, long> Nodes, ImmutableSortedDictionary<long, ShardStatus> Shards)
{
    private const int Version = 1;

    internal long RunOf(int node) => Nodes.GetValueOrDefault(node);

    internal ClusterStatus With(int node, long run) => this with { Nodes = Nodes.SetItem(node, run) };

    internal ClusterStatus With(long shard, ShardStatus status) => this with { Shards = Shards.SetItem(shard, status) };

    /// <summary>A new cluster: nobody leads, no node was started.</summary>
    internal static ClusterStatus New(Guid cluster, IEnumerable<int> nodes, IEnumerable<(long Shard, IReadOnlyList<int> Ensemble)> shards) => new(
        cluster,
        nodes.ToImmutableSortedDictionary(node => node, _ => 0L),
        shards.ToImmutableSortedDictionary(shard => shard.Shard, shard => new ShardStatus(0, ShardStatus.Nobody, shard.Ensemble, null, "new")));

    internal byte[] ToBytes()
    {
        using var stream = new MemoryStream();
        using (var writer = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true, NewLine = "\n" }))
        {
            writer.WriteStartObject();
            writer.WriteNumber("version", Version);
            writer.WriteString("cluster", Cluster);
            writer.WriteStartArray("nodes");
            foreach ((int node, long run) in Nodes)
            {
                writer.WriteStartObject();
                writer.WriteNumber("node", node);
                writer.WriteNumber("run", run);
                writer.WriteEndObject();
            }

            writer.WriteEndArray();
            writer.WriteStartArray("shards");
            foreach ((long shard, ShardStatus status) in Shards) Write(writer, shard, status);
            writer.WriteEndArray();
            writer.WriteEndObject();
        }

        return stream.ToArray();
    }

    /// <exception cref="FormatMismatchException">It is no status, or one of a later version.</exception>
    internal static ClusterStatus Read(ReadOnlyMemory<byte> bytes)
    {
        try
        {
            using var document = JsonDocument.Parse(bytes);
            JsonElement root = document.RootElement;
            int version = root.GetProperty("version").GetInt32();
            if (version != Version) throw new FormatMismatchException(Name, $"version {Version}", $"version {version}");
            return new ClusterStatus(
                root.GetProperty("cluster").GetGuid(),
                Unique(root.GetProperty("nodes"), node => node.GetProperty("node").GetInt32(), node => node.GetProperty("run").GetInt64()),
                Unique(root.GetProperty("shards"), shard => shard.GetProperty("shard").GetInt64(), ReadShard));
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException or ArgumentException)
        {
            throw new FormatMismatchException(Name, "a status document", e.Message);
        }
    }

    private const string Name = "cluster status";

    private static void Write(Utf8JsonWriter writer, long shard, ShardStatus status)
    {
        writer.WriteStartObject();
        writer.WriteNumber("shard", shard);
        writer.WriteNumber("term", status.Term);
        if (status.Leader != ShardStatus.Nobody) writer.WriteNumber("leader", status.Leader);
        WriteNodes("ensemble", status.Ensemble);
        if (status.Next is { } next) WriteNodes("next", next);
        if (status.Observer != ShardStatus.Nobody) writer.WriteNumber("observer", status.Observer);
        writer.WriteString("nonce", status.Nonce);
        writer.WriteEndObject();

        void WriteNodes(string name, IReadOnlyList<int> nodes)
        {
            writer.WriteStartArray(name);
            foreach (int node in nodes) writer.WriteNumberValue(node);
            writer.WriteEndArray();
        }
    }

    /// <exception cref="ArgumentException">One stands there twice.</exception>
    private static ImmutableSortedDictionary<TKey, TValue> Unique<TKey, TValue>(JsonElement array, Func<JsonElement, TKey> key, Func<JsonElement, TValue> value)
        where TKey : notnull => array.EnumerateArray().ToDictionary(key, value).ToImmutableSortedDictionary();

    private static ShardStatus ReadShard(JsonElement shard)
    {
        return new ShardStatus(
            shard.GetProperty("term").GetInt64(),
            shard.TryGetProperty("leader", out JsonElement leader) ? leader.GetInt32() : ShardStatus.Nobody,
            Nodes(shard.GetProperty("ensemble")),
            shard.TryGetProperty("next", out JsonElement next) ? Nodes(next) : null,
            shard.GetProperty("nonce").GetString() ?? "",
            shard.TryGetProperty("observer", out JsonElement observer) ? observer.GetInt32() : ShardStatus.Nobody);

        static int[] Nodes(JsonElement nodes)
        {
            int[] found = [.. nodes.EnumerateArray().Select(node => node.GetInt32())];
            return found.Length > 0 ? found : throw new FormatException("An ensemble has a node.");
        }
    }
}

using System.Collections.Immutable;
using System.Text.Json;

using Tidemark.Core.Replication;

namespace Tidemark.Replication.Cluster;

/// <summary>What a cluster knows of a node.</summary>
/// <param name="Run">How many times it was started, as far as it was told; 0 for never.</param>
/// <param name="Zone">The label of what fails together with it; null for none.</param>
/// <param name="Keeps">Whether shards may be placed there.</param>
/// <param name="Version">The highest version of the protocol that the program speaks which was started there last; 0 for none.</param>
internal sealed record NodeStatus(long Run = 0, string? Zone = null, bool Keeps = false, int Version = 0);

/// <summary>What a node says of itself when it is started.</summary>
/// <param name="Node">Its number.</param>
/// <param name="Zone">What it fails together with; null for nothing.</param>
internal sealed record NodeStart(int Node, string? Zone = null)
{
    /// <summary>What its program speaks.</summary>
    internal ProtocolVersions Versions { get; init; } = ProtocolVersions.Own;
}

/// <summary>What all nodes of a cluster agree on, outside their logs. Format: docs/format/cluster-status.md.</summary>
/// <param name="Cluster">The cluster's id.</param>
/// <param name="Speaks">The version of the protocol in which nodes speak and write: one that each node that keeps shards has said it speaks. It never goes back.</param>
/// <param name="Replicas">How many nodes keep each shard; null for all that may.</param>
/// <param name="Nodes">Each node that was started, or may keep shards.</param>
/// <param name="Shards">The status of each shard: those of the namespace, and the partitions of topics.</param>
internal sealed record ClusterStatus(Guid Cluster, int Speaks, int? Replicas, ImmutableSortedDictionary<int, NodeStatus> Nodes, ImmutableSortedDictionary<long, ShardStatus> Shards)
{
    /// <summary>The id that the next new shard gets. All below were given out, and none is given twice.</summary>
    internal required long NextShard { get; init; }

    /// <summary>How often a topic was created, changed or deleted.</summary>
    internal long TopicChanges { get; init; }

    /// <summary>The topics, by name.</summary>
    internal ImmutableSortedDictionary<string, ClusterTopic> Topics { get; init; } = ImmutableSortedDictionary.Create<string, ClusterTopic>(StringComparer.Ordinal);

    /// <summary>The most nodes that may keep shards.</summary>
    internal const int MostKeepers = 32;

    /// <summary>The most nodes that keep one shard.</summary>
    internal const int MostReplicas = 9;

    private const int Version = 1;

    private static readonly NodeStatus _unknown = new();

    internal NodeStatus NodeOf(int node) => Nodes.GetValueOrDefault(node, _unknown);

    /// <summary>The same, where a node was started. Once all that keep shards speak a later version, that is the one from then on.</summary>
    /// <exception cref="FormatMismatchException">Its program does not speak the version that is spoken.</exception>
    internal ClusterStatus WithStart(NodeStart start, long run)
    {
        if (!start.Versions.Contains(Speaks)) throw new FormatMismatchException(Name, $"a cluster that speaks version {start.Versions} of the protocol", $"one that speaks version {Speaks}");
        ClusterStatus started = With(start.Node, NodeOf(start.Node) with { Run = run, Zone = start.Zone, Version = start.Versions.Highest });
        return started with { Speaks = Math.Max(Speaks, started.Nodes.Values.Where(node => node.Keeps).Min(node => node.Version)) };
    }

    internal ClusterStatus With(int node, NodeStatus status) => this with { Nodes = Nodes.SetItem(node, status) };

    internal ClusterStatus With(long shard, ShardStatus status) => this with { Shards = Shards.SetItem(shard, status) };

    /// <summary>The same, where shards may be placed on a node, or may not.</summary>
    /// <exception cref="InvalidOperationException">It is the last where they may, or its program is too old for the version that is spoken by now.</exception>
    /// <exception cref="LimitExceededException">There would be more nodes than keep shards together.</exception>
    internal ClusterStatus WithKeeps(int node, bool keeps)
    {
        NodeStatus found = NodeOf(node);
        if (keeps && found.Version > 0 && found.Version < Speaks) throw new InvalidOperationException($"The program of node {node} speaks version {found.Version} of the protocol, and the cluster version {Speaks}. Start it with a later one.");
        ClusterStatus changed = With(node, found with { Keeps = keeps });
        int keepers = changed.Nodes.Values.Count(other => other.Keeps), most = Replicas is null ? MostReplicas : MostKeepers;
        if (keepers == 0) throw new InvalidOperationException($"Node {node} is the last that keeps shards.");
        return keepers <= most || !keeps ? changed : throw new LimitExceededException("count of nodes", keepers, most, "the cluster");
    }

    /// <summary>The next step to where shards shall be; null where there is none at the moment.</summary>
    internal PlacementStep? NextStep(Func<int, bool> isUp, Func<long, bool> canChange) => Placement.Next(PlacementNodes(isUp), Shards, Replicas, canChange);

    /// <summary>What the shards are that are partitions.</summary>
    internal Dictionary<long, ClusterPartition> Partitions()
    {
        var partitions = new Dictionary<long, ClusterPartition>();
        foreach (ClusterTopic topic in Topics.Values)
        {
            for (int number = 0; number < topic.Shards.Count; number++) partitions.Add(topic.Shards[number], new ClusterPartition(topic, number));
        }

        return partitions;
    }

    /// <summary>The same, with one topic more.</summary>
    /// <param name="name">Its name, which is one.</param>
    /// <param name="id">Its id, which nobody has.</param>
    /// <param name="options">Its settings, within their limits.</param>
    /// <param name="isUp">Whether a node can be counted on at the moment.</param>
    /// <exception cref="ArgumentException">There is one of that name.</exception>
    internal ClusterStatus WithTopic(string name, Guid id, TopicOptions options, Func<int, bool> isUp) => Topics.ContainsKey(name)
        ? throw new ArgumentException($"There is a topic '{name}' already.", nameof(name))
        : WithPartitions(new ClusterTopic(name, id, options, []), isUp);

    /// <summary>The same, where a topic has other settings, and perhaps more partitions.</summary>
    /// <inheritdoc cref="WithTopic"/>
    /// <exception cref="ArgumentException">There is none of that name, or it has more partitions.</exception>
    internal ClusterStatus WithTopicOptions(string name, TopicOptions options, Func<int, bool> isUp)
    {
        ClusterTopic topic = Topics.GetValueOrDefault(name) ?? throw new ArgumentException($"There is no topic '{name}'.", nameof(name));
        return options.Partitions >= topic.Shards.Count
            ? WithPartitions(topic with { Options = options }, isUp)
            : throw new ArgumentException($"Topic '{name}' has {topic.Shards.Count} partitions, which are never taken away; {options.Partitions} are fewer.", nameof(options));
    }

    /// <summary>The same, without a topic that there is, and without its shards.</summary>
    internal ClusterStatus WithoutTopic(string name) => this with { TopicChanges = TopicChanges + 1, Topics = Topics.Remove(name), Shards = Shards.RemoveRange(Topics[name].Shards) };

    /// <summary>A new cluster: nobody leads, no node was started.</summary>
    internal static ClusterStatus New(Guid cluster, IEnumerable<int> nodes, IEnumerable<(long Shard, IReadOnlyList<int> Ensemble)> shards, int? replicas = null, ProtocolVersions? versions = null)
    {
        var first = shards.ToImmutableSortedDictionary(shard => shard.Shard, shard => NewShard(shard.Ensemble));
        int speaks = (versions ?? ProtocolVersions.Own).Lowest;   // Until each node has said that it speaks more.
        return new ClusterStatus(cluster, speaks, replicas, nodes.ToImmutableSortedDictionary(node => node, _ => new NodeStatus(Keeps: true)), first)
        {
            NextShard = first.Keys.LastOrDefault(-1) + 1,
        };
    }

    internal byte[] ToBytes()
    {
        using var stream = new MemoryStream();
        using (var writer = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true, NewLine = "\n" }))
        {
            writer.WriteStartObject();
            writer.WriteNumber("version", Version);
            writer.WriteString("cluster", Cluster);
            writer.WriteNumber("speaks", Speaks);
            if (Replicas is { } replicas) writer.WriteNumber("replicas", replicas);
            writer.WriteNumber("nextShard", NextShard);
            writer.WriteStartArray("nodes");
            foreach ((int node, NodeStatus status) in Nodes) Write(writer, node, status);

            writer.WriteEndArray();
            writer.WriteStartArray("shards");
            foreach ((long shard, ShardStatus status) in Shards) Write(writer, shard, status);
            writer.WriteEndArray();
            writer.WriteNumber("topicChanges", TopicChanges);
            writer.WriteStartArray("topics");
            foreach (ClusterTopic topic in Topics.Values) topic.Write(writer);
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
            var status = new ClusterStatus(
                root.GetProperty("cluster").GetGuid(),
                root.GetProperty("speaks").GetInt32(),
                root.TryGetProperty("replicas", out JsonElement replicas) ? ReadReplicas(replicas) : null,
                Unique(root.GetProperty("nodes"), node => node.GetProperty("node").GetInt32(), ReadNode),
                Unique(root.GetProperty("shards"), shard => shard.GetProperty("shard").GetInt64(), ReadShard))
            {
                NextShard = root.GetProperty("nextShard").GetInt64(),
                TopicChanges = root.GetProperty("topicChanges").GetInt64(),
                Topics = root.GetProperty("topics").EnumerateArray().Select(ClusterTopic.Read).ToDictionary(topic => topic.Name).ToImmutableSortedDictionary(StringComparer.Ordinal),
            };
            status.RequireShards();
            return status;
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException or ArgumentException)
        {
            throw new FormatMismatchException(Name, "a status document", e.Message);
        }
    }

    private const string Name = "cluster status";

    private static ShardStatus NewShard(IReadOnlyList<int> ensemble) => new(0, ShardStatus.Nobody, ensemble, null, "new") { IsNew = true };

    private Dictionary<int, PlacementNode> PlacementNodes(Func<int, bool> isUp) =>
        Nodes.ToDictionary(node => node.Key, node => new PlacementNode(node.Value.Zone, node.Value.Keeps, isUp(node.Key)));

    /// <summary>Gives a topic as many shards as its settings say.</summary>
    private ClusterStatus WithPartitions(ClusterTopic topic, Func<int, bool> isUp)
    {
        IReadOnlyList<int>[] added = Placement.ForNew(PlacementNodes(isUp), Shards.Values, Replicas, topic.Options.Partitions - topic.Shards.Count);
        topic = topic with { Shards = [.. topic.Shards, .. added.Select((_, at) => NextShard + at)] };
        return this with
        {
            NextShard = NextShard + added.Length,
            TopicChanges = TopicChanges + 1,
            Topics = Topics.SetItem(topic.Name, topic),
            Shards = Shards.AddRange(added.Select((ensemble, at) => KeyValuePair.Create(NextShard + at, NewShard(ensemble)))),
        };
    }

    /// <exception cref="FormatException">A topic has a shard that is not there, or another's; or one is there that was not given out.</exception>
    private void RequireShards()
    {
        if (Shards.Keys.Any(shard => shard < 0 || shard >= NextShard)) throw new FormatException($"Shards are some of 0 to {NextShard - 1}, which were given out.");
        if (Partitions().Keys.Any(shard => !Shards.ContainsKey(shard))) throw new FormatException("A topic has a shard that is not there.");   // Two that have the same one are refused with it.
    }

    private static void Write(Utf8JsonWriter writer, int node, NodeStatus status)
    {
        writer.WriteStartObject();
        writer.WriteNumber("node", node);
        writer.WriteNumber("run", status.Run);
        if (status.Zone is { } zone) writer.WriteString("zone", zone);
        if (status.Keeps) writer.WriteBoolean("keeps", true);
        if (status.Version != 0) writer.WriteNumber("version", status.Version);
        writer.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter writer, long shard, ShardStatus status)
    {
        writer.WriteStartObject();
        writer.WriteNumber("shard", shard);
        writer.WriteNumber("term", status.Term);
        if (status.IsNew) writer.WriteBoolean("new", true);
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

    private static int ReadReplicas(JsonElement replicas)
    {
        int count = replicas.GetInt32();
        return count is >= 1 and <= MostReplicas ? count : throw new FormatException($"1 to {MostReplicas} nodes keep a shard.");
    }

    private static NodeStatus ReadNode(JsonElement node) => new(
        node.GetProperty("run").GetInt64(),
        node.TryGetProperty("zone", out JsonElement zone) ? zone.GetString() : null,
        node.TryGetProperty("keeps", out JsonElement keeps) && keeps.GetBoolean(),
        node.TryGetProperty("version", out JsonElement version) ? version.GetInt32() : 0);

    private static ShardStatus ReadShard(JsonElement shard)
    {
        return new ShardStatus(
            shard.GetProperty("term").GetInt64(),
            shard.TryGetProperty("leader", out JsonElement leader) ? leader.GetInt32() : ShardStatus.Nobody,
            Nodes(shard.GetProperty("ensemble")),
            shard.TryGetProperty("next", out JsonElement next) ? Nodes(next) : null,
            shard.GetProperty("nonce").GetString() ?? "",
            shard.TryGetProperty("observer", out JsonElement observer) ? observer.GetInt32() : ShardStatus.Nobody)
        {
            IsNew = shard.TryGetProperty("new", out JsonElement isNew) && isNew.GetBoolean(),
        };

        static int[] Nodes(JsonElement nodes)
        {
            int[] found = [.. nodes.EnumerateArray().Select(node => node.GetInt32())];
            return found.Length > 0 ? found : throw new FormatException("An ensemble has a node.");
        }
    }
}
